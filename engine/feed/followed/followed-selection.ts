/**
 * Followed selection: one selection that sessions follow, shared by all of them.
 *
 * Invariant: one without LIMIT holds no rows; whether a row is followed, its matcher tells.
 */
import type { RawRow, Selection } from '../../../query/index.ts';
import type { SelectionNumber } from '../../stream.ts';
import type { FollowedWindow } from './followed-window.ts';
import type { Subscription } from './subscription.ts';

/** The rows of a selection with LIMIT: at an authority a `FollowedWindow`, at a relay what its upstream gives it. */
export type FollowedRows = Pick<FollowedWindow, keyof FollowedWindow>;

export class FollowedSelection {
  /** For the selection index. */
  mark = 0;
  /** Counts the transactions that may have concerned it. */
  version = 0;
  readonly collection: string;
  readonly number: SelectionNumber;
  readonly selection: Selection;
  readonly matches: (row: RawRow) => boolean;
  /** Null without LIMIT. */
  readonly window: FollowedRows | null;
  readonly subscriptions = new Set<Subscription>();

  constructor(parts: Omit<FollowedSelection, 'mark' | 'version' | 'subscriptions' | 'fail'>) {
    this.collection = parts.collection;
    this.number = parts.number;
    this.selection = parts.selection;
    this.matches = parts.matches;
    this.window = parts.window;
  }

  /** It cannot be maintained: nobody who follows it can be told the truth any more. */
  fail(error: unknown): void {
    for (const { follower } of [...this.subscriptions]) follower.fail(error);
  }
}
