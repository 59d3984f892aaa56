/**
 * Followed collection: everything that sessions follow of one collection, found by what they ask and by what changes.
 *
 * Invariants
 *   - equal selections are one; one that nobody follows leaves no entry, here or in the index;
 *   - an id is listed with each session that holds it, whether such a row exists or not.
 */
import { queryError, type RawRow, type Selection, type SqlProbe } from '../../../query/index.ts';
import type { EntityId } from '../../../storage/index.ts';
import type { CatalogEntry } from '../../catalog.ts';
import type { Source } from '../../change.ts';
import { type Bucket, itemsOf, withItem, withoutItem } from '../../live/bucket.ts';
import { createPlans, limitOf, type Plans, parametersOf, refuseOffset, registrationsOf } from '../../live/plan.ts';
import { type IndexSizes, SelectionIndex } from '../../live/selection-index.ts';
import { capacityOf } from '../../live/window.ts';
import type { SelectionNumber } from '../../stream.ts';
import type { FeedWork } from '../feed-work.ts';
import type { Follower } from '../follower.ts';
import { MAX_WINDOW_LIMIT } from '../limits.ts';
import { type FollowedRows, FollowedSelection } from './followed-selection.ts';
import { Subscription } from './subscription.ts';
import type { WindowParts } from './window-parts.ts';

export interface FollowedParts {
  readonly source: Source;
  readonly probe: SqlProbe;
  readonly work: FeedWork;
  readonly nextSelection: () => SelectionNumber;
  /** What follows the rows of a selection with LIMIT. */
  readonly openWindow: OpenWindow;
}

/** - `rows`: how many of the first are followed. */
export type OpenWindow = (parts: WindowParts, rows: number) => FollowedRows;

export class FollowedCollection {
  readonly entry: CatalogEntry;
  readonly name: string;
  readonly #parts: FollowedParts;
  readonly #plans: Plans<unknown>;
  readonly #selections = new Map<string, FollowedSelection>();
  readonly #index = new SelectionIndex<FollowedSelection>();
  readonly #holders = new Map<EntityId, Bucket<Follower>>();

  constructor(entry: CatalogEntry, parts: FollowedParts) {
    this.entry = entry;
    this.name = entry.collection.name;
    this.#parts = parts;
    this.#plans = createPlans(parts.probe);
  }

  find(key: string): FollowedSelection | undefined {
    return this.#selections.get(key);
  }

  get isFollowed(): boolean {
    return this.#selections.size > 0 || this.#holders.size > 0;
  }

  /** How many there are of each. */
  get sizes(): { readonly distinct: number; readonly subscriptions: number; readonly held: number } {
    let subscriptions = 0;
    for (const followed of this.#selections.values()) subscriptions += followed.subscriptions.size;
    return { distinct: this.#selections.size, subscriptions, held: this.#holders.size };
  }

  get indexSizes(): IndexSizes {
    return this.#index.sizes();
  }

  /**
   * @throws {TendrilError} `query-unsupported` for an OFFSET, `limit-exceeded` for a LIMIT past MAX_WINDOW_LIMIT,
   *   `storage-failed`.
   */
  subscribe(follower: Follower, number: number, selection: Selection, text: string): Subscription {
    refuseOffset(selection, text);
    const followed = this.#selections.get(selection.key) ?? this.#open(selection, text);
    const subscription = new Subscription(follower, number, followed);
    followed.subscriptions.add(subscription);
    return subscription;
  }

  unsubscribe(subscription: Subscription): void {
    const { followed } = subscription;
    followed.subscriptions.delete(subscription);
    if (followed.subscriptions.size > 0) return;
    this.#selections.delete(followed.selection.key);
    this.#index.remove(registrationsOf(followed.selection), followed);
  }

  /** The selections that the change of a row may concern. The array is good until the next call. */
  concerned(before: RawRow | null, after: RawRow | null): readonly FollowedSelection[] {
    return before === null && after === null ? [] : this.#index.concerned(before, after);
  }

  hold(follower: Follower, id: EntityId): void {
    this.#holders.set(id, withItem(this.#holders.get(id), follower));
  }

  release(follower: Follower, id: EntityId): void {
    const rest = withoutItem(this.#holders.get(id), follower);
    if (rest === undefined) this.#holders.delete(id);
    else this.#holders.set(id, rest);
  }

  holders(id: EntityId): readonly Follower[] {
    return itemsOf(this.#holders.get(id));
  }

  #open(selection: Selection, text: string): FollowedSelection {
    const { work, source, nextSelection, openWindow } = this.#parts;
    const plan = this.#plans(selection.shape);
    const limit = limitOf(selection);
    if (limit !== Number.POSITIVE_INFINITY && limit > MAX_WINDOW_LIMIT) throw tooLarge(selection, text, limit);
    const matches = (row: RawRow) => {
      work.evaluated += 1;
      return plan.matches(row, selection.values);
    };
    const read = (rows: number) => source.select(plan.sql, parametersOf(plan, selection, rows));
    const onRefill = () => {
      work.refills += 1;
    };
    const window =
      limit === Number.POSITIVE_INFINITY
        ? null
        : openWindow({ collection: this.name, selection, plan, matches, read, onRefill }, capacityOf(limit));
    const followed = new FollowedSelection({
      collection: this.name,
      number: nextSelection(),
      selection,
      matches,
      window,
    });
    this.#selections.set(selection.key, followed);
    this.#index.add(registrationsOf(selection), followed);
    return followed;
  }
}

function tooLarge({ shape: { tree } }: Selection, text: string, limit: number) {
  return queryError({
    code: 'limit-exceeded',
    text,
    at: tree.limit?.at ?? 0,
    problem: `A followed selection has a LIMIT of at most ${MAX_WINDOW_LIMIT}.`,
    remedy: 'Follow a smaller window, or the whole selection, without LIMIT.',
    facts: { limit: MAX_WINDOW_LIMIT, asked: limit },
  });
}
