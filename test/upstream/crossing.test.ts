/**
 * Crossing: what is given up, or denied, while another selection of the same collection has come in part. The authority
 * tells of a row what all that follows it needs together. Rows are four to a chunk; eight of the coming selection are here.
 */
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { MIN_SLACK_ROWS } from '../../engine/live/window.ts';
import { LINGER_MS, MAX_FOLLOWED_SELECTIONS } from '../../engine/upstream/limits.ts';
import { collection, idFrom, integer, type LiveQuery } from '../../index.ts';
import { sqliteFile } from '../../storage/drivers/sqlite-file.ts';
import { makeFolder } from '../support/every-driver.ts';
import { createWorld, type Follower, Note, pass, Tag, type World } from './world.ts';

const IDS = Array.from({ length: 12 }, (_, at) => idFrom('note', at)).sort();
const [A, LAST] = [IDS[0]!, IDS[11]!];
const CHUNK_ROWS = 4;
const LINGER_MINUTES = LINGER_MS / 60_000;
/** SQLite fails at a row whose body is a brace. */
const FAILING = "abs(CASE WHEN body = '{' THEN -9223372036854775807 - 1 ELSE 1 END) > 0 AND title <> 'out'";

const folder = makeFolder();
afterAll(folder.remove);
let world: World;
let ana: Follower;

beforeEach(async () => {
  world = await createWorld();
  await world.authority.transact((tx) => {
    for (const [stars, id] of IDS.entries()) tx.create(Note, { title: 'in', stars }, { id });
  });
  ana = await world.follow({ chunkRows: CHUNK_ROWS });
  await world.quiet();
});

const change = (id: string, values: { title?: string; stars?: number; body?: string }) =>
  world.authority.transact((tx) => tx.update(Note, id, values)).then(world.quiet);
const given = () => ana.upstream.askedOf('unsubscribe').length + ana.upstream.askedOf('release').length;
const titleOf = async (id: string) =>
  (await ana.node.query(Note, 'id = ?', [id], { from: 'local' })).map(({ title }) => title);

/** What is followed of the row A alone, by nobody any more. */
async function lingering(text = 'stars < 1'): Promise<void> {
  const live = ana.node.live(Note, text);
  await live.ready;
  live.close();
}

/** A selection of which two chunks have come. */
async function coming(text = "title = 'in'"): Promise<LiveQuery<{ readonly id: string }>> {
  const before = ana.upstream.saidOf('chunk').length;
  const live = ana.node.live(Note, text);
  while (ana.upstream.saidOf('chunk').length < before + 2) await new Promise(setImmediate);
  ana.upstream.holdPull = true;
  await world.quiet();
  expect(live.status).toBe('syncing');
  return live;
}

async function arrive(live: LiveQuery<{ readonly id: string }>): Promise<void> {
  ana.upstream.holdPull = false;
  await live.ready;
  await world.quiet();
  expect(live.status).toBe('complete');
}

describe('while a selection is coming', () => {
  test('another that lingered out keeps a row that the coming one was told by items only', async () => {
    await change(A, { title: 'out' });
    await lingering();
    await pass(ana, LINGER_MINUTES - 1);
    const live = await coming();
    await change(A, { title: 'in' });
    await pass(ana, 2);
    await arrive(live);
    expect(live.rows).toHaveLength(IDS.length);
    await pass(ana, LINGER_MINUTES);
    expect(given()).toBe(1);
    expect(live.rows).toHaveLength(IDS.length);
    await change(A, { title: 'out' });
    expect(live.rows).toHaveLength(IDS.length - 1);
  });

  test('so does an id that was not used for long', async () => {
    await change(A, { title: 'out' });
    await ana.node.get(Note, A);
    await pass(ana, LINGER_MINUTES - 1);
    const live = await coming();
    await change(A, { title: 'in' });
    await pass(ana, 3);
    await arrive(live);
    expect(live.rows).toHaveLength(IDS.length);
    await pass(ana, 1);
    expect(ana.upstream.askedOf('release')).toMatchObject([{ ids: [A] }]);
    expect(live.rows).toHaveLength(IDS.length);
  });

  test.each([
    ['a selection', () => lingering()],
    ['an id', () => ana.node.get(Note, A)],
  ])('a row that it lost does not come with it as it was, where %s that kept it was given up', async (_, hold) => {
    await hold();
    await pass(ana, LINGER_MINUTES - 1);
    const live = await coming();
    await change(A, { title: 'out' });
    await pass(ana, 3);
    await change(A, { title: 'gone', stars: 20 });
    await arrive(live);
    await pass(ana, LINGER_MINUTES);
    expect(live.rows).toHaveLength(IDS.length - 1);
    expect(await titleOf(A)).toEqual([]);
    expect(given()).toBe(1);
    const out = ana.node.live(Note, "title = 'out'");
    await out.ready;
    expect(out.rows).toEqual([]);
  });

  test('a window covers no row that went beyond its edge, as it was when it was given up elsewhere', async () => {
    await lingering('stars % 100 = 0');
    await pass(ana, LINGER_MINUTES - 1);
    // It follows all rows but one.
    const live = await coming(`ORDER BY stars LIMIT ${IDS.length - 1 - MIN_SLACK_ROWS}`);
    await change(A, { stars: 100 });
    await pass(ana, 3);
    await change(A, { stars: 200 });
    await change(LAST, { stars: 150 });
    await arrive(live);
    await pass(ana, LINGER_MINUTES);
    expect([given(), await titleOf(A), await titleOf(LAST)]).toEqual([1, [], ['in']]);
  });

  test('what is of another collection is given up', async () => {
    const tags = ana.node.live(Tag);
    await tags.ready;
    tags.close();
    await pass(ana, LINGER_MINUTES - 1);
    await coming();
    await pass(ana, 2);
    expect(given()).toBe(1);
  });

  test('it is given up itself, where no other is coming', async () => {
    const live = await coming();
    live.close();
    await pass(ana, LINGER_MINUTES + 1);
    expect(given()).toBe(1);
  });

  test('what is to give way to another waits, and the other with it, so that never too many are followed', async () => {
    const lives = Array.from({ length: MAX_FOLLOWED_SELECTIONS - 1 }, (_, at) =>
      ana.node.live(Note, 'stars = ?', [at]),
    );
    await Promise.all(lives.map(({ ready }) => ready));
    await change(A, { title: 'out' });
    const live = await coming();
    lives[0]!.close();
    await change(A, { title: 'in' });
    const others = [ana.node.live(Note, 'stars = -1')];
    expect(() => ana.node.live(Note, 'stars = -2')).toThrow('follows');
    // Asked for again, it needs a place of its own.
    lives[1]!.close();
    others.push(ana.node.live(Note, 'stars = ?', [0]));
    await world.quiet();
    expect([given(), ...others.map(({ status }) => status)]).toEqual([0, 'syncing', 'syncing']);
    await arrive(live);
    await Promise.all(others.map(({ ready }) => ready));
    expect([live.rows.length, ...others.map(({ rows }) => rows.length)]).toEqual([IDS.length, 0, 1]);
    expect([given(), ana.upstream.saidOf('denied').length]).toEqual([2, 0]);
    expect(world.authority.report().followers).toMatchObject({ selections: MAX_FOLLOWED_SELECTIONS });
  }, 20_000);

  test.each([
    ['was closed again', (other: LiveQuery<never>) => Promise.resolve(other.close())],
    [
      'was cut off',
      () =>
        Promise.resolve(ana.upstream.cut())
          .then(world.quiet)
          .then(() => ana.node.reconnect()),
    ],
  ])(
    'what waits for a place and %s is asked for as often as it is used',
    async (what, happen) => {
      const lives = Array.from({ length: MAX_FOLLOWED_SELECTIONS - 1 }, (_, at) =>
        ana.node.live(Note, 'stars = ?', [at]),
      );
      await Promise.all(lives.map(({ ready }) => ready));
      const live = await coming();
      lives[20]!.close();
      const other = ana.node.live(Note, 'stars = ?', [-1]);
      await happen(other as never);
      await pass(ana, LINGER_MINUTES + 1);
      await arrive(live);
      await world.quiet();
      expect(other.status === 'complete').toBe(what === 'was cut off');
      const asked = ana.upstream.askedOf('subscribe').filter(({ parameters }) => parameters?.toString() === '-1');
      expect(asked).toHaveLength(what === 'was cut off' ? 1 : 0);
      expect([ana.errors, ana.upstream.saidOf('denied')]).toEqual([[], []]);
    },
    20_000,
  );
});

test('what waits for a place is denied where its collection turns out to be refused meanwhile', async () => {
  const other = collection('note', { title: integer().default(0), stars: integer().default(0) });
  const ben = await world.follow({ unwelcome: true, collections: [other] });
  ben.upstream.holdSaid = true;
  ben.upstream.holdWelcome = false;
  await world.quiet();
  const lives = Array.from({ length: MAX_FOLLOWED_SELECTIONS }, (_, at) => ben.node.live(other, 'stars = ?', [at]));
  lives[0]!.close();
  const waiting = ben.node.live(other, 'stars = ?', [-1]);
  await world.quiet();
  ben.upstream.holdSaid = false;
  await expect(waiting.ready).rejects.toMatchObject({ code: 'schema-mismatch' });
  expect(waiting.status).toBe('denied');
  expect(ben.upstream.askedOf('subscribe')).toHaveLength(MAX_FOLLOWED_SELECTIONS);
}, 20_000);

test('an id that was answered in the frame in which a selection is given up keeps its row', async () => {
  await change(A, { stars: 50 });
  await lingering();
  await pass(ana, LINGER_MINUTES - 1);
  ana.upstream.holdSaid = true;
  await change(A, { stars: 0 });
  const row = ana.node.get(Note, A);
  await pass(ana, 2);
  const [step] = ana.upstream.takeWaiting('step');
  const [held] = ana.upstream.takeWaiting('held');
  const [unsubscribed] = ana.upstream.takeWaiting('unsubscribed');
  ana.upstream.plantFrame(step!, held!, unsubscribed!);
  expect(await row).toMatchObject({ id: A, stars: 0 });
  ana.upstream.holdSaid = false;
  await change(A, { stars: 1 });
  expect(await ana.node.get(Note, A)).toMatchObject({ stars: 1 });
  expect(ana.errors).toEqual([]);
});

describe('a selection that is denied', () => {
  const local = async () => {
    const rows = await ana.node.query(Note, '', [], { from: 'local' });
    return rows.map(({ id, title }) => [id, title]).sort();
  };
  const titled = (title: string, ids: readonly string[]) => ids.map((id) => [id, title]);
  const comeBack = async () => {
    await ana.node.reconnect();
    await world.quiet();
  };

  /** It was complete; what changed of it comes in several chunks, and it fails at the last row. */
  async function denied(isClosed = false): Promise<readonly LiveQuery<{ readonly id: string }>[]> {
    const lives = [ana.node.live(Note, FAILING), ana.node.live(Note, 'stars < 2 OR stars = 11')] as const;
    await Promise.all(lives.map(({ ready }) => ready));
    if (isClosed) lives[0].close();
    ana.upstream.cut();
    await world.quiet();
    await world.authority.transact((tx) => {
      for (const id of IDS) tx.update(Note, id, { title: 'new', body: id === LAST ? '{' : 'sound' });
    });
    await comeBack();
    return lives;
  }

  test('when it has come in part ends its session, and leaves no row behind in the next, which passes it over', async () => {
    const [failing, live] = await denied();
    const told = ana.upstream.saidOf('denied').length;
    const chunks = ana.upstream.saidOf('chunk').filter(({ basis, last }) => basis === 'held' && !last);
    expect([told, chunks.length > 0]).toEqual([1, true]);
    expect(ana.errors).toMatchObject([{ code: 'storage-failed' }]);
    expect(failing).toMatchObject({ status: 'denied', error: { code: 'storage-failed' } });
    await comeBack();
    expect([failing!.status, live!.status, ana.upstream.saidOf('denied').length]).toEqual(['denied', 'complete', 1]);
    expect(await local()).toEqual(titled('new', [IDS[0]!, IDS[1]!, LAST]));
    await change(IDS[3]!, { title: 'newer' });
    await change(A, { title: 'newer' });
    expect(await local()).toEqual([...titled('newer', [A]), ...titled('new', [IDS[1]!, LAST])]);
  });

  test('is passed over as often as the link is lost, and asked for when it is opened anew', async () => {
    const [failing, live] = await denied();
    await comeBack();
    for (let turn = 0; turn < 2; turn += 1) {
      ana.upstream.cut();
      await world.quiet();
      await comeBack();
      expect([failing!.status, live!.status]).toEqual(['denied', 'complete']);
    }
    await change(LAST, { body: 'sound' });
    const again = ana.node.live(Note, FAILING);
    await again.ready;
    expect(again.rows).toHaveLength(IDS.length);
    expect(ana.upstream.saidOf('denied')).toHaveLength(1);
  });

  test('when nobody used it any more takes nothing of what is followed with it as it lingers out', async () => {
    const [failing] = await denied(true);
    expect(failing!.status).toBe('denied');
    await comeBack();
    // It has the number in this session that the denied one had in the one before.
    const other = ana.node.live(Note, 'stars = 5');
    await other.ready;
    await pass(ana, LINGER_MINUTES + 1);
    expect([other.status, other.rows.length, given()]).toEqual(['complete', 1, 0]);
    await change(IDS[5]!, { stars: 6 });
    expect(other.rows).toEqual([]);
  });

  test('covers nothing from then on, here nor in the file', async () => {
    const path = join(folder.path, 'denied.db');
    ana = await world.follow({ chunkRows: CHUNK_ROWS, options: { storage: sqliteFile(path) } });
    await world.quiet();
    await denied();
    await comeBack();
    await expect(ana.node.query(Note, FAILING)).rejects.toMatchObject({ code: 'storage-failed' });
    await ana.node.close();
    await change(LAST, { body: 'sound' });
    ana = await world.follow({ chunkRows: CHUNK_ROWS, options: { storage: sqliteFile(path) } });
    const again = ana.node.live(Note, FAILING);
    await again.ready;
    expect([again.status, again.rows.length]).toEqual(['complete', IDS.length]);
  });

  test('leaves no row behind where it is opened anew before the next session', async () => {
    await denied();
    const again = ana.node.live(Note, FAILING);
    await world.authority.transact((tx) => {
      tx.update(Note, LAST, { body: 'sound' });
      tx.delete(Note, IDS[5]!);
    });
    await comeBack();
    await again.ready;
    expect([again.status, again.rows.length]).toEqual(['complete', IDS.length - 1]);
  });

  test('before any of it has come leaves none behind where it is closed before the session is whole', async () => {
    ana.upstream.chunkRows = null;
    const [failing, live] = [ana.node.live(Note, FAILING), ana.node.live(Note, 'stars = 2')];
    await Promise.all([failing.ready, live.ready]);
    ana.upstream.cut();
    await world.quiet();
    await change(LAST, { body: '{' });
    ana.upstream.alter = (said) => {
      ana.upstream.holdSaid = said.kind === 'denied';
      return said;
    };
    await comeBack();
    expect([failing.status, live.status, ana.errors]).toEqual(['denied', 'syncing', []]);
    failing.close();
    ana.upstream.holdSaid = false;
    await world.quiet();
    expect([live.status, await local()]).toEqual(['complete', titled('in', [IDS[2]!])]);
  });

  test('and is answered in a later session has no error any more', async () => {
    ana.upstream.chunkRows = null;
    const live = ana.node.live(Note, FAILING);
    await live.ready;
    ana.upstream.cut();
    await world.quiet();
    await change(LAST, { body: '{' });
    await comeBack();
    expect(live).toMatchObject({ status: 'denied', error: { code: 'storage-failed' } });
    await change(LAST, { body: 'sound' });
    await comeBack();
    expect([live.status, live.error, live.rows.length]).toEqual(['complete', null, IDS.length]);
  });

  test('before any of it has come is looked for in the tables at its row that fails, without failing there', async () => {
    await change(LAST, { body: '{' });
    const live = ana.node.live(Note, 'stars > 9');
    await live.ready;
    const failing = ana.node.live(Note, `${FAILING} AND stars >= 0`);
    await expect(failing.ready).rejects.toMatchObject({ code: 'storage-failed' });
    ana.upstream.cut();
    await world.quiet();
    await comeBack();
    expect([live.status, failing.status, live.rows.length, ana.errors.length]).toEqual(['complete', 'denied', 2, 0]);
  });
});
