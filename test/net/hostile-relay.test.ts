/**
 * Hostile peers against a relay: the same sessions, recorded and made by hand, as against a durable node. Whatever they do, the
 * relay lives, keeps its own session upstream, grows no further than its limits, and who means well is served through it.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createRandom, runs, seedFor } from '../support/random.ts';
import { BROKEN, type Kit, makeKit } from './hostile-kit.ts';
import { FAMILIES as OF_LOGS } from './hostile-logs.ts';
import { changedSession, record, type Script } from './hostile-scripts.ts';
import { FAMILIES } from './hostile-sessions.ts';
import { warmUp } from './hostile-warm-up.ts';
import { HostileWorld, heapBytes } from './hostile-world.ts';

/** A fifth of what a durable node has to bear. */
const MUTATED = 20_000;
const HAND_MADE = 2_000;
const HEAP_LIMIT_BYTES = 10 * 1_024 * 1_024;
/** Visits at a time. */
const BATCH = 25;

/** A relay has no log: whoever speaks of one has mistaken it. */
const HEARS: ReadonlyMap<string, readonly string[]> = new Map(Object.keys(OF_LOGS).map((name) => [name, BROKEN]));

let world: HostileWorld;
let kit: Kit;
let scripts: readonly Script[];

beforeAll(async () => {
  world = await HostileWorld.open('relay');
  await world.carryOn(1);
  scripts = await record(world);
  kit = await makeKit(world);
});

afterAll(() => world.close());

test(`${MUTATED} changes of what real sessions sent`, { timeout: 600_000 }, async () => {
  const random = createRandom(seedFor('hostile peers at a relay, mutated'));
  const codes = new Set<string>();
  for (let batch = 0, made = 0; made < runs(MUTATED); batch += 1) {
    const visits = Array.from({ length: BATCH }, () => {
      const more = 1 + random.integer(3);
      made += more;
      return changedSession(scripts, random, more);
    });
    for (const attacker of await world.attack(visits)) for (const code of attacker.codes) codes.add(code);
    if (batch % 10 === 0) await world.carryOn(batch);
  }
  await world.checkAll();
  for (const code of ['refuse policy-denied', 'bye protocol-violation', 'refused policy-denied']) {
    expect([...codes], code).toContain(code);
  }
});

test.each(Object.entries(FAMILIES))('%s', async (name, { make, hears, weight = 1 }) => {
  const random = createRandom(seedFor(`hostile peers at a relay, ${name}`));
  const awaited = HEARS.get(name) ?? hears;
  const frames = Math.ceil(runs(HAND_MADE) / Object.keys(FAMILIES).length);
  for (let sent = 0; sent < frames; ) {
    const visits = Array.from({ length: Math.min(10, Math.ceil(frames / weight)) }, () => make(kit, random));
    sent += weight * visits.length;
    for (const { codes, kinds } of await world.attack(visits)) {
      const heard = [...codes, ...kinds];
      expect(
        heard.some((each) => awaited.includes(each)),
        `${heard} and none of ${awaited}`,
      ).toBe(true);
    }
  }
  await world.attack([make(kit, random)], world.dialSocket);
  await world.carryOn(frames);
});

test('all of them cost no memory, and have left nothing', { timeout: 600_000 }, async () => {
  const random = createRandom(seedFor('hostile peers at a relay, all'));
  const families = Object.values(FAMILIES);
  const round = async () => {
    for (let sent = 0; sent < runs(HAND_MADE); sent += BATCH) {
      const chosen = Array.from({ length: BATCH }, () => random.pick(families));
      const light = chosen.filter(({ weight = 1 }) => random.chance(1 / weight));
      await world.attack(light.map(({ make }) => make(kit, random)));
    }
  };
  await warmUp(world, kit);
  await round();
  // What lingers costs up to 0.4 MiB a selection, of MAX_FOLLOWED_SELECTIONS, at both nodes together: that is no growth.
  await world.lingerOut();
  const before = await heapBytes();
  for (let times = 0; times < 4; times += 1) await round();
  await world.checkAll();
  const grown = (await heapBytes()) - before;
  console.log(`heap ${(grown / 1_024 / 1_024).toFixed(1)} MiB`);
  expect(grown).toBeLessThan(HEAP_LIMIT_BYTES);
});
