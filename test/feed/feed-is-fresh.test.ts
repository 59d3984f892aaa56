/**
 * Whoever believes the feed knows the truth: over a long random run of groups, uploads and requests, each follower's rows are,
 * at every position, those that its selections and ids have in the tables, byte for byte.
 */
import { expect, test } from 'vitest';
import { capacityOf } from '../../engine/live/window.ts';
import type { Transaction } from '../../engine/write/transaction.ts';
import {
  type Edit,
  type EntityId,
  idFrom,
  MAX_PRECURSORS,
  type Operation,
  type OperationId,
  type Position,
  type StoredRow,
  type TransactionId,
} from '../../storage/index.ts';
import type { Believer } from '../support/feed-node.ts';
import { randomThing, SELECTIONS, Thing } from '../support/live-selections.ts';
import { createRandom, type Random, runs, seedFor } from '../support/random.ts';
import { createThingWorld, THING } from './thing-world.ts';

const seed = seedFor('feed is fresh');
const IDS = Array.from({ length: 60 }, (_, at) => idFrom(THING, at));

const world = createThingWorld(5);

test('every follower holds, at every position, exactly what it follows', async () => {
  const random = createRandom(seed);
  const followers = Array.from({ length: 8 }, (_, at) => world.node.follow(`author ${at}`));
  const seen = { narrowed: 0, settled: 0 };
  for (let turn = 0; turn < runs(1_500); turn += 1) {
    for (const follower of followers) {
      randomRequest(follower, random);
      expectTruth(follower, world.node.source.position());
    }
    const before: number = world.node.source.position();
    const members: Promise<unknown>[] = [];
    for (let count = random.chance(0.5) ? 1 + random.integer(4) : 1; count > 0; count -= 1) {
      if (random.chance(0.3)) uploadRandom(random.pick(followers), random);
      else members.push(world.node.transactor.transact((tx) => randomChanges(tx, random)));
    }
    await Promise.all(members);
    await world.node.queue.drained();
    for (let position = before + 1; position <= world.node.source.position(); position += 1) {
      for (const follower of followers) expectTruth(follower, position as Position);
    }
  }
  for (const follower of followers) {
    follower.pull().believe();
    expectTruth(follower, world.node.source.position());
    for (const { parts, edges, settled } of follower.steps) {
      expect(parts.length + edges.length > 0 || settled !== null).toBe(true);
      if (settled === null) continue;
      seen.settled += 1;
      if (parts.some(({ kind }) => kind === 'items')) seen.narrowed += 1;
    }
    expect(follower.said('rebase')).toEqual([]);
    expect(follower.said('refused')).toEqual([]);
    expect(follower.said('denied')).toEqual([]);
    const positions = follower.heard.flatMap((said) => ('position' in said ? [said.position] : []));
    expect(positions).toEqual(positions.toSorted((left, right) => left - right));
  }
  expect(world.node.errors).toEqual([]);
  expect(seen.settled).toBeGreaterThan(0);
  expect(seen.narrowed).toBeGreaterThan(0);
  expect(world.node.feed.report().work.refills).toBeGreaterThan(0);
  for (const { session } of followers) session.close();
  expect(world.node.feed.report()).toMatchObject({
    sessions: 0,
    selections: { distinct: 0, shared: 0 },
    hydrating: 0,
    held: 0,
    waitingUploads: 0,
    index: { columns: 0, equal: 0, intervals: 0, prefixes: 0, nulls: 0, every: 0 },
  });
});

/** Takes in what was said up to the position, and compares with the tables as they stood there. */
function expectTruth(follower: Believer, position: Position): void {
  follower.believe(position);
  world.node.core.readAt(position, [THING], () => {
    const wanted = new Map<EntityId, StoredRow>();
    const add = (id: EntityId) => {
      const row = world.node.core.rows.read(THING, id);
      if (row !== null) wanted.set(id, row);
    };
    for (const id of follower.heldOf(THING)) add(id);
    for (const { text, parameters, isComplete, through, selection } of follower.subscriptions.values()) {
      const { ids, edge } = fresh(text, parameters);
      for (const id of ids) if (isComplete || (through !== null && id <= through)) add(id);
      if (isComplete) expect(follower.edges.get(selection), text).toBe(edge);
    }
    // Rows that are not followed any more may stay until their follower hears of it: the test is their follower.
    if (position === world.node.source.position()) forget(follower, wanted);
    expect(sorted(follower.rowsOf(THING))).toEqual(sorted(wanted));
  });
}

/** What an unsubscribe or a release has left uncovered goes when its answer has come. */
function forget(follower: Believer, wanted: ReadonlyMap<EntityId, StoredRow>): void {
  const last = follower.heard.at(-1)?.kind;
  if (last !== 'unsubscribed' && last !== 'released') return;
  for (const id of follower.rowsOf(THING).keys()) if (!wanted.has(id)) follower.rowsOf(THING).delete(id);
}

/** The rows a selection follows, and the last of them if there is one beyond. */
function fresh(
  text: string,
  parameters: readonly unknown[] | object,
): { ids: readonly EntityId[]; edge: EntityId | null } {
  const entry = world.node.core.catalog.named(THING)!;
  let limit = Number.POSITIVE_INFINITY;
  const widened = text.replace(/LIMIT (\d+)/, (_, shown) => {
    limit = capacityOf(Number(shown));
    return `LIMIT ${limit === 0 ? 0 : limit + 1}`;
  });
  const rows = world.node.reader.rows(world.node.reader.select(entry, widened, parameters as []));
  const ids = rows.map(([id]) => id as EntityId);
  return { ids: ids.slice(0, limit), edge: ids.length > limit ? ids[limit - 1]! : null };
}

function sorted(rows: ReadonlyMap<EntityId, StoredRow>): readonly StoredRow[] {
  return [...rows].sort(([left], [right]) => (left < right ? -1 : 1)).map(([, row]) => row);
}

function randomRequest(follower: Believer, random: Random): void {
  const chosen = random.next();
  if (chosen < 0.15) {
    const { text, parameters } = random.pick(SELECTIONS);
    if (follower.subscriptions.size < 6) follower.subscribe(THING, text, parameters);
  } else if (chosen < 0.25) {
    const open = [...follower.subscriptions.keys()];
    if (open.length > 0) follower.unsubscribe(random.pick(open));
  } else if (chosen < 0.32) {
    follower.hold(THING, random.pick(IDS), random.pick(IDS));
  } else if (chosen < 0.4) {
    const held = [...follower.heldOf(THING)];
    if (held.length > 0) follower.release(THING, ...held.slice(random.integer(held.length)));
  } else if (chosen < 0.7) {
    follower.pull(1 + random.integer(3));
  }
}

function randomChanges(tx: Transaction, random: Random): void {
  for (let count = random.chance(0.05) ? 30 : 1 + random.integer(4); count > 0; count -= 1) {
    const id = random.pick(IDS);
    const chosen = random.next();
    const thing = randomThing(random);
    if (tx.get(Thing, id) === null) {
      if (chosen < 0.8) tx.create(Thing, thing, { id });
    } else if (chosen < 0.3) tx.delete(Thing, id);
    else if (chosen < 0.5) tx.update(Thing, id, thing);
    else {
      const { kind, rank, weight, name, done } = thing;
      tx.update(Thing, id, random.pick([{ kind }, { rank }, { weight, name }, { done }]));
    }
  }
}

/** Of entities it holds or not, built on their heads, on something older, or on nothing. */
function uploadRandom(follower: Believer, random: Random): void {
  const transaction = world.node.core.mint.next() as TransactionId;
  const entities = new Set(Array.from({ length: 1 + random.integer(3) }, () => random.pick(IDS)));
  const operations = [...entities].flatMap((entity) => {
    const made: Operation[] = [];
    const row = world.node.core.rows.read(THING, entity);
    // Many tips at once, so that heads have to be narrowed.
    const tips = random.chance(0.1) ? MAX_PRECURSORS + 3 : 1;
    for (let tip = 0; tip < tips; tip += 1) made.push(randomOperation(follower, transaction, entity, row, random));
    return made;
  });
  follower.upload(operations);
}

function randomOperation(
  { author }: Believer,
  transaction: TransactionId,
  entity: EntityId,
  row: StoredRow | null,
  random: Random,
): Operation {
  const head = row?.head ?? [];
  const isRoot = row === null || random.chance(0.2);
  const precursors = isRoot ? [] : random.chance(0.5) ? head.slice(0, MAX_PRECURSORS) : [row.versions.base];
  const existence = isRoot ? 'create' : random.pick([null, null, 'delete', 'restore'] as const);
  const edits: Edit[] = existence === null ? [] : [{ kind: existence, property: '' }];
  if (random.chance(0.7)) edits.push({ kind: 'set', property: 'kind', value: random.pick(['red', 'green', null]) });
  if (random.chance(0.7)) edits.push({ kind: 'set', property: 'rank', value: BigInt(random.integer(10)) });
  const id = world.node.core.mint.next() as OperationId;
  return { id, transaction, collection: THING, entity, precursors, edits, author, salt: new Uint8Array(8) };
}
