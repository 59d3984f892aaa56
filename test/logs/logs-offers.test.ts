/** What a durable node tells and takes of whoever follows its log. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  LOGGED_OPERATIONS_TOGETHER,
  MAX_ALL_WAITING_UPLOADS,
  MAX_CHUNK_BYTES,
  MAX_DRIFT_MS,
  MAX_WAITING_UPLOADS,
} from '../../engine/feed/limits.ts';
import { createIngester } from '../../engine/ingest/ingest.ts';
import { AbsentTransactions } from '../../engine/logs/absent.ts';
import { MAX_QUARANTINED_TRANSACTIONS } from '../../engine/logs/limits.ts';
import { createMint } from '../../engine/write/mint.ts';
import {
  type Edit,
  type EntityId,
  encodeOperation,
  encodeSkeleton,
  type NodeId,
  type Operation,
  type OperationId,
  type Position,
  type TransactionId,
} from '../../storage/index.ts';
import { codeOf } from '../storage/fixtures.ts';
import { Believer, type FeedNode, openFeedNode } from '../support/feed-node.ts';
import { Thing } from '../support/live-selections.ts';
import { createTestClock, createTestRandom, type TestClock } from '../support/ports.ts';

const CREATE: Edit = { kind: 'create', property: '' };
let node: FeedNode;
let ana: Believer;
let clock: TestClock;
let mint: ReturnType<typeof createMint>;

beforeEach(async () => {
  node = await openFeedNode([Thing]);
  ana = node.follow('ana');
  clock = createTestClock();
  mint = createMint(clock, createTestRandom(5));
});
afterEach(() => {
  node.feed.close();
  node.core.driver.close();
});

function operation(changes: Partial<Operation> = {}): Operation {
  return {
    id: mint.next() as OperationId,
    transaction: mint.next() as TransactionId,
    collection: 'thing',
    entity: mint.next() as EntityId,
    precursors: [],
    edits: [CREATE],
    author: 'ana',
    salt: new Uint8Array(8),
    ...changes,
  };
}

class Relaying extends Believer {
  override readonly relays = true as never;
}

let offers = 0;
function offer(operations: readonly Operation[], floor = 0): void {
  offerPieces(operations.map(encodeOperation), floor);
}

function offerPieces(operations: readonly Uint8Array[], floor = 0): void {
  offers += 1;
  ana.session.take({ kind: 'offer', position: offers as Position, floor: floor as Position, operations });
}

const taken = (operations: readonly Operation[], floor = 0) => answered(() => offer(operations, floor));

async function answered(offering: () => void): Promise<string> {
  const before = ana.said('taken').length;
  offering();
  await node.queue.drained();
  await new Promise((resolve) => setImmediate(resolve));
  const answers = ana.said('taken').slice(before);
  expect(answers).toHaveLength(1);
  expect(answers[0]!.position).toBe(offers);
  return answers[0]!.error?.code ?? 'taken';
}

const told = () => ana.said('logged').map(({ transactions }) => transactions.map(({ position }) => position));

async function create(count: number, text = ''): Promise<void> {
  const make = (tx: { create: (of: typeof Thing, values: never) => unknown }) =>
    tx.create(Thing, { name: text === '' ? null : text } as never);
  for (let at = 0; at < count; at += 1) void node.transactor.transact(make as never);
  await node.queue.drained();
}

describe('an offer', () => {
  test('is taken once it is durable, and again when it comes again', async () => {
    const made = operation();
    expect(await taken([made])).toBe('taken');
    expect(node.core.log.identity(made.id)).toMatchObject({ position: 1 });
    expect(await taken([made])).toBe('taken');
    expect(node.core.log.position()).toBe(1);
  });

  test('of what another wrote is not taken from one that speaks for itself only', async () => {
    expect(await taken([operation({ author: 'ben' })])).toBe('policy-denied');
    expect(node.core.log.position()).toBe(0);
  });

  test('that is 5 minutes ahead is taken, one that is more is not', async () => {
    clock.set(node.clock.now() + MAX_DRIFT_MS);
    expect(await taken([operation()])).toBe('taken');
    clock.advance(1);
    expect(await taken([operation()])).toBe('clock-drift');
  });

  test('is judged by the clock for one that speaks for others, too, and one that is as far ahead as the log is taken', async () => {
    ana = new Relaying(node, 'ana');
    clock.set(node.clock.now() + MAX_DRIFT_MS + 1);
    expect(await taken([operation()])).toBe('clock-drift');
    const { log } = node.core;
    expect([log.position(), log.greatestId()]).toEqual([0, null]);
    const ahead = operation();
    await createIngester(node.core, node.queue).ingest([encodeOperation(ahead)]);
    expect(await taken([operation({ author: 'ben' })])).toBe('taken');
    clock.advance(1);
    expect(await taken([operation({ author: 'ben' })])).toBe('clock-drift');
    clock.set(node.clock.now() - 1_000 * MAX_DRIFT_MS);
    mint = createMint(clock, createTestRandom(6));
    expect(await taken([operation({ author: 'ben' })])).toBe('taken');
  });

  test('of nothing, of two transactions, of bytes that are no operation or of a precursor that is not here is refused', async () => {
    expect(await taken([])).toBe('invalid-operation');
    expect(await taken([operation(), operation()])).toBe('invalid-operation');
    const orphan = operation({ precursors: [mint.next() as OperationId], edits: [], id: mint.next() as OperationId });
    expect(await taken([orphan])).toBe('invalid-operation');
    offerPieces([Uint8Array.of(9)]);
    expect(ana.said('taken').at(-1)?.error?.code).toBe('invalid-operation');
    expect(node.core.log.position()).toBe(0);
  });

  test('from below a floor is taken from one that speaks for others only: it raises the floor of this log', async () => {
    await create(2);
    const { log } = node.core;
    const made = operation();
    const { edits: _, salt: __, ...rest } = operation();
    const skeleton = encodeSkeleton({ ...rest, digest: new Uint8Array(16) });
    expect(await taken([made], Number.MAX_SAFE_INTEGER)).toBe('policy-denied');
    expect(await taken([made], offers + 1)).toBe('policy-denied');
    expect(await answered(() => offerPieces([skeleton]))).toBe('policy-denied');
    expect([log.position(), log.floor()]).toEqual([2, 0]);
    expect(await taken([made], offers)).toBe('taken');
    expect(await taken([made], Number.MAX_SAFE_INTEGER), 'which is here').toBe('taken');
    const more = operation({ transaction: made.transaction });
    expect(await taken([made, more], Number.MAX_SAFE_INTEGER), 'of which not all is here').toBe('policy-denied');
    expect([log.position(), log.floor()]).toEqual([3, 0]);
    ana = new Relaying(node, 'ana');
    expect(await answered(() => offerPieces([skeleton]))).toBe('taken');
    expect(await taken([operation()], offers + 1)).toBe('taken');
    expect([log.position(), log.floor()]).toEqual([5, 5]);
  });

  test('at a position that was offered, or before it, ends the session', async () => {
    const operations = [encodeOperation(operation())];
    const at = (position: number) => () =>
      ana.session.take({ kind: 'offer', position: position as Position, floor: 0 as Position, operations });
    at(5)();
    expect([codeOf(at(5)), codeOf(at(4))]).toEqual(['protocol-violation', 'protocol-violation']);
    at(6)();
    await node.queue.drained();
    await new Promise((resolve) => setImmediate(resolve));
    expect(ana.said('taken').map(({ position }) => position)).toEqual([5, 6]);
  });

  test('past what all sessions may have waiting, and the share of its own, ends the session', async () => {
    const [share, sessions] = [MAX_WAITING_UPLOADS - 1, Math.ceil(MAX_ALL_WAITING_UPLOADS / (MAX_WAITING_UPLOADS - 1))];
    const made = encodeOperation(operation());
    const followers = Array.from({ length: sessions }, () => new Believer(node, 'ana'));
    const offerOf = (follower: Believer, position: number) =>
      follower.session.take({
        kind: 'offer',
        position: position as Position,
        floor: 0 as Position,
        operations: [made],
      });
    let waiting = 0;
    for (const follower of followers) {
      for (let at = 1; at <= share && waiting < MAX_ALL_WAITING_UPLOADS; at += 1, waiting += 1) offerOf(follower, at);
    }
    expect(codeOf(() => offerOf(followers[0]!, share + 1))).toBe('limit-exceeded');
    // Whoever has nothing there has room.
    offerOf(ana, 1);
    await node.queue.drained();
    await new Promise((resolve) => setImmediate(resolve));
    // Now that all of it was taken there is room for as many again.
    for (let at = 2; at <= share; at += 1) offerOf(followers[0]!, share + at);
  });

  test('past 10,000 that wait ends the session', () => {
    for (let at = 0; at < MAX_WAITING_UPLOADS; at += 1) offer([operation()]);
    expect(codeOf(() => offer([operation()]))).toBe('limit-exceeded');
  });

  test('of this session is told by its place alone', async () => {
    ana.session.take({ kind: 'log' });
    ana.pull();
    await create(1);
    expect(await taken([operation()])).toBe('taken');
    ana.pull();
    const [first, second] = ana.said('logged').flatMap(({ transactions }) => transactions);
    expect([first!.operations.length, second!.operations.length]).toEqual([1, 0]);
    expect([first!.position, second!.position]).toEqual([1, 2]);
  });
});

describe('the log', () => {
  test('is told in parts of 1,000 operations, from the cursor on, and then as it grows', async () => {
    await create(LOGGED_OPERATIONS_TOGETHER + 1);
    ana.session.take({ kind: 'log' });
    ana.session.take({ kind: 'log' });
    ana.pull();
    expect(told().map((positions) => positions.length)).toEqual([LOGGED_OPERATIONS_TOGETHER, 1]);
    await create(2);
    expect(told()).toHaveLength(2);
    ana.pull();
    expect(told().at(-1)).toEqual([1_002, 1_003]);
    const cursor = { epoch: node.core.log.epoch(), position: 1_001 as Position };
    const ben = new Believer(node, 'ben', cursor);
    ben.session.take({ kind: 'log' });
    ben.pull();
    expect(ben.said('logged').flatMap(({ transactions }) => transactions.map(({ position }) => position))).toEqual([
      1_002, 1_003,
    ]);
  });

  test('is told from the beginning where the cursor is of another log', async () => {
    await create(1);
    const ben = new Believer(node, 'ben', { epoch: node.core.node as never, position: 1 as Position });
    ben.session.take({ kind: 'log' });
    ben.pull();
    expect(ben.said('logged')).toMatchObject([{ floor: 0, transactions: [{ position: 1 }] }]);
  });

  test('a part ends with the transaction that passes 256 KiB', async () => {
    const read = (bytes: number) => node.core.log.transactionsSince(0 as Position, 1_000, bytes).length;
    await create(3, 'x'.repeat(MAX_CHUNK_BYTES / 2));
    expect([read(1), read(MAX_CHUNK_BYTES), read(MAX_CHUNK_BYTES * 2)]).toEqual([1, 2, 3]);
  });
});

describe('where a follower stands', () => {
  const places = () => node.core.followers.since(0).map(({ position }) => position);

  test('is known while it is connected, and remembered when it goes', async () => {
    ana.session.take({ kind: 'log' });
    await create(2);
    ana.pull();
    await create(1);
    expect(node.feed.places()).toEqual([{ node: ana.greeting.node, position: 2 }]);
    expect(places()).toEqual([]);
    ana.session.close();
    expect([node.feed.places(), places()]).toEqual([[], [2]]);
  });

  test('is its cursor until it has been told what came since', async () => {
    await create(3);
    const cursor = { epoch: node.core.log.epoch(), position: 1 as Position };
    const ben = new Believer(node, 'ben', cursor);
    ben.session.take({
      kind: 'subscribe',
      subscription: 1,
      collection: 'thing',
      text: '',
      parameters: [],
      had: { kind: 'held', through: null, edge: null },
    });
    expect(node.feed.places().at(-1)?.position).toBe(1);
    ben.pull();
    expect(node.feed.places().at(-1)?.position).toBe(3);
  });
});

describe('what could not be taken', () => {
  const peer = '01JD5Q8R1V1A2B3C4D5E6F7G8H' as NodeId;
  const absentAt = (position: number) => {
    const transaction = mint.next() as TransactionId;
    return { transaction, position: position as Position, peer, reason: null, operation: null };
  };

  test('keeps the cursor below the first of it', () => {
    const absent = new AbsentTransactions();
    const [first, second] = [absentAt(3), absentAt(5)];
    expect(absent.below(9 as Position)).toBe(9);
    absent.note(second);
    absent.note(first);
    expect(absent.below(9 as Position)).toBe(2);
    absent.came(first.transaction);
    expect([absent.below(9 as Position), absent.below(4 as Position)]).toEqual([4, 4]);
  });

  test('is noted 1,000 times, and keeps the cursor beyond that until the next session', () => {
    const absent = new AbsentTransactions();
    const all = Array.from({ length: MAX_QUARANTINED_TRANSACTIONS }, (_, at) => absentAt(at + 1));
    for (const one of all) absent.note(one);
    for (const { transaction } of all) absent.came(transaction);
    expect(absent.below(9_999 as Position)).toBe(9_999);
    for (const one of all) absent.note(one);
    absent.note(absentAt(MAX_QUARANTINED_TRANSACTIONS + 1));
    expect(absent.size).toBe(MAX_QUARANTINED_TRANSACTIONS);
    for (const { transaction } of all) absent.came(transaction);
    expect(absent.below(9_999 as Position)).toBe(MAX_QUARANTINED_TRANSACTIONS);
    absent.clear();
    expect(absent.below(9_999 as Position)).toBe(9_999);
  });
});
