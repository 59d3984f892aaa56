import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { sqliteFile } from '../../storage/drivers/index.ts';
import {
  type Collection,
  collection,
  type EntityId,
  integer,
  memory,
  openStore,
  type Position,
  type Property,
  real,
  ref,
  type SqliteDriver,
  type Store,
  type StoredRow,
  text,
  timestamp,
  withRegisters,
} from '../../storage/index.ts';
import { APPLICATION_ID } from '../../storage/tables.ts';
import { codeOf, createIds, Flight, openTestStore } from './fixtures.ts';

const ids = createIds(7);
let folder: string;
let path: string;
let openings = 100;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tendril-open-'));
  path = join(folder, 'notes.db');
});
afterEach(() => rmSync(folder, { recursive: true }));

const open = (collections: readonly Collection[]) => openTestStore(collections, sqliteFile(path), ++openings);

/** The side database that a file's owner locks may stay. */
const filesBesideLocks = () => readdirSync(folder).filter((name) => !name.endsWith('-lock'));

/** Opens, uses and closes. */
async function using<Result>(collections: readonly Collection[], body: (store: Store) => Result): Promise<Result> {
  const store = await open(collections);
  try {
    return body(store);
  } finally {
    store.driver.close();
  }
}

const note = (properties: Record<string, Property>, indexes: string[][] = []) =>
  collection('note', properties, { indexes });

describe('an empty file', () => {
  test('becomes ours, with a node and a system of its own that last', async () => {
    const first = await using([Flight], ({ node, system }) => ({ node, system }));
    expect(first.node).not.toBe(first.system);
    expect(await using([Flight], ({ node, system }) => ({ node, system }))).toEqual(first);
  });

  test('stays empty if its collections are refused', async () => {
    const unreadable = note({ ratio: real().default(0.1 + 0.2) });
    const driver = await sqliteFile(path).open();
    const refusing: SqliteDriver = {
      ...driver,
      get: (sql, parameters) => (sql.includes('IS ?1') ? [0] : driver.get(sql, parameters)),
    };
    expect(() => openStore(refusing, [unreadable], ids.any)).toThrow(/cannot read back exactly/);
    expect(driver.all('SELECT name FROM sqlite_schema')).toEqual([]);
    driver.close();
  });

  test('opened without collections takes them later', async () => {
    await using([], ({ descriptors }) => expect(descriptors.size).toBe(0));
    await using([Flight], ({ driver }) => expect(driver.all('SELECT * FROM flight')).toEqual([]));
  });
});

test('opening an unchanged file writes nothing', async () => {
  await using([Flight], () => {});
  const before = readFileSync(path);
  await using([Flight], ({ driver }) => {
    expect(driver.get('SELECT total_changes()')).toEqual([0]);
    expect(statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0).toBe(0);
  });
  expect(readFileSync(path).equals(before)).toBe(true);
});

describe('a file that is not ours to open is refused and left as it was', () => {
  const foreign = (script: string) => async () => {
    const driver = await sqliteFile(path).open();
    driver.exec(script);
    driver.close();
  };
  const ours = (script: string) => async () => {
    await using([Flight], ({ driver }) => driver.exec(script));
  };
  const cases: [string, () => unknown, string][] = [
    [
      "another program's database",
      foreign('CREATE TABLE stars (x); PRAGMA user_version = 3; PRAGMA application_id = 0'),
      'storage-foreign',
    ],
    [
      'a database with an application id of its own',
      foreign('PRAGMA application_id = 42; PRAGMA user_version = 0'),
      'storage-foreign',
    ],
    ['a text file', () => writeFileSync(path, 'hello '.repeat(1_000)), 'storage-foreign'],
    ['a newer format', ours('PRAGMA user_version = 2'), 'storage-newer'],
    ['our mark without a format', ours('PRAGMA user_version = 0'), 'storage-damaged'],
    ['a missing table', ours('DROP TABLE tendril_epoch'), 'storage-damaged'],
    ['a lost node id', ours("DELETE FROM tendril_meta WHERE key = 'node'"), 'storage-damaged'],
    ['a lost declaration', ours("UPDATE tendril_collection SET declaration = '{'"), 'storage-damaged'],
    ['a lost view', ours('DROP VIEW flight'), 'storage-damaged'],
    ['a lost table of a collection', ours('DROP VIEW flight; DROP TABLE _flight'), 'storage-damaged'],
  ];
  test.each(cases)('%s', async (_, arrange, code) => {
    await arrange();
    const before = readFileSync(path);
    await expect(open([Flight])).rejects.toMatchObject({ code });
    expect(readFileSync(path).equals(before)).toBe(true);
    expect(filesBesideLocks()).toEqual(['notes.db']);
  });

  test.each([
    ['storage-newer', `PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = 2`],
    ['storage-foreign', 'CREATE TABLE stars (x)'],
    ['storage-damaged', `PRAGMA application_id = ${APPLICATION_ID}; CREATE TABLE stars (x)`],
  ])('%s, whatever keeps it', async (code, script) => {
    const driver = await memory().open();
    driver.exec(script);
    expect(codeOf(() => openStore(driver, [Flight], ids.any))).toBe(code);
    driver.close();
  });

  test.each([
    ['the schema', 100, 4_000],
    ['the first tables', 4_096, 40_000],
  ])('damaged pages of %s', async (_, from, to) => {
    await using([Flight], () => {});
    const bytes = readFileSync(path);
    bytes.fill(0x5a, from, to);
    writeFileSync(path, bytes);
    await expect(open([Flight])).rejects.toMatchObject({ code: 'storage-damaged' });
    expect(readFileSync(path).equals(bytes)).toBe(true);
  });

  test('our own mark is seen in the file', async () => {
    await using([Flight], () => {});
    expect(readFileSync(path).readUInt32BE(68)).toBe(APPLICATION_ID);
  });
});

describe('two collections of one name', () => {
  test.each([
    ['the same twice', [Flight, Flight]],
    ['in other letters', [collection('note', {}), collection('Note', {})]],
  ])('%s', async (_, collections) => {
    await expect(open(collections)).rejects.toMatchObject({ code: 'invalid-schema' });
  });
});

/** Writes one row that was never given more than `values`. */
function write(store: Store, values: Readonly<Record<string, string | bigint>>): EntityId {
  const entity = ids.entity();
  const winner = ids.operation();
  const registers = Object.entries({ '': null, ...values }).map(([property, value]) => ({ property, value, winner }));
  const merged = withRegisters(store.descriptors.get('note')!, entity, null, registers);
  const row: StoredRow = { ...merged, head: [winner], deleted: null, asOf: 1 as Position };
  store.driver.transaction(() => store.rows.write('note', entity, null, row));
  return entity;
}

describe('a changed schema is done in place', () => {
  const before = note({ title: text() });
  let entity: EntityId;
  beforeEach(() =>
    using([before], (store) => {
      entity = write(store, { title: 'x' });
    }),
  );
  const rowsOf = (changed: Collection) => using([changed], ({ driver }) => driver.all('SELECT * FROM note'));

  test('a new collection', async () => {
    await using([before, Flight], ({ driver }) => expect(driver.all('SELECT * FROM flight')).toEqual([]));
  });
  test('a new optional property', async () => {
    expect(await rowsOf(note({ title: text(), stars: integer().optional() }))).toEqual([[entity, 'x', null]]);
  });
  test('a new property with a default, which old rows read', async () => {
    expect(await rowsOf(note({ title: text(), stars: integer().default(3) }))).toEqual([[entity, 'x', 3]]);
    expect(await rowsOf(note({ title: text(), stars: integer().default(3) }))).toEqual([[entity, 'x', 3]]);
  });
  test('a new first property: the view keeps the declared order', async () => {
    const changed = note({ stars: real().default(-0.5), title: text() });
    expect(await rowsOf(changed)).toEqual([[entity, -0.5, 'x']]);
    await using([changed], ({ rows }) => expect(rows.read('note', entity)?.values).toEqual([entity, -0.5, 'x']));
  });
  test('a required property that becomes optional', async () => {
    expect(await rowsOf(note({ title: text().optional() }))).toEqual([[entity, 'x']]);
  });
  test('choices that become more', async () => {
    const [few, more] = [
      note({ title: text(), s: text('a').default('a') }),
      note({ title: text(), s: text('a', 'b').default('a') }),
    ];
    await rowsOf(few);
    expect(await rowsOf(more)).toEqual([[entity, 'x', 'a']]);
    expect(await rowsOf(note({ title: text(), s: text().default('a') }))).toEqual([[entity, 'x', 'a']]);
  });
  test('indexes, which come and go', async () => {
    const names = (changed: Collection) =>
      using([changed], ({ driver }) =>
        driver.all("SELECT name FROM sqlite_schema WHERE name LIKE 'tendril_index_%' ORDER BY 1").flat(),
      );
    expect(await names(note({ title: text() }, [['title']]))).toEqual(['tendril_index_note.title']);
    const two = { title: text(), stars: integer().optional() };
    expect(await names(note(two, [['stars'], ['title', 'stars']]))).toEqual([
      'tendril_index_note.stars',
      'tendril_index_note.title.stars',
    ]);
    expect(await names(note(two))).toEqual([]);
  });
});

describe('a changed schema that would lose data or meaning is refused, every difference named', () => {
  const before = note({
    title: text(),
    stars: integer().optional(),
    state: text('a', 'b').default('a'),
    of: ref('note').optional(),
  });
  const without = (name: string) => {
    const { [name]: _, ...rest } = before.properties as Record<string, Property>;
    return rest;
  };
  const changed = (name: string, property: Property) => note({ ...before.properties, [name]: property });
  const cases: [string, readonly Collection[], string][] = [
    ['a collection is gone', [], 'note is no longer declared'],
    ['a property is gone', [note(without('stars'))], 'note.stars is no longer declared'],
    ['another type', [changed('stars', real().optional())], 'note.stars was integer and is declared real'],
    ['a time instead of a text', [changed('title', timestamp())], 'note.title was text and is declared timestamp'],
    ['another target', [changed('of', ref('flight').optional())], 'note.of was ref(note) and is declared ref(flight)'],
    [
      'another default',
      [changed('state', text('a', 'b').default('b'))],
      "note.state had the default 'a' and is declared with 'b'",
    ],
    [
      'a default where there was none',
      [changed('stars', integer().optional().default(1))],
      'note.stars had the default NULL and is declared with 1',
    ],
    ['required, once optional', [changed('stars', integer())], 'note.stars was optional and is declared required'],
    ['fewer choices', [changed('state', text('a').default('a'))], 'note.state could be b and is declared without'],
    ['choices, once any text', [changed('title', text('x'))], 'note.title could be any text and is declared without'],
    ['a new property that is required', [changed('gate', text())], 'note.gate is new, required and has no default'],
  ];
  test.each(cases)('%s', async (_, collections, difference) => {
    await using([before], () => {});
    const bytes = readFileSync(path);
    await expect(open(collections)).rejects.toMatchObject({
      code: 'schema-mismatch',
      facts: { differences: [difference] },
    });
    expect(readFileSync(path).equals(bytes)).toBe(true);
    await using([before], () => {});
  });

  test('several at once are all named, and none is done', async () => {
    await using([before, Flight], () => {});
    await expect(open([note({ stars: integer(), more: text().optional() })])).rejects.toThrow(
      /flight is no longer declared; note.title is no longer declared; note.stars was optional .*; note.state .*; note.of /,
    );
    await using([before, Flight], ({ driver }) => expect(driver.columns('SELECT * FROM note')).toHaveLength(5));
  });
});

describe('a property that waited in _extra', () => {
  const before = note({ title: text() });
  const after = note({ gate: text().optional(), title: text(), stars: integer().default(1) });
  let entity: EntityId;
  beforeEach(() =>
    using([before], (store) => {
      entity = write(store, { title: 'x', gate: 'A7', aisle: 5n });
    }),
  );

  test('moves into its column, winner and all, as if it had always been there', async () => {
    const moved = await using([after], ({ rows }) => rows.read('note', entity)!);
    expect(moved.values).toEqual([entity, 'A7', 'x', 1]);
    expect(moved.extra).toEqual([['aisle', 5n, moved.versions.base]]);
    expect(moved.versions.listed).toEqual([]);
  });

  test('of another type than declared is refused, and stays', async () => {
    await expect(open([note({ title: text(), gate: integer().optional() })])).rejects.toMatchObject({
      code: 'schema-mismatch',
    });
    const row = await using([before], ({ rows }) => rows.read('note', entity)!);
    expect(row.extra.map(([property]) => property)).toEqual(['aisle', 'gate']);
  });
});

test('below the floor there is no undo', async () => {
  await using([Flight], ({ driver }) => driver.run("INSERT INTO tendril_meta VALUES ('floor', x'0000000000000002')"));
  await using([Flight], ({ log }) => {
    expect(() => log.undoSince(1 as Position, {}, 10)).toThrow(/earliest is 2/);
    expect(log.undoSince(2 as Position, {}, 10)).toEqual([]);
  });
});
