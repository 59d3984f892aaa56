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
import { Gathering } from './gathering.ts';
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
import { insertAll, insertSql, insertsSql, physicalTable, quoted } from './tables.ts';

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
  readonly together: <Result>(body: () => Result) => Result;
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
    together: (body) => {
      const inside = [...tables.values()].reduce((inner, table) => () => table.together(inner), body);
      return inside();
    },
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
  const insertSqls = insertsSql(physical, all);
  const insertPendingSql = insertSql(physical, [...all, '_pending'], 1);
  const eraseSql = `DELETE FROM ${physical} WHERE id = ?`;
  const updateSqlOf = createUpdateSql(physical, columns);
  const width = columns.length;

  const addCells = (row: StoredRow, cells: SqlValue[]): void => {
    for (const cell of row.values) cells.push(cell);
    cells.push(encodeIds(row.head), encodeVersions(row.versions), deletedBytes(row), row.asOf, encodeExtra(row.extra));
  };
  const insert = (row: StoredRow, isPending: boolean | undefined) => {
    const parameters: SqlValue[] = [];
    addCells(row, parameters);
    if (isPending === true) parameters.push(IS_PENDING);
    driver.run(isPending === true ? insertPendingSql : insertSqls.one, parameters);
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
  const created = gatherCreated((rows) => insertAll(driver, insertSqls, rows, addCells));
  return {
    read: (id) => {
      created.settle(id);
      const cells = driver.get(readSql, [id]);
      return cells === undefined ? null : storedRow(cells, width);
    },
    write: (id, before, after, isPending) => {
      created.settle(id);
      if (before === null) insert(after, isPending);
      else update(id, before, after, isPending);
    },
    writeNew: created.add,
    together: created.together,
    erase: (id) => {
      created.settle(id);
      driver.run(eraseSql, [id]);
    },
  };
}

/** New rows of one table; while they are gathered, those that wait are known by their ids. */
function gatherCreated(insert: (rows: readonly StoredRow[]) => void) {
  const waiting = new Set<unknown>();
  const gathering = new Gathering<readonly StoredRow[]>((lists) => {
    waiting.clear();
    insert(lists.length === 1 ? lists[0]! : lists.flat());
  });
  let isTogether = false;
  return {
    add: (rows: readonly StoredRow[]) => {
      if (isTogether) for (const { values } of rows) waiting.add(values[0]);
      gathering.add(rows);
    },
    /** Where it waits, it is written. */
    settle: (id: EntityId) => {
      if (waiting.has(id)) gathering.settle();
    },
    together: <Result>(body: () => Result): Result => {
      isTogether = true;
      try {
        return gathering.within(body);
      } finally {
        isTogether = false;
        waiting.clear();
      }
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
