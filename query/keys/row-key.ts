/**
 * Keys: a column's values as what a Map finds and an ordered structure sorts.
 *
 * Invariants
 *   - the keys of one (column, fold) are of one kind: numbers and bigints for INTEGER and REAL columns, strings for TEXT
 *     (folded where the fold says so) and BLOB columns (one character per byte);
 *   - equal values give equal Map keys: `rowKey` of a cell and `constantKey` of a constant are `===` exactly if SQLite
 *     calls the cell and the constant equal under the fold's collation. So 2^60 is a number in a REAL column and a bigint
 *     in an INTEGER column, whichever class the constant has;
 *   - bounds are compared by worth, so they need no such care.
 */
import { converted } from '../evaluate/affinity.ts';
import type { Column } from '../table.ts';
import { type Cell, cellOf, compareText, foldAscii, latin1Of, type SqlValue } from '../value.ts';

/** How text is made comparable: as it is (BINARY), or with ASCII letters in lower case (NOCASE and LIKE). */
export type Fold = 'none' | 'nocase';

/** What a hash and an ordered structure hold. */
export type RowKey = string | number | bigint;

/** The key of one cell of a row; null for NULL. No allocation but for a fold that changes the text, and for blobs. */
export function rowKey(column: Column, cell: Cell, fold: Fold): RowKey | null {
  if (cell === null) return null;
  if (typeof cell === 'string') return folded(cell, fold);
  if (typeof cell === 'object') return latin1Of(cell);
  return column.type === 'real' ? Number(cell) : cell;
}

/** Negative, 0 or positive: the order of two keys of one (column, fold). Text by UTF-8 bytes; numbers exactly. */
export function compareKeys(left: RowKey, right: RowKey): number {
  if (typeof left === 'string' && typeof right === 'string') return compareText(left, right);
  return left < right ? -1 : left > right ? 1 : 0;
}

/**
 * The key of the cells that equal a constant without affinity of its own; null if none does.
 * @throws DOUBT where only SQLite can tell.
 */
export function constantKey(column: Column, constant: SqlValue, fold: Fold): RowKey | null {
  const place = placeOf(column, constant, fold);
  if (place === null || typeof place === 'object') return null;
  if (typeof place === 'string') return place;
  return column.type === 'integer' ? integerKey(place) : realKey(place);
}

function integerKey(number: number | bigint): RowKey | null {
  if (typeof number === 'bigint') return number;
  if (!Number.isInteger(number) || number < -(2 ** 63) || number >= 2 ** 63) return null;
  return cellOf(BigInt(number)) as RowKey;
}

function realKey(number: number | bigint): RowKey | null {
  const real = Number(number);
  return typeof number === 'bigint' && BigInt(real) !== number ? null : real;
}

/** Where a constant stands among a column's values: at a key, or beyond them all because its class is another. */
export type Place = RowKey | { readonly beyond: 'below' | 'above' };

/** Null for NULL. @throws DOUBT where only SQLite can tell. */
export function placeOf(column: Column, constant: SqlValue, fold: Fold): Place | null {
  if (constant === null) return null;
  switch (column.type) {
    case 'integer':
    case 'real': {
      const number = converted(constant, 'numeric');
      return typeof number === 'bigint' || typeof number === 'number' ? (cellOf(number) as RowKey) : ABOVE;
    }
    case 'text': {
      const text = converted(constant, 'text');
      return typeof text === 'string' ? folded(text, fold) : ABOVE;
    }
    case 'blob':
      return typeof constant === 'object' ? latin1Of(constant) : BELOW;
  }
}

const ABOVE: Place = { beyond: 'above' };
const BELOW: Place = { beyond: 'below' };

function folded(text: string, fold: Fold): string {
  return fold === 'nocase' ? foldAscii(text) : text;
}
