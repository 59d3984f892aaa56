/** A retry: what was refused is written again, as it was or changed, and leaves the shelf; or neither. */
import { beforeEach, describe, expect, test } from 'vitest';
import {
  bigint,
  blob,
  boolean,
  collection,
  idFrom,
  integer,
  json,
  real,
  ref,
  type Transaction,
  text,
  timestamp,
} from '../../index.ts';
import { createShelfWorld, refuseEach, X, Y, Z } from './shelf-world.ts';
import { createWorld, type Follower, Note, outbox, refusing, uploaded, type World } from './world.ts';

let world: World;
let ana: Follower;

beforeEach(async () => {
  ({ world, ana } = await createShelfWorld());
});

const refuseAll = (...writes: readonly (() => Promise<unknown>)[]) => refuseEach({ world, ana }, writes);
const update = (id: string, values: { title?: string; stars?: number }) => () =>
  ana.node.transact((tx) => tx.update(Note, id, values));

describe('a retry', () => {
  test('writes again what was tried, and takes it from the shelf', async () => {
    await world.authority.transact((tx) => tx.delete(Note, Y));
    await world.quiet();
    const [id] = await refuseAll(() =>
      ana.node.transact((tx) => {
        tx.update(Note, X, { title: 'again' });
        tx.create(Note, { title: 'new' }, { id: Z });
        tx.create(Note, { title: 'back' }, { id: Y });
      }),
    );
    await ana.node.refused.retry(id!);
    await world.quiet();
    expect(await world.authority.query(Note, 'ORDER BY title')).toMatchObject([
      { title: 'again', stars: 1 },
      { title: 'back', stars: 0 },
      { title: 'new', stars: 0 },
    ]);
    expect([await ana.node.refused.query(), uploaded(ana).length]).toEqual([[], 2]);
    expect(ana.node.report().refused).toEqual({ transactions: 0, bytes: 0 });
  });

  test('writes again what deleted and what restored, with what it said beside', async () => {
    const [deleted] = await refuseAll(() =>
      ana.node.transact((tx) => {
        tx.update(Note, X, { stars: 8 });
        tx.delete(Note, X);
      }),
    );
    await ana.node.refused.retry(deleted!);
    await world.quiet();
    expect(await world.authority.get(Note, X)).toBeNull();
    const [restored] = await refuseAll(() =>
      ana.node.transact((tx) => {
        tx.restore(Note, X);
        tx.update(Note, X, { title: 'back' });
      }),
    );
    await ana.node.refused.retry(restored!);
    await world.quiet();
    expect(await world.authority.get(Note, X)).toMatchObject({ title: 'back', stars: 8 });
  });

  test('writes what its callback says instead, in the same transaction', async () => {
    const [id] = await refuseAll(update(X, { title: 'no', stars: 9 }));
    await ana.node.refused.retry(id!, (tx, tried) => {
      for (const { id: note, values } of tried) tx.update(Note, note, { ...values, title: 'yes' });
    });
    await world.quiet();
    expect(await world.authority.get(Note, X)).toMatchObject({ title: 'yes', stars: 9 });
    expect(await ana.node.refused.query()).toEqual([]);
  });

  test('may be asynchronous, and is none where its callback writes nothing', async () => {
    const [first, second] = await refuseAll(update(X, { title: 'no' }), update(Y, { title: 'no' }));
    await ana.node.refused.retry(first!, async (tx) => {
      await new Promise(setImmediate);
      tx.update(Note, X, { title: 'later' });
    });
    expect(await ana.node.refused.retry(second!, () => 'nothing')).toBe('nothing');
    await world.quiet();
    expect(await world.authority.get(Note, X)).toMatchObject({ title: 'later' });
    expect((await ana.node.refused.query()).map((row) => row.id)).toEqual([second]);
    expect(uploaded(ana)).toHaveLength(3);
  });

  test('takes the options of transact, and resolves with what its callback returns', async () => {
    const [id] = await refuseAll(update(X, { title: 'no' }));
    ana.upstream.holdUploads = true;
    let answer: number | null = null;
    const writing = (tx: Transaction) => {
      tx.update(Note, X, { title: 'yes' });
      return 7;
    };
    const retried = ana.node.refused.retry(id!, writing, { until: 'settled' }).then((given) => {
      answer = given;
    });
    await world.quiet();
    expect(answer).toBeNull();
    ana.upstream.holdUploads = false;
    await retried;
    expect([answer, await world.authority.get(Note, X)]).toMatchObject([7, { title: 'yes' }]);
    const [next] = await refuseAll(update(X, { title: 'no' }));
    await ana.node.refused.retry(next!, undefined, { staging: 'hold' });
    expect(ana.node.report().upstream!.outbox.held).toBe(1);
    ana.upstream.judge = refusing(() => true);
    expect(await ana.node.flush()).toEqual({ applied: 0, refused: 1 });
    const [last] = await ana.node.refused.query();
    const refused = ana.node.refused.retry(last!.id, undefined, { until: 'settled' });
    await expect(refused).rejects.toMatchObject({ code: 'policy-denied' });
    const [again, ...others] = await ana.node.refused.query();
    expect([again!.id === last!.id, others]).toEqual([false, []]);
  });

  test('that fails writes nothing and leaves it on the shelf', async () => {
    const [id] = await refuseAll(() =>
      ana.node.transact((tx) => {
        tx.create(Note, { title: 'new' }, { id: Z });
        tx.update(Note, X, { stars: 9 });
      }),
    );
    await world.authority.transact((tx) => tx.delete(Note, X));
    await world.quiet();
    await expect(ana.node.refused.retry(id!)).rejects.toMatchObject({ code: 'not-found', facts: { id: X } });
    const failure = new Error('mine');
    const fails = ana.node.refused.retry(id!, (tx) => {
      tx.create(Note, { title: 'new' }, { id: Z });
      throw failure;
    });
    await expect(fails).rejects.toBe(failure);
    expect((await ana.node.refused.query()).map((row) => row.id)).toEqual([id]);
    expect([await ana.node.query(Note, 'id = ?', [Z]), outbox(ana)]).toEqual([[], 0]);
    expect(ana.node.report().refused.transactions).toBe(1);
  });

  test('of what has left the shelf meanwhile writes nothing', async () => {
    const [id] = await refuseAll(update(X, { title: 'no' }));
    const retry = ana.node.refused.retry(id!, async (tx) => {
      await ana.node.refused.discard(id!);
      tx.update(Note, X, { title: 'late' });
    });
    await expect(retry).rejects.toMatchObject({ code: 'not-found' });
    await expect(ana.node.refused.retry(id!)).rejects.toMatchObject({ code: 'not-found' });
    await expect(ana.node.refused.discard(id!)).rejects.toMatchObject({ code: 'not-found' });
    expect(await ana.node.get(Note, X)).toMatchObject({ title: 'x' });
  });

  test('that is refused lies on the shelf as another transaction', async () => {
    const [id] = await refuseAll(update(X, { title: 'no' }));
    const ids = await refuseAll(() => ana.node.refused.retry(id!));
    expect([ids.length, ids.includes(id!)]).toEqual([1, false]);
  });

  test('keeps values of every type as they were', async () => {
    const Thing = collection('thing', {
      text: text(),
      integer: integer(),
      bigint: bigint(),
      real: real(),
      infinite: real(),
      boolean: boolean(),
      timestamp: timestamp(),
      blob: blob(),
      json: json(),
      ref: ref('thing'),
      none: text().optional(),
    });
    const own = await createWorld([Thing]);
    const eva = await own.follow();
    const id = idFrom('thing', 1);
    const values = {
      text: 'a "quoted" \\ text \u2028',
      integer: -5,
      bigint: 2n ** 62n + 1n,
      real: 0.1,
      infinite: Number.NEGATIVE_INFINITY,
      boolean: false,
      timestamp: new Date(12_345),
      blob: new Uint8Array([0, 255, 16]),
      json: { deep: [1, null, 'x'] },
      ref: id,
      none: null,
    };
    eva.upstream.judge = refusing(() => true);
    await eva.node.transact((tx) => tx.create(Thing, values, { id }));
    await own.quiet();
    eva.upstream.judge = () => null;
    const [refused] = await eva.node.refused.query();
    expect(refused!.tried[0]!.values).toEqual({
      ...values,
      bigint: `${values.bigint}`,
      infinite: '-Infinity',
      timestamp: values.timestamp.toISOString(),
      blob: '00ff10',
    });
    await eva.node.refused.retry(refused!.id, (tx, tried) => {
      expect(tried).toEqual([{ collection: 'thing', id, kind: 'create', values }]);
      tx.create(Thing, values, { id });
    });
    await own.quiet();
    expect(await own.authority.get(Thing, id)).toEqual({ id, ...values });
    const again = await own.follow();
    again.upstream.judge = refusing(() => true);
    const other = idFrom('thing', 2);
    await again.node.transact((tx) => tx.create(Thing, values, { id: other }));
    await own.quiet();
    again.upstream.judge = () => null;
    const [{ id: key } = { id: '' }] = await again.node.refused.query();
    await again.node.refused.retry(key);
    await own.quiet();
    expect(await own.authority.get(Thing, other)).toEqual({ id: other, ...values });
  });
});
