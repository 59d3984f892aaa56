/** Feed rows: how the feed reads what it tells: the rows as they stand at its position. */

import type { TendrilError } from '../../errors.ts';
import { exactValues, type Selection } from '../../query/index.ts';
import { createRowScan, type EntityId, orDamage, type RowScan, type StoredRow } from '../../storage/index.ts';
import type { CatalogEntry } from '../catalog.ts';
import type { Core } from '../core.ts';

export interface FeedRows {
  /** Null where there is none; its damage where it cannot be read. */
  readonly read: (collection: string, id: EntityId) => StoredRow | TendrilError | null;
  /** The rows of a selection, its order and LIMIT left aside. */
  readonly scan: (entry: CatalogEntry, selection: Selection) => RowScan;
}

export function tableRows({ driver, rows }: Pick<Core, 'driver' | 'rows'>): FeedRows {
  return {
    read: (collection, id) => orDamage(() => rows.read(collection, id)),
    scan: ({ descriptor }, selection) =>
      createRowScan(driver, descriptor, selection.shape.sql.where, exactValues(selection)),
  };
}
