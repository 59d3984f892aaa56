/**
 * Whoever comes back is told what it missed: over long random runs of writes, cuts and returns, a follower that says what it
 * had ends with the rows of one that asks for everything anew, byte for byte.
 */
import { expect, test } from 'vitest';
import type { Transaction } from '../../engine/write/transaction.ts';
import { type EntityId, idFrom, type StoredRow } from '../../storage/index.ts';
import { randomThing, SELECTIONS, Thing } from '../support/live-selections.ts';
import { createRandom, type Random, runs, seedFor } from '../support/random.ts';
import { ReturningFollower } from '../support/returning-follower.ts';
import { createThingWorld, THING } from './thing-world.ts';

const seed = seedFor('feed catch-up');
const IDS = Array.from({ length: 60 }, (_, at) => idFrom(THING, at));

const world = createThingWorld(5);

test('a follower that comes back has what one that asks anew has', async () => {
  const random = createRandom(seed);
  const seen = { resumed: 0, lost: 0, held: 0, buckets: 0, left: 0, differing: 0 };
  for (let run = 0; run < runs(40); run += 1) {
    const follower = new ReturningFollower(world.node, THING);
    follower.connect();
    for (let count = 0; count < 5; count += 1) followRandom(follower, random);
    for (let count = 0; count < 5; count += 1) follower.hold(random.pick(IDS));
    follower.pull();
    for (let turn = 0; turn < 60; turn += 1) {
      if (!follower.isConnected) {
        if (random.chance(0.5)) connect(follower, random, seen);
      } else if (random.chance(0.1)) follower.cut(random.chance(0.3) ? random.integer(6) : undefined);
      else randomRequest(follower, random);
      if (random.chance(0.6)) await writeRandom(random);
    }
    if (!follower.isConnected) connect(follower, random, seen);
    follower.pull();
    follower.take();
    expectFresh(follower);
    for (const said of follower.said) {
      if (said.kind !== 'chunk') continue;
      if (said.basis === 'held') seen.held += 1;
      if (said.basis === 'buckets') seen.buckets += 1;
      seen.left += said.left.length;
      seen.differing += said.differing.length;
    }
    follower.cut();
  }
  for (const [what, count] of Object.entries(seen)) expect(count, what).toBeGreaterThan(0);
  expect(world.node.errors).toEqual([]);
  expect(world.node.feed.report()).toMatchObject({ sessions: 0, selections: { distinct: 0 }, held: 0 });
}, 120_000);

function connect(follower: ReturningFollower, random: Random, seen: { resumed: number; lost: number }): void {
  const isLost = random.chance(0.3);
  follower.connect(isLost);
  if (follower.hasResumed) seen.resumed += 1;
  else if (isLost) seen.lost += 1;
}

function randomRequest(follower: ReturningFollower, random: Random): void {
  const chosen = random.next();
  if (chosen < 0.05) followRandom(follower, random);
  else if (chosen < 0.1) follower.hold(random.pick(IDS));
  else if (chosen < 0.9) follower.pull(1);
  else follower.pull();
  if (random.chance(0.5)) follower.take(random.chance(0.2) ? random.integer(4) : undefined);
}

function followRandom(follower: ReturningFollower, random: Random): void {
  const { text, parameters } = random.pick(SELECTIONS);
  if (follower.members.length < 10) follower.follow(text, parameters);
}

async function writeRandom(random: Random): Promise<void> {
  const write = () => world.node.transactor.transact((tx) => randomChanges(tx, random));
  await Promise.all(Array.from({ length: 1 + random.integer(2) }, write));
}

function randomChanges(tx: Transaction, random: Random): void {
  for (let count = random.chance(0.02) ? 20 : 1; count > 0; count -= 1) {
    const id = random.pick(IDS);
    const thing = randomThing(random);
    const chosen = random.next();
    if (tx.get(Thing, id) === null) tx.create(Thing, thing, { id });
    else if (chosen < 0.3) tx.delete(Thing, id);
    else if (chosen < 0.5) tx.update(Thing, id, thing);
    else tx.update(Thing, id, random.pick([{ kind: thing.kind }, { rank: thing.rank }, { name: thing.name }]));
  }
}

function expectFresh(follower: ReturningFollower): void {
  const fresh = world.node.follow();
  for (const { text, parameters } of follower.members) fresh.subscribe(THING, text, parameters);
  if (follower.held.size > 0) fresh.hold(THING, ...follower.held);
  fresh.pull().believe();
  expect(sorted(follower.rows)).toEqual(sorted(fresh.rowsOf(THING)));
  fresh.session.close();
}

function sorted(rows: ReadonlyMap<EntityId, StoredRow>): readonly StoredRow[] {
  return [...rows].sort(([left], [right]) => (left < right ? -1 : 1)).map(([, row]) => row);
}
