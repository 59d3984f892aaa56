import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  MAX_ALL_WAITING_BYTES,
  MAX_ALL_WAITING_UPLOADS,
  MAX_DRIFT_MS,
  MAX_WAITING_BYTES,
  MAX_WAITING_UPLOADS,
} from '../../engine/feed/limits.ts';
import { applyUpload } from '../../engine/feed/uploads/apply-upload.ts';
import { createMint, type Mint } from '../../engine/write/mint.ts';
import { prepared } from '../../engine/write/prepared.ts';
import {
  type Edit,
  type EntityId,
  encodeOperation,
  idFrom,
  MAX_PRECURSORS,
  MAX_TRANSACTION_OPERATIONS,
  type Operation,
  type OperationId,
  type TransactionId,
} from '../../storage/index.ts';
import { codeOf } from '../storage/fixtures.ts';
import { type Believer, type FeedNode, openFeedNode } from '../support/feed-node.ts';
import { Thing } from '../support/live-selections.ts';
import { createTestClock, createTestRandom, type TestClock } from '../support/ports.ts';

const THING = 'thing';
const [A, B, C] = [idFrom(THING, 'a'), idFrom(THING, 'b'), idFrom(THING, 'c')];
const CREATE: Edit = { kind: 'create', property: '' };

let node: FeedNode;
/** The clock of those who upload. */
let clock: TestClock;
let mint: Mint;
let ana: Believer;
let ben: Believer;

beforeEach(async () => {
  node = await openFeedNode([Thing]);
  clock = createTestClock();
  mint = createMint(clock, createTestRandom(7));
  ana = node.follow('ana');
  ben = node.follow('ben');
});

afterEach(() => {
  node.feed.close();
  node.core.driver.close();
});

const transaction = () => mint.next() as TransactionId;
const rank = (value: bigint): Edit => ({ kind: 'set', property: 'rank', value });
const stored = (entity: EntityId) => node.core.rows.read(THING, entity);
const committed = () => node.queue.drained();

/** An operation of ana's on A, its creation unless it says what it is built on. */
function operation(changes: Partial<Operation> = {}): Operation {
  const precursors = changes.precursors ?? [];
  return {
    id: mint.next() as OperationId,
    transaction: changes.transaction ?? transaction(),
    collection: THING,
    entity: A,
    precursors,
    edits: precursors.length === 0 ? [CREATE, rank(1n)] : [rank(2n)],
    author: 'ana',
    salt: new Uint8Array(8),
    ...changes,
  };
}

async function upload(...operations: readonly Operation[]): Promise<void> {
  ana.upload(operations);
  await committed();
}

/** What a peer is told names no node as `this` one: it is another for whom reads it. */
const NOT_ITS_OWN = expect.not.stringMatching(/this node/i);

describe('an uploaded transaction', () => {
  test('is settled by its step, which tells its author nothing of its own, and others all of it', async () => {
    ben.subscribe(THING, 'rank > 0');
    ben.pull();
    const first = operation();
    ana.upload([first]);
    expect(ana.heard).toEqual([]);
    await committed();
    await upload(operation({ precursors: [first.id] }));
    expect(ana.steps).toEqual([
      { kind: 'step', position: 1, parts: [], edges: [], settled: first.transaction },
      expect.objectContaining({ position: 2, parts: [], edges: [] }),
    ]);
    expect(ben.steps.map(({ parts, settled }) => [parts.map(({ kind }) => kind), settled])).toEqual([
      [['whole'], null],
      [['items'], null],
    ]);
    for (const follower of [ana, ben]) expect(follower.believe().rowsOf(THING).get(A)).toEqual(stored(A));
  });

  test('makes its author hold what it touched', async () => {
    const first = operation();
    await upload(first);
    await node.transactor.transact((tx) => tx.delete(Thing, A));
    expect(ana.steps[1]).toMatchObject({ parts: [{ kind: 'items', entity: A }], settled: null });
    expect(ana.believe().rowsOf(THING).get(A)).toEqual(stored(A));
    expect(node.feed.report().held).toBe(1);
  });

  test('brings its author what was there before, whole, if it did not follow it', async () => {
    await node.transactor.transact((tx) => tx.create(Thing, { name: 'older' }, { id: A }));
    await upload(operation());
    expect(ana.steps[0]).toMatchObject({ parts: [{ kind: 'whole' }] });
    expect(ana.believe().rowsOf(THING).get(A)).toEqual(stored(A));
    expect(stored(A)!.head).toHaveLength(2);
  });

  test('that would leave too many tips is narrowed, and its author is told of that only', async () => {
    const tx = transaction();
    const roots = Array.from({ length: MAX_PRECURSORS }, () => operation({ transaction: tx }));
    await upload(...roots);
    expect(ana.steps[0]!.parts).toEqual([]);
    expect(stored(A)!.head).toHaveLength(MAX_PRECURSORS);
    await upload(operation());
    expect(ana.steps[1]!.parts).toMatchObject([{ kind: 'items', entity: A }]);
    expect(stored(A)!.head).toHaveLength(2);
    const narrowing = node.core.log.ofEntity(THING, A);
    expect(narrowing).toHaveLength(MAX_PRECURSORS + 2);
    expect(ana.believe().rowsOf(THING).get(A)).toEqual(stored(A));
  });

  test.each([
    [2, [2, 2]],
    [1, [2, MAX_PRECURSORS + 1]],
    [0, [MAX_PRECURSORS + 1, MAX_PRECURSORS + 1]],
  ])('is narrowed by %s operations at most, and later ones narrow the rest', async (most, heads) => {
    const tx = transaction();
    const roots = Array.from({ length: MAX_PRECURSORS }, () =>
      [A, B].map((entity) => operation({ transaction: tx, entity })),
    );
    await upload(...roots.flat());
    const last = transaction();
    const fresh = [A, B].map((entity) => prepared(operation({ transaction: last, entity })));
    node.core.driver.transaction(() => applyUpload(node.core, last, fresh, most));
    expect([A, B].map((entity) => stored(entity)!.head.length)).toEqual(heads);
    await node.transactor.transact((writing) => writing.update(Thing, B, { name: 'next' }));
    expect(stored(B)!.head).toHaveLength(1);
  });

  test('that leaves a window of its author stays with it, because it is held', async () => {
    ana.subscribe(THING, 'rank = 1');
    ana.pull();
    const first = operation();
    await upload(first);
    await upload(operation({ precursors: [first.id] }));
    expect(ana.steps.map(({ parts }) => parts)).toEqual([[], []]);
    expect(ana.believe().rowsOf(THING).get(A)).toEqual(stored(A));
  });

  test('is known again: the same is settled again, another under its id is refused', async () => {
    const first = operation();
    await upload(first);
    await node.transactor.transact((tx) => tx.update(Thing, A, { name: 'later' }));
    await upload(first);
    expect(ana.steps.at(-1)).toEqual({ kind: 'step', position: 1, parts: [], edges: [], settled: first.transaction });
    await upload({ ...first, edits: [CREATE, rank(9n)] });
    await upload(operation({ transaction: first.transaction }));
    expect(ana.said('refused').map(({ error }) => error.code)).toEqual(['identity-clash', 'identity-clash']);
    expect(node.source.position()).toBe(2);
  });

  test('is settled again in another session with the row as it is now, which that did not hold', async () => {
    const first = operation();
    await upload(first);
    await node.transactor.transact((tx) => tx.update(Thing, A, { name: 'later' }));
    ana.session.close();
    ana = node.follow('ana');
    await upload(first);
    expect(ana.steps).toMatchObject([{ position: 1, parts: [{ kind: 'whole' }], settled: first.transaction }]);
    expect(ana.believe().rowsOf(THING).get(A)).toEqual(stored(A));
  });

  test('uploaded by two sessions in one group is applied once and settled for both', async () => {
    const first = operation();
    const again = node.follow('ana');
    ana.upload([first]);
    again.upload([first]);
    await committed();
    expect(node.source.position()).toBe(1);
    expect(ana.steps).toMatchObject([{ position: 1, parts: [], settled: first.transaction }]);
    expect(again.steps).toMatchObject([{ position: 1, settled: first.transaction }]);
    expect(again.believe().rowsOf(THING).get(A)).toEqual(stored(A));
  });

  test('is judged after what its session uploaded before, in one group', async () => {
    const first = operation();
    const second = operation({ precursors: [first.id] });
    ana.upload([second]);
    ana.upload([first]);
    ana.upload([second], 2);
    await committed();
    expect(ana.heard.map(({ kind }) => kind).sort()).toEqual(['rebase', 'step', 'step']);
    expect(ana.said('rebase')).toEqual([
      {
        kind: 'rebase',
        transaction: second.transaction,
        attempt: 1,
        reason: 'missing-precursor',
        time: node.clock.now(),
      },
    ]);
  });
});

describe('a transaction from the future', () => {
  test('is taken up to the drift allowed, and to be minted again past it', async () => {
    clock.advance(MAX_DRIFT_MS);
    await upload(operation());
    expect(ana.steps).toHaveLength(1);
    clock.advance(1);
    await upload(operation({ entity: B }));
    expect(ana.said('rebase')).toMatchObject([{ reason: 'clock-drift', attempt: 1, time: node.clock.now() }]);
    expect(stored(B)).toBeNull();
  });

  test('is measured by its operations, for its own id stays when they are made anew; and taken where the log is as far', async () => {
    clock.advance(MAX_DRIFT_MS + 60_000);
    const late = transaction();
    const later = transaction();
    const ahead = operation({ entity: B });
    clock.set(node.clock.now());
    const own = createMint(clock, createTestRandom(9));
    await upload(operation({ id: own.next() as OperationId, transaction: late }));
    expect(ana.said('rebase')).toEqual([]);
    expect(ana.steps).toHaveLength(1);
    // As an older log may be, or one that was merged.
    node.clock.advance(MAX_DRIFT_MS + 60_000);
    await upload(ahead);
    node.clock.set(clock.now());
    await upload(operation({ entity: C, transaction: later, id: own.next() as OperationId }));
    expect(ana.steps).toHaveLength(3);
  });
});

describe('a transaction is refused, and leaves no trace,', () => {
  const cases: readonly (readonly [string, string, () => readonly Operation[]])[] = [
    ['of another author', 'policy-denied', () => [operation({ author: 'ben' })]],
    ['with an operation of another transaction', 'invalid-operation', () => [operation(), operation()]],
    ['in an unknown collection', 'unknown-collection', () => [operation({ collection: 'nowhere' })]],
    [
      'with a value of another type',
      'schema-mismatch',
      () => [operation({ edits: [CREATE, { kind: 'set', property: 'rank', value: 'high' }] })],
    ],
  ];
  test.each(cases)('%s: %s', async (_, code, make) => {
    const sound = operation({ entity: C });
    const bad = make();
    ana.upload([...bad]);
    await upload(sound);
    const { transaction: refused } = bad[0]!;
    const error = { code, problem: NOT_ITS_OWN };
    expect(ana.said('refused')).toMatchObject([{ transaction: refused, attempt: 1, error }]);
    expect(ana.steps).toHaveLength(1);
    expect(node.source.position()).toBe(1);
    expect(stored(A)).toBeNull();
    expect(node.feed.report()).toMatchObject({ held: 1, waitingUploads: 0 });
  });

  test('built on an operation of another entity', async () => {
    const first = operation();
    await upload(first);
    const tx = transaction();
    const made = operation({ transaction: tx, entity: C });
    await upload(made, operation({ transaction: tx, entity: B, precursors: [first.id] }));
    expect(ana.said('refused')).toMatchObject([{ error: { code: 'invalid-operation' } }]);
    expect([stored(B), stored(C)]).toEqual([null, null]);
  });

  test('with bytes that are none, or with nothing', async () => {
    const upload = { kind: 'upload', transaction: transaction(), attempt: 3 } as const;
    ana.session.take({ ...upload, operations: [Uint8Array.of(9, 9)] });
    ana.session.take({ ...upload, operations: [] });
    await committed();
    expect(ana.said('refused').map(({ attempt, error }) => [attempt, error.code])).toEqual([
      [3, 'invalid-operation'],
      [3, 'invalid-operation'],
    ]);
  });

  test('with more operations than a transaction may have', async () => {
    const tx = transaction();
    const operations = Array.from({ length: MAX_TRANSACTION_OPERATIONS + 1 }, (_, at) =>
      operation({ transaction: tx, entity: idFrom(THING, at) }),
    );
    ana.upload(operations);
    await committed();
    expect(ana.said('refused')).toMatchObject([{ error: { code: 'limit-exceeded' } }]);
    ana.upload(operations.slice(1));
    await committed();
    expect(ana.steps).toHaveLength(1);
    expect(node.feed.report().held).toBe(MAX_TRANSACTION_OPERATIONS);
  });
});

describe('a session ends', () => {
  test('with more transactions waiting than it may have', async () => {
    const bytes = encodeOperation(operation());
    const take = (at: number, operations: readonly Uint8Array[]) => () =>
      ana.session.take({ kind: 'upload', transaction: transaction(), attempt: at, operations });
    for (let at = 0; at < MAX_WAITING_UPLOADS; at += 1) take(at, [bytes])();
    expect(node.feed.report().waitingUploads).toBe(MAX_WAITING_UPLOADS);
    expect(codeOf(take(0, [bytes]))).toBe('limit-exceeded');
    const half = new Uint8Array(MAX_WAITING_BYTES / 2);
    ana = ben;
    take(1, [half])();
    take(2, [half])();
    expect(codeOf(take(3, [Uint8Array.of(1)]))).toBe('limit-exceeded');
    await committed();
    expect(node.feed.report().waitingUploads).toBe(0);
  });

  test('past its share, where all sessions together have more waiting than the queue has room for', async () => {
    const one = transaction();
    const take = (by: Believer) => () =>
      by.session.take({ kind: 'upload', transaction: one, attempt: 1, operations: [] });
    const greedy = Array.from({ length: MAX_ALL_WAITING_UPLOADS / MAX_WAITING_UPLOADS }, () => node.follow('eve'));
    for (const each of greedy) for (let at = 0; at < MAX_WAITING_UPLOADS; at += 1) take(each)();
    // One that went leaves what it had waiting.
    greedy[0]!.session.close();
    const sessions = node.feed.report().sessions;
    const share = Math.ceil(MAX_ALL_WAITING_UPLOADS / sessions);
    for (let at = 0; at < share; at += 1) take(ana)();
    expect(codeOf(take(ana))).toBe('limit-exceeded');
    ben.upload([operation({ author: 'ben' })]);
    await committed();
    expect(ben.steps).toHaveLength(1);
    expect(node.feed.report().waitingUploads).toBe(0);
    take(ana)();
    await committed();
  });

  test('past its share of the bytes that all together have waiting', async () => {
    const take = (by: Believer, bytes: number) => () =>
      by.session.take({
        kind: 'upload',
        transaction: transaction(),
        attempt: 1,
        operations: [new Uint8Array(bytes)],
      });
    const greedy = Array.from({ length: MAX_ALL_WAITING_BYTES / MAX_WAITING_BYTES }, () => node.follow('eve'));
    for (const each of greedy) take(each, MAX_WAITING_BYTES)();
    const share = Math.floor(MAX_ALL_WAITING_BYTES / node.feed.report().sessions);
    take(ana, share)();
    expect(codeOf(take(ana, 1))).toBe('limit-exceeded');
    take(ben, 100)();
    await committed();
    expect(ben.said('refused')).toHaveLength(1);
  });

  test('when the storage fails under its upload: nothing is known of it', async () => {
    node.core.driver.close();
    ana.upload([operation()]);
    await committed();
    expect(ana.wantsPull).toBe(true);
    expect(ana.heard).toEqual([]);
    expect(codeOf(() => ana.session.pull())).toBe('closed');
    expect(codeOf(() => ana.session.take({ kind: 'describe', collections: [] }))).toBe('closed');
    expect(node.feed.report().sessions).toBe(1);
    node = await openFeedNode([Thing]);
  });
});
