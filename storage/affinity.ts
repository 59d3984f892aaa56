/**
 * Column affinity for values that SQL computed: `SET delay = '5'` stores the integer 5, as in any SQLite table.
 *
 * The common cases are decided here; what depends on how SQLite reads or prints a number is asked of SQLite itself.
 */
import { exactOf, type SqlValue, type ValueClass } from '../query/index.ts';
import type { SqliteDriver } from './driver.ts';
import { columnTypeOf, type PropertyType } from './property-rule.ts';

/** What a column of this type would hold of `value`; of another class still where affinity does not apply. */
export type Affinity = (type: PropertyType, value: SqlValue) => SqlValue;

const IS_MADE = "SELECT 1 FROM temp.sqlite_schema WHERE name = 'tendril_affinity'";
const TABLE = 'CREATE TEMP TABLE tendril_affinity (number INTEGER PRIMARY KEY, text TEXT, integer INTEGER, real REAL)';

export function createAffinity(driver: SqliteDriver): Affinity {
  const ask = (column: string, value: SqlValue): SqlValue => {
    // Looked up each time, because a rollback takes the table back.
    if (driver.get(IS_MADE) === undefined) driver.exec(TABLE);
    const sql = `INSERT OR REPLACE INTO temp.tendril_affinity (number, ${column}) VALUES (1, ?)
      RETURNING ${column}, typeof(${column})`;
    const [cell, valueClass] = driver.get(sql, [value])!;
    return exactOf(cell!, valueClass as ValueClass);
  };
  return (type, value) => {
    const column = columnTypeOf(type);
    if (value === null || value instanceof Uint8Array || column === 'blob') return value;
    if (column === 'text') return typeof value === 'number' ? ask(column, value) : String(value);
    if (typeof value === 'string') return ask(column, value);
    if (column === 'real') return Number(value);
    if (typeof value === 'bigint' || !Number.isInteger(value)) return value;
    return Number.isSafeInteger(value) ? BigInt(value) : ask(column, value);
  };
}
