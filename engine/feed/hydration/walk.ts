/**
 * Walk: the ids of which a hydration has to speak, ascending, and what is to be said of each.
 *
 * Invariant: what a walk gives of an id stands at the moment at which it is asked, and it may be asked to go on after any
 * id: nothing is held between chunks but the last id.
 */
import { TendrilError } from '../../../errors.ts';
import type { EntityId, StoredRow } from '../../../storage/index.ts';
import type { Basis } from '../../stream.ts';
import type { FeedRows } from '../feed-rows.ts';
import type { FollowedCollection } from '../followed/followed-collection.ts';
import type { FollowedSelection } from '../followed/followed-selection.ts';
import type { SharedParts } from '../past/shared-answers.ts';

/** What is to be said of one id. `unchanged`: nothing, but it has been looked at. */
export type Found =
  | { readonly kind: 'row'; readonly id: EntityId; readonly row: StoredRow }
  | { readonly kind: 'left' | 'unchanged'; readonly id: EntityId }
  | { readonly kind: 'unreadable'; readonly id: EntityId; readonly error: TendrilError };

export interface Walk {
  readonly basis: Basis;
  /** Before each chunk. False while there is more to prepare, in another turn. */
  readonly prepare: () => boolean;
  /** Those after `after`; what is beyond `count` of them may be left out, but for one that shows there are more. */
  readonly next: (after: EntityId | null, count: number) => Iterable<Found>;
  /** For the first chunk, once it is prepared. */
  readonly differing: () => Uint8Array;
  /** Rows in all, where it is known, once there is more than one chunk. */
  readonly total: () => number | null;
  /** Nothing more will be asked of it. Called once. */
  readonly end: () => void;
  /** What others are told who had the same. */
  readonly shared?: SharedParts;
  /** Where the bytes of a row may be known. */
  readonly encode?: (row: StoredRow) => Uint8Array | TendrilError;
}

export const NO_BUCKETS = new Uint8Array(0);

/** What walks share that need nothing prepared. */
const PLAIN = { prepare: () => true, differing: () => NO_BUCKETS, end: () => undefined };

/** All rows of a selection without LIMIT. */
export function walkAll(rows: FeedRows, { entry }: FollowedCollection, { selection }: FollowedSelection): Walk {
  const scan = rows.scan(entry, selection);
  return {
    ...PLAIN,
    basis: 'nothing',
    total: scan.count,
    next: function* (after, count) {
      for (const { id, row } of scan.next(after, count + 1)) yield foundRow(id, row);
    },
  };
}

/** All rows of a window. */
export function walkWindow(rows: FeedRows, { name }: FollowedCollection, { window }: FollowedSelection): Walk {
  return {
    ...PLAIN,
    basis: 'nothing',
    total: () => window!.followed,
    next: function* (after, count) {
      for (const id of window!.idsAfter(after).slice(0, count + 1)) yield foundRow(id, rows.read(name, id)!);
    },
  };
}

export function foundRow(id: EntityId, row: StoredRow | TendrilError): Found {
  return row instanceof TendrilError ? { kind: 'unreadable', id, error: row } : { kind: 'row', id, row };
}
