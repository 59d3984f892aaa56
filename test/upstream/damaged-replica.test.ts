/** Damage to what an ephemeral node's file keeps: the one entry is left out and told of, the others are as they were. */
import { beforeEach, describe, expect, test } from 'vitest';
import { idFrom, TendrilError } from '../../index.ts';
import type { SqliteDriver } from '../../storage/index.ts';
import { diskStorage } from '../durability/disk-storage.ts';
import { createForgetfulDisk, type ForgetfulDisk } from '../support/forgetful-disk.ts';
import { createWorld, type Follower, Note, outbox, refusing, type World } from './world.ts';

const [A, B, NEW] = [idFrom('note', 'a'), idFrom('note', 'b'), idFrom('note', 'new')];

let world: World;
let disk: ForgetfulDisk;

beforeEach(async () => {
  world = await createWorld();
  await world.authority.transact((tx) => {
    tx.create(Note, { title: 'a', stars: 1 }, { id: A });
    tx.create(Note, { title: 'b', stars: 2 }, { id: B });
  });
  disk = createForgetfulDisk();
});

function open(): Promise<Follower> {
  return world.follow({ options: { storage: diskStorage(disk, 'wal') } });
}

async function openOffline(): Promise<Follower> {
  const follower = await world.follow({ unreachable: true, options: { storage: diskStorage(disk, 'wal') } });
  await world.quiet();
  return follower;
}

async function end({ node, upstream }: Follower): Promise<void> {
  upstream.cut();
  await node.close();
}

async function reconnect(follower: Follower): Promise<void> {
  follower.upstream.isReachable = true;
  await follower.node.reconnect();
  await world.quiet();
}

async function change(harm: (driver: SqliteDriver) => void): Promise<void> {
  const driver = await diskStorage(disk, 'wal').open();
  harm(driver);
  driver.close();
}

/** A file with everything in it: three pending transactions, what they stand on, a selection, an id and a cursor. */
async function makeFile(): Promise<void> {
  const ana = await open();
  await ana.node.live(Note, 'stars = 1').ready;
  await ana.node.get(Note, B);
  ana.upstream.cut();
  await world.quiet();
  await ana.node.transact((tx) => tx.create(Note, { title: 'new' }, { id: NEW }));
  await ana.node.transact((tx) => tx.update(Note, NEW, { body: 'newer' }));
  await ana.node.transact((tx) => tx.update(Note, A, { title: 'mine' }));
  await end(ana);
}

const local = ({ node }: Follower) => node.query(Note, 'ORDER BY title', [], { from: 'local' });
const titles = async (follower: Follower) => (await local(follower)).map(({ title }) => title);

function told({ errors }: Follower): readonly unknown[] {
  for (const error of errors) expect(error).toBeInstanceOf(TendrilError);
  return errors.map((error) => [(error as TendrilError).code, (error as TendrilError).facts.what]);
}

async function isEqualAfterSession(follower: Follower): Promise<void> {
  await reconnect(follower);
  expect(outbox(follower)).toBe(0);
  expect(await follower.node.get(Note, A)).toEqual(await world.authority.get(Note, A));
  expect(await follower.node.get(Note, B)).toEqual(await world.authority.get(Note, B));
}

describe('a transaction that cannot be read', () => {
  const HARMS = [
    ['its bytes are gone', "UPDATE tendril_outbox SET operations = x'0102' WHERE place = 1"],
    [
      'one bit is wrong',
      "UPDATE tendril_outbox SET operations = CAST(substr(operations, 1, length(operations) - 1) || x'77' AS BLOB) WHERE place = 1",
    ],
    ['it is in a state that is none', 'UPDATE tendril_outbox SET state = 9 WHERE place = 1'],
  ] as const;

  test.each(HARMS)('is left out with what stands on it alone, and stays in the file: %s', async (_, sql) => {
    await makeFile();
    await change((driver) => driver.run(sql));
    for (let opening = 0; opening < 2; opening += 1) {
      const ana = await openOffline();
      expect(told(ana)).toEqual([
        ['storage-damaged', 'transaction'],
        ['storage-damaged', 'transaction'],
      ]);
      expect(outbox(ana)).toBe(1);
      expect(await titles(ana)).toEqual(['b', 'mine']);
      await end(ana);
    }
    const ana = await openOffline();
    await isEqualAfterSession(ana);
    expect(await world.authority.get(Note, A)).toMatchObject({ title: 'mine' });
    await ana.node.transact((tx) => tx.update(Note, A, { body: 'more' }));
    await world.quiet();
    await end(ana);
    await change((driver) => expect(driver.all('SELECT place FROM tendril_outbox')).toEqual([[1], [2]]));
  });

  test('is taken up again when it can be read', async () => {
    await makeFile();
    const update = 'UPDATE tendril_outbox SET state = ? WHERE place IN (1, 3)';
    await change((driver) => driver.run(update, [9]));
    const without = await openOffline();
    expect([outbox(without), await titles(without)]).toEqual([0, ['a', 'b']]);
    await end(without);
    await change((driver) => driver.run(update, [0]));
    const ana = await openOffline();
    expect([outbox(ana), await titles(ana), ana.errors]).toEqual([3, ['b', 'mine', 'new'], []]);
    ana.upstream.judge = refusing(() => true);
    await isEqualAfterSession(ana);
    expect(await titles(ana)).toEqual(['a', 'b']);
  });
});

test('a confirmed row that cannot be read is what is shown, until the next session', async () => {
  await makeFile();
  await change((driver) => driver.run("UPDATE tendril_base SET row = x'00ff'"));
  const ana = await openOffline();
  expect(told(ana)).toEqual([['storage-damaged', 'base']]);
  expect([outbox(ana), await titles(ana)]).toEqual([3, ['b', 'mine', 'new']]);
  await end(ana);
  const again = await openOffline();
  expect(again.errors).toEqual([]);
  again.upstream.judge = refusing(() => true);
  again.node.live(Note, 'stars = 1');
  await isEqualAfterSession(again);
});

describe('where it is not known what the tables lack, they stand nowhere', () => {
  const HARMS = [
    ['selection', "UPDATE tendril_followed SET selection = x'ff'"],
    ['selection', 'UPDATE tendril_followed SET collection = 77'],
    ['id', "UPDATE tendril_held SET entity = x'00'"],
    ['cursor', "UPDATE tendril_meta SET value = x'00' WHERE key = 'cursor'"],
  ] as const;

  test.each(HARMS)('a %s is told of once: %s', async (what, sql) => {
    await makeFile();
    await change((driver) => driver.run(sql));
    const ana = await openOffline();
    expect(told(ana)).toEqual([['storage-damaged', what]]);
    expect([outbox(ana), await titles(ana)]).toEqual([3, ['b', 'mine', 'new']]);
    await end(ana);
    await world.authority.transact((tx) => tx.update(Note, B, { title: 'changed' }));
    const again = await openOffline();
    expect(again.errors).toEqual([]);
    await isEqualAfterSession(again);
    expect(await again.node.get(Note, B)).toMatchObject({ title: 'changed' });
  });
});

test('what stands nowhere is replaced by the session of that very opening', async () => {
  await makeFile();
  await change((driver) => driver.run("UPDATE tendril_held SET entity = x'00'"));
  await world.authority.transact((tx) => tx.update(Note, B, { title: 'changed' }));
  const ana = await openOffline();
  await isEqualAfterSession(ana);
  expect(await ana.node.get(Note, B)).toMatchObject({ title: 'changed' });
});

test('a file that lacks a table of an ephemeral node is damaged', async () => {
  await makeFile();
  await change((driver) => driver.exec('DROP TABLE tendril_held'));
  await expect(openOffline()).rejects.toMatchObject({ code: 'storage-damaged', facts: { missing: 'tendril_held' } });
});
