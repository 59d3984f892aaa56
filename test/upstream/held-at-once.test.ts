/** Before an answer has come, or is known not to come: what is held, and what is pending, shows at once. */
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { sqliteFile } from '../../storage/drivers/sqlite-file.ts';
import { makeFolder } from '../support/every-driver.ts';
import { createWorld, type Follower, type FollowOptions, Note, refusal, type World } from './world.ts';

const folder = makeFolder();
afterAll(folder.remove);
let files = 0;
let path: string;
let world: World;

beforeEach(async () => {
  files += 1;
  path = join(folder.path, `held-${files}.db`);
  world = await createWorld();
  await world.authority.transact((tx) => {
    for (const stars of [1, 2, 3]) tx.create(Note, { title: `${stars}`, stars });
  });
});

const open = (options: FollowOptions = {}): Promise<Follower> =>
  world.follow({ ...options, options: { storage: sqliteFile(path) } });

const titles = (live: { readonly rows: readonly { readonly title: string | null }[] }) =>
  live.rows.map(({ title }) => title).sort();

async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const end = () => {
    settled = true;
  };
  promise.then(end, end);
  await world.quiet();
  return settled;
}

/** It followed all and two windows, and was closed. */
async function closedWithRows(): Promise<void> {
  const { node } = await open();
  const asked = [node.live(Note), node.live(Note, 'stars > 0 ORDER BY stars LIMIT 2'), node.live(Note, 'stars > 2')];
  await Promise.all(asked.map(({ ready }) => ready));
  await world.quiet();
  await node.close();
}

describe('while the first attempt to connect neither succeeds nor fails', () => {
  test('rows of before show at once, are syncing, and ready waits for the answer', async () => {
    await closedWithRows();
    const { node, upstream } = await open({ unwelcome: true });
    const live = node.live(Note);
    expect([titles(live), live.status]).toEqual([['1', '2', '3'], 'syncing']);
    const drawn: number[] = [];
    live.subscribe((rows) => drawn.push(rows.length));
    expect(drawn).toEqual([3]);
    expect(await isSettled(live.ready)).toBe(false);
    await world.authority.transact((tx) => tx.create(Note, { title: '4', stars: 4 }));
    upstream.holdWelcome = false;
    await live.ready;
    expect([titles(live), live.status]).toEqual([['1', '2', '3', '4'], 'complete']);
  });

  test('so do windows up to their edge, and whole statements', async () => {
    await closedWithRows();
    const { node, upstream } = await open({ unwelcome: true });
    const window = node.live(Note, 'stars > 0 ORDER BY stars LIMIT 2');
    const statement = node.live('SELECT count(*) AS n FROM note');
    expect([titles(window), statement.rows]).toEqual([['1', '2'], [{ n: 3 }]]);
    await node.transact((tx) => tx.create(Note, { title: 'beyond', stars: 9 }));
    await node.transact((tx) => tx.create(Note, { title: 'within', stars: 1 }));
    expect([titles(window), statement.rows]).toEqual([['1', 'within'], [{ n: 5 }]]);
    expect([window.status, statement.status]).toEqual(['syncing', 'syncing']);
    upstream.holdWelcome = false;
    await Promise.all([window.ready, statement.ready]);
    await world.quiet();
    expect([titles(window), statement.rows]).toEqual([['1', 'within'], [{ n: 5 }]]);
  });

  test('what is written shows from the call of transact on, where nothing else is held', async () => {
    const { node, upstream } = await world.follow({ unwelcome: true });
    const live = node.live(Note, 'stars > 2');
    const changes: number[] = [];
    live.onChange(({ added }) => changes.push(added.length));
    expect(live.rows).toEqual([]);
    await node.transact((tx) => tx.create(Note, { title: 'other', stars: 0 }));
    await node.transact((tx) => tx.create(Note, { title: 'mine', stars: 5 }));
    expect([titles(live), live.status, changes]).toEqual([['mine'], 'syncing', [1]]);
    const later = node.live(Note, 'stars > 3');
    expect(titles(later)).toEqual(['mine']);
    upstream.holdWelcome = false;
    await live.ready;
    expect([titles(live), live.status]).toEqual([['3', 'mine'], 'complete']);
  });

  test('what was pending when the process ended shows at once, where nothing else is held', async () => {
    const first = await open({ unreachable: true });
    await first.node.transact((tx) => tx.create(Note, { title: 'mine' }));
    await first.node.close();
    const { node } = await open({ unwelcome: true });
    const live = node.live(Note);
    expect([titles(live), live.status]).toEqual([['mine'], 'syncing']);
  });

  test('a denied one rejects, whatever showed before', async () => {
    await closedWithRows();
    const { node, upstream } = await open({ unwelcome: true });
    upstream.alter = (said) =>
      said.kind === 'chunk' ? { kind: 'denied', subscription: said.subscription, error: refusal() } : said;
    const live = node.live(Note);
    expect(live.rows).toHaveLength(3);
    upstream.holdWelcome = false;
    await expect(live.ready).rejects.toMatchObject({ code: 'policy-denied' });
    await world.quiet();
    expect([live.status, live.rows]).toEqual(['denied', []]);
  });

  test('one that is closed, or asks for something else, before the answer is left alone', async () => {
    const { node, upstream } = await world.follow({ unwelcome: true });
    const [closed, other] = [node.live(Note, 'stars = 1'), node.live(Note, 'stars = 2')];
    closed.close();
    const reselected = other.reselect('stars = 3');
    upstream.holdWelcome = false;
    await reselected;
    await node.transact((tx) => tx.create(Note, { title: 'two', stars: 2 }));
    expect([closed.rows, titles(other)]).toEqual([[], ['3']]);
  });
});
