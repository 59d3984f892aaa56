/**
 * Damage of one row: what stands beside its values is not as it was written, while the file around it is sound.
 *
 * Whoever reads many rows leaves that one out, and says so. What SQLite itself finds damaged concerns the whole file.
 */
import { TendrilError } from '../errors.ts';
import type { Descriptor } from './descriptor.ts';
import { damaged } from './row-bytes.ts';
import { encodeRow } from './row-stream.ts';
import type { StoredRow } from './rows.ts';

/** What `read` returns, or the damage of the one row that it reads. Other failures are thrown on. */
export function orDamage<Result>(read: () => Result): Result | TendrilError {
  try {
    return read();
  } catch (error) {
    const isOfRow = error instanceof TendrilError && error.code === 'storage-damaged';
    if (isOfRow && error.facts.sqliteCode === undefined) return error;
    throw error;
  }
}

/** `encodeRow`, which takes every row that was written as it should be. */
export function encodeOrDamage(descriptor: Descriptor, row: StoredRow): Uint8Array | TendrilError {
  try {
    return encodeRow(descriptor, row);
  } catch (error) {
    return damaged(`the row ${row.values[0]}`, error as Error);
  }
}
