/**
 * Hostile peers against a real durable node: frames of real sessions, changed on their way, and sessions made by hand to do
 * harm. Whatever they do, the node lives, what it holds is legal, its memory comes back, and who means well is served.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { idFrom, type Node } from '../../index.ts';
import { createRandom, type Random, runs, seedFor } from '../support/random.ts';
import { type Kit, makeKit } from './hostile-kit.ts';
import { FAMILIES, GIANT } from './hostile-sessions.ts';
import { type Attacker, HostileWorld, heapBytes, Prey } from './hostile-world.ts';

const MUTATED = 100_000;
const HAND_MADE = 10_000;
const HEAP_LIMIT_BYTES = 10 * 1_024 * 1_024;
/** Visits at a time. */
const BATCH = 25;
/** Visits of each family before anything is measured, of those that weigh no more than that. */
const WARM_VISITS = 15;
const WARM_WEIGHT = 10;
/** Of that many batches one comes over sockets. */
const SOCKETS_EVERY = 12;

let world: HostileWorld;
let kit: Kit;
let heapAtFirst: number;
let scripts: readonly (readonly Uint8Array[])[];

beforeAll(async () => {
  world = await HostileWorld.open();
  await world.carryOn(1);
  scripts = await record(world);
  kit = await makeKit(world);
  await warmUp(world, kit);
  heapAtFirst = await heapBytes();
});

afterAll(() => world.close());

/** So that what is remembered within its limits, texts and statements, is there already. */
async function warmUp(world: HostileWorld, kit: Kit): Promise<void> {
  const random = createRandom(1);
  for (const { make, weight = 1 } of Object.values(FAMILIES)) {
    await world.attack(Array.from({ length: weight > WARM_WEIGHT ? 1 : WARM_VISITS }, () => make(kit, random)));
  }
  const { make } = FAMILIES[GIANT]!;
  for (let batch = 0; batch < 10; batch += 1) await world.attack(Array.from({ length: 12 }, () => make(kit, random)));
}

/** What well-behaved nodes send, session by session: some as mallory, one as ana. */
async function record(world: HostileWorld): Promise<readonly (readonly Uint8Array[])[]> {
  const sessions: Uint8Array[][] = [[], [], [], []];
  for (const [index, frames] of sessions.entries()) {
    const actor = index === 0 ? 'ana' : 'mallory';
    const node = await world.follower(actor, frames);
    const live = node.live(Prey, 'rank > ? ORDER BY rank DESC LIMIT 5', [index]);
    await live.ready;
    await node.sql('SELECT name, count(*) AS n FROM vault WHERE amount > ? GROUP BY name', [2]);
    await node.query(Prey, 'note LIKE ?', ['a%']);
    if (actor === 'mallory') await hunt(node, index);
    else await world.writeAs(node);
    await node.get(Prey, idFrom('prey', index));
    live.close();
    await node.close();
    // Its goodbye: whoever does harm stays.
    frames.pop();
  }
  return sessions;
}

async function hunt(node: Node, rank: number): Promise<void> {
  const until = { until: 'settled' } as const;
  const id = await node.transact((tx) => tx.create(Prey, { name: 'hare', rank }), until);
  await node.transact((tx) => tx.update(Prey, id, { note: 'a note', rank: 7 }), until);
  await node.transact((tx) => tx.delete(Prey, id), until);
  await node.transact((tx) => tx.restore(Prey, id), until);
  await node.transact((tx) => [1, 2, 3].map((each) => tx.create(Prey, { name: 'kid', rank: each })), until);
}

function changedBytes(frame: Uint8Array, other: Uint8Array, random: Random): Uint8Array {
  const bytes = Buffer.from(frame);
  const at = random.integer(bytes.length);
  const chosen = random.next();
  if (chosen < 0.5) {
    for (let flips = 1 + random.integer(3); flips > 0; flips -= 1)
      bytes[random.integer(bytes.length)]! ^= 1 << random.integer(8);
    return new Uint8Array(bytes);
  }
  if (chosen < 0.65) return new Uint8Array(bytes.subarray(0, at));
  // Whole messages after whole messages, or any two pieces.
  if (chosen < 0.75) return new Uint8Array(Buffer.concat([bytes, other.subarray(1)]));
  if (chosen < 0.9)
    return new Uint8Array(Buffer.concat([bytes.subarray(0, at), other.subarray(random.integer(other.length))]));
  return new Uint8Array(Buffer.concat([bytes.subarray(0, at), Buffer.from([random.integer(256)]), bytes.subarray(at)]));
}

/** A recorded session with a few things changed. */
function changedSession(random: Random, changes: number): readonly Uint8Array[] {
  const frames = [...random.pick(scripts)];
  for (let change = 0; change < changes; change += 1) {
    const [at, to] = [random.integer(frames.length), random.integer(frames.length)];
    const chosen = random.next();
    if (chosen < 0.7) frames[at] = changedBytes(frames[at]!, random.pick(random.pick(scripts)), random);
    else if (chosen < 0.8) frames.splice(to, 0, frames[at]!);
    else if (chosen < 0.9) frames.splice(to, 0, ...frames.splice(at, 1));
    else frames.splice(to, 0, random.pick(random.pick(scripts)));
  }
  return frames;
}

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
        return changedSession(random, more);
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
