/**
 * Subscriptions: what the session at hand was asked for and has not heard to be over, by number, and which rows it speaks for.
 *
 * Invariant: numbers ascend within a session, and begin anew with each.
 */
import type { RawRow } from '../../../query/index.ts';
import type { EntityId, StoredRow } from '../../../storage/index.ts';
import type { Had, Request, SelectionNumber, SubscriptionNumber } from '../../stream.ts';
import type { ConfirmedRow, Followed } from './followed.ts';

export interface SubscriptionsParts {
  readonly send: (request: Request) => void;
  /** The last row of a window, as the tables have it; null where nothing lies beyond. */
  readonly boundOf: (followed: Followed) => RawRow | null;
}

export class Subscriptions {
  readonly #parts: SubscriptionsParts;
  readonly #byNumber = new Map<SubscriptionNumber, Followed>();
  #last = 0;

  constructor(parts: SubscriptionsParts) {
    this.#parts = parts;
  }

  /** Another session begins. */
  clear(): void {
    this.#byNumber.clear();
    this.#last = 0;
  }

  /** For a subscription that is not followed here. */
  nextNumber(): SubscriptionNumber {
    this.#last += 1;
    return this.#last;
  }

  ask(followed: Followed, had: Had | null): void {
    const subscription = this.nextNumber();
    followed.ask(subscription, had);
    this.#byNumber.set(subscription, followed);
    const { text, parameters } = followed.asked;
    const { name: collection } = followed.entry.collection;
    this.#parts.send({ kind: 'subscribe', subscription, collection, text, parameters, had });
  }

  delete(subscription: SubscriptionNumber): void {
    this.#byNumber.delete(subscription);
  }

  get(subscription: SubscriptionNumber): Followed | undefined {
    return this.#byNumber.get(subscription);
  }

  all(): Iterable<Followed> {
    return this.#byNumber.values();
  }

  /** Those of one selection: more than one where it was given up and asked for again. */
  bySelection(selection: SelectionNumber): readonly Followed[] {
    return [...this.all()].filter((followed) => followed.selection === selection);
  }

  /** Whether any selection of this collection was answered by buckets. */
  comparesOf(collection: string): boolean {
    return [...this.all()].some(({ basis, entry }) => basis === 'buckets' && entry.collection.name === collection);
  }

  /** Whether a row from before is as the authority has it: it lies in an equal bucket. */
  keeps(collection: string, row: StoredRow): boolean {
    for (const followed of this.all()) {
      if (followed.entry.collection.name === collection && followed.keeps(row)) return true;
    }
    return false;
  }

  /** Whether all that was claimed to be here has been brought to where the session stands. */
  get isCaughtUp(): boolean {
    for (const followed of this.all()) if (!followed.isCaughtUp) return false;
    return true;
  }

  /**
   * Whether a complete selection covers this confirmed row.
   *
   * - `confirmed`: where the edges of windows are looked up; `counts`: which selections do.
   */
  covers(
    collection: string,
    row: RawRow,
    confirmed?: ConfirmedRow,
    counts: (followed: Followed) => boolean = ({ isHeld }) => isHeld,
  ): boolean {
    for (const followed of this.all()) {
      if (followed.entry.collection.name !== collection || followed.limit === 0) continue;
      if (!counts(followed) || !followed.matches(row)) continue;
      const bound = confirmed === undefined ? this.#parts.boundOf(followed) : followed.rowAt(confirmed, followed.edge);
      if (bound === null || followed.compare(row, bound) <= 0) return true;
    }
    return false;
  }

  /** All of it has been said. - `edge`: of a window. */
  completed(followed: Followed, selection: SelectionNumber, edge: EntityId | null): void {
    if (followed.state === 'asking') followed.state = 'complete';
    followed.selection = selection;
    followed.edge = edge;
    followed.isHeld = true;
  }
}
