/** Index key: what a row must have for one selection to be asked about it. */
import type { Column } from '../table.ts';
import type { Fold, RowKey } from './row-key.ts';

export interface Bound {
  readonly key: RowKey;
  readonly inclusive: boolean;
}

export type IndexKey =
  /** Rows whose cell has this key. */
  | { readonly kind: 'equal'; readonly column: Column; readonly fold: Fold; readonly key: RowKey }
  /** Rows whose cell lies between the bounds; an absent bound is null, never both. A NULL cell lies in no range. */
  | RangeKey
  /** Rows whose cell is NULL. */
  | { readonly kind: 'null'; readonly column: Column }
  /** Every row: the collection's fallback list. Always the only key of its selection. */
  | { readonly kind: 'every' };

export interface RangeKey {
  readonly kind: 'range';
  readonly column: Column;
  readonly fold: Fold;
  readonly low: Bound | null;
  readonly high: Bound | null;
}

/** Null: any row might match. Empty: none can. */
export type Keys = readonly IndexKey[] | null;
