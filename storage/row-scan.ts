/**
 * Row scan: the living rows of a selection in the order of their ids, whole, a chunk at a time.
 *
 * Each chunk goes on after the id at which the one before ended, so that nothing is held between chunks. Where a selection
 * has few rows SQLite finds them as it likes, by an index, and sorts them for each chunk; where it has many, that
 * would be their number squared, and the table is walked by its primary key instead. A row that is damaged is given as its
 * damage, and the others are as ever.
 */
import type { TendrilError } from '../errors.ts';
import type { SqlValue } from '../query/index.ts';
import { orDamage } from './damage.ts';
import type { Descriptor } from './descriptor.ts';
import type { SqliteDriver } from './driver.ts';
import { bytesOfHex } from './encoding.ts';
import type { EntityId, OperationId } from './ids.ts';
import { decodeIds } from './row-bytes.ts';
import type { StoredRow } from './rows.ts';
import { readColumns, storedRow } from './sqlite-rows.ts';
import { physicalTable } from './tables.ts';

/** Rows up to which sorting all of them for each chunk is cheaper than walking a large table. */
export const MAX_SORTED_ROWS = 20_000;

/** Rows that are counted at most. */
export const MAX_COUNTED_ROWS = 100_000;

/** A row of a scan, or the damage that keeps it from being read. */
export interface Scanned<Row> {
  readonly id: EntityId;
  readonly row: Row | TendrilError;
}

/** - `after`: null for the first rows. An answer is good for one pass, which may end early. */
export interface RowScan {
  readonly next: (after: EntityId | null, rows: number) => IterableIterator<Scanned<StoredRow>>;
  /** Of the same rows, the heads alone. */
  readonly heads: (after: EntityId | null, rows: number) => IterableIterator<Scanned<readonly OperationId[]>>;
  /** How many rows there are; null for more than MAX_COUNTED_ROWS. Counted when it is first asked. */
  readonly count: () => number | null;
}

/**
 * - `where`: an expression over the collection's columns, `?1` the first of `parameters`; null for every row.
 */
export function createRowScan(
  driver: SqliteDriver,
  descriptor: Descriptor,
  where: string | null,
  parameters: readonly SqlValue[],
): RowScan {
  const table = physicalTable(descriptor.collection);
  const width = descriptor.table.columns.length;
  const predicate = where === null ? '' : ` AND (${where})`;
  const count = parameters.length;
  const rest = `id > ?${count + 1} ORDER BY id LIMIT ?${count + 2}`;
  // No index helps with a CASE.
  const walked = `CASE WHEN _deleted IS NULL${predicate} THEN 1 END AND ${rest}`;
  const sorted = `_deleted IS NULL${predicate} AND ${rest}`;
  const selectRows = `SELECT ${readColumns(descriptor).join(', ')} FROM ${table} WHERE`;
  const selectHeads = `SELECT id, hex(_head) FROM ${table} WHERE`;
  let counted: number | null = null;
  const found = () => {
    const sql = `SELECT count(*) FROM (SELECT 1 FROM ${table} WHERE _deleted IS NULL${predicate} LIMIT ?${count + 1})`;
    counted ??= Number(driver.get(sql, [...parameters, BigInt(MAX_COUNTED_ROWS + 1)])![0]);
    return counted;
  };
  const scan = (select: string, after: EntityId | null, rows: number) => {
    const by = after !== null && found() > MAX_SORTED_ROWS ? walked : sorted;
    return driver.iterate(`${select} ${by}`, [...parameters, after ?? '', BigInt(rows)]);
  };
  return {
    next: function* (after, rows) {
      for (const cells of scan(selectRows, after, rows)) {
        yield { id: cells[0] as EntityId, row: orDamage(() => storedRow(cells, width)) };
      }
    },
    heads: function* (after, rows) {
      for (const [id, head] of scan(selectHeads, after, rows)) {
        yield { id: id as EntityId, row: orDamage(() => decodeIds(bytesOfHex(head as string))) };
      }
    },
    count: () => (found() > MAX_COUNTED_ROWS ? null : found()),
  };
}
