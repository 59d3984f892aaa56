/** Merged: a row and what is pending over it. */
import type { Position, StoredRow } from '../../../storage/index.ts';
import type { CatalogEntry } from '../../catalog.ts';
import type { Prepared } from '../../core.ts';
import { mergeOperation } from '../../write/merge.ts';

export function merged(entry: CatalogEntry, base: StoredRow | null, pending: readonly Prepared[]): StoredRow | null {
  let row = base;
  for (const { operation } of pending) {
    // What somebody else created, and this is built on, is shown no more, or not here.
    if (row === null && operation.edits[0]?.kind !== 'create') continue;
    row = mergeOperation(entry.descriptor, row, operation, row?.asOf ?? (0 as Position)).after;
  }
  return row;
}
