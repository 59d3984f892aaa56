/** Verifying: what a node holds is compared with its upstream, or with another, and said to differ where it does. */
import { describe, expect, test } from 'vitest';
import { LINGER_MS, MAX_CHANGED_MEANWHILE, MAX_REPORTED, MIN_COMPARED_ROWS } from '../../engine/upstream/limits.ts';
import { type LiveQuery, Node, type RowOf } from '../../index.ts';
import { type EntityId, idFrom, type SqliteDriver } from '../../storage/index.ts';
import { directUpstream } from '../support/direct-upstream.ts';
import { createRandom, runs, seedFor } from '../support/random.ts';
import { fill, handing, id, names, OTHER_HEAD, turns } from './forged.ts';
import { createWorld, type Follower, Note, pass, type World } from './world.ts';

const seed = seedFor('verify');
const MANY = 3 * MIN_COMPARED_ROWS;
let world: World;
let driver: SqliteDriver;

const opened = () =>
  handing((given) => {
    driver = given;
  });

async function follow(rows: number, ...texts: readonly string[]): Promise<Follower & { readonly lives: Lives }> {
  world = await createWorld();
  await fill(world.authority, rows);
  const ana = await world.follow({ options: { storage: opened() } });
  const lives = texts.map((text) => ana.node.live(Note, text));
  await Promise.all(lives.map(({ ready }) => ready));
  await world.quiet();
  ana.upstream.requests.length = 0;
  ana.upstream.said.length = 0;
  return { ...ana, lives };
}

type Lives = readonly LiveQuery<RowOf<typeof Note>>[];

const sent = ({ upstream }: Follower) => upstream.saidOf('chunk').reduce((sum, { rows }) => sum + rows.length, 0);
async function expectRight({ lives }: { readonly lives: Lives }, ...texts: readonly string[]): Promise<void> {
  for (const [at, text] of texts.entries())
    expect(lives[at]!.rows, text).toEqual(await world.authority.query(Note, text));
}

describe('what is as the upstream has it', () => {
  test('is compared by 2 KiB of hashes, and no row travels', async () => {
    const ana = await follow(MANY, '');
    expect(await ana.node.verify()).toEqual({ rows: MANY, differing: [], more: false, repaired: false, missing: [] });
    expect(sent(ana)).toBe(0);
    const [asked] = ana.upstream.askedOf('subscribe');
    expect(asked!.had).toMatchObject({ kind: 'buckets', hashes: { length: 2_048 } });
    // A row that has left is nothing that the session had at its begin.
    await world.authority.transact((tx) => tx.delete(Note, id(4)));
    await world.quiet();
    expect(await ana.node.verify()).toMatchObject({ rows: MANY - 1, differing: [] });
    expect(sent(ana)).toBe(0);
    await ana.node.transact((tx) => tx.delete(Note, id(3)), { until: 'settled' });
    // With the one that is gone, which is held by its id.
    expect(await ana.node.verify()).toMatchObject({ rows: MANY - 1, differing: [] });
    expect(sent(ana)).toBe(0);
    expect(ana.errors).toEqual([]);
  });

  test('with few rows, windows and ids that were fetched, is compared whole', async () => {
    const ana = await follow(30, 'stars < 5', 'ORDER BY stars DESC LIMIT 3');
    expect(await ana.node.get(Note, id(10))).not.toBeNull();
    expect(await ana.node.get(Note, idFrom('nobody'))).toBeNull();
    const verified = await ana.node.verify();
    expect(verified).toMatchObject({ differing: [], more: false, repaired: false });
    expect(verified.rows).toBe(5 + 11 + 2);
    expect(world.authority.report().followers).toMatchObject({ selections: 2 });
  });

  test('and has something pending over it, or stands only here, does not differ', async () => {
    const ana = await follow(MANY, '', 'stars > 100 ORDER BY stars LIMIT 4', 'stars < 9');
    ana.upstream.holdUploads = true;
    await ana.node.transact((tx) => {
      tx.update(Note, id(3), { stars: 150 });
      tx.update(Note, id(101), { stars: 0 });
      tx.delete(Note, id(5));
      tx.create(Note, { title: 'new', stars: 102 });
    });
    expect(await ana.node.verify()).toMatchObject({ differing: [] });
    ana.upstream.holdUploads = false;
    await world.quiet();
    expect(await ana.node.verify()).toMatchObject({ differing: [] });
    expect(ana.node.report().upstream!.outbox.transactions).toBe(0);
  });

  test('though others write all the while', async () => {
    for (let run = 0; run < runs(6); run += 1) {
      const random = createRandom(seed + run);
      const texts = [
        '',
        'stars < 60',
        'stars > 50',
        'ORDER BY stars DESC LIMIT 5',
        'stars > 70 ORDER BY title LIMIT 3',
      ];
      const ana = await follow(120, ...texts);
      const ben = await world.follow();
      await ben.node.live(Note).ready;
      const any = () => id(random.integer(130));
      const write = ({ node }: { readonly node: Node }) =>
        node.transact((tx) => {
          for (let count = random.integer(4); count >= 0; count -= 1) {
            const one = any();
            if (tx.get(Note, one) === null) tx.create(Note, { title: 'again', stars: 1 }, { id: one });
            else if (random.integer(4) === 0) tx.delete(Note, one);
            else tx.update(Note, one, { stars: random.integer(130) });
          }
        });
      const verified = (async () => [await ana.node.verify(), await ana.node.verify()])();
      for (let count = 0; count < 40; count += 1) {
        await write([ana, ben, { node: world.authority }][random.integer(3)]!);
        for (let turns = random.integer(30); turns > 0; turns -= 1) await new Promise(setImmediate);
      }
      for (const one of await verified) expect(one, `seed ${seed + run}`).toMatchObject({ differing: [] });
      await world.quiet();
      await expectRight(ana, ...texts);
      expect(ana.errors).toEqual([]);
    }
  });
});

describe('a difference is found and repaired:', () => {
  test('a row whose head, one whose value was changed in few rows, and one that matches no more', async () => {
    const ana = await follow(20, '', 'stars < 5');
    driver.run(`UPDATE _note SET _head = ${OTHER_HEAD} WHERE id = '${id(3)}'`);
    driver.run(`UPDATE _note SET title = 'forged' WHERE id = '${id(12)}'`);
    driver.run(`UPDATE _note SET stars = 100 WHERE id = '${id(4)}'`);
    const verified = await ana.node.verify();
    expect(names(verified)).toEqual([id(3), id(12), id(4)].sort());
    expect(verified).toMatchObject({ repaired: true, more: false });
    expect(await ana.node.query(Note, '', [], { from: 'local' })).toEqual(await world.authority.query(Note));
    expect(await ana.node.verify()).toMatchObject({ differing: [] });
  });

  test('a head among many rows: the rows of its bucket travel', async () => {
    const ana = await follow(MANY, '');
    driver.run(`UPDATE _note SET _head = ${OTHER_HEAD}, title = 'forged' WHERE id = '${id(7)}'`);
    expect(await ana.node.verify()).toEqual({
      rows: MANY,
      differing: [{ collection: 'note', id: id(7) }],
      more: false,
      repaired: true,
      missing: [],
    });
    expect(sent(ana)).toBeLessThan(MANY / 10);
    expect(await ana.node.get(Note, id(7))).toMatchObject({ title: 'note 7' });
  });

  test.each([20, MANY])('one that is missing, and one too many, among %s', async (rows) => {
    const ana = await follow(rows, '');
    const live = ana.lives[0]!;
    const heard: number[] = [];
    live.onChange(({ added, removed }) => heard.push(added.length - removed.length));
    driver.run(`INSERT INTO _note SELECT '${idFrom('forged')}', title, body, stars, _head, _versions, _deleted, _asOf,
      _pending, _extra FROM _note WHERE id = '${id(1)}'`);
    driver.run(`DELETE FROM _note WHERE id = '${id(9)}'`);
    const verified = await ana.node.verify();
    expect(names(verified)).toEqual([id(9), idFrom('forged')].sort());
    expect(verified).toMatchObject({ rows: rows + 1, repaired: true });
    expect(await ana.node.query(Note, '', [], { from: 'local' })).toEqual(await world.authority.query(Note));
    expect(await ana.node.verify()).toMatchObject({ rows, differing: [] });
  });

  test('of a window, up to its edge; what lies beyond is not its business', async () => {
    const ana = await follow(60, 'ORDER BY stars DESC LIMIT 3');
    const copy = (from: number, to: EntityId, stars: number) =>
      driver.run(`INSERT INTO _note SELECT '${to}', title, body, ${stars}, _head, _versions, _deleted, _asOf,
        _pending, _extra FROM _note WHERE id = '${id(from)}'`);
    copy(58, idFrom('within') as EntityId, 57);
    copy(58, idFrom('beyond') as EntityId, 1);
    driver.run(`UPDATE _note SET title = 'forged' WHERE id = '${id(59)}'`);
    driver.run(`DELETE FROM _note WHERE id = '${id(55)}'`);
    const verified = await ana.node.verify();
    expect(names(verified)).toEqual([idFrom('within'), id(59), id(55)].sort());
    expect(await ana.node.query(Note, 'ORDER BY stars DESC LIMIT 3', [], { from: 'local' })).toEqual(
      await world.authority.query(Note, 'ORDER BY stars DESC LIMIT 3'),
    );
    expect(await ana.node.verify()).toMatchObject({ differing: [] });
  });

  test('of ids that were fetched: one that was changed, and one that does not exist', async () => {
    const ana = await follow(9);
    for (const at of [1, 2, 3]) await ana.node.get(Note, id(at));
    await ana.node.get(Note, idFrom('nobody'));
    driver.run(`UPDATE _note SET title = 'forged' WHERE id = '${id(2)}'`);
    driver.run(`INSERT INTO _note SELECT '${idFrom('nobody')}', title, body, stars, _head, _versions, _deleted, _asOf,
      _pending, _extra FROM _note WHERE id = '${id(1)}'`);
    const verified = await ana.node.verify();
    expect(names(verified)).toEqual([id(2), idFrom('nobody')].sort());
    expect(verified).toMatchObject({ rows: 4, repaired: true });
    expect(await ana.node.get(Note, id(2))).toMatchObject({ title: 'note 2' });
    expect(await ana.node.get(Note, idFrom('nobody'))).toBeNull();
  });

  test('a value by which a row came into a selection, though another that has it is equal by heads', async () => {
    const ana = await follow(MANY, '', 'stars < 3');
    driver.run(`UPDATE _note SET stars = 2 WHERE id = '${id(90)}'`);
    const verified = await ana.node.verify();
    expect(verified).toMatchObject({ differing: [{ collection: 'note', id: id(90) }], repaired: true });
    expect(await ana.node.query(Note, '', [], { from: 'local' })).toEqual(await world.authority.query(Note));
  });

  test('under what is pending, which stays', async () => {
    const ana = await follow(20, '');
    ana.upstream.holdUploads = true;
    await ana.node.transact((tx) => tx.update(Note, id(3), { body: 'mine' }));
    driver.run(`UPDATE _note SET title = 'forged' WHERE id = '${id(4)}'`);
    expect(names(await ana.node.verify())).toEqual([id(4)]);
    expect(await ana.node.get(Note, id(3))).toMatchObject({ title: 'note 3', body: 'mine' });
  });

  test(`of more than ${MAX_REPORTED} rows, that many are named`, async () => {
    const ana = await follow(MAX_REPORTED + 1, '');
    driver.run(`UPDATE _note SET _head = ${OTHER_HEAD} WHERE id <> '${id(0)}'`);
    const most = await ana.node.verify();
    expect([most.differing.length, most.more, most.repaired]).toEqual([MAX_REPORTED, false, true]);
    driver.run(`UPDATE _note SET _head = ${OTHER_HEAD}`);
    const more = await ana.node.verify();
    expect([more.differing.length, more.more]).toEqual([MAX_REPORTED, true]);
  });
});

describe('a verification', () => {
  test('without a session is refused, and one that is cut in the middle ends with offline', async () => {
    const ana = await follow(MANY, '');
    ana.upstream.holdSaid = true;
    const verifying = ana.node.verify();
    verifying.catch(() => undefined);
    await world.quiet();
    ana.upstream.cut();
    await expect(verifying).rejects.toMatchObject({ code: 'offline' });
    await expect(ana.node.verify()).rejects.toMatchObject({ code: 'offline' });
    ana.upstream.holdSaid = false;
    await ana.node.reconnect();
    expect(await ana.node.verify()).toMatchObject({ rows: MANY, differing: [] });
    await expect((await follow(1)).node.verify()).resolves.toMatchObject({ rows: 0 });
  });

  test('between whose steps its session ends, or gives way to another, ends with it, whenever that is', async () => {
    const ana = await follow(1, '', 'stars < 5');
    await ana.node.get(Note, id(0));
    await ana.node.get(Note, idFrom('nobody'));
    for (let microtasks = 0; microtasks < 12; microtasks += 1) {
      for (const interrupt of [() => ana.node.reconnect(), () => ana.upstream.cut()]) {
        const verifying = ana.node.verify();
        verifying.catch(() => undefined);
        for (let count = microtasks; count > 0; count -= 1) await undefined;
        const interrupted = interrupt();
        await expect(verifying, `${microtasks} microtasks`).rejects.toMatchObject({ code: 'offline' });
        await interrupted;
        await ana.node.reconnect();
        await world.quiet();
      }
    }
    expect(await ana.node.verify()).toMatchObject({ differing: [], repaired: false });
  });

  test('between whose steps the node is closed, ends with that', async () => {
    for (let microtasks = 0; microtasks < 12; microtasks += 1) {
      const ana = await follow(1, '');
      const verifying = Promise.allSettled([ana.node.verify(), ana.node.verify()]);
      for (let count = microtasks; count > 0; count -= 1) await undefined;
      await ana.node.close();
      for (const outcome of await verifying) {
        expect(outcome, `${microtasks} microtasks`).toMatchObject({ status: 'rejected', reason: { code: 'closed' } });
      }
    }
  });

  test('that is asked for before the session is whole waits for that', async () => {
    const ana = await follow(MANY, '');
    ana.upstream.cut();
    await ana.node.reconnect();
    expect(ana.lives[0]!.status).toBe('syncing');
    expect(await ana.node.verify()).toMatchObject({ rows: MANY, differing: [] });
  });

  test('waits for the one before', async () => {
    const ana = await follow(MANY, '');
    driver.run(`UPDATE _note SET _head = ${OTHER_HEAD} WHERE id = '${id(5)}'`);
    const [first, second] = await Promise.all([ana.node.verify(), ana.node.verify()]);
    expect([names(first!), names(second!)]).toEqual([[id(5)], []]);
  });

  test('keeps what is not used any more followed while it lasts, and then it goes', async () => {
    const ana = await follow(MANY, '');
    ana.lives[0]!.close();
    ana.upstream.holdRequests = true;
    const verifying = ana.node.verify();
    await pass(ana, LINGER_MS / 60_000 + 1);
    expect(ana.node.report().upstream!.following.selections).toBe(1);
    ana.upstream.holdRequests = false;
    expect(await verifying).toMatchObject({ rows: MANY, differing: [] });
    expect(ana.upstream.askedOf('unsubscribe')).toHaveLength(1);
    await pass(ana, LINGER_MS / 60_000 + 1);
    expect(ana.node.report().upstream!.following.selections).toBe(0);
    expect(world.authority.report().followers).toMatchObject({ selections: 0 });
  });

  test('does not keep an id that is given up meanwhile', async () => {
    const ana = await follow(9);
    await ana.node.get(Note, id(1));
    ana.upstream.holdRequests = true;
    const verifying = ana.node.verify();
    await pass(ana, 2 * (LINGER_MS / 60_000));
    ana.upstream.holdRequests = false;
    expect(await verifying).toMatchObject({ rows: 1, differing: [] });
    await world.quiet();
    expect(ana.node.report().upstream!.following.ids).toBe(0);
    expect(await ana.node.query(Note, '', [], { from: 'local' })).toEqual([]);
  });

  test.each([
    [MAX_CHANGED_MEANWHILE, 'verified'],
    [MAX_CHANGED_MEANWHILE + 1, 'limit-exceeded'],
  ])('while which %s rows change: %s', async (changed, outcome) => {
    const ana = await follow(1, '');
    ana.upstream.holdRequests = true;
    const verifying = ana.node.verify().then(
      () => 'verified',
      ({ code }) => code,
    );
    await world.quiet();
    const parts = Array.from({ length: changed }, (_, at) => {
      return { kind: 'leave', collection: 'note', entity: idFrom('changed', at) as EntityId } as const;
    });
    const position = ana.node.report().upstream!.cursor!.position;
    ana.upstream.plantFrame({ kind: 'step', position, parts, edges: [], settled: null });
    await world.quiet();
    ana.upstream.holdRequests = false;
    expect(await verifying).toBe(outcome);
    expect(await ana.node.verify()).toMatchObject({ rows: 1, differing: [] });
  });
});

test('through a relay, what the relay holds is compared; what the relay repairs it tells its followers', async () => {
  const ana = await follow(MANY, '');
  const relayed = driver;
  const link = directUpstream(() => ana.node);
  const tab = await Node.open({ collections: [Note], storage: opened(), upstream: link, onError: () => undefined });
  try {
    const live = tab.live(Note, '');
    await live.ready;
    expect(await tab.verify()).toMatchObject({ rows: MANY, differing: [] });
    relayed.run(`UPDATE _note SET _head = ${OTHER_HEAD}, title = 'forged' WHERE id = '${id(7)}'`);
    expect(names(await tab.verify())).toEqual([id(7)]);
    expect((await tab.get(Note, id(7)))!.title).toBe('forged');
    expect(names(await ana.node.verify())).toEqual([id(7)]);
    await world.quiet();
    await turns();
    expect((await tab.get(Note, id(7)))!.title).toBe('note 7');
    expect(await tab.verify()).toMatchObject({ differing: [] });
    expect(live.rows).toEqual(await world.authority.query(Note));
  } finally {
    await tab.close();
  }
});
