/** What `sql` gives: plain rows, and how many rows were changed. */
import type { RawRow, StatementColumn } from '../query/index.ts';
import { decodeCell, type PropertyType } from '../storage/index.ts';
import type { Catalog } from './catalog.ts';

/** A plain property is decoded to its type; an expression is SQLite's own value, a bigint only where a number is too small. */
export type SqlRow = Readonly<Record<string, unknown>>;
/** An array of rows that also knows how many rows the statement changed. */
export type SqlResult = readonly SqlRow[] & { readonly changes: number };

export const noRows: readonly SqlRow[] = Object.freeze([]);

export function sqlResult(rows: readonly SqlRow[], changes: number): SqlResult {
  // Not enumerable, so that a result is equal to the array of its rows.
  return Object.defineProperty([...rows], 'changes', { value: changes }) as readonly SqlRow[] as SqlResult;
}

/** No column is called `__proto__`: names that begin with _ are refused. */
export function createDecoder(catalog: Catalog, columns: readonly StatementColumn[]): (row: RawRow) => SqlRow {
  const names = columns.map(({ name }) => name);
  const types = columns.map((column) => typeOf(catalog, column));
  return (row) => {
    const decoded: Record<string, unknown> = {};
    for (let index = 0; index < names.length; index += 1) {
      const type = types[index] ?? null;
      decoded[names[index]!] = type === null ? row[index] : decodeCell(type, row[index]!);
    }
    return decoded;
  };
}

/** null for what stands as SQLite gives it, the id included. */
export function typeOf(catalog: Catalog, { property }: StatementColumn): PropertyType | null {
  if (property === null || property.column.index === 0) return null;
  return catalog.named(property.table.name)!.properties[property.column.index - 1]!.rule.type;
}
