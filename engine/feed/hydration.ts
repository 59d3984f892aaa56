/**
 * Hydration: what a subscription follows, said chunk by chunk, ascending by id.
 *
 * Invariants
 *   - each chunk stands at the position at which it is read; between chunks, steps tell what happens to rows said already,
 *     and rows not said yet come as they are when their chunk is read;
 *   - nothing is held between chunks but the last id said.
 */
import { TendrilError } from '../../errors.ts';
import { exactValues } from '../../query/index.ts';
import { createRowScan, type EntityId, encodeRow, type StoredRow } from '../../storage/index.ts';
import type { Source } from '../change.ts';
import type { Core } from '../core.ts';
import type { FeedWork } from './feed-work.ts';
import type { FollowedCollection } from './followed-collection.ts';
import { MAX_CHUNK_BYTES } from './limits.ts';
import type { Subscription } from './subscription.ts';

export interface HydrationParts {
  readonly core: Core;
  readonly source: Source;
  readonly work: FeedWork;
  readonly chunkRows: number;
}

/** Something that is said in several turns. */
export interface Job {
  /** Says the next part. False when it was the last, or there is nothing to say any more. */
  readonly advance: () => boolean;
}

/** The rows after an id, ascending, as the tables have them now. */
type ReadAfter = (after: EntityId | null) => Iterable<StoredRow>;

export class Hydration implements Job {
  readonly subscription: Subscription;
  readonly #parts: HydrationParts;
  readonly #collection: FollowedCollection;
  readonly #readAfter: ReadAfter;
  readonly #onDenied: (error: TendrilError) => void;
  #isCancelled = false;

  /** - `onDenied`: the selection cannot be read: its predicate fails on a row, as an overflowing abs() does. */
  constructor(
    parts: HydrationParts,
    collection: FollowedCollection,
    subscription: Subscription,
    onDenied: (error: TendrilError) => void,
  ) {
    this.#parts = parts;
    this.#collection = collection;
    this.subscription = subscription;
    this.#onDenied = onDenied;
    this.#readAfter = reading(parts, collection, subscription);
  }

  /** Nothing more is said. */
  cancel(): void {
    this.#isCancelled = true;
  }

  advance(): boolean {
    if (this.#isCancelled) return false;
    try {
      return this.#sayChunk();
    } catch (error) {
      // Other failures of SQLite are this node's, not the selection's.
      if (!(error instanceof TendrilError) || error.facts.sqliteCode !== 'SQLITE_ERROR') throw error;
      this.#onDenied(error);
      return false;
    }
  }

  #sayChunk(): boolean {
    const { subscription } = this;
    const { follower, number, followed } = subscription;
    const { rows, through, isLast } = this.#read();
    const position = this.#parts.source.position();
    subscription.through = through;
    subscription.isComplete = isLast;
    this.#parts.work.hydrated += rows.length;
    const edge = isLast && followed.window !== null ? followed.window.edge : null;
    follower.say({
      kind: 'chunk',
      subscription: number,
      selection: followed.number,
      position,
      rows,
      last: isLast,
      edge,
    });
    return !isLast;
  }

  #read(): { readonly rows: readonly Uint8Array[]; readonly through: EntityId | null; readonly isLast: boolean } {
    const { descriptor } = this.#collection.entry;
    const rows: Uint8Array[] = [];
    let { through } = this.subscription;
    let bytes = 0;
    for (const row of this.#readAfter(through)) {
      if (rows.length >= this.#parts.chunkRows || bytes >= MAX_CHUNK_BYTES) return { rows, through, isLast: false };
      const encoded = encodeRow(descriptor, row);
      rows.push(encoded);
      bytes += encoded.length;
      through = row.values[0] as EntityId;
    }
    return { rows, through, isLast: true };
  }
}

/** One row more than a chunk takes tells whether there is another chunk. */
function reading(
  { core, chunkRows }: HydrationParts,
  { entry, name }: FollowedCollection,
  { followed: { selection, window } }: Subscription,
): ReadAfter {
  if (window !== null) {
    return (after) =>
      window
        .idsAfter(after)
        .slice(0, chunkRows + 1)
        .map((id) => core.rows.read(name, id)!);
  }
  const { sql } = selection.shape;
  const scan = createRowScan(core.driver, entry.descriptor, sql.where, exactValues(selection));
  return (after) => scan.next(after, chunkRows + 1);
}
