/**
 * Walk of buckets: a selection of which a session has some rows, whatever their age: first it is compared, bucket by
 * bucket, with what the session has, then the rows of the buckets that differ come as if it had nothing.
 *
 * Invariants
 *   - the comparison reads each row once, in several turns; a bucket differs if its sum does, if a row of it that was read
 *     changed before the comparison ended, if one of its rows was told to have left, or if one cannot be read: so that of
 *     an equal bucket the session has exactly the rows as they are at the first chunk;
 *   - while it is compared no step is told of the selection; from the first chunk on, which names the buckets that differ,
 *     all rows of the others count as said.
 */
import { TendrilError } from '../../../errors.ts';
import {
  BUCKETS,
  bucketOf,
  createBuckets,
  differingBuckets,
  type EntityId,
  type OperationId,
} from '../../../storage/index.ts';
import type { FeedRows } from '../feed-rows.ts';
import type { FollowedCollection } from '../followed/followed-collection.ts';
import type { Subscription } from '../followed/subscription.ts';
import type { CatchUp } from '../past/catch-up.ts';
import { foundRow, type Walk } from './walk.ts';

/** - `turnRows`: read in one turn. - `theirs`: the hashes of what the session has. */
export function walkBuckets(
  { rows, turnRows }: { readonly rows: FeedRows; readonly turnRows: number },
  catchUp: CatchUp,
  collection: FollowedCollection,
  subscription: Subscription,
  theirs: Uint8Array,
): Walk {
  const scan = rows.scan(collection.entry, subscription.followed.selection);
  const comparison = new Comparison();
  let compared: EntityId | null = null;
  let isCompared = false;
  let differing: ReadonlySet<number> | null = null;
  catchUp.begin();
  subscription.whenMissed = (id) => {
    if (isCompared || (compared !== null && id <= compared)) comparison.differs(id);
  };
  const compareSome = () => {
    let count = 0;
    for (const { id, row: head } of scan.heads(compared, turnRows)) {
      comparison.add(id, head);
      compared = id;
      count += 1;
    }
    isCompared = count < turnRows;
  };
  return {
    basis: 'buckets',
    prepare: () => {
      if (differing !== null) return true;
      if (!isCompared) {
        compareSome();
        return false;
      }
      for (const id of catchUp.departed(collection.name)) comparison.differs(id);
      const found = comparison.result(theirs);
      differing = found;
      subscription.whenMissed = null;
      subscription.has = (id) => !found.has(bucketOf(id));
      return true;
    },
    differing: () => Uint8Array.from(differing!),
    total: () => comparison.rowsOf(differing!),
    next: function* (after, count) {
      if (differing!.size === 0) return;
      for (const { id, row } of scan.next(after, count + 1)) {
        yield differing!.has(bucketOf(id)) ? foundRow(id, row) : { kind: 'unchanged', id };
      }
    },
    end: () => {
      subscription.whenMissed = null;
      catchUp.end();
    },
  };
}

class Comparison {
  readonly #sums = createBuckets();
  readonly #counts = new Uint32Array(BUCKETS);
  readonly #differing = new Set<number>();

  add(id: EntityId, head: readonly OperationId[] | TendrilError): void {
    this.#counts[bucketOf(id)]! += 1;
    if (head instanceof TendrilError) this.differs(id);
    else this.#sums.add(id, head);
  }

  differs(id: EntityId): void {
    this.#differing.add(bucketOf(id));
  }

  /** Ascending. */
  result(theirs: Uint8Array): ReadonlySet<number> {
    for (const bucket of differingBuckets(theirs, this.#sums.hashes())) this.#differing.add(bucket);
    return new Set([...this.#differing].sort((left, right) => left - right));
  }

  rowsOf(buckets: ReadonlySet<number>): number {
    return [...buckets].reduce((sum, bucket) => sum + this.#counts[bucket]!, 0);
  }
}
