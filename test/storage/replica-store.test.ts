/** What an ephemeral node keeps in its file comes back as it was put, on every driver, and after the declarations have grown. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { SqlParameters } from '../../query/index.ts';
import { sqliteFile } from '../../storage/drivers/sqlite-file.ts';
import {
  type Collection,
  collection,
  digestOf,
  type EpochId,
  encodeOperation,
  integer,
  type KeptTransaction,
  NOTHING_KEPT,
  openStore,
  type Position,
  real,
  type Store,
  type StoredRow,
  type SystemId,
  text,
} from '../../storage/index.ts';
import { REPLICA_TABLES } from '../../storage/replica-tables.ts';
import { decodeSelection, encodeSelection } from '../../storage/selection-bytes.ts';
import { fileDrivers, makeFolder } from '../support/every-driver.ts';
import { createIds, operationWith } from './fixtures.ts';

const folder = makeFolder();
afterAll(folder.remove);
let files = 0;

const ids = createIds(5);
const Note = collection('flight', { origin: text(), delay: integer().optional(), ratio: real().optional() });

function newFile(): string {
  files += 1;
  return join(folder.path, `${files}.db`);
}

async function open(
  file: string,
  collections: readonly Collection[] = [Note],
  driver = fileDrivers[0]!,
): Promise<Store> {
  return openStore(await sqliteFile(file, { driver }).open(), collections, createIds(1).any, 'ephemeral');
}

/** Closes it and opens it again. */
async function again(store: Store, file: string, collections?: readonly Collection[]): Promise<Store> {
  const { name } = store.driver;
  store.driver.close();
  return open(file, collections, name as (typeof fileDrivers)[number]);
}

function pending(place: number, count = 2): KeptTransaction {
  const transaction = ids.transaction();
  const operations = Array.from({ length: count }, () => {
    const operation = operationWith(ids, { transaction });
    const bytes = encodeOperation(operation);
    return { operation, bytes, digest: digestOf(bytes) };
  });
  return { transaction, place, attempt: 1, rebases: 0, state: 'queued', operations };
}

function row(): StoredRow {
  const [first, second] = [ids.operation(), ids.operation()];
  return {
    values: [ids.entity(), 'SFO', null, 2],
    head: [second],
    versions: {
      base: first,
      listed: [
        ['delay', first],
        ['origin', second],
      ],
    },
    deleted: null,
    asOf: 300 as Position,
    extra: [['gate', 7n, second]],
  };
}

describe.each(fileDrivers)('%s', (driver) => {
  test('gives back what was put, in order, as it was put last', async () => {
    const file = newFile();
    const { replica, driver: sqlite } = await open(file, [Note], driver);
    const [one, two, three] = [pending(1), pending(2, 40), pending(7)];
    const renewed = { ...pending(2, 3), transaction: two.transaction, attempt: 2, rebases: 1, state: 'held' as const };
    const operations = renewed.operations.map((each) => {
      const operation = { ...each.operation, transaction: two.transaction };
      const bytes = encodeOperation(operation);
      return { operation, bytes, digest: digestOf(bytes) };
    });
    const base = row();
    const id = base.values[0] as ReturnType<typeof ids.entity>;
    const held = Array.from({ length: 40 }, () => ids.entity()).sort();
    const system = ids.any() as SystemId;
    const cursor = { epoch: ids.any() as EpochId, position: (2 ** 40) as Position };
    const edge = ids.entity();
    const selection = { collection: 'flight', text: 'delay > ? ORDER BY delay LIMIT 3', parameters: [5], edge };
    sqlite.transaction(() => {
      for (const each of [three, one, two, { ...renewed, operations }]) replica.putTransaction(each);
      replica.removeTransaction(one.place);
      replica.putBase({ collection: 'flight', id, row: null, hasLeft: false, isMixed: false });
      replica.putBase({ collection: 'flight', id, row: base, hasLeft: true, isMixed: true });
      replica.putBase({ collection: 'flight', id: edge, row: null, hasLeft: false, isMixed: true });
      replica.putBase({ collection: 'flight', id: held[0]!, row: base, hasLeft: false, isMixed: false });
      replica.removeBase('flight', held[0]!);
      replica.putSelection(1, { ...selection, edge: null });
      replica.putSelection(2, selection);
      replica.putSelection(3, selection);
      replica.moveEdge(1, id);
      replica.removeSelection(3);
      replica.putIds('flight', held);
      replica.putIds('flight', held.slice(0, 1));
      replica.removeIds('flight', held.slice(1, 2));
      replica.setCursor({ ...cursor, position: 1 as Position });
      replica.setCursor(cursor);
      replica.adopt(system);
    });
    sqlite.close();
    const kept = (await open(file, [Note], driver)).replica.read();
    expect(kept).toMatchObject({ cursor, system, damages: [], greatestPlace: 7 });
    expect(kept.transactions.map(({ place, attempt, rebases, state }) => [place, attempt, rebases, state])).toEqual([
      [2, 2, 1, 'held'],
      [7, 1, 0, 'queued'],
    ]);
    expect(kept.transactions.map((each) => each.operations.map(({ operation }) => operation))).toEqual([
      operations.map(({ operation }) => operation),
      three.operations.map(({ operation }) => operation),
    ]);
    expect(kept.greatestId).toBe(
      [...operations, ...three.operations]
        .map(({ operation }) => operation.id)
        .sort()
        .at(-1),
    );
    const bases = new Map(kept.bases.map((each) => [each.id, each]));
    expect(bases.get(id)).toEqual({ collection: 'flight', id, row: base, hasLeft: true, isMixed: true });
    expect(bases.get(edge)).toMatchObject({ row: null, isMixed: true });
    expect(bases.size).toBe(2);
    expect(kept.selections).toEqual([
      [1, { ...selection, edge: id }],
      [2, selection],
    ]);
    expect(kept.ids.map(([, each]) => each)).toEqual(held.filter((_, at) => at !== 1));
  });

  test('a rollback takes all of it back', async () => {
    const { replica, driver: sqlite } = await open(newFile(), [Note], driver);
    const before = replica.read();
    expect(() =>
      sqlite.transaction(() => {
        replica.putTransaction(pending(1));
        replica.putIds('flight', [ids.entity()]);
        replica.adopt(ids.any() as SystemId);
        throw new Error('not this time');
      }),
    ).toThrow('not this time');
    expect(replica.read()).toEqual(before);
    sqlite.close();
  });
});

test('a base is read by a declaration that has grown since', async () => {
  const file = newFile();
  const store = await open(file);
  const base = row();
  const id = base.values[0] as ReturnType<typeof ids.entity>;
  store.replica.putBase({ collection: 'flight', id, row: base, hasLeft: false, isMixed: false });
  const Grown = collection('flight', {
    gate: integer().optional(),
    origin: text(),
    delay: integer().optional(),
    ratio: real().optional(),
    seats: integer().default(3),
  });
  const grown = await again(store, file, [Grown]);
  const [found] = grown.replica.read().bases;
  expect(found!.row).toMatchObject({ values: [id, 7, 'SFO', null, 2, 3], extra: [], head: base.head, asOf: 300 });
  grown.driver.close();
});

test('what is kept of a node in memory is nothing', async () => {
  const driver = await sqliteFile(':memory:').open();
  const store = openStore(driver, [Note], createIds(1).any, 'ephemeral');
  expect(store.replica).toBe(NOTHING_KEPT);
  store.replica.putTransaction(pending(1));
  expect(store.replica.read()).toMatchObject({ transactions: [], bases: [], selections: [], ids: [], cursor: null });
  driver.close();
});

describe('a selection', () => {
  const CASES: readonly (readonly [string, SqlParameters, SqlParameters])[] = [
    ['', [], []],
    ['a = ? AND b = ?', [5, -0.5], [5, -0.5]],
    ['x', [2n ** 60n, 7n, true, null, Number.POSITIVE_INFINITY], [2n ** 60n, 7n, 1, null, Number.POSITIVE_INFINITY]],
    ['é ☃ 😀', ['\0 and \ufeff', ''], ['\0 and \ufeff', '']],
    ['y', [new Date(0), Uint8Array.of(1, 2)], ['1970-01-01T00:00:00.000Z', Uint8Array.of(1, 2)]],
    [':name', { name: 'x', __proto__x: 1 }, { name: 'x', __proto__x: 1 }],
  ];

  test.each(CASES)('comes back as it was asked for: %s', (written, parameters, expected) => {
    expect(decodeSelection(encodeSelection(written, parameters))).toEqual({ text: written, parameters: expected });
  });

  test('cut short or with more at its end is damaged', () => {
    const bytes = encodeSelection('a = ?', ['b']);
    for (let length = 0; length < bytes.length; length += 1) {
      expect(() => decodeSelection(bytes.subarray(0, length))).toThrow(/not as they were written/);
    }
    expect(() => decodeSelection(Uint8Array.of(...bytes, 0))).toThrow(/not as they were written/);
  });
});

describe('docs/format.md', () => {
  const page = readFileSync(new URL('../../docs/format.md', import.meta.url), 'utf8');

  test('names the tables and their columns', async () => {
    const { driver } = await open(newFile());
    for (const table of Object.keys(REPLICA_TABLES)) {
      const columns = driver.all(`PRAGMA table_info(${table})`).map(([, name]) => `\`${name}\``);
      expect(page).toContain(`| \`${table}\` | ${columns.join(', ')} |`);
    }
    driver.close();
  });

  test('has an example of a selection', () => {
    const [, hex] = /```hex selection\n([^`]*)```/.exec(page)!;
    const bytes = Uint8Array.from(Buffer.from(hex!.replace(/\s/g, ''), 'hex'));
    expect(decodeSelection(bytes)).toEqual({ text: 'stars > ?1', parameters: [10] });
    expect([...encodeSelection('stars > ?1', [10])]).toEqual([...bytes]);
  });
});
