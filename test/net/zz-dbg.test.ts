import { test } from 'vitest';
import { heapBytes, HostileWorld, Prey } from './hostile-world.ts';
import { createRandom } from '../support/random.ts';
import { makeKit } from './hostile-kit.ts';
import { FAMILIES } from './hostile-sessions.ts';
test('x', async () => {
  const world = await HostileWorld.open();
  const frames: Uint8Array[] = [];
  const node = await world.follower('mallory', frames);
  await node.transact((tx) => tx.create(Prey, { name: 'hare', rank: 3 }), { until: 'settled' });
  await world.carryOn(1);
  await node.close();
  const kit = await makeKit(world);
  const random = createRandom(3);
  const light = Object.entries(FAMILIES);
  let last = await heapBytes();
  for (let round = 0; round < 7; round++) {
    const parts: string[] = [];
    for (const [name, { make, weight = 1 }] of light) {
      for (let i = 0; i < 4; i++) await world.attack(Array.from({ length: Math.ceil(25 / weight) }, () => make(kit, random)));
      const now = await heapBytes();
      if (Math.abs(now - last) > 200_000) parts.push(`${name} ${((now - last) / 1048576).toFixed(2)}`);
      last = now;
    }
    console.log('ROUND', round, (last / 1048576).toFixed(1), (process.memoryUsage().arrayBuffers / 1048576).toFixed(1), parts.join(' | '));
  }
  await world.close();
}, 200000);
