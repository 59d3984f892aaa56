/**
 * Subscription: one session's hold on a followed selection, from its first chunk to its end.
 *
 * Invariant: while it is hydrated, it counts for the rows up to the last id looked at, and for those that the session is
 * known to have as they are; for no others: those come with a later chunk as they are then.
 */
import type { EntityId, StoredRow } from '../../../storage/index.ts';
import type { SubscriptionNumber } from '../../stream.ts';
import type { Follower } from '../follower.ts';
import type { FollowedSelection } from './followed-selection.ts';

export class Subscription {
  readonly follower: Follower;
  readonly number: SubscriptionNumber;
  readonly followed: FollowedSelection;
  isComplete = false;
  /** The last id that a chunk has come to; null before the first chunk. */
  through: EntityId | null = null;
  /** Rows beyond it that the session has as they are; null for none. */
  has: ((id: EntityId) => boolean) | null = null;
  /** Told of rows that concern it while it does not count for them. */
  whenMissed: ((id: EntityId) => void) | null = null;

  /**
   * Of a window that is hydrated: whether the session may have this row, as it still is, where the window does not follow it:
   * it had it at its cursor, and others have pushed it out since. When such a row changes it is told to have left: as the
   * session has it, it may stand before the edge that comes with the last chunk.
   */
  mayHave: ((row: StoredRow) => boolean) | null = null;

  constructor(follower: Follower, number: SubscriptionNumber, followed: FollowedSelection) {
    this.follower = follower;
    this.number = number;
    this.followed = followed;
  }

  countsFor(id: EntityId): boolean {
    return this.isComplete || (this.through !== null && id <= this.through) || this.has?.(id) === true;
  }
}
