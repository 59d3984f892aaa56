/** Coverage: what is answered from the rows held, and what goes upstream; counted by requests. */
import { beforeEach, describe, expect, test } from 'vitest';
import { idFrom, where } from '../../index.ts';
import { createWorld, type Follower, Note, refusing, Tag, type World } from './world.ts';

const IDS = Array.from({ length: 12 }, (_, at) => idFrom('note', at)).sort();
const [A, B] = [IDS[0]!, IDS[1]!];
const NOWHERE = idFrom('note', 'nowhere');

let world: World;
let ana: Follower;

beforeEach(async () => {
  world = await createWorld();
  await world.authority.transact((tx) => {
    for (const [stars, id] of IDS.entries()) tx.create(Note, { title: `${stars}`, stars }, { id });
    tx.create(Tag, { name: '3' });
    tx.create(Tag, { name: '4' });
  });
  ana = await world.follow();
  await world.quiet();
});

const asks = () => ana.upstream.askedOf('ask').length;
const titles = (rows: readonly { readonly title: unknown }[]) => rows.map(({ title }) => title);

/** Runs `read` and tells how many questions it cost. */
async function costOf(read: () => Promise<unknown>): Promise<number> {
  const before = asks();
  await read();
  return asks() - before;
}

describe('a query', () => {
  test('of a selection that is followed is answered here; any other is asked upstream', async () => {
    await ana.node.live(Note, 'stars > ? ORDER BY stars', [8]).ready;
    const local: (() => Promise<unknown>)[] = [
      () => ana.node.query(Note, 'stars > ? ORDER BY stars', [8]),
      () => ana.node.query(Note, 'stars > 8'),
      () => ana.node.query(Note, where`stars > ${8} AND title LIKE ${'1%'}`),
      () => ana.node.query(Note, "title = '9' AND stars > 8 ORDER BY title DESC LIMIT 1"),
      () => ana.node.query(Note, 'stars > 8 LIMIT 2 OFFSET 1'),
      () => ana.node.query(Note, 'stars > 0', [], { from: 'local' }),
    ];
    for (const read of local) expect(await costOf(read), String(read)).toBe(0);
    const upstream: (() => Promise<unknown>)[] = [
      () => ana.node.query(Note, 'stars > 7'),
      () => ana.node.query(Note, 'stars >= 8'),
      () => ana.node.query(Note, "stars > 8 OR title = '1'"),
      () => ana.node.query(Note),
      () => ana.node.query(Tag, ''),
    ];
    for (const read of upstream) expect(await costOf(read), String(read)).toBe(1);
    expect(titles(await ana.node.query(Note, 'stars > 7 ORDER BY stars'))).toEqual(['8', '9', '10', '11']);
  });

  test('of a window that is followed covers itself, and nothing else', async () => {
    await ana.node.live(Note, 'stars > 2 ORDER BY stars LIMIT 2').ready;
    expect(await costOf(() => ana.node.query(Note, 'stars > 2 ORDER BY stars LIMIT 2'))).toBe(0);
    expect(await costOf(() => ana.node.query(Note, 'stars > 2 ORDER BY stars LIMIT 3'))).toBe(1);
    expect(await costOf(() => ana.node.query(Note, 'stars > 2 AND stars < 4'))).toBe(1);
    expect(await costOf(() => ana.node.query(Note, 'stars > 2'))).toBe(1);
  });

  test('that names its ids is answered here when all of them are known', async () => {
    await ana.node.get(Note, A);
    await ana.node.get(Note, NOWHERE);
    expect(await costOf(() => ana.node.query(Note, 'id = ? AND stars < 5', [A]))).toBe(0);
    expect(await costOf(() => ana.node.query(Note, 'id IN (?, ?)', [A, NOWHERE]))).toBe(0);
    expect(await costOf(() => ana.node.query(Note, 'id IN (?, ?)', [A, B]))).toBe(1);
    expect(await costOf(() => ana.node.query(Note, 'id = ? OR id = ?', [A, NOWHERE]))).toBe(1);
    expect(await costOf(() => ana.node.query(Note, "id = 'nobody''s'"))).toBe(0);
  });

  test('goes upstream behind what was written here, and sees it', async () => {
    ana.upstream.holdUploads = true;
    const id = await ana.node.transact((tx) => tx.create(Note, { title: 'mine', stars: 99 }));
    const asked = ana.node.query(Note, 'stars > 50');
    ana.upstream.holdUploads = false;
    expect(await asked).toEqual([{ id, title: 'mine', body: null, stars: 99 }]);
    const order = ana.upstream.requests.map(({ kind }) => kind).filter((kind) => kind === 'upload' || kind === 'ask');
    expect(order).toEqual(['upload', 'ask']);
  });

  test('that is asked before the session has begun waits for it', async () => {
    const ben = await world.follow({ unwelcome: true });
    const rows = ben.node.query(Note, 'stars > 9 ORDER BY stars');
    const row = ben.node.get(Note, A);
    const count = ben.node.sql('SELECT count(*) AS n FROM note');
    await ben.node.transact((tx) => tx.create(Note, { title: 'mine', stars: 12 }));
    const later = ben.node.query(Note, 'stars > 9 ORDER BY stars');
    ben.upstream.holdWelcome = false;
    expect(titles(await later)).toEqual(['10', '11', 'mine']);
    expect((await rows).length).toBeGreaterThan(1);
    expect(await row).toMatchObject({ title: '0' });
    expect((await count)[0]!.n).toBeGreaterThan(11);
  });
});

describe('a statement', () => {
  test('with joins and aggregates is asked upstream, until what it reads is held whole', async () => {
    const text = 'SELECT note.title, count(*) AS n FROM note JOIN tag ON tag.name = note.title GROUP BY note.title';
    const expected = await world.authority.sql(text);
    expect([...(await ana.node.sql(text))]).toEqual([...expected]);
    expect(asks()).toBe(1);
    await ana.node.live(Note).ready;
    expect(await costOf(() => ana.node.sql(text))).toBe(1);
    await ana.node.live(Tag).ready;
    expect(await costOf(() => ana.node.sql(text))).toBe(0);
    expect([...(await ana.node.sql(text))]).toEqual([...expected]);
  });

  test('that writes runs upstream as one statement, and its rows come back', async () => {
    await ana.node.live(Note, 'stars > 8').ready;
    const returned = await ana.node.sql(
      'UPDATE note SET stars = stars + 100 WHERE stars > ? RETURNING title, stars',
      [9],
    );
    expect([...returned].map((row) => row.stars).sort()).toEqual([110, 111]);
    expect(returned.changes).toBe(2);
    // What it did is here before it is said to be done.
    expect(titles(await ana.node.query(Note, 'stars > 8 AND stars > 100 ORDER BY stars'))).toEqual(['10', '11']);
    expect((await ana.node.sql('DELETE FROM note WHERE stars < 3')).changes).toBe(3);
    expect((await ana.node.sql("INSERT INTO note (title) SELECT 'copy' FROM tag RETURNING title")).length).toBe(2);
    expect(asks()).toBe(3);
    expect(await world.authority.query(Note)).toHaveLength(11);
    expect(ana.node.report().upstream!.outbox.transactions).toBe(0);
  });

  test('that inserts values runs here, and can be taken back; with an id that is not known, upstream', async () => {
    await ana.node.sql("INSERT INTO note (title) VALUES ('mine')");
    expect(asks()).toBe(0);
    await ana.node.sql('INSERT INTO note (id, title) VALUES (?, ?)', [NOWHERE, 'by id']);
    expect(asks()).toBe(1);
    await expect(ana.node.sql('INSERT INTO note (id, title) VALUES (?, ?)', [B, 'x'])).rejects.toMatchObject({
      code: 'conflict',
    });
    await world.quiet();
    expect(await world.authority.query(Note, "title = 'mine' OR title = 'by id'")).toHaveLength(2);
  });

  test('goes upstream behind what was written here', async () => {
    await ana.node.transact((tx) => tx.create(Tag, { name: 'mine' }));
    expect((await ana.node.sql("UPDATE tag SET name = 'ours' WHERE name = 'mine'")).changes).toBe(1);
    expect(await world.authority.query(Tag, "name = 'ours'")).toHaveLength(1);
  });

  test('that is wrong is refused with the same error as at the authority', async () => {
    for (const text of ['SELECT nope FROM note', 'UPDATE note SET stars = 1 WHERE', 'SELECT * FROM nowhere']) {
      const code = await world.authority.sql(text).catch((error) => error.code);
      await expect(ana.node.sql(text), text).rejects.toMatchObject({ code });
    }
    await expect(ana.node.query(Note, 'abs(stars - 9223372036854775807 - 1 - stars) > 1')).rejects.toMatchObject({
      code: 'storage-failed',
    });
    expect(ana.node.report().upstream!.state).toBe('connected');
  });
});

describe("with { from: 'local' }", () => {
  test('a statement runs over the rows held, be it a read or a write', async () => {
    await ana.node.live(Note, 'stars > 9').ready;
    const count = await ana.node.sql('SELECT count(*) AS n FROM note', [], { from: 'local' });
    expect(count[0]!.n).toBe(2);
    const changed = await ana.node.sql("UPDATE note SET title = 'local' || title RETURNING title", [], {
      from: 'local',
    });
    expect([...changed].map(({ title }) => title).sort()).toEqual(['local10', 'local11']);
    expect((await ana.node.sql('DELETE FROM note WHERE stars = 10', [], { from: 'local' })).changes).toBe(1);
    await ana.node.sql('INSERT INTO note (id, title) VALUES (?, ?)', [NOWHERE, 'by id'], { from: 'local' });
    await ana.node.sql("INSERT INTO tag (name) SELECT title FROM note WHERE title = 'by id'", [], { from: 'local' });
    const again = ana.node.sql('INSERT INTO note (id) VALUES (?)', [NOWHERE], { from: 'local' });
    await expect(again).rejects.toMatchObject({ code: 'conflict' });
    expect(asks()).toBe(0);
    await world.quiet();
    expect(titles(await world.authority.query(Note, "title LIKE 'local%' OR title = 'by id' ORDER BY stars"))).toEqual([
      'by id',
      'local11',
    ]);
    expect(await world.authority.query(Note)).toHaveLength(12);
    expect(await world.authority.query(Tag, "name = 'by id'")).toHaveLength(1);
  });

  test('a write that the authority refuses is taken back', async () => {
    await ana.node.live(Note).ready;
    ana.upstream.judge = refusing(() => true);
    await ana.node.sql("UPDATE note SET title = 'no'", [], { from: 'local' });
    await world.quiet();
    expect(await ana.node.query(Note)).toEqual(await world.authority.query(Note));
    expect(ana.node.report().refused.transactions).toBe(1);
  });

  test('a transaction reads and writes what is held', async () => {
    await ana.node.live(Note, 'stars > 9').ready;
    await ana.node.transact((tx) => {
      expect(tx.query(Note, '', [], { from: 'local' })).toHaveLength(2);
      expect(tx.sql('UPDATE note SET stars = stars + 1', [], { from: 'local' }).changes).toBe(2);
      expect(tx.sql('SELECT max(stars) AS most FROM note', [], { from: 'local' })[0]!.most).toBe(12);
    });
  });

  test('get answers null for what is not held', async () => {
    expect(await ana.node.get(Note, A, { from: 'local' })).toBeNull();
    expect(ana.upstream.askedOf('hold')).toEqual([]);
  });
});

describe('inside a transaction', () => {
  test('what is not held is not-covered, never null and never not-found', async () => {
    const attempts: Parameters<typeof ana.node.transact>[0][] = [
      (tx) => tx.get(Note, A),
      (tx) => tx.update(Note, A, { stars: 1 }),
      (tx) => tx.delete(Note, A),
      (tx) => tx.restore(Note, A),
      (tx) => tx.query(Note),
      (tx) => tx.query(Note, 'id = ?', [A]),
      (tx) => tx.sql('SELECT * FROM note'),
      (tx) => tx.sql('UPDATE note SET stars = 1'),
      (tx) => tx.sql('DELETE FROM note'),
      (tx) => tx.sql('INSERT INTO note (id) VALUES (?)', [A]),
      async (tx) => {
        await null;
        tx.get(Note, A);
      },
    ];
    for (const attempt of attempts) {
      await expect(ana.node.transact(attempt), String(attempt)).rejects.toMatchObject({ code: 'not-covered' });
    }
    expect(ana.upstream.askedOf('upload')).toEqual([]);
  });

  test('what is held is answered: a selection, an id, its own writes, and that there is none', async () => {
    await ana.node.live(Note, 'stars > 9').ready;
    await ana.node.get(Note, A);
    await ana.node.get(Note, NOWHERE);
    await ana.node.transact((tx) => {
      expect(tx.query(Note, 'stars > 9 AND stars < 11')).toHaveLength(1);
      expect(tx.get(Note, A)).toMatchObject({ title: '0' });
      expect(tx.get(Note, NOWHERE)).toBeNull();
      expect(tx.query(Note, 'id = ?', [A])).toHaveLength(1);
      const id = tx.create(Note, { title: 'mine' });
      expect(tx.get(Note, id)).toMatchObject({ title: 'mine' });
      expect(() => tx.update(Note, NOWHERE, { stars: 1 })).toThrowError(
        expect.objectContaining({ code: 'not-found' }) as Error,
      );
    });
  });
});

describe('a live statement', () => {
  test('follows the whole collections that it reads, is right, and lets go of them', async () => {
    const text = 'SELECT note.title, tag.name FROM note LEFT JOIN tag ON tag.name = note.title ORDER BY note.stars';
    const live = ana.node.live(text);
    await live.ready;
    const same = async () => expect(live.rows).toEqual([...(await world.authority.sql(text))]);
    await same();
    expect(ana.node.report().upstream!.following.selections).toBe(2);
    let changes = 0;
    live.onChange(() => {
      changes += 1;
    });
    await world.authority.transact((tx) => {
      tx.create(Tag, { name: '5' });
      tx.delete(Note, A);
      tx.update(Note, B, { title: '4' });
    });
    await world.quiet();
    await same();
    expect(changes).toBe(1);
    await ana.node.transact((tx) => tx.create(Tag, { name: '6' }));
    expect(live.rows.find(({ title }) => title === '6')).toMatchObject({ name: '6' });
    expect([asks(), live.status]).toEqual([0, 'complete']);
    ana.upstream.cut();
    await world.quiet();
    expect(live).toMatchObject({ status: 'offline', error: { code: 'offline' } });
    await world.authority.transact((tx) => tx.create(Tag, { name: '7' }));
    await ana.node.reconnect();
    await world.quiet();
    await same();
    expect(live.status).toBe('complete');
    live.close();
  });

  test('shares what a live query of the same collection follows', async () => {
    await ana.node.live(Note).ready;
    const live = ana.node.live('SELECT count(*) AS n FROM note');
    await live.ready;
    expect(live.rows).toEqual([{ n: 12 }]);
    expect(ana.upstream.askedOf('subscribe')).toHaveLength(1);
  });
});
