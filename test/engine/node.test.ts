import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { sqliteFile } from '../../bindings/node/index.ts';
import { MAX_OPERATIONS_READ } from '../../engine/node.ts';
import { blob, collection, integer, memory, Node, type NodeOptions, type Transaction, text } from '../../index.ts';
import type { SqliteDriver } from '../../storage/index.ts';
import { createTestClock } from '../support/ports.ts';

const Note = collection('note', { title: text(), stars: integer().optional() });

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tendril-node-'));
});
afterEach(() => rmSync(folder, { recursive: true }));
const openFile = (options: Partial<NodeOptions> = {}) =>
  Node.open({ collections: [Note], storage: sqliteFile(join(folder, 'notes.db')), ...options });

describe('opening', () => {
  test('in memory by default, durable, its own author', async () => {
    const node = await Node.open({ collections: [Note] });
    const report = node.report();
    expect(report).toMatchObject({
      role: 'durable',
      position: 0,
      driver: { name: 'sql.js', kind: 'memory' },
      liveQueries: 0,
      parked: { transactions: 0, bytes: 0 },
      openTransactions: 0,
      logAheadMs: 0,
    });
    expect(report.author).toBe(report.node);
    await node.close();
  });

  test('an author is named in every operation', async () => {
    const node = await Node.open({ collections: [Note], author: 'ana' });
    const id = await node.transact((tx) => tx.create(Note, { title: 'x' }));
    expect(await node.history(Note, id)).toMatchObject([{ author: 'ana' }]);
    await node.close();
  });

  test('options that this version does not have, or that make no sense, are refused by name', async () => {
    const wrong: readonly (readonly [string, object])[] = [
      ['upstream', { upstream: {} }],
      ['role', { role: 'ephemeral' }],
      ['author', { author: '' }],
      ['author', { author: 'x'.repeat(257) }],
      ['collections', { collections: Note }],
    ];
    for (const [option, options] of wrong) {
      const opening = Node.open({ collections: [Note], ...options } as NodeOptions);
      await expect(opening).rejects.toMatchObject({ code: 'invalid-option', facts: { option } });
    }
    await (await Node.open({ collections: [Note], author: 'x'.repeat(256) })).close();
  });

  test('a file again gives the same node, its rows, its history, and ids above all it holds', async () => {
    const clock = createTestClock();
    const first = await openFile({ ports: { clock } });
    const id = await first.transact((tx) => tx.create(Note, { title: 'kept' }));
    const { system, node: nodeId } = first.report();
    await first.close();
    clock.advance(-60_000);
    const second = await openFile({ ports: { clock } });
    expect(second.report()).toMatchObject({ system, node: nodeId, position: 1 });
    expect(await second.get(Note, id)).toEqual({ id, title: 'kept', stars: null });
    await second.transact((tx) => tx.update(Note, id, { title: 'later' }));
    const [created, updated] = await second.history(Note, id);
    expect(updated!.id > created!.id).toBe(true);
    expect(second.report().logAheadMs).toBe(60_000);
    await second.close();
  });

  test('a failure after the storage was opened closes it again', async () => {
    const driver = await memory().open();
    driver.exec('CREATE TABLE foreigner (x)');
    const opening = Node.open({ collections: [Note], storage: { open: async () => driver } });
    await expect(opening).rejects.toMatchObject({ code: 'storage-foreign' });
    expect(() => driver.all('SELECT 1')).toThrow(expect.objectContaining({ code: 'closed' }));
  });
});

describe('closing', () => {
  test('commits what was asked for before, and ends what is open', async () => {
    const node = await openFile();
    let leaked: Transaction | undefined;
    const open = node.transact(async (tx) => {
      leaked = tx;
      tx.create(Note, { title: 'open' });
      await new Promise(() => undefined);
    });
    await node.transact(() => undefined);
    const asked = node.transact((tx) => tx.create(Note, { title: 'asked for' }));
    const begun = node.transact(async (tx) => {
      tx.create(Note, { title: 'begun after all' });
    });
    const other = await Node.open({ collections: [Note] });
    await other.transact((tx) => tx.create(Note, { title: 'ingested' }));
    const ingested = node.ingest((await other.operations()).map(({ bytes }) => bytes));
    await other.close();
    const closed = node.close();
    await expect(open).rejects.toMatchObject({ code: 'closed' });
    await expect(begun).rejects.toMatchObject({ code: 'closed' });
    expect(() => leaked?.query(Note)).toThrow(expect.objectContaining({ code: 'closed' }));
    await Promise.all([asked, ingested, closed, node.close()]);
    const again = await openFile();
    expect(await again.query(Note, 'true ORDER BY title')).toMatchObject([
      { title: 'asked for' },
      { title: 'ingested' },
    ]);
    await again.close();
  });

  test('commits a statement that was asked for before', async () => {
    const node = await openFile();
    const [written] = await Promise.all([
      node.sql("INSERT INTO note (title) VALUES ('x') RETURNING title"),
      node.close(),
    ]);
    expect(written).toEqual([{ title: 'x' }]);
    const again = await openFile();
    expect(await again.query(Note)).toHaveLength(1);
    await again.close();
  });

  test('waits for every group that is still to be committed', async () => {
    const node = await openFile();
    const many = Array.from({ length: 1_001 }, (_, stars) =>
      node.transact((tx) => tx.create(Note, { title: 'x', stars })),
    );
    await node.close();
    expect(await Promise.all(many)).toHaveLength(1_001);
    const again = await openFile();
    expect(again.report().position).toBe(1_001);
    await again.close();
  });

  test('everything is `closed` afterwards', async () => {
    const node = await Node.open({ collections: [Note] });
    const id = await node.transact((tx) => tx.create(Note, { title: 'x' }));
    await node.close();
    const uses: (() => unknown)[] = [
      () => node.transact(() => undefined),
      () => node.get(Note, id),
      () => node.query(Note),
      () => node.sql('SELECT 1'),
      () => node.sql('DELETE FROM note'),
      () => node.live(Note),
      () => node.explain(Note),
      () => node.history(Note, id),
      () => node.ingest([]),
      () => node.operations(),
      () => node.backup(join(folder, 'copy.db')),
      () => node.report(),
    ];
    for (const use of uses) {
      await expect((async () => use())(), String(use)).rejects.toMatchObject({ code: 'closed' });
    }
  });

  test('a callback’s promise that never settles does not keep the node open', async () => {
    const node = await Node.open({ collections: [Note] });
    const never = node.transact(() => new Promise(() => undefined));
    await node.transact(() => undefined);
    await node.close();
    await expect(never).rejects.toMatchObject({ code: 'closed' });
  });
});

describe('reading', () => {
  test('a collection that the node was not opened with is refused, also one of the same name', async () => {
    const node = await Node.open({ collections: [Note] });
    const Stranger = collection('stranger', { x: text() });
    const Namesake = collection('note', { title: text() });
    for (const unknown of [Stranger, Namesake]) {
      await expect(node.query(unknown)).rejects.toMatchObject({ code: 'unknown-collection' });
      await expect(node.transact((tx) => tx.query(unknown))).rejects.toMatchObject({ code: 'unknown-collection' });
      expect(() => node.live(unknown)).toThrow(expect.objectContaining({ code: 'unknown-collection' }));
    }
    await node.close();
  });

  test('a property called as what every object inherits is read from the row alone', async () => {
    const Car = collection('car', { constructor: text().optional(), valueOf: text().default('much') });
    const node = await Node.open({ collections: [Car] });
    const ids = await node.transact((tx) => [
      tx.create(Car, {} as never),
      tx.create(Car, { constructor: 'Volvo' } as never),
    ]);
    expect(await node.get(Car, ids[0]!)).toEqual({ id: ids[0], constructor: null, valueOf: 'much' });
    expect(await node.query(Car, "constructor = 'Volvo'")).toHaveLength(1);
    const inherited = node.transact((tx) => tx.update(Car, ids[0]!, Object.create({ constructor: 'Saab' })));
    await expect(inherited).rejects.toMatchObject({ code: 'unknown-property' });
    await node.close();
  });

  test('an id that is no ULID is refused', async () => {
    const node = await Node.open({ collections: [Note] });
    for (const id of ['', 'x', '01arz3ndektsv4rrffq69g5fav', '8ZZZZZZZZZZZZZZZZZZZZZZZZZ']) {
      await expect(node.get(Note, id)).rejects.toMatchObject({ code: 'invalid-value' });
      await expect(node.transact((tx) => tx.create(Note, { title: 'x' }, { id }))).rejects.toMatchObject({
        code: 'invalid-value',
      });
    }
    await node.close();
  });

  test('without ORDER BY the order is by id; LIMIT and OFFSET count in it', async () => {
    const node = await Node.open({ collections: [Note] });
    const ids = await node.transact((tx) => Array.from({ length: 20 }, () => tx.create(Note, { title: 'x' })));
    const sorted = [...ids].sort();
    const idsOf = async (text: string) => (await node.query(Note, text)).map(({ id }) => id);
    expect(await idsOf('')).toEqual(sorted);
    expect(await idsOf("title = 'x' LIMIT 5 OFFSET 3")).toEqual(sorted.slice(3, 8));
    expect(await idsOf('LIMIT -1 OFFSET 18')).toEqual(sorted.slice(18));
    expect(await idsOf('ORDER BY id DESC LIMIT 2')).toEqual(sorted.reverse().slice(0, 2));
    await node.close();
  });

  test('explain tells the plan of a selection and how it would be kept live', async () => {
    const node = await Node.open({ collections: [Note] });
    const explained = await node.explain(Note, 'stars = ? ORDER BY title LIMIT 3', [5]);
    expect(explained).toMatchObject({ matched: 'typed', index: ['"stars" = 5'], sharedBy: 0 });
    expect(explained.plan.join()).toContain('_note');
    const joined = await node.explain('SELECT count(*) AS n FROM note WHERE stars > ?', [1]);
    expect(joined).toMatchObject({ matched: 'rerun', index: ['every change of note'], sharedBy: 0 });
    expect(node.report().liveQueries).toBe(0);
    await node.close();
  });

  test('a whole statement can be kept live', async () => {
    const node = await Node.open({ collections: [Note] });
    const live = node.live('SELECT count(*) AS n, max(stars) AS most FROM note WHERE stars > ?', [1]);
    await live.ready;
    expect(live.rows).toEqual([{ n: 0, most: null }]);
    await node.transact((tx) => tx.create(Note, { title: 'x', stars: 5 }));
    expect(live.rows).toEqual([{ n: 1, most: 5 }]);
    expect(() => node.live('DELETE FROM note')).toThrow(expect.objectContaining({ code: 'query-unsupported' }));
    await node.close();
  });

  test('a live query goes on comparing with the bytes it was given, whatever becomes of them', async () => {
    const Photo = collection('photo', { bytes: blob() });
    const node = await Node.open({ collections: [Photo] });
    const given = Buffer.from([1]);
    const live = node.live(Photo, 'bytes = ?', [given]);
    given[0] = 2;
    await node.transact((tx) => [1, 2].map((byte) => tx.create(Photo, { bytes: Uint8Array.of(byte) })));
    expect(live.rows.map(({ bytes }) => [...bytes])).toEqual([[1]]);
    await node.close();
  });

  test('operations come by whole transactions', async () => {
    const node = await Node.open({ collections: [Note] });
    for (const count of [3, 1, 4]) {
      await node.transact((tx) => Array.from({ length: count }, () => tx.create(Note, { title: 'x' })));
    }
    const positions = async (after: number, limit: number) =>
      (await node.operations(after, limit)).map(({ position }) => position);
    expect(await positions(0, 1)).toEqual([1, 1, 1]);
    expect(await positions(0, 4)).toEqual([1, 1, 1, 2]);
    expect(await positions(0, 7)).toEqual([1, 1, 1, 2]);
    expect(await positions(1, 8)).toEqual([2, 3, 3, 3, 3]);
    expect(await positions(3, 8)).toEqual([]);
    for (const limit of [0, -1, Number.NaN]) {
      await expect(node.operations(0, limit)).rejects.toMatchObject({ code: 'invalid-option' });
    }
    await expect(node.operations(4)).rejects.toMatchObject({ code: 'history-unavailable' });
    await node.close();
  });
});

test(`operations gives at most ${MAX_OPERATIONS_READ} beyond the first transaction`, async () => {
  const node = await Node.open({ collections: [Note] });
  for (const count of [MAX_OPERATIONS_READ - 1, 1, 1]) {
    await node.transact((tx) => Array.from({ length: count }, () => tx.create(Note, { title: 'x' })));
  }
  expect((await node.operations(0, 2 * MAX_OPERATIONS_READ)).at(-1)?.position).toBe(2);
  expect((await node.operations(1, 2 * MAX_OPERATIONS_READ)).at(-1)?.position).toBe(3);
  await node.close();
});

describe('backup', () => {
  test('is the node as it was, in a file of its own, taken while it is open', async () => {
    const node = await openFile();
    const id = await node.transact((tx) => tx.create(Note, { title: 'copied' }));
    const copy = join(folder, 'copy.db');
    await node.backup(copy);
    await node.transact((tx) => tx.update(Note, id, { title: 'later' }));
    const restored = await Node.open({ collections: [Note], storage: sqliteFile(copy) });
    expect([await restored.get(Note, id), restored.report().position]).toMatchObject([{ title: 'copied' }, 1]);
    await restored.close();
    await expect(node.backup(copy)).rejects.toMatchObject({ code: 'storage-failed' });
    await node.close();
  });

  test('from inside a callback waits for the commit', async () => {
    const node = await openFile();
    const copy = join(folder, 'copy.db');
    let backup: Promise<void> | undefined;
    await node.transact((tx) => {
      tx.create(Note, { title: 'committed first' });
      backup = node.backup(copy);
    });
    await backup;
    const restored = await Node.open({ collections: [Note], storage: sqliteFile(copy) });
    expect(await restored.query(Note)).toHaveLength(1);
    await restored.close();
    await node.close();
  });

  test('of a node in memory is refused', async () => {
    const node = await Node.open({ collections: [Note] });
    await expect(node.backup(join(folder, 'copy.db'))).rejects.toMatchObject({ code: 'storage-unsupported' });
    await node.close();
  });
});

test('a node’s file shows other tools the user’s columns only', async () => {
  const node = await openFile();
  await node.transact((tx) => tx.delete(Note, tx.create(Note, { title: 'never there' })));
  const [gone, kept] = await node.transact((tx) => [
    tx.create(Note, { title: 'gone' }),
    tx.create(Note, { title: 'kept' }),
  ]);
  await node.transact((tx) => tx.delete(Note, gone!));
  await node.close();
  const driver: SqliteDriver = await sqliteFile(join(folder, 'notes.db')).open();
  expect(driver.columns('SELECT * FROM note')).toEqual(['id', 'title', 'stars']);
  expect(driver.all('SELECT * FROM note')).toEqual([[kept, 'kept', null]]);
  driver.close();
});
