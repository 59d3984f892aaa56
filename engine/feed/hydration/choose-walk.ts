/** Choosing a walk: on what a subscription's answer builds: on what the session says that it has, where that can be told. */

import { TendrilError } from '../../../errors.ts';
import type { RawRow } from '../../../query/index.ts';
import { BUCKETS_BYTES, orDamage } from '../../../storage/index.ts';
import type { Core } from '../../core.ts';
import type { Had } from '../../stream.ts';
import type { FeedRows } from '../feed-rows.ts';
import type { FollowedCollection } from '../followed/followed-collection.ts';
import type { FollowedSelection } from '../followed/followed-selection.ts';
import type { Subscription } from '../followed/subscription.ts';
import { MAX_CATCH_UP_OPERATIONS } from '../limits.ts';
import type { CatchUp } from '../past/catch-up.ts';
import { hadWithoutResuming, malformedBuckets } from '../violations.ts';
import { type Walk, walkAll, walkWindow } from './walk.ts';
import { walkBuckets } from './walk-buckets.ts';
import { walkChanges, walkWindowChanges } from './walk-changes.ts';

export interface WalkParts {
  readonly core: Pick<Core, 'rowAt'>;
  readonly rows: FeedRows;
  readonly chunkRows: number;
}

/** @throws {TendrilError} `protocol-violation` for what makes no sense in this session. */
export function checkHad({ cursor }: CatchUp, had: Had | null): void {
  if (had === null) return;
  switch (had.kind) {
    case 'held':
      if (cursor === null) throw hadWithoutResuming();
      return;
    case 'buckets':
      if (had.hashes.length !== BUCKETS_BYTES) throw malformedBuckets(had.hashes.length);
  }
}

/** - `had`: checked. */
export function chooseWalk(
  { core, rows, chunkRows }: WalkParts,
  catchUp: CatchUp,
  collection: FollowedCollection,
  subscription: Subscription,
  had: Had | null,
): Walk {
  const { followed, follower } = subscription;
  const { window } = followed;
  const walkNothing = () => (window === null ? walkAll : walkWindow)(rows, collection, followed);
  // What is followed already has been told all along.
  const isVerified = [...followed.subscriptions].some((other) => {
    return other !== subscription && other.follower === follower && other.isComplete;
  });
  if (had === null || (catchUp.isOver && !(isVerified && had.kind === 'buckets'))) return walkNothing();
  switch (had.kind) {
    case 'buckets': {
      if (window !== null) return walkNothing();
      return walkBuckets({ rows, turnRows: chunkRows }, catchUp, collection, subscription, had.hashes);
    }
    case 'held': {
      if (!catchUp.hasPast) return walkNothing();
      if (window === null) return walkChanges(rows, catchUp, collection, followed, had.through);
      const edge = edgeThen(core, catchUp, collection, followed, had);
      if (edge === undefined) return walkNothing();
      return walkWindowChanges(catchUp, collection, subscription, window, edge);
    }
  }
}

/** The edge of a window as it stood at the cursor; undefined where there was no such row. */
function edgeThen(
  { rowAt }: Pick<Core, 'rowAt'>,
  { cursor }: CatchUp,
  { name }: FollowedCollection,
  { matches }: FollowedSelection,
  { edge, through }: Had & { readonly kind: 'held' },
): RawRow | null | undefined {
  if (through !== null) return undefined;
  if (edge === null) return null;
  const row = orDamage(() => rowAt(cursor!, name, edge, 2 * MAX_CATCH_UP_OPERATIONS));
  const isThere = row !== null && !(row instanceof TendrilError) && row.deleted === null && matches(row.values);
  return isThere ? row.values : undefined;
}
