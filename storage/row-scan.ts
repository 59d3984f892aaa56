/**
 * Row scan: the living rows of a selection in the order of their ids, whole, a chunk at a time.
 *
 * Each chunk goes on after the id at which the one before ended, so that nothing is held between chunks. Where a selection
 * has few rows SQLite finds them as it likes, by an index, and sorts them for each chunk; where it has many, that
 * would be their number squared, and the table is walked by its primary key instead.
 */
import type { SqlValue } from '../query/index.ts';
import type { Descriptor } from './descriptor.ts';
import type { SqliteDriver } from './driver.ts';
import type { EntityId } from './ids.ts';
import type { StoredRow } from './rows.ts';
import { readColumns, storedRow } from './sqlite-rows.ts';
import { physicalTable } from './tables.ts';

/** Rows up to which sorting all of them for each chunk is cheaper than walking a large table. */
export const MAX_SORTED_ROWS = 20_000;

export interface RowScan {
  /** - `after`: null for the first rows. Good for one pass, which may end early. */
  readonly next: (after: EntityId | null, rows: number) => IterableIterator<StoredRow>;
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
  const select = `SELECT ${readColumns(descriptor).join(', ')} FROM ${table} WHERE`;
  const sorted = `${select} _deleted IS NULL${predicate} AND ${rest}`;
  // No index helps with a CASE.
  const walked = `${select} CASE WHEN _deleted IS NULL${predicate} THEN 1 END AND ${rest}`;
  let sql = sorted;
  let isDecided = false;
  const decide = () => {
    isDecided = true;
    const counted = `SELECT count(*) FROM (SELECT 1 FROM ${table} WHERE _deleted IS NULL${predicate} LIMIT ?${count + 1})`;
    const [found] = driver.get(counted, [...parameters, BigInt(MAX_SORTED_ROWS + 1)])!;
    if (Number(found) > MAX_SORTED_ROWS) sql = walked;
  };
  return {
    next: function* (after, rows) {
      if (after !== null && !isDecided) decide();
      const cells = driver.iterate(sql, [...parameters, after ?? '', BigInt(rows)]);
      for (const each of cells) yield storedRow(each, width);
    },
  };
}
