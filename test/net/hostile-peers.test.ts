/**
 * Hostile peers against a real durable node: frames of real sessions, changed on their way, and sessions made by hand to do
 * harm. Whatever they do, the node lives, what it holds is legal, its memory comes back, and who means well is served.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createRandom, runs, seedFor } from '../support/random.ts';
import { type Kit, makeKit } from './hostile-kit.ts';
import { changedSession, record, type Script } from './hostile-scripts.ts';
import { FAMILIES } from './hostile-sessions.ts';
import { warmUp } from './hostile-warm-up.ts';
import { type Attacker, HostileWorld, heapBytes } from './hostile-world.ts';

const MUTATED = 100_000;
const HAND_MADE = 10_000;
const HEAP_LIMIT_BYTES = 10 * 1_024 * 1_024;
/** Visits at a time. */
const BATCH = 25;
/** Of that many batches one comes over sockets. */
const SOCKETS_EVERY = 12;

let world: HostileWorld;
let kit: Kit;
let heapAtFirst: number;
let scripts: readonly Script[];

beforeAll(async () => {
  world = await HostileWorld.open();
  await world.carryOn(1);
  scripts = await record(world);
  kit = await makeKit(world);
  await warmUp(world, kit);
  heapAtFirst = await heapBytes();
});

afterAll(() => world.close());

const tally = new Map<string, number>();
function count(attackers: readonly Attacker[]): void {
  for (const { codes } of attackers) for (const code of codes) tally.set(code, (tally.get(code) ?? 0) + 1);
}

test(`${MUTATED} changes of what real sessions sent change nothing that is not legal`, {
  timeout: 1_800_000,
}, async () => {
  const random = createRandom(seedFor('hostile peers, mutated'));
  const round = async (changes: number) => {
    let batch = 0;
    for (let made = 0; made < changes; batch += 1) {
      const visits = Array.from({ length: BATCH }, () => {
        const more = 1 + random.integer(3);
        made += more;
        return changedSession(scripts, random, more);
      });
      count(await world.attack(visits, batch % SOCKETS_EVERY === 0 ? world.dialSocket : world.dial));
      if (batch % 10 === 0) await world.carryOn(batch);
    }
  };
  await round(runs(MUTATED) / 10);
  const before = await heapBytes();
  await round(runs(MUTATED));
  await world.checkAll();
  const grown = (await heapBytes()) - before;
  console.log(`heap ${(grown / 1_024 / 1_024).toFixed(1)} MiB`, Object.fromEntries([...tally].sort()));
  expect(grown).toBeLessThan(HEAP_LIMIT_BYTES);
  // They got as far as they could: turned away, refused, and taken where nothing was wrong.
  for (const code of [
    'refuse policy-denied',
    'bye protocol-violation',
    'refused identity-clash',
    'refused policy-denied',
    'taken identity-clash',
    'taken policy-denied',
  ]) {
    expect([...tally.keys()], code).toContain(code);
  }
});

describe('a session made to do harm', () => {
  test.each(Object.entries(FAMILIES))('%s', async (name, { make, hears, weight = 1 }) => {
    const random = createRandom(seedFor(`hostile peers, ${name}`));
    const frames = Math.ceil(runs(HAND_MADE) / Object.keys(FAMILIES).length);
    for (let sent = 0; sent < frames; ) {
      const visits = Array.from({ length: Math.min(10, Math.ceil(frames / weight)) }, () => make(kit, random));
      sent += weight * visits.length;
      for (const { codes, kinds } of await world.attack(visits)) {
        const heard = [...codes, ...kinds];
        const isAsItShould = heard.some((each) => hears.includes(each));
        expect(isAsItShould, `${heard} and none of ${hears}`).toBe(true);
      }
    }
    await world.attack([make(kit, random), make(kit, random)], world.dialSocket);
    await world.carryOn(frames);
  });

  test('costs no memory, and all of them have left nothing', { timeout: 600_000 }, async () => {
    const random = createRandom(seedFor('hostile peers, all'));
    const families = Object.values(FAMILIES);
    for (let sent = 0; sent < runs(HAND_MADE); sent += BATCH) {
      const chosen = Array.from({ length: BATCH }, () => random.pick(families));
      const light = chosen.filter(({ weight = 1 }) => random.chance(1 / weight));
      await world.attack(light.map(({ make }) => make(kit, random)));
    }
    await world.checkAll();
    // Since before the first of all the tests here.
    const grown = (await heapBytes()) - heapAtFirst;
    console.log(`heap ${(grown / 1_024 / 1_024).toFixed(1)} MiB`);
    expect(grown).toBeLessThan(HEAP_LIMIT_BYTES);
  });
});
