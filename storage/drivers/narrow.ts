/**
 * From what the native packages give to cells: INTEGERs within ±(2^53-1) as numbers, blobs as plain Uint8Arrays.
 *
 * Both packages can read every INTEGER as a bigint, which is exact and slow, or as a number, which is fast: then
 * node:sqlite refuses one that does not fit and better-sqlite3 rounds it. So a statement that only reads is read as
 * numbers first, and again as bigints when an INTEGER did not fit; from then on that statement is read so at once.
 */
import type { Cell } from '../../query/index.ts';

const MAX = Number.MAX_SAFE_INTEGER;
const MAX_BIG = BigInt(MAX);

/** Cells of one row read as numbers, in place; false if one of them may be a rounded INTEGER. */
export function takeRow(row: Cell[]): boolean {
  for (let column = 0; column < row.length; column += 1) {
    const cell = row[column];
    if (typeof cell === 'number') {
      if (cell > MAX || cell < -MAX) return false;
    } else if (typeof cell === 'object' && cell !== null) row[column] = plainBytes(cell);
  }
  return true;
}

/** `takeRow` of all; false as soon as it is. */
export function takeRows(rows: readonly Cell[][]): boolean {
  for (let index = 0; index < rows.length; index += 1) if (!takeRow(rows[index]!)) return false;
  return true;
}

/** Cells of one row read as bigints, in place. */
export function narrowRow(row: Cell[]): Cell[] {
  for (let column = 0; column < row.length; column += 1) {
    const cell = row[column];
    if (typeof cell === 'bigint') {
      if (cell <= MAX_BIG && cell >= -MAX_BIG) row[column] = Number(cell);
    } else if (typeof cell === 'object' && cell !== null) row[column] = plainBytes(cell);
  }
  return row;
}

/** A Buffer's `slice` shares memory where a Uint8Array's copies, so none may pass for the other. */
function plainBytes(bytes: Uint8Array): Uint8Array {
  if (bytes.constructor === Uint8Array) return bytes;
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
