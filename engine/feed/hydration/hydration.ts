/**
 * Hydration: what a subscription follows, said chunk by chunk, ascending by id.
 *
 * Invariants
 *   - each chunk stands at the position at which it is read; between chunks, steps tell what happens to rows come to
 *     already, and rows not come to yet come as they are when their chunk is read;
 *   - nothing is held between chunks but the last id come to;
 *   - a row that cannot be read is told to be so, and left out.
 */
import { TendrilError } from '../../../errors.ts';
import { type EntityId, encodeOrDamage } from '../../../storage/index.ts';
import type { Source } from '../../change.ts';
import type { FeedWork } from '../feed-work.ts';
import type { FollowedCollection } from '../followed/followed-collection.ts';
import type { Subscription } from '../followed/subscription.ts';
import type { Job } from '../job.ts';
import { MAX_CHUNK_BYTES } from '../limits.ts';
import type { Portion } from '../past/shared-answers.ts';
import { type Found, NO_BUCKETS, type Walk } from './walk.ts';

type Chunk = NonNullable<Portion['said']>;

export interface HydrationParts {
  readonly source: Source;
  readonly work: FeedWork;
  readonly chunkRows: number;
}

export class Hydration implements Job {
  readonly subscription: Subscription;
  readonly #parts: HydrationParts;
  readonly #collection: FollowedCollection;
  readonly #walk: Walk;
  readonly #onDenied: (error: TendrilError) => void;
  #total: number | null = null;
  #isFirst = true;
  #isOver = false;

  /** - `onDenied`: the selection cannot be read: its predicate fails on a row, as an overflowing abs() does. */
  constructor(
    parts: HydrationParts,
    collection: FollowedCollection,
    subscription: Subscription,
    walk: Walk,
    onDenied: (error: TendrilError) => void,
  ) {
    this.#parts = parts;
    this.#collection = collection;
    this.subscription = subscription;
    this.#walk = walk;
    this.#onDenied = onDenied;
  }

  /** Nothing more is said. */
  cancel(): void {
    this.#end();
  }

  advance(): boolean {
    if (this.#isOver) return false;
    try {
      const { shared } = this.#walk;
      const { through } = this.subscription;
      const { chunkRows } = this.#parts;
      let portion = shared?.known(through, chunkRows) ?? null;
      if (portion === null) {
        if (!this.#walk.prepare()) return true;
        portion = this.#read();
        shared?.keep(through, chunkRows, portion);
      }
      this.#say(portion);
      if (portion.isLast) this.#end();
      return !portion.isLast;
    } catch (error) {
      // Other failures of SQLite are this node's, not the selection's.
      if (!(error instanceof TendrilError) || error.facts.sqliteCode !== 'SQLITE_ERROR') throw error;
      this.#onDenied(error);
      return false;
    }
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#walk.end();
  }

  #say(portion: Portion): void {
    const { rows, left, through, isLast } = portion;
    const { subscription } = this;
    const { follower, number, followed } = subscription;
    const isFirst = this.#isFirst;
    if (isFirst && !isLast) this.#total = this.#walk.total();
    this.#isFirst = false;
    subscription.through = through;
    subscription.isComplete = isLast;
    // Of many rows that were looked at there may be none to speak of.
    if (!isFirst && !isLast && rows.length === 0 && left.length === 0) return;
    const said = {
      kind: 'chunk',
      subscription: number,
      selection: followed.number,
      position: this.#parts.source.position(),
      basis: this.#walk.basis,
      rows,
      left,
      differing: isFirst ? this.#walk.differing() : NO_BUCKETS,
      total: this.#total,
      last: isLast,
      edge: isLast && followed.window !== null ? followed.window.edge : null,
    } as const;
    if (portion.said === null || !isSame(portion.said, said)) portion.said = said;
    follower.say(portion.said);
  }

  #read(): Portion {
    const { chunkRows, work } = this.#parts;
    const { through } = this.subscription;
    const portion: Portion = { rows: [], left: [], through, isLast: true, isWhole: true, said: null };
    let [count, bytes] = [0, 0];
    for (const found of this.#walk.next(portion.through, chunkRows)) {
      if (count >= chunkRows || bytes >= MAX_CHUNK_BYTES) {
        portion.isLast = false;
        break;
      }
      count += 1;
      bytes += this.#take(portion, found);
      portion.through = found.id;
    }
    work.hydrated += portion.rows.length;
    return portion;
  }

  /** Returns the bytes it adds. */
  #take(portion: Portion, found: Found): number {
    switch (found.kind) {
      case 'unchanged':
        return 0;
      case 'left':
        portion.left.push(found.id);
        return 0;
      case 'unreadable':
        this.#tellUnreadable(portion, found.id, found.error);
        return 0;
      case 'row': {
        const encoded = this.#walk.encode?.(found.row) ?? encodeOrDamage(this.#collection.entry.descriptor, found.row);
        if (encoded instanceof TendrilError) {
          this.#tellUnreadable(portion, found.id, encoded);
          return 0;
        }
        portion.rows.push(encoded);
        return encoded.length;
      }
    }
  }

  #tellUnreadable(portion: Portion, entity: EntityId, error: TendrilError): void {
    portion.isWhole = false;
    this.#parts.work.unreadable += 1;
    this.subscription.follower.say({ kind: 'unreadable', collection: this.#collection.name, entity, error });
  }
}

/** Of chunks with the same rows. */
function isSame(one: Chunk, other: Chunk): boolean {
  return (
    one.subscription === other.subscription &&
    one.position === other.position &&
    one.total === other.total &&
    one.differing.length === other.differing.length &&
    one.edge === other.edge
  );
}
