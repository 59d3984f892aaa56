/** What a follower that has rows of unknown age is told: the rows of the buckets that differ. Rows are four to a chunk. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Transaction } from '../../engine/write/transaction.ts';
import {
  BUCKETS_BYTES,
  bucketOf,
  createBuckets,
  decodeRow,
  type EntityId,
  idFrom,
  type StoredRow,
} from '../../storage/index.ts';
import { codeOf } from '../storage/fixtures.ts';
import { type Believer, type FeedNode, openFeedNode } from '../support/feed-node.ts';
import { randomThing, Thing } from '../support/live-selections.ts';
import { createRandom } from '../support/random.ts';

const THING = 'thing';
/** Ascending, each in a bucket of its own. */
const IDS = Array.from({ length: 60 }, (_, at) => idFrom(THING, at))
  .filter((id, at, all) => all.findIndex((other) => bucketOf(other) === bucketOf(id)) === at)
  .slice(0, 24)
  .sort();

let node: FeedNode;
let ana: Believer;

beforeEach(async () => {
  node = await openFeedNode([Thing], { chunkRows: 4 });
  ana = node.follow();
});

afterEach(() => {
  node.feed.close();
  node.core.driver.close();
});

function write(callback: (tx: Transaction) => void): Promise<void> {
  return node.transactor.transact((tx) => callback(tx));
}

async function createThings(count: number): Promise<void> {
  const random = createRandom(1);
  await write((tx) => {
    for (let at = 0; at < count; at += 1)
      tx.create(Thing, { ...randomThing(random), kind: 'red', rank: at }, { id: IDS[at]! });
  });
}

const stored = (at: number): StoredRow => node.core.rows.read(THING, IDS[at]!)!;
const placesOf = (ids: readonly EntityId[]) => ids.map((id) => IDS.indexOf(id));

/** Of the rows at these places, as they stand now. */
function hashesOf(places: readonly number[]): Uint8Array {
  const buckets = createBuckets();
  for (const at of places) buckets.add(IDS[at]!, stored(at).head);
  return buckets.hashes();
}

function subscribe(hashes: Uint8Array, text = "kind = 'red'", subscription = 1): void {
  const had = { kind: 'buckets', hashes } as const;
  ana.session.take({ kind: 'subscribe', subscription, collection: THING, text, parameters: [], had });
}

function told() {
  const { descriptor } = node.core.catalog.named(THING)!;
  return ana.said('chunk').map(({ rows, differing, basis, total, last }) => ({
    rows: placesOf(rows.map((bytes) => decodeRow(descriptor, bytes).values[0] as EntityId)),
    differing: [...differing],
    basis,
    total,
    last,
  }));
}

const all = (count: number) => Array.from({ length: count }, (_, at) => at);
const bucketsOf = (...places: readonly number[]) =>
  places.map((at) => bucketOf(IDS[at]!)).sort((left, right) => left - right);

describe('rows of unknown age', () => {
  test('that are all as they are here are told so, in one chunk without rows', async () => {
    await createThings(10);
    subscribe(hashesOf(all(10)));
    ana.pull();
    expect(told()).toEqual([{ rows: [], differing: [], basis: 'buckets', total: null, last: true }]);
    await write((tx) => tx.update(Thing, IDS[7]!, { rank: 3 }));
    expect(ana.steps).toMatchObject([{ parts: [{ kind: 'items', entity: IDS[7] }] }]);
  });

  test('of which some changed, left, or are missing are answered with the rows of those buckets', async () => {
    await createThings(12);
    const hashes = hashesOf(all(11));
    await write((tx) => tx.update(Thing, IDS[1]!, { rank: 90 }));
    await write((tx) => tx.update(Thing, IDS[3]!, { kind: 'green' }));
    subscribe(hashes);
    ana.pull();
    const chunks = told();
    expect(chunks.flatMap(({ rows }) => rows)).toEqual([1, 11]);
    expect(chunks[0]).toMatchObject({ basis: 'buckets', differing: bucketsOf(1, 3, 11), total: 2 });
    expect(chunks.slice(1).map(({ differing }) => differing)).toEqual(chunks.slice(1).map(() => []));
    expect(chunks.map(({ last }) => last)).toEqual(chunks.map((_, at) => at === chunks.length - 1));
  });

  test('that are none are answered with all rows', async () => {
    await createThings(9);
    subscribe(new Uint8Array(BUCKETS_BYTES));
    ana.pull();
    expect(told().flatMap(({ rows }) => rows)).toEqual(all(9));
  });

  test('of a window are answered anew', async () => {
    await createThings(3);
    subscribe(hashesOf(all(3)), 'ORDER BY rank LIMIT 2');
    ana.pull();
    expect(told()).toMatchObject([{ rows: all(3), basis: 'nothing' }]);
  });

  test('are summed up in as many bytes as there are, and in no other number', async () => {
    await createThings(1);
    expect(codeOf(() => subscribe(new Uint8Array(BUCKETS_BYTES - 1)))).toBe('protocol-violation');
    subscribe(new Uint8Array(BUCKETS_BYTES), '', 2);
  });
});

describe('while they are compared, four a turn,', () => {
  test('nothing is said, and no turn reads more than a chunk', async () => {
    await createThings(10);
    subscribe(hashesOf(all(10)));
    for (let turn = 0; turn < 3; turn += 1) {
      ana.pull(1);
      expect(ana.heard).toEqual([]);
    }
    ana.pull(1);
    expect(told()).toMatchObject([{ last: true }]);
  });

  test('a row that has been read and changes comes with its bucket; one that has not been read is read as it is', async () => {
    await createThings(10);
    const hashes = hashesOf(all(10));
    subscribe(hashes);
    ana.pull(1);
    await write((tx) => tx.update(Thing, IDS[1]!, { rank: 91 }));
    await write((tx) => tx.update(Thing, IDS[8]!, { rank: 98 }));
    expect(ana.steps).toEqual([]);
    ana.pull();
    expect(told()[0]!.differing).toEqual(bucketsOf(1, 8));
    expect(told().flatMap(({ rows }) => rows)).toEqual([1, 8]);
  });

  test('a row that is made or deleted after all have been read comes, or goes, with its bucket', async () => {
    await createThings(10);
    subscribe(hashesOf(all(10)));
    ana.pull(3);
    await write((tx) => tx.create(Thing, { kind: 'red' }, { id: IDS[20]! }));
    await write((tx) => tx.delete(Thing, IDS[0]!));
    ana.pull();
    expect(told()[0]!.differing).toEqual(bucketsOf(0, 20));
    expect(told().flatMap(({ rows }) => rows)).toEqual([20]);
  });

  test('a row that was told to have left another selection comes with its bucket, though it is as it was', async () => {
    await createThings(9);
    ana.subscribe(THING, 'ORDER BY rank LIMIT 1');
    ana.pull();
    subscribe(hashesOf(all(9)), "kind = 'red'", 2);
    ana.pull(1);
    await write((tx) => tx.create(Thing, { kind: 'green', rank: -1 }, { id: IDS[20]! }));
    expect(ana.steps.at(-1)!.parts).toMatchObject([{ kind: 'whole' }, { kind: 'leave', entity: IDS[8] }]);
    ana.pull();
    expect(told().at(-1)).toMatchObject({ rows: [8], differing: [], last: true });
    expect(told().find(({ basis }) => basis === 'buckets')!.differing).toEqual(bucketsOf(8));
  });
});

describe('after its first chunk', () => {
  test('rows of equal buckets are told by steps, wherever they stand; those of others when a chunk has come to them', async () => {
    await createThings(12);
    const hashes = hashesOf(all(12));
    for (const at of [0, 10]) await write((tx) => tx.update(Thing, IDS[at]!, { rank: 90 + at }));
    subscribe(hashes);
    while (ana.heard.length === 0) ana.pull(1);
    expect(told()).toMatchObject([{ rows: [0], last: false }]);
    await write((tx) => tx.update(Thing, IDS[11]!, { rank: 50 }));
    await write((tx) => tx.update(Thing, IDS[10]!, { rank: 51 }));
    expect(ana.steps).toMatchObject([{ parts: [{ kind: 'items', entity: IDS[11] }] }]);
    ana.pull();
    expect(told().flatMap(({ rows }) => rows)).toEqual([0, 10]);
  });
});
