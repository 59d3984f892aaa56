/** Staging: what is written here is offered at once, when it is flushed, or not written at all. */
import { beforeEach, describe, expect, test } from 'vitest';
import { idFrom, Node, type Outcomes, type Staging } from '../../index.ts';
import { sqliteFile } from '../../storage/drivers/sqlite-file.ts';
import { fileDrivers, makeFolder } from '../support/every-driver.ts';
import {
  attemptsOf,
  createWorld,
  type Follower,
  Note,
  outbox,
  refusal,
  refusing,
  uploaded,
  type World,
} from './world.ts';

const [X, Y, Z] = [idFrom('note', 'x'), idFrom('note', 'y'), idFrom('note', 'z')];
const HOLD = { staging: 'hold' } as const;
const ONLINE = { staging: 'online-only' } as const;

let world: World;
let ana: Follower;

beforeEach(async () => {
  world = await createWorld();
  await world.authority.transact((tx) => {
    tx.create(Note, { title: 'x', stars: 1 }, { id: X });
    tx.create(Note, { title: 'y', stars: 2 }, { id: Y });
  });
  ana = await world.follow();
  await ana.node.live(Note).ready;
});

const update = (id: string, stars: number, options?: { readonly staging: Staging }) =>
  ana.node.transact((tx) => tx.update(Note, id, { stars }), options);
const held = ({ node }: Follower = ana) => node.report().upstream!.outbox.held;
const starsOf = async (id: string) => (await world.authority.get(Note, id))?.stars;
/** How many transactions have been offered so far. */
const offered = () => uploaded(ana).length;

describe('what is held', () => {
  test('shows at once, is not offered before flush, and then is, in order', async () => {
    const live = ana.node.live(Note, 'ORDER BY title');
    await live.ready;
    await update(X, 5, HOLD);
    await ana.node.transact((tx) => tx.create(Note, { title: 'z' }, { id: Z }), HOLD);
    await update(Z, 6, HOLD);
    await world.quiet();
    expect(live.rows.map(({ stars }) => stars)).toEqual([5, 2, 6]);
    expect([offered(), held(), outbox(ana)]).toEqual([0, 3, 3]);
    expect(await ana.node.flush()).toEqual({ applied: 3, refused: 0 });
    expect([offered(), held(), outbox(ana)]).toEqual([3, 0, 0]);
    expect(uploaded(ana)).toEqual([...uploaded(ana)].sort());
    expect([await starsOf(X), await starsOf(Z)]).toEqual([5, 6]);
  });

  test('is not offered by a new session either', async () => {
    await update(X, 5, HOLD);
    await ana.node.reconnect();
    await world.quiet();
    expect([offered(), held(), await starsOf(X)]).toEqual([0, 1, 1]);
    expect(await ana.node.get(Note, X)).toMatchObject({ stars: 5 });
  });

  test('keeps waiting what shares a row with it, through any number of rows, and nothing else', async () => {
    await update(X, 5, HOLD);
    await update(Y, 6);
    await world.quiet();
    expect([await starsOf(Y), held()]).toEqual([6, 1]);
    const waiting = ana.node.transact(
      (tx) => {
        tx.update(Note, X, { title: 'ex' });
        tx.create(Note, { title: 'z' }, { id: Z });
      },
      { until: 'settled' },
    );
    await update(Z, 7);
    await update(Y, 8);
    await world.quiet();
    expect([await starsOf(Y), await starsOf(Z), held()]).toEqual([8, undefined, 3]);
    expect(await ana.node.flush()).toEqual({ applied: 3, refused: 0 });
    await waiting;
    expect(await world.authority.query(Note, 'ORDER BY title')).toMatchObject([
      { title: 'ex', stars: 5 },
      { title: 'y', stars: 8 },
      { title: 'z', stars: 7 },
    ]);
    await update(X, 9);
    await world.quiet();
    expect([await starsOf(X), held()]).toEqual([9, 0]);
  });

  test('stays held when something under it is refused or must be made anew', async () => {
    ana.upstream.holdUploads = true;
    await update(X, 3);
    await update(X, 4, HOLD);
    let answers = 0;
    ana.upstream.judge = ({ transaction, attempt }) => {
      answers += 1;
      const time = world.clock.now();
      if (answers === 1) return { kind: 'rebase', transaction, attempt, reason: 'missing-precursor', time };
      return { kind: 'refused', transaction, attempt, error: refusal() };
    };
    ana.upstream.holdUploads = false;
    await world.quiet();
    ana.upstream.judge = () => null;
    expect([offered(), held(), outbox(ana), await ana.node.get(Note, X)]).toMatchObject([1, 1, 1, { stars: 4 }]);
    expect(await ana.node.flush()).toEqual({ applied: 1, refused: 0 });
    expect(attemptsOf(ana, uploaded(ana)[1]!)).toEqual([3]);
    expect(await starsOf(X)).toBe(4);
  });

  test('and what is refused of it is counted by flush, with what stood on it, and lies on the shelf', async () => {
    await ana.node.transact((tx) => tx.create(Note, { title: 'z' }, { id: Z }), HOLD);
    await update(Z, 6, HOLD);
    await update(Y, 7, HOLD);
    let first: unknown = null;
    ana.upstream.judge = refusing(({ transaction }) => {
      first ??= transaction;
      return transaction === first;
    });
    expect(await ana.node.flush()).toEqual({ applied: 1, refused: 2 });
    expect([ana.node.report().refused.transactions, ana.errors]).toEqual([2, []]);
  });

  test('and what is refused as flush lets it go counts as refused', async () => {
    ana.upstream.judge = refusing(() => true);
    ana.upstream.holdSaid = true;
    await ana.node.transact((tx) => tx.create(Note, { title: 'no' }, { id: Z }));
    await update(Z, 6, HOLD);
    await world.quiet();
    const flushed = ana.node.flush();
    ana.upstream.plantFrame(...ana.upstream.takeWaiting('refused'));
    expect(await flushed).toEqual({ applied: 0, refused: 1 });
    expect([held(), outbox(ana), offered()]).toEqual([0, 0, 1]);
  });

  test('is offered after a flush offline as soon as there is a session, and what is held later is not', async () => {
    ana.upstream.isReachable = false;
    ana.upstream.cut();
    await update(X, 5, HOLD);
    let outcomes: Outcomes | null = null;
    const flushed = ana.node.flush().then((each) => {
      outcomes = each;
    });
    await update(Y, 6, HOLD);
    await world.quiet();
    expect([outcomes, held()]).toEqual([null, 1]);
    ana.upstream.isReachable = true;
    await ana.node.reconnect();
    await flushed;
    expect([outcomes, held(), await starsOf(X), await starsOf(Y)]).toEqual([{ applied: 1, refused: 0 }, 1, 5, 2]);
  });

  test('may be nothing: then flush resolves at once', async () => {
    expect(await ana.node.flush()).toEqual({ applied: 0, refused: 0 });
  });

  test('does not delay the end of the node, which flush is told of', async () => {
    await update(X, 5, HOLD);
    await ana.node.close();
    const ben = await world.follow();
    ben.upstream.holdUploads = true;
    await ben.node.transact((tx) => tx.create(Note, {}), HOLD);
    const flushed = ben.node.flush().catch((error: unknown) => error);
    await world.quiet();
    ben.upstream.cut();
    await ben.node.close();
    expect(await flushed).toMatchObject({ code: 'closed' });
    await expect(ben.node.flush()).rejects.toMatchObject({ code: 'closed' });
  });

  test('is what a node writes that says so of all, unless a call says otherwise', async () => {
    const ben = await world.follow({ options: HOLD });
    await ben.node.live(Note).ready;
    await ben.node.transact((tx) => tx.update(Note, X, { stars: 5 }));
    await ben.node.sql('UPDATE note SET stars = 6 WHERE id = ?', [X]);
    await ben.node.transact((tx) => tx.update(Note, Y, { stars: 7 }), { staging: 'queue', until: 'settled' });
    expect([held(ben), outbox(ben), await starsOf(X), await starsOf(Y)]).toEqual([2, 2, 1, 7]);
    expect(await ben.node.flush()).toEqual({ applied: 2, refused: 0 });
    expect(await starsOf(X)).toBe(6);
  });
});

describe('what is written online only', () => {
  test('is settled when its promise resolves', async () => {
    await update(X, 5, ONLINE);
    expect([await starsOf(X), outbox(ana)]).toEqual([5, 0]);
    ana.upstream.judge = refusing(() => true);
    await expect(update(X, 6, ONLINE)).rejects.toMatchObject({ code: 'policy-denied' });
  });

  test('is not written without a session, and its callback is not called', async () => {
    ana.upstream.holdWelcome = true;
    ana.upstream.cut();
    let called = 0;
    const write = () =>
      ana.node.transact((tx) => {
        called += 1;
        tx.update(Note, X, { stars: called });
      }, ONLINE);
    await expect(write()).rejects.toMatchObject({ code: 'offline' });
    const reconnected = ana.node.reconnect();
    await expect(write()).rejects.toMatchObject({ code: 'offline' });
    expect([called, outbox(ana), await ana.node.get(Note, X)]).toMatchObject([0, 0, { stars: 1 }]);
    ana.upstream.holdWelcome = false;
    await reconnected;
    await write();
    expect(await starsOf(X)).toBe(1);
  });

  test('is not written while the relay on the way is cut off', async () => {
    const error = refusal();
    ana.upstream.plant({ kind: 'linked', online: false, error });
    await world.quiet();
    await expect(update(X, 5, ONLINE)).rejects.toMatchObject({ code: 'offline', cause: error });
    ana.upstream.plant({ kind: 'linked', online: true, error: null });
    await world.quiet();
    await update(X, 6, ONLINE);
    expect(await starsOf(X)).toBe(6);
  });

  test('is not written when the session is lost while its callback runs', async () => {
    const write = ana.node.transact(async (tx) => {
      await new Promise(setImmediate);
      tx.update(Note, X, { stars: 9 });
      ana.upstream.isReachable = false;
      ana.upstream.cut();
    }, ONLINE);
    await expect(write).rejects.toMatchObject({ code: 'offline' });
    expect([outbox(ana), await ana.node.get(Note, X)]).toMatchObject([0, { stars: 1 }]);
  });

  test('is not written over what is held, which it would have to wait for', async () => {
    await update(X, 5, HOLD);
    await expect(update(X, 6, ONLINE)).rejects.toMatchObject({ code: 'conflict' });
    await update(Y, 6, ONLINE);
    expect([held(), outbox(ana), await ana.node.get(Note, X)]).toMatchObject([1, 1, { stars: 5 }]);
  });

  test('and changes nothing has nothing to wait for', async () => {
    expect(await ana.node.transact(() => 'done', ONLINE)).toBe('done');
  });
});

test('a durable node settles all by itself: every staging is the same, and flush has nothing to do', async () => {
  const node = await Node.open({ collections: [Note], staging: 'hold' });
  for (const staging of ['queue', 'hold', 'online-only'] as const) {
    await node.transact((tx) => tx.create(Note, { title: staging }), { staging, until: 'settled' });
  }
  expect(await node.query(Note)).toHaveLength(3);
  expect(await node.flush()).toEqual({ applied: 0, refused: 0 });
  await node.close();
  await expect(node.flush()).rejects.toMatchObject({ code: 'closed' });
});

test('a staging that is none is refused, and nothing is written', async () => {
  const staging = 'later' as Staging;
  await expect(Node.open({ collections: [Note], staging })).rejects.toMatchObject({ code: 'invalid-option' });
  await expect(update(X, 5, { staging })).rejects.toMatchObject({
    code: 'invalid-option',
    facts: { option: 'staging' },
  });
  expect(outbox(ana)).toBe(0);
});

test.each(fileDrivers)('what is held outlives the process, held, over %s', async (driver) => {
  const folder = makeFolder();
  const storage = () => sqliteFile(`${folder.path}/eva.db`, { driver });
  const eva = await world.follow({ options: { storage: storage() } });
  await eva.node.live(Note).ready;
  await eva.node.transact((tx) => tx.update(Note, X, { stars: 5 }), HOLD);
  await eva.node.transact((tx) => tx.update(Note, X, { title: 'ex' }));
  await eva.node.close();
  const again = await world.follow({ options: { storage: storage() } });
  await world.quiet();
  expect([held(again), await starsOf(X)]).toEqual([2, 1]);
  expect(await again.node.query(Note, '_pending')).toMatchObject([{ id: X, title: 'ex', stars: 5 }]);
  expect(await again.node.flush()).toEqual({ applied: 2, refused: 0 });
  expect([await starsOf(X), await again.node.query(Note, '_pending')]).toEqual([5, []]);
  await again.node.close();
  folder.remove();
});
