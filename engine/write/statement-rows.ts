/**
 * The rows that a statement wants written, as SQLite computes them, with their exact values.
 *
 * A driver gives 5 and 5.0 alike. Their difference shows in one place only: written into text they become '5' and '5.0'.
 * So where a text property gets such a number, SQLite is asked again, for the class of each value as well.
 */
import {
  type Cell,
  type Column,
  exactOf,
  type Piece,
  pieceValues,
  type RawRow,
  type SqlValue,
  type ValueClass,
} from '../../query/index.ts';
import type { Core } from '../core.ts';

/** One value for each column asked for. */
export type ComputedRow = readonly SqlValue[];

export function readComputed(
  { driver }: Core,
  piece: Piece,
  values: ReadonlyMap<number | string, SqlValue>,
  columns: readonly Column[],
): readonly ComputedRow[] {
  const parameters = pieceValues(piece, values);
  const rows = driver.all(piece.sql, parameters);
  const isText = columns.map(({ type }) => type === 'text');
  const ambiguous = (row: RawRow) => row.some((cell, index) => isText[index] && Number.isSafeInteger(cell));
  if (!rows.some(ambiguous)) return rows.map((row) => row.map(likelyExact));
  const classed = driver.all(withClasses(piece.sql, columns.length), parameters);
  return classed.map((row) =>
    columns.map((_, index) => exactOf(row[index]!, row[columns.length + index] as ValueClass)),
  );
}

/** Whole numbers as integers: in a column of any other type than text that is what they become, or are refused as. */
function likelyExact(cell: Cell): SqlValue {
  return Number.isSafeInteger(cell) ? BigInt(cell as number) : cell;
}

function withClasses(sql: string, count: number): string {
  const names = Array.from({ length: count }, (_, index) => `c${index}`);
  const classes = names.map((name) => `typeof(${name})`);
  return `WITH tendril_rows (${names.join(', ')}) AS (${sql}\n) SELECT ${[...names, ...classes].join(', ')} FROM tendril_rows`;
}
