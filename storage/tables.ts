/**
 * The tables of a file. Their meaning is written down in docs/format.md.
 *
 * Invariants
 *   - Tendril's own tables are `tendril_*`, hold ids as 16-byte blobs and are STRICT;
 *   - a collection `flight` is the table `_flight`, one row per entity, deleted ones included, and the view `flight`
 *     of its living rows' properties, which SQLite flattens: the same plans and indexes as a table's;
 *   - a property's column is nullable and carries the property's default, which a row that never set it reads.
 */
import type { ColumnType, SqlValue } from '../query/index.ts';
import type { Collection } from './collection.ts';
import { literalOf } from './descriptor.ts';
import type { SqliteDriver } from './driver.ts';
import { columnTypeOf, type PropertyRule } from './property-rule.ts';

/** 'Tend': marks a file as ours. */
export const APPLICATION_ID = 0x54_65_6e_64;
/** The `user_version` of files this version writes, and the only one it reads. */
export const FORMAT_VERSION = 1;

export const SYSTEM_TABLES: Readonly<Record<string, string>> = {
  tendril_meta: 'CREATE TABLE tendril_meta (key TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID',
  tendril_collection:
    'CREATE TABLE tendril_collection (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, declaration TEXT NOT NULL) STRICT',
  tendril_epoch:
    'CREATE TABLE tendril_epoch (ordinal INTEGER PRIMARY KEY, epoch BLOB NOT NULL UNIQUE, first INTEGER NOT NULL) STRICT',
  tendril_transaction:
    'CREATE TABLE tendril_transaction (position INTEGER PRIMARY KEY, tx BLOB NOT NULL, chain BLOB NOT NULL) STRICT',
  tendril_identity: `CREATE TABLE tendril_identity (position INTEGER NOT NULL, ordinal INTEGER NOT NULL, id BLOB NOT NULL,
    digest BLOB NOT NULL, collection INTEGER NOT NULL, entity BLOB NOT NULL, precursors BLOB NOT NULL,
    PRIMARY KEY (position, ordinal)) STRICT, WITHOUT ROWID`,
  tendril_content: `CREATE TABLE tendril_content (position INTEGER NOT NULL, ordinal INTEGER NOT NULL, bytes BLOB NOT NULL,
    undo BLOB NOT NULL, PRIMARY KEY (position, ordinal)) STRICT, WITHOUT ROWID`,
  tendril_outcome:
    'CREATE TABLE tendril_outcome (tx BLOB NOT NULL PRIMARY KEY, position INTEGER, refusal TEXT) STRICT, WITHOUT ROWID',
  tendril_base: `CREATE TABLE tendril_base (collection INTEGER NOT NULL, entity BLOB NOT NULL, row BLOB NOT NULL,
    PRIMARY KEY (collection, entity)) STRICT, WITHOUT ROWID`,
};

export const SYSTEM_INDEXES = [
  'CREATE UNIQUE INDEX tendril_identity_id ON tendril_identity (id)',
  'CREATE INDEX tendril_identity_entity ON tendril_identity (entity, position, ordinal)',
];

/** Rows that one INSERT takes where many are written: a call of SQLite costs about as much as the row it writes. */
export const INSERT_BATCH = 16;

const SQL_TYPES: Readonly<Record<ColumnType, string>> = {
  text: 'TEXT',
  integer: 'INTEGER',
  real: 'REAL',
  blob: 'BLOB',
};

/** A name as SQL text. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** The table behind a collection's view, as SQL text. */
export function physicalTable(collection: string): string {
  return quoted(`_${collection}`);
}

/** The same INSERT of one row, and of INSERT_BATCH. */
export interface InsertSql {
  readonly one: string;
  readonly many: string;
}

/** - `end`: what follows the rows. */
export function insertsSql(table: string, columns: readonly string[], end = ''): InsertSql {
  return { one: insertSql(table, columns, 1) + end, many: insertSql(table, columns, INSERT_BATCH) + end };
}

/**
 * Of many rows, one that fails leaves those before it: whoever runs it takes back all that it did. Otherwise SQLite would
 * keep what each page was before the statement, and give it up by walking over all that the savepoint around it keeps.
 */
export function insertSql(table: string, columns: readonly string[], rows: number): string {
  const insert = rows === 1 ? 'INSERT' : 'INSERT OR FAIL';
  const marks = `(${columns.map(() => '?').join(', ')})`;
  return `${insert} INTO ${table} (${columns.join(', ')}) VALUES ${Array(rows).fill(marks).join(', ')}`;
}

/** Runs the INSERT of INSERT_BATCH rows as often as there are so many, then that of one. `cells`: adds those of an item. */
export function insertAll<Item>(
  driver: Pick<SqliteDriver, 'run'>,
  { one, many }: InsertSql,
  items: readonly Item[],
  cells: (item: Item, cells: SqlValue[]) => void,
): void {
  let at = 0;
  for (let size = INSERT_BATCH; at < items.length; ) {
    if (items.length - at < size) size = 1;
    const parameters: SqlValue[] = [];
    for (const end = at + size; at < end; at += 1) cells(items[at]!, parameters);
    driver.run(size === 1 ? one : many, parameters);
  }
}

/** What a collection's table has beside the id and the properties. */
export const HIDDEN_COLUMNS = ['_head', '_versions', '_deleted', '_asOf', '_pending', '_extra'];

export function createTableSql({ name, properties }: Collection): string {
  const columns = Object.entries(properties).map(([property, rule]) => `${columnSql(property, rule)}, `);
  return `CREATE TABLE ${physicalTable(name)} (id TEXT NOT NULL PRIMARY KEY, ${columns.join('')}_head BLOB NOT NULL,
    _versions BLOB NOT NULL, _deleted BLOB, _asOf INTEGER NOT NULL, _pending INTEGER, _extra BLOB) STRICT, WITHOUT ROWID`;
}

export function addColumnSql({ name, properties }: Collection, property: string): string {
  return `ALTER TABLE ${physicalTable(name)} ADD COLUMN ${columnSql(property, properties[property]!)}`;
}

export function createViewSql({ name, properties }: Collection): string {
  const columns = ['id', ...Object.keys(properties)].map(quoted);
  return `CREATE VIEW ${quoted(name)} AS SELECT ${columns.join(', ')} FROM ${physicalTable(name)} WHERE _deleted IS NULL`;
}

export function dropViewSql({ name }: Collection): string {
  return `DROP VIEW ${quoted(name)}`;
}

/**
 * Of living rows only. The id follows, because every order ends with it; `_deleted` is there, though always NULL, because
 * the view asks for it: only so is the index alone an answer.
 */
export function createIndexSql({ name }: Collection, index: readonly string[]): string {
  const columns = [...index.map(quoted), 'id', '_deleted'].join(', ');
  return `CREATE INDEX ${indexName(name, index)} ON ${physicalTable(name)} (${columns}) WHERE _deleted IS NULL`;
}

export function dropIndexSql({ name }: Collection, index: readonly string[]): string {
  return `DROP INDEX ${indexName(name, index)}`;
}

/** Unique, because no property's name holds a full stop. */
function indexName(collection: string, index: readonly string[]): string {
  return quoted(`tendril_index_${[collection, ...index].join('.')}`);
}

function columnSql(name: string, { type, unset }: PropertyRule): string {
  const preset = unset === null ? '' : ` DEFAULT ${literalOf(unset)}`;
  return `${quoted(name)} ${SQL_TYPES[columnTypeOf(type)]}${preset}`;
}
