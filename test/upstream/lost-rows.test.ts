/**
 * Lost rows: what is written over a row that a restored log lost, or has otherwise, while the session with that log is
 * replacing what was held: before its end nobody here knows that it is so. Nothing of that session is said before `goOn`.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Said } from '../../engine/stream.ts';
import { type LiveQuery, Node, type RowOf } from '../../index.ts';
import { diskStorage } from '../durability/disk-storage.ts';
import { createForgetfulDisk } from '../support/forgetful-disk.ts';
import { GatedUpstream, quiet } from './gated-upstream.ts';
import { close, newFile, openServer } from './other-logs-world.ts';
import { COLLECTIONS, Note } from './world.ts';

let server: Node;
let up: GatedUpstream;
let node: Node;
let live: LiveQuery<RowOf<typeof Note>>;
let disk: ReturnType<typeof createForgetfulDisk>;
/** The restored log has the first as it was before its stars; the second it does not have. */
let moved: string;
let lost: string;

beforeEach(async () => {
  const backup = newFile();
  server = await openServer(newFile());
  moved = await server.transact((tx) => tx.create(Note, { title: 'moved' }));
  await server.transact((tx) => tx.create(Note, { title: 'held', stars: 5 }));
  await server.backup(backup);
  await server.transact((tx) => tx.update(Note, moved, { stars: 5 }));
  lost = await server.transact((tx) => tx.create(Note, { title: 'lost', stars: 5 }));
  disk = createForgetfulDisk();
  await open();
  await close(server);
  up.cut();
  server = await openServer(backup);
  up.holdSaid = true;
  await node.reconnect();
  await quiet(up);
});

afterEach(async () => {
  up.cut();
  await node.close();
});

async function open(): Promise<void> {
  up = new GatedUpstream(() => server);
  node = await Node.open({ collections: COLLECTIONS, storage: diskStorage(disk, 'wal'), upstream: up });
  live = node.live(Note, 'stars >= 5 ORDER BY title');
  await quiet(up);
}

async function goOn(): Promise<void> {
  up.holdSaid = false;
  await quiet(up);
}

/** The session ends when it is whole, before it is told of a single id. Returns whether it was. */
async function loseSession(): Promise<boolean> {
  let wasWhole = false;
  up.alter = (said: Said) => {
    if (said.kind !== 'held') return said;
    wasWhole = live.status === 'complete';
    up.isReachable = false;
    up.cut();
    return said;
  };
  await goOn();
  up.alter = (said) => said;
  up.isReachable = true;
  return wasWhole;
}

const write = (id: string, body = 'mine') => node.transact((tx) => tx.update(Note, id, { body }));
const titles = () => live.rows.map(({ title }) => title);
const shelf = async () => (await node.refused.query('ORDER BY id')).map(({ code, tried }) => [code, tried]);
const tried = (body = 'mine') => ['conflict', [{ collection: 'note', id: lost, kind: 'update', values: { body } }]];

async function expectRefused(): Promise<void> {
  expect(await shelf()).toEqual([tried()]);
  expect(titles()).toEqual(['held']);
  expect(node.report().upstream!.outbox.transactions).toBe(0);
  // It has forgotten what it was: one that is made of that id is equal everywhere.
  await server.transact((tx) => tx.create(Note, { title: 'again', stars: 6 }, { id: lost }));
  await quiet(up);
  await write(lost, 'over that');
  await quiet(up);
  expect(await server.get(Note, lost)).toMatchObject({ title: 'again', body: 'over that' });
  expect(live.rows).toEqual(await server.query(Note, 'stars >= 5 ORDER BY title'));
  expect((await node.verify()).differing).toEqual([]);
}

describe('what is written over a row that the restored log lost', () => {
  test('goes onto the shelf as soon as that is known, and is not offered', async () => {
    await write(lost);
    expect(titles()).toEqual(['held', 'lost', 'moved']);
    await goOn();
    expect(up.askedOf('upload')).toEqual([]);
    await expectRefused();
  });

  test('takes with it what stands on it, and leaves the rest', async () => {
    const settled = node.transact((tx) => tx.update(Note, lost, { body: 'first' }), { until: 'settled' });
    settled.catch(() => undefined);
    await node.transact((tx) => tx.update(Note, lost, { body: 'held back' }), { staging: 'hold' });
    const other = await node.transact((tx) => tx.create(Note, { title: 'other', stars: 7 }));
    await goOn();
    expect(await shelf()).toEqual([tried('first'), tried('held back')]);
    await expect(settled).rejects.toMatchObject({ code: 'conflict', facts: { collection: 'note', id: lost } });
    expect(titles()).toEqual(['held', 'other']);
    expect(await server.get(Note, other)).toMatchObject({ title: 'other' });
  });

  test('goes there in the next session where this one ends before it is known', async () => {
    await write(lost);
    expect(await loseSession()).toBe(true);
    expect(await shelf()).toEqual([]);
    await node.reconnect();
    await quiet(up);
    expect(node.report().upstream!.began).toBe('resumed');
    expect(up.askedOf('upload')).toEqual([]);
    await expectRefused();
  });

  test('goes there in the next process where this one ends before it is known', async () => {
    await write(lost);
    expect(await loseSession()).toBe(true);
    const image = disk.crashImage();
    await node.close();
    disk = createForgetfulDisk(image);
    await open();
    expect(node.report().upstream!.began).toBe('resumed');
    expect(up.askedOf('upload')).toEqual([]);
    await expectRefused();
  });
});

describe('what is written over a row that the restored log has otherwise, outside of what is followed', () => {
  const expectApplied = async () => {
    expect(up.saidOf('rebase').length).toBeLessThanOrEqual(1);
    expect(await shelf()).toEqual([]);
    expect(titles()).toEqual(['held']);
    expect(await server.get(Note, moved)).toMatchObject({ title: 'moved', stars: 0, body: 'mine' });
    expect(await node.get(Note, moved)).toEqual(await server.get(Note, moved));
    expect((await node.verify()).differing).toEqual([]);
  };

  test('is made anew over that', async () => {
    await write(moved);
    await goOn();
    await expectApplied();
  });

  test('is so in the next session where this one ends before it is known', async () => {
    await write(moved);
    expect(await loseSession()).toBe(true);
    await node.reconnect();
    await quiet(up);
    await expectApplied();
  });

  test('is merged unseen where it is deleted there', async () => {
    await server.transact((tx) => tx.delete(Note, moved));
    await write(moved);
    await goOn();
    expect(await shelf()).toEqual([]);
    expect(await server.get(Note, moved)).toBeNull();
    expect(titles()).toEqual(['held']);
    expect(node.report().upstream!.outbox.transactions).toBe(0);
  });
});
