/** Restart: an ephemeral node with a file goes on where its process ended, however it ended. */
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import type { Said } from '../../engine/stream.ts';
import { LINGER_MS } from '../../engine/upstream/limits.ts';
import { idFrom, Node } from '../../index.ts';
import { sqliteFile } from '../../storage/drivers/sqlite-file.ts';
import { type Position, readId, type Storage, type SystemId, type TransactionId } from '../../storage/index.ts';
import { diskStorage } from '../durability/disk-storage.ts';
import { fileDrivers, makeFolder } from '../support/every-driver.ts';
import { createForgetfulDisk, type ForgetfulDisk } from '../support/forgetful-disk.ts';
import {
  attemptsOf,
  createWorld,
  type Follower,
  type FollowOptions,
  Note,
  outbox,
  pass,
  refusing,
  uploaded,
  type World,
} from './world.ts';

const IDS = Array.from({ length: 30 }, (_, at) => idFrom('note', at)).sort();
const [A, B, C] = [IDS[0]!, IDS[1]!, IDS[2]!];
const WRITES = 100;

const folder = makeFolder();
afterAll(folder.remove);
let files = 0;

let world: World;
let disk: ForgetfulDisk;

beforeEach(async () => {
  world = await createWorld();
  await world.authority.transact((tx) => {
    for (const [stars, id] of IDS.entries()) tx.create(Note, { title: `${stars}`, stars }, { id });
  });
  disk = createForgetfulDisk();
});

function open(storage: Storage = diskStorage(disk, 'wal'), options: FollowOptions = {}): Promise<Follower> {
  return world.follow({ ...options, options: { ...options.options, storage } });
}

function openOffline(storage?: Storage): Promise<Follower> {
  return open(storage, { unreachable: true });
}

async function end({ node, upstream }: Follower): Promise<void> {
  upstream.cut();
  await node.close();
}

/** The power goes while the node is open: another one finds what was synced. */
function cutPower(): Storage {
  disk = createForgetfulDisk(disk.crashImage());
  return diskStorage(disk, 'wal');
}

async function reconnect(follower: Follower): Promise<void> {
  follower.upstream.isReachable = true;
  await follower.node.reconnect();
  await world.quiet();
}

const titles = (rows: readonly { readonly title: unknown }[]) => rows.map(({ title }) => title);
const local = (follower: Follower, text = '') => follower.node.query(Note, text, [], { from: 'local' });

async function writeMany({ node }: Follower): Promise<void> {
  for (let at = 0; at < WRITES; at += 1) {
    await node.transact((tx) => {
      tx.create(Note, { title: `new ${at}`, stars: 1_000 + at }, { id: idFrom('new', at) });
      if (at > 0) tx.update(Note, idFrom('new', at - 1), { body: `${at}` });
    });
  }
}

async function seesAllOnce(follower: Follower): Promise<void> {
  expect(outbox(follower)).toBe(WRITES);
  const shown = await local(follower, 'stars >= 1000 ORDER BY stars');
  expect(titles(shown)).toEqual(Array.from({ length: WRITES }, (_, at) => `new ${at}`));
  await reconnect(follower);
  expect(outbox(follower)).toBe(0);
  expect(await world.authority.query(Note, 'stars >= 1000 ORDER BY stars')).toEqual(shown);
  const arrived = (await world.authority.operations(1, 10_000)).map(({ position }) => position);
  expect(new Set(arrived).size).toBe(WRITES);
  expect(uploaded(follower)).toEqual([...uploaded(follower)].sort());
  expect(uploaded(follower)).toHaveLength(WRITES);
}

describe('a hundred writes offline', () => {
  test.each(fileDrivers)('are shown after a restart, offered in order, and taken once: %s', async (driver) => {
    files += 1;
    const storage = sqliteFile(join(folder.path, `${files}.db`), { driver });
    const ana = await openOffline(storage);
    await writeMany(ana);
    await end(ana);
    await seesAllOnce(await openOffline(storage));
  });

  test('are there after a power cut', async () => {
    await writeMany(await openOffline());
    await seesAllOnce(await openOffline(cutPower()));
  });

  test('are taken once where the outcomes were lost with the process', async () => {
    const ana = await open();
    await world.quiet();
    ana.upstream.holdSaid = true;
    await writeMany(ana);
    await world.quiet();
    expect(await world.authority.query(Note, 'stars >= 1000')).toHaveLength(WRITES);
    await seesAllOnce(await openOffline(cutPower()));
  });
});

describe('what was pending', () => {
  async function withPending(): Promise<Follower> {
    const ana = await open();
    await ana.node.live(Note).ready;
    ana.upstream.cut();
    await world.quiet();
    await ana.node.transact((tx) => tx.update(Note, A, { title: 'mine' }));
    await ana.node.transact((tx) => tx.update(Note, A, { body: 'mine too' }));
    await ana.node.transact((tx) => tx.delete(Note, B));
    return ana;
  }

  test('goes back to the confirmed row when it is refused', async () => {
    await end(await withPending());
    const ana = await openOffline();
    expect(await ana.node.get(Note, A)).toMatchObject({ title: 'mine', body: 'mine too' });
    expect(await ana.node.get(Note, B)).toBeNull();
    ana.upstream.judge = refusing(() => true);
    await reconnect(ana);
    expect(outbox(ana)).toBe(0);
    expect(await ana.node.get(Note, A)).toEqual(await world.authority.get(Note, A));
    expect(await ana.node.get(Note, B)).toEqual(await world.authority.get(Note, B));
  });

  test('is made anew where what it stands on is refused, and goes on counting its attempts', async () => {
    await end(await withPending());
    const ana = await openOffline();
    let uploads = 0;
    ana.upstream.judge = refusing(() => {
      uploads += 1;
      return uploads === 1;
    });
    await reconnect(ana);
    expect(outbox(ana)).toBe(0);
    expect(await world.authority.get(Note, A)).toMatchObject({ title: '0', body: 'mine too' });
    expect(await ana.node.get(Note, A)).toEqual(await world.authority.get(Note, A));
    const [, second] = uploaded(ana);
    expect(attemptsOf(ana, second!)).toEqual([1, 2]);
  });

  test('made anew, is kept as it was made last', async () => {
    const ana = await withPending();
    let first: TransactionId | null = null;
    ana.upstream.judge = (upload) => {
      first ??= upload.transaction;
      const { transaction, attempt } = upload;
      if (transaction !== first || attempt > 1) return null;
      ana.upstream.holdRequests = true;
      return { kind: 'rebase', transaction, attempt, reason: 'missing-precursor', time: world.clock.now() };
    };
    await reconnect(ana);
    await end(ana);
    const again = await openOffline();
    await reconnect(again);
    expect(attemptsOf(again, first!)).toEqual([2]);
    expect(await world.authority.get(Note, A)).toMatchObject({ title: 'mine', body: 'mine too' });
  });

  test('is not made anew for an author that it has already', async () => {
    const ana = await open();
    ana.upstream.author = 'ana@example.org';
    await reconnect(ana);
    await ana.node.live(Note).ready;
    ana.upstream.cut();
    await world.quiet();
    await ana.node.transact((tx) => tx.update(Note, A, { title: 'mine' }));
    await end(ana);
    const again = await openOffline();
    again.upstream.author = 'ana@example.org';
    await reconnect(again);
    expect(again.upstream.askedOf('upload').map(({ attempt }) => attempt)).toEqual([1]);
    expect(outbox(again)).toBe(0);
  });

  test('gets ids above all that was written before, whatever the clock says', async () => {
    await end(await withPending());
    world.clock.advance(-86_400_000);
    const ana = await openOffline();
    await ana.node.transact((tx) => tx.create(Note, { title: 'late' }, { id: idFrom('late') }));
    await reconnect(ana);
    expect(uploaded(ana)).toEqual([...uploaded(ana)].sort());
  });
});

describe('what was followed', () => {
  test('is there at once, offline, with windows and ids; what was not is not', async () => {
    const ana = await open();
    await ana.node.live(Note, 'stars < 3').ready;
    await ana.node.live(Note, 'stars > ? ORDER BY stars DESC LIMIT 3', [10]).ready;
    expect(await ana.node.get(Note, IDS[9]!)).toMatchObject({ title: '9' });
    expect(await ana.node.get(Note, idFrom('nobody'))).toBeNull();
    await end(ana);
    const again = await openOffline();
    const few = again.node.live(Note, 'stars < 3 ORDER BY stars');
    const top = again.node.live(Note, 'stars > ? ORDER BY stars DESC LIMIT 3', [10]);
    await Promise.all([few.ready, top.ready]);
    expect([titles(few.rows), few.status]).toEqual([['0', '1', '2'], 'offline']);
    expect([titles(top.rows), top.status]).toEqual([['29', '28', '27'], 'offline']);
    expect(titles(await again.node.query(Note, 'stars > ? ORDER BY stars DESC LIMIT 3', [10]))).toHaveLength(3);
    expect(await again.node.get(Note, IDS[9]!)).toMatchObject({ title: '9' });
    expect(await again.node.get(Note, idFrom('nobody'))).toBeNull();
    const notHeld = [() => again.node.query(Note, 'stars > 15'), () => again.node.get(Note, IDS[10]!)];
    for (const read of notHeld) await expect(read()).rejects.toMatchObject({ code: 'not-covered' });
  });

  test('is caught up with: what changed, was deleted, entered and left meanwhile, and only that is sent', async () => {
    const ana = await open();
    await ana.node.live(Note, 'stars < 10 ORDER BY stars').ready;
    await ana.node.live(Note, 'ORDER BY stars DESC LIMIT 3').ready;
    await ana.node.get(Note, IDS[15]!);
    await end(ana);
    await world.authority.transact((tx) => {
      tx.update(Note, A, { title: 'changed' });
      tx.delete(Note, B);
      tx.update(Note, C, { stars: 100 });
      tx.update(Note, IDS[20]!, { stars: 5 });
      tx.update(Note, IDS[15]!, { title: 'got' });
    });
    const again = await open();
    const few = again.node.live(Note, 'stars < 10 ORDER BY stars');
    const top = again.node.live(Note, 'ORDER BY stars DESC LIMIT 3');
    await Promise.all([few.ready, top.ready]);
    await world.quiet();
    expect(few.rows).toEqual(await world.authority.query(Note, 'stars < 10 ORDER BY stars'));
    expect(top.rows).toEqual(await world.authority.query(Note, 'ORDER BY stars DESC LIMIT 3'));
    expect(await again.node.get(Note, IDS[15]!)).toMatchObject({ title: 'got' });
    const sent = again.upstream.saidOf('chunk').flatMap(({ rows }) => rows);
    expect(sent).toHaveLength(3);
  });

  test('of a window is kept up to where its edge has moved', async () => {
    const ana = await open();
    await ana.node.live(Note, 'ORDER BY stars DESC LIMIT 3').ready;
    const first = ana.upstream.saidOf('chunk').at(-1)!.edge;
    await world.authority.transact((tx) => {
      for (let at = 0; at < 20; at += 1) tx.create(Note, { stars: 1_000 + at });
    });
    await world.quiet();
    const [moved] = ana.upstream.saidOf('step').at(-1)!.edges;
    expect(moved!.entity).not.toBe(first);
    await end(ana);
    const driver = await diskStorage(disk, 'wal').open();
    const [kept] = driver.all('SELECT edge FROM tendril_followed');
    expect(readId(kept![0] as Uint8Array, 0)).toBe(moved!.entity);
    driver.close();
  });

  test('lingers as if it had just been closed, and then goes, with its rows', async () => {
    const ana = await open();
    await ana.node.live(Note, 'stars < 3').ready;
    await end(ana);
    const again = await open();
    await world.quiet();
    expect(again.node.report().upstream!.following.selections).toBe(1);
    await pass(again, LINGER_MS / 60_000);
    expect(again.node.report().upstream!.following.selections).toBe(0);
    expect(await local(again)).toEqual([]);
    await end(again);
    expect((await openOffline()).node.report().upstream!.following.selections).toBe(0);
  });

  test('is not taken for held where the process ended before all of it had come', async () => {
    const ana = await open();
    await ana.node.live(Note, 'stars < 3').ready;
    ana.upstream.alter = (said) => (said.kind === 'chunk' ? { ...said, last: false } : said);
    ana.node.live(Note, 'stars > 20');
    await world.quiet();
    const again = await openOffline(cutPower());
    await world.quiet();
    await expect(again.node.query(Note, 'stars > 20')).rejects.toMatchObject({ code: 'not-covered' });
    expect(again.node.report().upstream!.following.selections).toBe(1);
    expect(await local(again)).toHaveLength(3);
  });

  test('a session that had begun and was not whole leaves what was held before as it was', async () => {
    const ana = await open();
    await ana.node.live(Note, 'stars < 3 ORDER BY stars').ready;
    ana.upstream.cut();
    await world.authority.transact((tx) => tx.update(Note, A, { title: 'changed' }));
    ana.upstream.alter = (said) => (said.kind === 'chunk' ? { ...said, last: false } : said);
    await reconnect(ana);
    const again = await openOffline(cutPower());
    expect(titles(await local(again, 'ORDER BY stars'))).toEqual(['0', '1', '2']);
    await reconnect(again);
    expect(titles(await local(again, 'ORDER BY stars'))).toEqual(['changed', '1', '2']);
  });
});

test('what other sessions had pending, and a relay had told, goes with the process', async () => {
  const ben = await world.follow();
  await ben.node.live(Note).ready;
  const planted: Extract<Said, { readonly kind: 'pending' }>[] = [];
  ben.upstream.judge = ({ transaction, operations }) => {
    planted.push({ kind: 'pending', transaction, operations });
    return { kind: 'at', position: 0 as Position };
  };
  await ben.node.transact((tx) => {
    tx.update(Note, A, { body: "ben's" });
    tx.update(Note, B, { body: "ben's" });
    tx.create(Note, { title: "ben's", stars: 1 }, { id: idFrom('ben') });
  });
  const ana = await open();
  await ana.node.live(Note, 'stars < 3').ready;
  await ana.node.transact((tx) => tx.update(Note, A, { title: 'mine' }));
  ana.upstream.holdUploads = true;
  await ana.node.transact((tx) => tx.update(Note, A, { title: 'mine, too' }));
  ana.upstream.plant(planted[0]!);
  await world.quiet();
  expect(await local(ana, "body = 'ben''s' OR title = 'ben''s'")).toHaveLength(3);
  const again = await openOffline(cutPower());
  expect(titles(await local(again, 'ORDER BY stars'))).toEqual(['mine, too', '1', '2']);
  expect(await local(again, 'body IS NOT NULL')).toEqual([]);
  await reconnect(again);
  expect(await again.node.get(Note, A)).toEqual(await world.authority.get(Note, A));
  await end(again);
  expect((await local(await openOffline())).map(({ body }) => body)).toEqual([null, null, null]);
});

test('what a session that does not resume forgets is followed until that session is whole', async () => {
  const ana = await open();
  await ana.node.live(Note, 'stars < 3').ready;
  await ana.node.live(Note, 'stars > 20').ready;
  await end(ana);
  const again = await openOffline();
  again.node.live(Note, 'stars < 3');
  again.upstream.welcome = (welcome) => ({ ...welcome, resumes: false });
  again.upstream.alter = (said) => (said.kind === 'chunk' ? { ...said, last: false } : said);
  await reconnect(again);
  expect(again.node.report().upstream!.following.selections).toBe(1);
  const third = await openOffline(cutPower());
  await world.quiet();
  expect(await third.node.query(Note, 'stars > 20')).toHaveLength(9);
});

describe('a file', () => {
  test('is of one role for ever, and is not touched by the other', async () => {
    await end(await openOffline());
    const asDurable = Node.open({ collections: [Note], storage: diskStorage(disk, 'wal') });
    await expect(asDurable).rejects.toMatchObject({
      code: 'invalid-option',
      facts: { option: 'storage', role: 'ephemeral' },
    });
    await end(await openOffline());
    disk = createForgetfulDisk();
    await (await Node.open({ collections: [Note], storage: diskStorage(disk, 'wal') })).close();
    await expect(openOffline()).rejects.toMatchObject({
      code: 'invalid-option',
      facts: { option: 'storage', role: 'durable' },
    });
    await (await Node.open({ collections: [Note], storage: diskStorage(disk, 'wal') })).close();
  });

  test('belongs to the system that it met first', async () => {
    const ana = await open();
    await world.quiet();
    await end(ana);
    const again = await openOffline();
    again.upstream.isReachable = true;
    again.upstream.welcome = (welcome) => ({ ...welcome, system: idFrom('other') as string as SystemId });
    await expect(again.node.reconnect()).rejects.toMatchObject({ code: 'system-mismatch' });
  });

  test('closes at once offline, whatever waits', async () => {
    const ana = await openOffline();
    await ana.node.transact((tx) => tx.create(Note, { title: 'new' }));
    await ana.node.close();
    expect(outbox(await openOffline())).toBe(1);
  });
});
