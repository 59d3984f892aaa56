/**
 * Rows over SQLite: one physical table per collection (tables.ts), statements prepared once by the driver.
 *
 * A cell goes to its column as it is: a number bound as REAL becomes the INTEGER it equals by the column's affinity.
 * An update names only the columns that changed, because SQLite rewrites the entries of every index whose column is named.
 */
import { TendrilError } from '../errors.ts';
import type { Cell, SqlValue } from '../query/index.ts';
import type { Descriptor } from './descriptor.ts';
import type { SqliteDriver } from './driver.ts';
import { bytesOfHex } from './encoding.ts';
import { bytesOfId, type EntityId, type OperationId, type Position, readId } from './ids.ts';
import {
  bytesIn,
  decodeExtra,
  decodeIds,
  decodeVersions,
  encodeExtra,
  encodeIds,
  encodeVersions,
} from './row-bytes.ts';
import type { Rows, StoredRow } from './rows.ts';
import { INSERT_BATCH, insertSql, physicalTable, quoted } from './tables.ts';

/** Different sets of changed columns that a collection keeps a statement for; past it an update names every column. */
export const MAX_UPDATE_SHAPES = 64;

const HIDDEN = ['_head', '_versions', '_deleted', '_asOf', '_extra'];
/** What `_pending` holds where something is; else NULL. */
const IS_PENDING = 1;
/** Blobs that every row has come as hexadecimal text: native packages make a Buffer of a blob, at five times the cost. */
const HIDDEN_AS_READ = ['hex(_head)', 'hex(_versions)', '_deleted', '_asOf', '_extra'];

type TableRows = {
  readonly read: (id: EntityId) => StoredRow | null;
  readonly write: (id: EntityId, before: StoredRow | null, after: StoredRow, isPending?: boolean) => void;
  readonly writeNew: (rows: readonly StoredRow[]) => void;
  readonly erase: (id: EntityId) => void;
};

export function createSqliteRows(driver: SqliteDriver, descriptors: ReadonlyMap<string, Descriptor>): Rows {
  const tables = new Map<string, TableRows>();
  for (const [name, descriptor] of descriptors) tables.set(name, createTableRows(driver, descriptor));
  const tableOf = (collection: string): TableRows => tables.get(collection) ?? missing(collection);
  return {
    read: (collection, id) => tableOf(collection).read(id),
    write: (collection, id, before, after, isPending) => tableOf(collection).write(id, before, after, isPending),
    writeNew: (collection, added) => tableOf(collection).writeNew(added),
    erase: (collection, id) => tableOf(collection).erase(id),
  };
}

/** What `storedRow` reads, as SQL text. */
export function readColumns({ table }: Descriptor): readonly string[] {
  return [...table.columns.map(({ name }) => quoted(name)), ...HIDDEN_AS_READ];
}

function createTableRows(driver: SqliteDriver, descriptor: Descriptor): TableRows {
  const { collection, table } = descriptor;
  const physical = physicalTable(collection);
  const columns = table.columns.map(({ name }) => quoted(name));
  const all = [...columns, ...HIDDEN];
  const readSql = `SELECT ${readColumns(descriptor).join(', ')} FROM ${physical} WHERE id = ?`;
  const insertRowSql = insertSql(physical, all, 1);
  const insertRowsSql = insertSql(physical, all, INSERT_BATCH);
  const insertPendingSql = insertSql(physical, [...all, '_pending'], 1);
  const eraseSql = `DELETE FROM ${physical} WHERE id = ?`;
  const updateSqlOf = createUpdateSql(physical, columns);
  const width = columns.length;

  const cellsOf = (row: StoredRow): SqlValue[] => {
    const cells: SqlValue[] = row.values.slice();
    cells.push(encodeIds(row.head), encodeVersions(row.versions), deletedBytes(row), row.asOf, encodeExtra(row.extra));
    return cells;
  };
  const insert = (row: StoredRow, isPending: boolean | undefined) => {
    const parameters = cellsOf(row);
    if (isPending === true) parameters.push(IS_PENDING);
    driver.run(isPending === true ? insertPendingSql : insertRowSql, parameters);
  };
  const update = (id: EntityId, before: StoredRow, after: StoredRow, isPending: boolean | undefined) => {
    const { columns: changed, sql } = updateSqlOf(before, after, isPending !== undefined);
    const parameters: SqlValue[] = changed.map((column) => after.values[column]!);
    parameters.push(encodeIds(after.head), encodeVersions(after.versions), after.asOf, encodeExtra(after.extra));
    if (before.deleted !== after.deleted) parameters.push(deletedBytes(after));
    if (isPending !== undefined) parameters.push(isPending ? IS_PENDING : null);
    parameters.push(id);
    driver.run(sql, parameters);
  };
  return {
    read: (id) => {
      const cells = driver.get(readSql, [id]);
      return cells === undefined ? null : storedRow(cells, width);
    },
    write: (id, before, after, isPending) => {
      if (before === null) insert(after, isPending);
      else update(id, before, after, isPending);
    },
    writeNew: (rows) => {
      let written = 0;
      for (; written + INSERT_BATCH <= rows.length; written += INSERT_BATCH)
        driver.run(insertRowsSql, rows.slice(written, written + INSERT_BATCH).flatMap(cellsOf));
      for (; written < rows.length; written += 1) insert(rows[written]!, false);
    },
    erase: (id) => {
      driver.run(eraseSql, [id]);
    },
  };
}

/**
 * The UPDATE of the columns in which two rows differ: hidden ones always, `_deleted` (which indexes read) if it changed,
 * `_pending` if it is said.
 */
function createUpdateSql(physical: string, columns: readonly string[]) {
  const everything = columns.slice(1).map((_, index) => index + 1);
  const shapes = new Map<string, string>();
  const sqlOf = (changed: readonly number[], withDeleted: boolean, withPending: boolean) => {
    const set = [...changed.map((column) => columns[column]!), '_head', '_versions', '_asOf', '_extra'];
    if (withDeleted) set.push('_deleted');
    if (withPending) set.push('_pending');
    return `UPDATE ${physical} SET ${set.map((column) => `${column} = ?`).join(', ')} WHERE id = ?`;
  };
  return (
    before: StoredRow,
    after: StoredRow,
    withPending: boolean,
  ): { readonly columns: readonly number[]; readonly sql: string } => {
    const withDeleted = before.deleted !== after.deleted;
    const changed = everything.filter((column) => before.values[column] !== after.values[column]);
    const shape = `${withDeleted}${withPending}${changed.join()}`;
    let sql = shapes.get(shape);
    if (sql !== undefined) return { columns: changed, sql };
    if (shapes.size >= MAX_UPDATE_SHAPES) {
      return { columns: everything, sql: sqlOf(everything, withDeleted, withPending) };
    }
    sql = sqlOf(changed, withDeleted, withPending);
    shapes.set(shape, sql);
    return { columns: changed, sql };
  };
}

/** - `width`: columns before the hidden ones. */
export function storedRow(cells: readonly Cell[], width: number): StoredRow {
  const deleted = cells[width + 2] ?? null;
  const extra = cells[width + 4] ?? null;
  return {
    values: cells.slice(0, width),
    head: decodeIds(bytesOfHex(cells[width] as string)),
    versions: decodeVersions(bytesOfHex(cells[width + 1] as string)),
    deleted: deleted === null ? null : readId<OperationId>(bytesIn(deleted, 'a row'), 0),
    asOf: cells[width + 3] as Position,
    extra: decodeExtra(extra === null ? null : bytesIn(extra, 'a row')),
  };
}

function deletedBytes({ deleted }: StoredRow): Uint8Array | null {
  return deleted === null ? null : bytesOfId(deleted);
}

function missing(collection: string): never {
  throw new TendrilError({
    code: 'unknown-collection',
    problem: `This node has no collection ${JSON.stringify(collection)}.`,
    remedy: 'Pass it in `collections` when the node is opened.',
    facts: { collection },
  });
}
