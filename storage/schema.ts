/**
 * Brings the tables of a file to the declared collections: what is new is added in place, whatever would lose data or
 * change what stored values mean is refused by name.
 */
import { TendrilError } from '../errors.ts';
import type { Collection } from './collection.ts';
import { type Declaration, declarationOf, differencesOf } from './declaration.ts';
import { type Descriptor, literalOf } from './descriptor.ts';
import type { SqliteDriver } from './driver.ts';
import { adoptExtra } from './extra.ts';
import { damagedFile } from './file-check.ts';
import type { CollectionNumbers } from './log-writer.ts';
import type { Rows } from './rows.ts';
import {
  addColumnSql,
  createIndexSql,
  createTableSql,
  createViewSql,
  dropIndexSql,
  dropViewSql,
  HIDDEN_COLUMNS,
  physicalTable,
  quoted,
} from './tables.ts';

interface StoredCollection {
  readonly number: number;
  readonly declaration: string;
}

/** The collections of a file as it last declared them, by name. */
export type StoredCollections = ReadonlyMap<string, StoredCollection>;

export const NO_COLLECTIONS: ReadonlyMap<string, never> = new Map<string, never>();

/**
 * - `present`: the tables and views that the file has.
 *
 * @throws {TendrilError} `storage-damaged` where a collection lacks its table or its view, or these lack a column.
 */
export function readStored(driver: SqliteDriver, present: ReadonlySet<string>): StoredCollections {
  const rows = driver.all('SELECT name, number, declaration FROM tendril_collection') as [string, number, string][];
  const missing = rows.flatMap(([name]) => [`_${name}`, name]).filter((name) => !present.has(name));
  if (missing.length > 0) throw damagedFile(missing.join(', '));
  for (const [name, , declaration] of rows) checkColumns(driver, name, readDeclaration(declaration));
  return new Map(rows.map(([name, number, declaration]) => [name, { number, declaration }]));
}

/**
 * The collections that are new or declared otherwise than before.
 *
 * @throws {TendrilError} `schema-mismatch`, with every difference in `facts`, where the file cannot follow.
 */
export function changedCollections(
  stored: StoredCollections,
  collections: readonly Collection[],
): readonly Collection[] {
  const changed = collections.filter(
    (collection) => stored.get(collection.name)?.declaration !== textOf(declarationOf(collection)),
  );
  checkDifferences(stored, collections, changed);
  return changed;
}

/** Must run inside a transaction of the driver. @throws {TendrilError} `schema-mismatch`, `invalid-schema`. */
export function changeSchema(
  driver: SqliteDriver,
  stored: StoredCollections,
  changed: readonly Collection[],
  { descriptors, rows }: { readonly descriptors: ReadonlyMap<string, Descriptor>; readonly rows: Rows },
): void {
  for (const collection of changed) {
    const before = stored.get(collection.name);
    if (before === undefined) create(driver, collection);
    else change(driver, collection, before, descriptors.get(collection.name)!, rows);
  }
}

/** The numbers that stand for collections in the file, after `changed` were brought into it. */
export function collectionNumbers(
  driver: SqliteDriver,
  stored: StoredCollections,
  changed: readonly Collection[],
): CollectionNumbers {
  if (changed.length === 0) return new Map([...stored].map(([name, { number }]) => [name, number]));
  return new Map(driver.all('SELECT name, number FROM tendril_collection') as [string, number][]);
}

function create(driver: SqliteDriver, collection: Collection): void {
  checkDefaults(driver, collection, Object.keys(collection.properties));
  driver.exec(createTableSql(collection));
  driver.exec(createViewSql(collection));
  for (const index of collection.indexes) driver.exec(createIndexSql(collection, index));
  driver.run('INSERT INTO tendril_collection (name, declaration) VALUES (?, ?)', [
    collection.name,
    textOf(declarationOf(collection)),
  ]);
}

function change(
  driver: SqliteDriver,
  collection: Collection,
  { number, declaration }: StoredCollection,
  descriptor: Descriptor,
  rows: Rows,
): void {
  const before = readDeclaration(declaration);
  const known = before.properties.map(({ name }) => name);
  const names = Object.keys(collection.properties);
  const added = names.filter((name) => !known.includes(name));
  checkDefaults(driver, collection, added);
  for (const name of added) driver.exec(addColumnSql(collection, name));
  if (names.join() !== known.join()) {
    driver.exec(dropViewSql(collection));
    driver.exec(createViewSql(collection));
  }
  const indexesBefore = new Set(before.indexes.map((index) => index.join()));
  const indexes = new Set(collection.indexes.map((index) => index.join()));
  for (const index of before.indexes) if (!indexes.has(index.join())) driver.exec(dropIndexSql(collection, index));
  for (const index of collection.indexes) {
    if (!indexesBefore.has(index.join())) driver.exec(createIndexSql(collection, index));
  }
  if (added.length > 0) adoptExtra(driver, descriptor, rows);
  driver.run('UPDATE tendril_collection SET declaration = ? WHERE number = ?', [
    textOf(declarationOf(collection)),
    number,
  ]);
}

/** The file's own default must be the declared one to the last bit, and not every SQLite reads every literal so. */
function checkDefaults(driver: SqliteDriver, collection: Collection, properties: readonly string[]): void {
  for (const property of properties) {
    const { unset } = collection.properties[property]!;
    if (unset === null) continue;
    const same = driver.get(`SELECT ${literalOf(unset)} IS ?1 AND typeof(${literalOf(unset)}) = typeof(?1)`, [unset]);
    if (same?.[0] === 1) continue;
    throw new TendrilError({
      code: 'invalid-schema',
      problem: `The default of ${collection.name}.${property} is a number that this SQLite cannot read back exactly.`,
      remedy: 'Choose a default with fewer digits.',
      facts: { collection: collection.name, property, literal: literalOf(unset) },
    });
  }
}

function checkDifferences(
  stored: StoredCollections,
  declared: readonly Collection[],
  changed: readonly Collection[],
): void {
  const names = new Set(declared.map(({ name }) => name));
  const differences = [...stored.keys()]
    .filter((name) => !names.has(name))
    .map((name) => `${name} is no longer declared`);
  for (const collection of changed) {
    const before = stored.get(collection.name);
    if (before === undefined) continue;
    const found = differencesOf(readDeclaration(before.declaration), declarationOf(collection));
    differences.push(...found.map((difference) => `${collection.name}.${difference}`));
  }
  if (differences.length === 0) return;
  throw new TendrilError({
    code: 'schema-mismatch',
    problem: `The file does not fit the declared collections: ${differences.join('; ')}.`,
    remedy:
      'Declare what the file has, and new properties as .optional() or with .default(value); or give a changed property a new name and copy its values.',
    facts: { differences },
  });
}

/** The order of the table's columns is that in which they came. */
function checkColumns(driver: SqliteDriver, name: string, { properties }: Declaration): void {
  const shown = ['id', ...properties.map((property) => property.name)];
  const kept = [...shown, ...HIDDEN_COLUMNS];
  if (columnsOf(driver, quoted(name)).join() !== shown.join()) throw damagedFile(`a column of ${name}`);
  if (columnsOf(driver, physicalTable(name)).sort().join() !== kept.sort().join()) {
    throw damagedFile(`a column of _${name}`);
  }
}

function columnsOf(driver: SqliteDriver, table: string): string[] {
  try {
    return driver.all(`PRAGMA table_info(${table})`).map(([, name]) => String(name));
  } catch (error) {
    // A view names a column that its table does not have.
    if (error instanceof TendrilError && error.facts.sqliteCode === 'SQLITE_ERROR')
      throw damagedFile(`what ${table} is made of`);
    throw error;
  }
}

function readDeclaration(text: string): Declaration {
  try {
    const { properties, indexes } = JSON.parse(text) as Declaration;
    if (properties.every(({ name }) => typeof name === 'string') && Array.isArray(indexes))
      return { properties, indexes };
  } catch {
    // Told of below.
  }
  throw damagedFile('the declaration of a collection');
}

function textOf(declaration: Declaration): string {
  return JSON.stringify(declaration);
}
