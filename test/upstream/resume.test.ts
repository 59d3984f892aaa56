/** A client that was away: what it is told when it comes back, and what it shows then. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { MIN_COMPARED_ROWS } from '../../engine/upstream/limits.ts';
import { type LiveQuery, Node, type RowOf } from '../../index.ts';
import { sqliteFile } from '../../storage/drivers/index.ts';
import type { EntityId, Position } from '../../storage/index.ts';
import { createTestClock, createTestRandom, createTestScheduler } from '../support/ports.ts';
import { GatedUpstream, quiet, type UploadRequest } from './gated-upstream.ts';
import { COLLECTIONS, createWorld, type Follower, Note, type World } from './world.ts';

type NoteRow = RowOf<typeof Note>;

async function write(node: Node, rows: number, stars = (at: number) => at): Promise<readonly string[]> {
  return node.transact((tx) =>
    Array.from({ length: rows }, (_, at) => tx.create(Note, { title: `note ${at}`, stars: stars(at) })),
  );
}

async function comeBack(world: World, { node, upstream }: Follower): Promise<void> {
  upstream.requests.length = 0;
  upstream.said.length = 0;
  await node.reconnect();
  await world.quiet();
}

function chunks({ upstream }: Follower) {
  return upstream.saidOf('chunk');
}

async function expectFresh(world: World, lives: readonly (readonly [string, LiveQuery<NoteRow>])[]): Promise<void> {
  for (const [text, live] of lives) {
    expect([live.status, String(live.error)], text).toEqual(['complete', 'null']);
    expect(live.rows, text).toEqual(await world.authority.query(Note, text));
  }
}

describe('after an absence in which', () => {
  test('nothing happened, no row travels', async () => {
    const world = await createWorld();
    await write(world.authority, 50);
    const ana = await world.follow();
    const live = ana.node.live(Note, '');
    const window = ana.node.live(Note, 'ORDER BY stars DESC LIMIT 5');
    await world.quiet();
    const rows = live.rows;
    ana.upstream.cut();
    await comeBack(world, ana);
    expect(ana.node.report().upstream!.began).toBe('resumed');
    expect(chunks(ana).map(({ basis, rows, left }) => [basis, rows.length, left.length])).toEqual([
      ['held', 0, 0],
      ['held', 0, 0],
    ]);
    expect(live.rows).toBe(rows);
    await expectFresh(world, [
      ['', live],
      ['ORDER BY stars DESC LIMIT 5', window],
    ]);
  });

  test('rows were changed, deleted, restored, created, and moved out of and into what it follows, it is as a fresh one', async () => {
    const world = await createWorld();
    const ids = await write(world.authority, 40);
    await world.authority.transact((tx) => tx.delete(Note, ids[20]!));
    const ana = await world.follow();
    const texts = ['', 'stars < 10', 'stars >= 30', 'ORDER BY stars LIMIT 5', 'stars > 15 ORDER BY stars DESC LIMIT 4'];
    const lives = texts.map((text) => [text, ana.node.live(Note, text)] as const);
    await world.quiet();
    ana.upstream.cut();
    await world.authority.transact((tx) => {
      tx.update(Note, ids[1]!, { title: 'changed' });
      tx.update(Note, ids[2]!, { stars: 35 });
      tx.update(Note, ids[38]!, { stars: 0 });
      tx.delete(Note, ids[3]!);
      tx.restore(Note, ids[20]!);
      tx.create(Note, { title: 'new', stars: 1 });
      tx.update(Note, ids[39]!, { stars: 16 });
    });
    await world.authority.transact((tx) => tx.delete(Note, ids[4]!));
    await world.authority.transact((tx) => tx.restore(Note, ids[4]!));
    await comeBack(world, ana);
    await expectFresh(world, lives);
    expect(chunks(ana).every(({ basis }) => basis === 'held')).toBe(true);
    const sent = chunks(ana).reduce((sum, { rows }) => sum + rows.length, 0);
    expect(sent).toBeLessThan(30);
    await world.authority.transact((tx) => {
      for (const id of ids.slice(5, 12)) tx.update(Note, id, { stars: 33 });
    });
    await world.quiet();
    await expectFresh(world, lives);
  });

  test('its pending writes meet those of others', async () => {
    const world = await createWorld();
    const [id] = await write(world.authority, 5);
    const ana = await world.follow();
    const live = ana.node.live(Note, '');
    await world.quiet();
    ana.upstream.cut();
    await ana.node.transact((tx) => tx.update(Note, id!, { title: 'ours' }));
    const own = await ana.node.transact((tx) => tx.create(Note, { title: 'offline', stars: 9 }));
    await world.authority.transact((tx) => tx.update(Note, id!, { stars: 100 }));
    expect(live.rows.find((row) => row.id === id)).toMatchObject({ title: 'ours', stars: 0 });
    await comeBack(world, ana);
    await expectFresh(world, [['', live]]);
    expect(await world.authority.get(Note, id!)).toMatchObject({ title: 'ours', stars: 100 });
    expect(await world.authority.get(Note, own)).not.toBeNull();
  });

  test('a row of it was written here and acknowledged just before the link was cut, it is told and kept once', async () => {
    const world = await createWorld();
    const [id] = await write(world.authority, 5);
    const ana = await world.follow();
    const live = ana.node.live(Note, '');
    await world.quiet();
    ana.upstream.holdSaid = true;
    await ana.node.transact((tx) => tx.update(Note, id!, { title: 'acknowledged, but not heard' }));
    await world.quiet();
    ana.upstream.cut();
    ana.upstream.holdSaid = false;
    await comeBack(world, ana);
    await expectFresh(world, [['', live]]);
    expect(ana.node.report().upstream!.outbox.transactions).toBe(0);
    expect((await world.authority.history(Note, id!)).length).toBe(2);
  });
});

test('what was written before the first session, and was settled before that is whole, stays', async () => {
  const world = await createWorld();
  await write(world.authority, 3_500);
  const ana = await world.follow({ unwelcome: true });
  const live = ana.node.live(Note, '');
  const id = await ana.node.transact((tx) => tx.create(Note, { title: 'early', stars: 1 }));
  ana.upstream.holdWelcome = false;
  await world.quiet();
  expect(await world.authority.get(Note, id)).not.toBeNull();
  await expectFresh(world, [['', live]]);
});

test('what is settled only after the next session was told that it does not exist, stays', async () => {
  const world = await createWorld();
  await write(world.authority, 3_500);
  const ana = await world.follow({ unwelcome: true });
  const live = ana.node.live(Note, '');
  const id = await ana.node.transact((tx) => tx.create(Note, { title: 'late', stars: 1 }));
  // The authority takes its time over the upload.
  let late: UploadRequest | null = null;
  ana.upstream.judge = (upload) => {
    late ??= upload;
    return { kind: 'at', position: 0 as Position };
  };
  ana.upstream.holdWelcome = false;
  while (ana.upstream.saidOf('chunk').length === 0 || late === null) await new Promise(setImmediate);
  ana.upstream.cut();
  ana.upstream.said.length = 0;
  await ana.node.reconnect();
  while (chunks(ana).length === 0) await new Promise(setImmediate);
  const absent = { kind: 'held', collection: 'note', position: 0 as Position, basis: 'nothing', rows: [] } as const;
  ana.upstream.plant({ ...absent, ids: [id as EntityId] });
  const { transaction, operations } = late as UploadRequest;
  await world.authority.ingest(operations);
  const position = world.authority.report().position as Position;
  ana.upstream.plant({ kind: 'step', position, parts: [], edges: [], settled: transaction });
  await world.quiet();
  expect(live.rows.some((row) => row.id === id)).toBe(true);
  await expectFresh(world, [['', live]]);
});

test('ids that were fetched are brought up to date by what changed', async () => {
  const world = await createWorld();
  const ids = await write(world.authority, 20);
  const ana = await world.follow();
  await world.quiet();
  for (const id of ids) await ana.node.get(Note, id);
  ana.upstream.cut();
  await world.authority.transact((tx) => {
    tx.update(Note, ids[3]!, { title: 'changed' });
    tx.delete(Note, ids[4]!);
  });
  await comeBack(world, ana);
  expect(ana.upstream.saidOf('held').map(({ basis, ids, rows }) => [basis, ids.length, rows.length])).toEqual([
    ['held', 20, 2],
  ]);
  expect(await ana.node.get(Note, ids[3]!)).toMatchObject({ title: 'changed' });
  expect(await ana.node.get(Note, ids[4]!)).toBeNull();
  expect(await ana.node.get(Note, ids[5]!)).toMatchObject({ title: 'note 5' });
});

test('a selection that was interrupted goes on where it stopped, also in a first session', async () => {
  const world = await createWorld();
  const ids = await write(world.authority, 2_500);
  const ana = await world.follow({ unwelcome: true });
  const live = ana.node.live(Note, '');
  ana.upstream.holdWelcome = false;
  const first = () => chunks(ana).length > 0;
  while (!first()) await new Promise(setImmediate);
  await new Promise(setImmediate);
  expect(live.progress).toEqual({ received: 1_000, total: 2_500 });
  ana.upstream.cut();
  expect(live.rows).toEqual([]);
  await world.authority.transact((tx) => {
    tx.update(Note, ids[0]!, { title: 'changed behind' });
    tx.delete(Note, ids[1]!);
    tx.update(Note, ids[2_400]!, { title: 'changed ahead' });
  });
  await comeBack(world, ana);
  expect(ana.node.report().upstream!.began).toBe('resumed');
  const sent = chunks(ana).reduce((sum, { rows }) => sum + rows.length, 0);
  expect(sent).toBe(1_501);
  expect(live.progress).toBeNull();
  await expectFresh(world, [['', live]]);
});

test('one that is cut again and again, at any message, ends as a fresh one', async () => {
  for (let cut = 1; cut < 30; cut += 1) {
    const world = await createWorld();
    const ids = await write(world.authority, 60, (at) => at % 20);
    const ana = await world.follow({ unwelcome: true });
    const texts = ['', 'stars < 10', 'ORDER BY stars LIMIT 5'];
    const lives = texts.map((text) => [text, ana.node.live(Note, text)] as const);
    ana.upstream.cutAfter = cut;
    ana.upstream.holdWelcome = false;
    await world.quiet();
    for (let turn = 0; turn < 3; turn += 1) {
      const at = (cut * 7 + turn * 13) % 59;
      await world.authority.transact((tx) => {
        tx.update(Note, ids[at]!, { stars: turn * 9 });
        if (turn === 1) tx.delete(Note, ids[at + 1]!);
        tx.create(Note, { title: 'more', stars: turn });
      });
      ana.upstream.cutAfter = turn === 2 ? Number.POSITIVE_INFINITY : cut;
      await ana.node.reconnect();
      await world.quiet();
    }
    if (lives[0]![1].status === 'offline') await comeBack(world, ana);
    ana.upstream.cutAfter = Number.POSITIVE_INFINITY;
    if (lives[0]![1].status === 'offline') await comeBack(world, ana);
    await expectFresh(world, lives);
    expect(ana.errors).toEqual([]);
  }
});

describe('from a log that is not the one before', () => {
  /** A follower of a file, of which a backup is taken; the upstream then leads to a node of that backup. */
  async function restored(rows: number, after: (node: Node, ids: readonly string[]) => Promise<unknown>) {
    const folder = mkdtempSync(join(tmpdir(), 'tendril-resume-'));
    const options = { collections: COLLECTIONS, ports: { clock: createTestClock(), random: createTestRandom(1) } };
    const original = await Node.open({ ...options, storage: sqliteFile(join(folder, 'original.db')) });
    const ids = await write(original, rows);
    let authority = original;
    const upstream = new GatedUpstream(() => authority);
    const errors: unknown[] = [];
    const node = await Node.open({
      collections: COLLECTIONS,
      upstream,
      ports: { clock: createTestClock(), random: createTestRandom(2), scheduler: createTestScheduler() },
      onError: (error) => errors.push(error),
    });
    const texts = ['', 'stars < 200', 'ORDER BY stars LIMIT 5'];
    const lives = texts.map((text) => [text, node.live(Note, text)] as const);
    await quiet(upstream);
    await original.backup(join(folder, 'backup.db'));
    await after(original, ids);
    await quiet(upstream);
    upstream.cut();
    const backup = await Node.open({ ...options, storage: sqliteFile(join(folder, 'backup.db')) });
    authority = backup;
    const comeBack = async () => {
      upstream.said.length = 0;
      await node.reconnect();
      await quiet(upstream);
      for (const [text, live] of lives) {
        expect(live.status, text).toBe('complete');
        expect(live.rows, text).toEqual(await authority.query(Note, text));
      }
      expect(errors).toEqual([]);
    };
    const close = async () => {
      upstream.cut();
      for (const each of [node, backup, original]) await each.close();
      rmSync(folder, { recursive: true });
    };
    return { node, upstream, ids, lives, backup, comeBack, close };
  }

  test('a restored backup: what it lost goes, the rest is compared and does not travel', async () => {
    const lost: string[] = [];
    const { node, upstream, ids, backup, comeBack, close } = await restored(300, async (original, made) => {
      await original.transact((tx) => {
        tx.update(Note, made[7]!, { title: 'lost' });
        tx.delete(Note, made[8]!);
        lost.push(tx.create(Note, { title: 'lost, too', stars: 3 }));
      });
    });
    const written = await node.transact((tx) => tx.create(Note, { title: 'offline', stars: 4 }));
    await backup.transact((tx) => tx.update(Note, ids[9]!, { title: 'another way' }));
    await comeBack();
    expect(node.report().upstream!.began).toBe('anew');
    expect(await node.get(Note, lost[0]!)).toBeNull();
    expect(await backup.get(Note, written)).toMatchObject({ title: 'offline' });
    const sent = upstream.saidOf('chunk').reduce((sum, { rows }) => sum + rows.length, 0);
    expect(sent).toBeLessThan(60);
    expect(upstream.saidOf('chunk').filter(({ basis }) => basis === 'buckets').length).toBeGreaterThan(0);
    // Positions that were those of the other log do not keep news out.
    for (const id of ids.slice(0, 10)) await backup.transact((tx) => tx.update(Note, id, { stars: 77 }));
    await quiet(upstream);
    for (const id of ids.slice(0, 10)) expect(await node.get(Note, id)).toMatchObject({ stars: 77 });
    upstream.cut();
    await comeBack();
    expect(node.report().upstream!.began).toBe('resumed');
    await close();
  });

  test('what was written on a row that the backup lost is made anew or refused, and blocks nothing', async () => {
    const lost: string[] = [];
    const { node, ids, backup, upstream, comeBack, close } = await restored(80, async (original, made) => {
      await original.transact((tx) => {
        tx.update(Note, made[0]!, { title: 'lost' });
        lost.push(tx.create(Note, { title: 'lost, too', stars: 3 }));
      });
    });
    await node.transact((tx) => tx.update(Note, ids[0]!, { body: 'on a lost edit' }));
    const gone = node.transact((tx) => tx.update(Note, lost[0]!, { body: 'on a lost row' }), { until: 'settled' });
    gone.catch(() => undefined);
    await comeBack();
    await quiet(upstream);
    expect(await backup.get(Note, ids[0]!)).toMatchObject({ title: 'note 0', body: 'on a lost edit' });
    await expect(gone).rejects.toMatchObject({ code: expect.any(String) });
    expect(node.report().upstream!.outbox.transactions).toBe(0);
    await close();
  });

  test('few rows are not compared, but told', async () => {
    const { node, upstream, comeBack, close } = await restored(MIN_COMPARED_ROWS - 2, (original) => write(original, 1));
    await comeBack();
    expect(upstream.saidOf('chunk').map(({ basis }) => basis)).toEqual(['nothing', 'nothing', 'nothing']);
    expect(node.report().upstream!.began).toBe('anew');
    await close();
  });
});
