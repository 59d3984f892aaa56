/**
 * Pushed out: rows that were pushed out of a window while its follower was away. Nobody names them: the follower finds them
 * beyond the window's edge, which may move on before it looks. Rows are four to a chunk; the window is of the first nine.
 */
import { beforeEach, expect, test } from 'vitest';
import { capacityOf } from '../../engine/live/window.ts';
import { idFrom, type LiveQuery, type RowOf } from '../../index.ts';
import type { SqliteDriver } from '../../storage/driver.ts';
import { sqliteFailure } from '../../storage/drivers/failure.ts';
import { memory } from '../../storage/drivers/sql-js.ts';
import { createWorld, type Follower, type FollowOptions, Note, type World } from './world.ts';

const LIMIT = 1;
const FOLLOWED = capacityOf(LIMIT);
/** How many are pushed out: more than a chunk has. */
const MOVED = 5;
const IDS = Array.from({ length: FOLLOWED + 1 + MOVED }, (_, at) => idFrom('note', at)).sort();
/** The last of the window, and one of those that lie beyond it. */
const [PUSHED, BEYOND] = [IDS[FOLLOWED - 1]!, IDS[FOLLOWED]!];

let world: World;
let ana: Follower;
let lives: readonly LiveQuery<RowOf<typeof Note>>[];

beforeEach(async () => {
  world = await createWorld();
  await world.authority.transact((tx) => {
    for (const [stars, id] of IDS.entries()) tx.create(Note, { title: 'old', stars }, { id });
    for (let at = 0; at < 12; at += 1) tx.create(Note, { title: 'wide', stars: 100 + at, body: 'wide' });
  });
  await away();
});

/** Comes to know the window, and is gone while its last row is pushed out. */
async function away(options: FollowOptions['options'] = {}): Promise<void> {
  ana = await world.follow({ chunkRows: 4, options });
  const window = ana.node.live(Note, `ORDER BY stars LIMIT ${LIMIT}`);
  await window.ready;
  ana.upstream.cut();
  await world.quiet();
  // Of this one chunks are to come while the window is whole.
  lives = [window, ana.node.live(Note, "body = 'wide'")];
  await move(-1);
}

/** Those that push out as many: to the front, or back. */
async function move(sign: number): Promise<void> {
  await world.authority.transact((tx) => {
    for (const [at, id] of IDS.entries()) if (at > FOLLOWED) tx.update(Note, id, { stars: sign * at });
  });
}

const change = (id: string, values: { title?: string; stars?: number }) =>
  world.authority.transact((tx) => tx.update(Note, id, values)).then(world.quiet);
const titles = async (id: string) =>
  (await ana.node.query(Note, 'id = ?', [id], { from: 'local' })).map(({ title }) => title);
const whole = () => lives.every(({ status }) => status === 'complete');

/** A session of which the window has come, be it only its first chunk, and the other selection has not. */
async function comingBack(isWhole = true): Promise<void> {
  const before = ana.upstream.saidOf('chunk').length;
  void ana.node.reconnect();
  while (
    !ana.upstream
      .saidOf('chunk')
      .some(({ subscription, last }, at) => at >= before && subscription === 1 && last === isWhole)
  )
    await new Promise(setImmediate);
  ana.upstream.holdPull = true;
  await world.quiet();
  expect([whole(), ana.node.report().upstream!.began]).toEqual([false, 'resumed']);
}

async function arrive(): Promise<void> {
  ana.upstream.holdPull = false;
  await world.quiet();
  expect([whole(), ana.node.report().upstream!.began, ana.errors]).toEqual([true, 'resumed', []]);
}

/** The edge moves to the row beyond, past where the one that was pushed out stood. */
async function moveOn(): Promise<void> {
  await world.authority.transact((tx) => {
    tx.update(Note, PUSHED, { title: 'new', stars: 50 });
    for (const id of IDS.slice(0, MOVED)) tx.delete(Note, id);
  });
  await world.quiet();
}

test('one that changes before the session is whole is not kept as it was', async () => {
  expect(await titles(PUSHED)).toEqual(['old']);
  await comingBack();
  await moveOn();
  await arrive();
  expect([await titles(PUSHED), await titles(BEYOND)]).toEqual([[], ['old']]);
});

test('nor one that changes between two chunks of the window', async () => {
  await comingBack(false);
  await moveOn();
  await arrive();
  expect([await titles(PUSHED), await titles(BEYOND)]).toEqual([[], ['old']]);
});

test('nor one that changes after that session was cut, in the next one, which goes on with it', async () => {
  await comingBack();
  ana.upstream.cut();
  await world.quiet();
  await moveOn();
  await ana.node.reconnect();
  await arrive();
  expect([await titles(PUSHED), await titles(BEYOND)]).toEqual([[], ['old']]);
});

test('where the storage fails as that session is cut, nothing of it is kept, and another one begins', async () => {
  let isBroken = false;
  const open = async (): Promise<SqliteDriver> => {
    const sound = await memory().open();
    const read = <Rest extends unknown[], Result>(call: (sql: string, ...rest: Rest) => Result) => {
      return (sql: string, ...rest: Rest): Result => {
        if (isBroken) throw sqliteFailure({ code: 'SQLITE_IOERR', message: 'disk I/O error' }, sql);
        return call(sql, ...rest);
      };
    };
    return { ...sound, all: read(sound.all), get: read(sound.get) };
  };
  await move(1);
  await away({ storage: { open } });
  await comingBack();
  isBroken = true;
  ana.upstream.cut();
  isBroken = false;
  expect(ana.errors.splice(0)).toMatchObject([{ code: 'storage-failed' }]);
  await moveOn();
  ana.scheduler.pass(60_000);
  await arrive();
  expect([await titles(PUSHED), await titles(BEYOND)]).toEqual([[], ['old']]);
});

test('one that does not change, and comes in again, is there', async () => {
  await comingBack();
  await world.authority.transact((tx) => {
    for (const id of IDS.slice(0, MOVED)) tx.delete(Note, id);
  });
  await world.quiet();
  await arrive();
  expect([await titles(PUSHED), await titles(BEYOND)]).toEqual([['old'], []]);
  await change(PUSHED, { title: 'new' });
  expect(await titles(PUSHED)).toEqual(['new']);
});

test('one that changes later changes nothing here', async () => {
  await comingBack();
  await arrive();
  expect(await titles(PUSHED)).toEqual([]);
  await change(PUSHED, { title: 'new' });
  expect([await titles(PUSHED), whole(), ana.errors]).toEqual([[], true, []]);
});
