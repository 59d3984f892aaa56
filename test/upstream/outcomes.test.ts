/** Outcomes: what becomes of what an ephemeral node has written, at its author and everywhere else. */
import { beforeEach, describe, expect, test } from 'vitest';
import { MAX_DRIFT_MS } from '../../engine/feed/limits.ts';
import type { Said } from '../../engine/stream.ts';
import { MAX_ATTEMPTS } from '../../engine/upstream/limits.ts';
import { idFrom, type LiveQuery, type RowOf } from '../../index.ts';
import type { TransactionId } from '../../storage/index.ts';
import type { UploadRequest } from './gated-upstream.ts';
import {
  attemptsOf,
  codeOf,
  createWorld,
  type Follower,
  Note,
  outbox,
  refusal,
  refusing,
  uploaded,
  type World,
} from './world.ts';

const DAY_MS = 24 * 60 * 60_000;
const [X, Y, Z] = [idFrom('note', 'x'), idFrom('note', 'y'), idFrom('note', 'z')];

let world: World;
let ana: Follower;

beforeEach(async () => {
  world = await createWorld();
  await world.authority.transact((tx) => {
    tx.create(Note, { title: 'x', body: 'old', stars: 1 }, { id: X });
    tx.create(Note, { title: 'y', stars: 1 }, { id: Y });
  });
  ana = await world.follow();
  await ana.node.live(Note).ready;
});

/** All titles that a live query ever showed. */
function titlesSeen(live: LiveQuery<RowOf<typeof Note>>): Set<string | null> {
  const seen = new Set<string | null>();
  live.subscribe((rows) => {
    for (const { title } of rows) seen.add(title);
  });
  return seen;
}

async function same(): Promise<void> {
  expect(await ana.node.query(Note, 'ORDER BY id', [], { from: 'local' })).toEqual(
    await world.authority.query(Note, 'ORDER BY id'),
  );
}

describe('a refused write', () => {
  test('is taken back at its author, who gets the typed error, and nobody else ever saw it', async () => {
    // Two nodes of one randomness and one clock make the same ids.
    const ben = await world.follow({ seed: 7 });
    const eva = await world.follow({ seed: 7 });
    const live = ana.node.live(Note);
    const own = eva.node.live(Note);
    await Promise.all([live.ready, own.ready]);
    const [seenByAna, seenByEva] = [titlesSeen(live), titlesSeen(own)];
    // It writes before it has heard of the other's.
    eva.upstream.holdSaid = true;
    const id = await ben.node.transact((tx) => tx.create(Note, { title: 'ben' }), { until: 'settled' });
    const write = eva.node.transact((tx) => tx.create(Note, { title: 'eva' }), { until: 'settled' });
    await world.quiet();
    eva.upstream.holdSaid = false;
    await expect(write).rejects.toMatchObject({ code: 'identity-clash' });
    await world.quiet();
    expect(await eva.node.get(Note, id)).toMatchObject({ title: 'ben' });
    expect(own.rows).toEqual(live.rows);
    expect(seenByEva).toContain('eva');
    expect(seenByAna).toEqual(new Set(['x', 'y', 'ben']));
    expect((await world.authority.query(Note)).length).toBe(3);
    expect([outbox(eva), eva.errors, ana.errors]).toEqual([0, [], []]);
  });

  test('of which nobody waits for the outcome lies on the shelf, and onError is not told', async () => {
    ana.upstream.judge = refusing(() => true);
    await ana.node.transact((tx) => tx.update(Note, X, { title: 'no' }));
    await world.quiet();
    expect(await ana.node.refused.query()).toMatchObject([{ code: refusal().code, problem: refusal().problem }]);
    expect(ana.errors).toEqual([]);
    expect(await ana.node.get(Note, X)).toMatchObject({ title: 'x' });
    await same();
  });

  test('is one change set that takes it back', async () => {
    const live = ana.node.live(Note, 'stars > 0 ORDER BY title');
    await live.ready;
    ana.upstream.holdRequests = true;
    await ana.node.transact((tx) => {
      tx.update(Note, X, { stars: 0 });
      tx.create(Note, { title: 'new', stars: 2 });
    });
    const changes: unknown[] = [];
    live.onChange(({ removed, added, updated }) => changes.push([removed.length, added.length, updated.length]));
    expect(live.rows.map(({ title }) => title)).toEqual(['new', 'y']);
    ana.upstream.judge = refusing(() => true);
    ana.upstream.holdRequests = false;
    await world.quiet();
    expect(changes).toEqual([[1, 1, 0]]);
    expect(live.rows.map(({ title }) => title)).toEqual(['x', 'y']);
  });

  test('of a row that left meanwhile takes the row with it', async () => {
    const ben = await world.follow();
    const live = ben.node.live(Note, 'stars = 1');
    await live.ready;
    ben.upstream.holdRequests = true;
    await ben.node.transact((tx) => tx.update(Note, X, { title: 'no' }));
    await world.authority.transact((tx) => tx.update(Note, X, { stars: 5 }));
    await world.quiet();
    expect(live.rows.map(({ title }) => title)).toEqual(['no', 'y']);
    ben.upstream.judge = refusing(() => true);
    ben.upstream.holdRequests = false;
    await world.quiet();
    expect(live.rows.map(({ title }) => title)).toEqual(['y']);
    expect(await ben.node.query(Note, '', [], { from: 'local' })).toHaveLength(1);
    expect(await ben.node.get(Note, X)).toMatchObject({ title: 'x', stars: 5 });
    expect(live.status).toBe('complete');
  });

  test('takes with it what was written over its row as the refusal came, and that is not called settled', async () => {
    ana.upstream.judge = refusing(() => true);
    ana.upstream.holdSaid = true;
    const made = ana.node.transact((tx) => tx.create(Note, { title: 'no' }, { id: Z }), { until: 'settled' });
    await world.quiet();
    // One group takes them all: what is written first, then the frame.
    const over = ana.node.transact((tx) => tx.update(Note, Z, { stars: 3 }), { until: 'settled' });
    const beside = ana.node.transact((tx) => tx.update(Note, X, { stars: 3 }));
    ana.upstream.plantFrame(...ana.upstream.takeWaiting('refused'));
    const error = { code: 'policy-denied' };
    await Promise.all([expect(made).rejects.toMatchObject(error), expect(over).rejects.toMatchObject(error)]);
    await beside;
    expect([outbox(ana), (await ana.node.refused.query('builtOn IS NOT NULL')).length]).toEqual([1, 1]);
    expect(await ana.node.query(Note, 'stars = 3', [], { from: 'local' })).toMatchObject([{ id: X }]);
    expect(ana.errors).toEqual([]);
  });

  test('holds no id afterwards', async () => {
    ana.upstream.judge = refusing(() => true);
    await ana.node.transact((tx) => tx.update(Note, X, { title: 'no' }));
    await ana.node.transact((tx) => tx.create(Note, { title: 'no' }));
    await world.quiet();
    expect(ana.node.report().upstream!.following.ids).toBe(0);
  });
});

describe('the refusal of the first of three dependent transactions', () => {
  /** Runs them while nothing leaves; then the first of all is refused. */
  async function refuseFirst(...writes: readonly (() => Promise<unknown>)[]): Promise<readonly TransactionId[]> {
    ana.upstream.holdRequests = true;
    for (const write of writes) await write();
    let first: TransactionId | null = null;
    ana.upstream.judge = refusing(({ transaction }) => {
      first ??= transaction;
      return transaction === first;
    });
    ana.upstream.holdRequests = false;
    await world.quiet();
    expect(outbox(ana)).toBe(0);
    await same();
    return uploaded(ana);
  }
  const update = (id: string, values: { title?: string; stars?: number; body?: string }) => () =>
    ana.node.transact((tx) => tx.update(Note, id, values));

  test('makes anew and applies what edits the same row, and leaves alone what is independent', async () => {
    const [first, second, third] = await refuseFirst(
      update(X, { title: 'no', body: 'no' }),
      update(X, { title: 'yes', stars: 7 }),
      update(Y, { stars: 9 }),
    );
    expect(await world.authority.get(Note, X)).toMatchObject({ title: 'yes', body: 'old', stars: 7 });
    expect(await world.authority.get(Note, Y)).toMatchObject({ stars: 9 });
    expect([first, second, third].map((transaction) => attemptsOf(ana, transaction!))).toEqual([[1], [1, 2], [1]]);
    expect(await ana.node.refused.query()).toMatchObject([{ id: first }]);
  });

  test('refuses too what stands on a refused creation, with all of its transaction; the rest of that is made anew', async () => {
    let outcomes: Promise<readonly PromiseSettledResult<unknown>[]> = Promise.resolve([]);
    const [, , third] = await refuseFirst(async () => {
      const create = ana.node.transact((tx) => tx.create(Note, { title: 'no' }, { id: Z }), { until: 'settled' });
      const build = ana.node.transact(
        (tx) => {
          tx.update(Note, Z, { stars: 3 });
          tx.update(Note, Y, { title: 'no', stars: 3 });
        },
        { until: 'settled' },
      );
      outcomes = Promise.allSettled([create, build]);
      await ana.node.transact((tx) => tx.update(Note, Y, { stars: 4 }));
    });
    const reasons = (await outcomes).map((outcome) => (outcome as PromiseRejectedResult).reason);
    expect(reasons.map(codeOf)).toEqual(['policy-denied', 'policy-denied']);
    expect(reasons[1]).toMatchObject({ facts: { builtOn: uploaded(ana)[0] }, cause: reasons[0] });
    expect(await world.authority.get(Note, Z)).toBeNull();
    expect(await ana.node.get(Note, Z)).toBeNull();
    expect(await world.authority.get(Note, Y)).toMatchObject({ title: 'y', stars: 4 });
    expect(attemptsOf(ana, third!)).toEqual([1, 2]);
    expect(ana.errors).toEqual([]);
  });

  test('keeps what creates the same entity for itself', async () => {
    await refuseFirst(
      () => ana.node.transact((tx) => tx.create(Note, { title: 'no', body: 'no' }, { id: Z })),
      () => ana.node.transact((tx) => tx.create(Note, { title: 'yes' }, { id: Z })),
      update(Z, { stars: 5 }),
    );
    expect(await world.authority.get(Note, Z)).toEqual({ id: Z, title: 'yes', body: null, stars: 5 });
  });

  test('makes anew what deletes and what restores', async () => {
    await refuseFirst(
      update(X, { title: 'no' }),
      () => ana.node.transact((tx) => tx.delete(Note, X)),
      () => ana.node.transact((tx) => tx.restore(Note, X)),
    );
    expect(await world.authority.get(Note, X)).toMatchObject({ title: 'x' });
  });

  test('leaves alone what was made after it and settled before', async () => {
    await refuseFirst(update(X, { title: 'no' }), update(Y, { stars: 2 }));
    expect(attemptsOf(ana, uploaded(ana)[1]!)).toEqual([1]);
  });
});

describe('a clock that is wrong', () => {
  /** Bounds what is uploaded: a rebase must not go round in circles. */
  const uploads = (follower: Follower) => follower.upstream.askedOf('upload').length;

  test('at a client, a day ahead, stops neither its writes nor those of others', async () => {
    const ben = await world.follow({ aheadMs: DAY_MS, unwelcome: true });
    const before = Array.from({ length: 5 }, (_, at) => ({ title: `before ${at}` }));
    const ids: string[] = [];
    for (const values of before) ids.push(await ben.node.transact((tx) => tx.create(Note, values)));
    await ben.node.transact((tx) => {
      for (const id of ids) tx.update(Note, id, { stars: 1 });
    });
    ben.upstream.holdWelcome = false;
    await world.quiet();
    await ben.node.live(Note).ready;
    await ben.node.transact((tx) => tx.update(Note, ids[0]!, { stars: 2 }));
    await ben.node.transact((tx) => tx.update(Note, X, { stars: 3 }), { until: 'settled' });
    await ana.node.transact((tx) => tx.update(Note, X, { stars: 4 }), { until: 'settled' });
    await world.quiet();
    expect([outbox(ben), ben.errors]).toEqual([0, []]);
    expect(await world.authority.query(Note, "title LIKE 'before%' AND stars > 0")).toHaveLength(5);
    expect(await world.authority.get(Note, ids[0]!)).toMatchObject({ stars: 2 });
    expect(await world.authority.get(Note, X)).toMatchObject({ stars: 4 });
    expect(world.authority.report().logAheadMs).toBeLessThanOrEqual(MAX_DRIFT_MS);
    expect(Math.abs(ben.node.now() - world.clock.now())).toBeLessThan(1_000);
    expect(uploads(ben)).toBeLessThan(30);
    await same();
  });

  test('at a client, that goes a day ahead in the middle of a session, stops nothing', async () => {
    ana.clock.advance(DAY_MS);
    await ana.node.transact((tx) => tx.update(Note, X, { stars: 2 }));
    await ana.node.transact((tx) => tx.update(Note, X, { stars: 3 }));
    await ana.node.transact((tx) => tx.update(Note, Y, { stars: 4 }), { until: 'settled' });
    await world.quiet();
    expect([outbox(ana), ana.errors]).toEqual([0, []]);
    expect(uploads(ana)).toBeLessThan(12);
    await same();
  });

  test('at the authority, a day ahead for one commit, stops nobody', async () => {
    const ben = await world.follow();
    await ben.node.live(Note).ready;
    world.clock.advance(DAY_MS);
    await world.authority.transact((tx) => tx.update(Note, X, { stars: 5 }));
    world.clock.advance(-DAY_MS);
    await ana.node.transact((tx) => tx.update(Note, X, { stars: 6 }), { until: 'settled' });
    await ben.node.transact((tx) => tx.update(Note, X, { stars: 7 }), { until: 'settled' });
    await ben.node.transact((tx) => tx.update(Note, Y, { stars: 8 }), { until: 'settled' });
    const late = await world.follow();
    await late.node.transact((tx) => tx.create(Note, { title: 'late' }), { until: 'settled' });
    await world.authority.transact((tx) => tx.update(Note, X, { title: 'last' }));
    await world.quiet();
    expect(await world.authority.get(Note, X)).toMatchObject({ title: 'last', stars: 7 });
    expect(await world.authority.get(Note, Y)).toMatchObject({ stars: 8 });
    expect([ana.errors, ben.errors, late.errors]).toEqual([[], [], []]);
    await same();
  });

  test('at the authority, a day behind for one upload, stops nobody', async () => {
    const ben = await world.follow();
    await ben.node.live(Note).ready;
    world.clock.advance(-DAY_MS);
    await ana.node.transact((tx) => tx.update(Note, X, { stars: 6 }), { until: 'settled' });
    world.clock.advance(DAY_MS);
    await ben.node.transact((tx) => tx.update(Note, X, { stars: 7 }), { until: 'settled' });
    await ana.node.transact((tx) => tx.update(Note, X, { stars: 8 }), { until: 'settled' });
    await world.quiet();
    expect(await world.authority.get(Note, X)).toMatchObject({ stars: 8 });
    expect([uploads(ana), uploads(ben)].every((count) => count < 8)).toBe(true);
    await same();
  });
});

describe('an outcome', () => {
  test('of an earlier attempt, or of a transaction that is not known, is ignored', async () => {
    ana.upstream.holdRequests = true;
    await ana.node.transact((tx) => tx.update(Note, X, { stars: 6 }));
    await ana.node.transact((tx) => tx.update(Note, X, { stars: 7 }));
    ana.upstream.judge = () => null;
    const told: Said[] = [];
    ana.upstream.judge = ({ transaction, attempt }: UploadRequest) => {
      if (attempt > 1) return null;
      if (told.length > 0) return { kind: 'rebase', transaction, attempt, reason: 'missing-precursor', time: 0 };
      told.push({ kind: 'refused', transaction, attempt, error: refusal() });
      return { kind: 'rebase', transaction, attempt, reason: 'missing-precursor', time: world.clock.now() };
    };
    ana.upstream.holdRequests = false;
    ana.upstream.holdSaid = true;
    await world.quiet();
    const [first] = uploaded(ana);
    ana.upstream.holdSaid = false;
    ana.upstream.plant(told[0]!);
    ana.upstream.plant({ kind: 'refused', transaction: first!, attempt: 9, error: refusal() });
    ana.upstream.plant({ kind: 'refused', transaction: X as string as TransactionId, attempt: 1, error: refusal() });
    await world.quiet();
    expect(ana.errors).toEqual([]);
    expect(await world.authority.get(Note, X)).toMatchObject({ stars: 7 });
    expect(uploaded(ana).map((transaction) => attemptsOf(ana, transaction))).toEqual([
      [1, 2],
      [1, 2],
    ]);
    expect(outbox(ana)).toBe(0);
    await same();
  });

  test('that is a rebase as often as MAX_ATTEMPTS is followed by another attempt, once more is a refusal', async () => {
    let rebases = MAX_ATTEMPTS;
    ana.upstream.judge = ({ transaction, attempt }) => {
      if (rebases === 0) return null;
      rebases -= 1;
      return { kind: 'rebase', transaction, attempt, reason: 'missing-precursor', time: world.clock.now() };
    };
    await ana.node.transact((tx) => tx.update(Note, X, { stars: 6 }), { until: 'settled' });
    expect(await world.authority.get(Note, X)).toMatchObject({ stars: 6 });
    rebases = MAX_ATTEMPTS + 1;
    const write = ana.node.transact((tx) => tx.update(Note, X, { stars: 7 }), { until: 'settled' });
    await expect(write).rejects.toMatchObject({ code: 'conflict' });
    expect([rebases, outbox(ana)]).toEqual([0, 0]);
    await same();
  });
});
