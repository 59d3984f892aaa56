/**
 * Following: the selections that this node asks its upstream to keep it informed of.
 *
 * Invariants
 *   - equal selections are followed once; one that nobody uses any more lingers for LINGER_MS, then it is given up;
 *   - every confirmed row is covered by a complete selection, or is held by its id: what is covered by neither is evicted
 *     when the authority has said `unsubscribed`, not before, so that no row can go stale;
 *   - a window is held up to its edge, the last row that the authority follows it to.
 */
import { TendrilError } from '../../errors.ts';
import type { RawRow, Selection, SqlProbe } from '../../query/index.ts';
import type { EntityId } from '../../storage/index.ts';
import type { CatalogEntry } from '../catalog.ts';
import type { Bound } from '../change.ts';
import type { Asked } from '../covers.ts';
import type { Cover } from '../live/cover.ts';
import { createPlans, limitOf, type Plan } from '../live/plan.ts';
import type { Scheduler } from '../ports/scheduler.ts';
import { LINGER_MS, MAX_FOLLOWED_SELECTIONS } from './limits.ts';
import type { Overlay } from './overlay.ts';
import type { Request, SelectionNumber, SubscriptionNumber } from './stream.ts';

export interface FollowingParts {
  readonly overlay: Overlay;
  readonly probe: SqlProbe;
  readonly scheduler: Scheduler;
  /** Null while there is no session. */
  readonly send: (request: Request) => void;
  readonly connection: () => ConnectionState;
  /** Why rows of a collection cannot be exchanged, or null. */
  readonly refusalOf: (collection: string) => TendrilError | null;
}

export interface ConnectionState {
  /** A session exists or is being made; if not, `error` says why. */
  readonly online: boolean;
  readonly error: unknown;
  /** All that was asked for at the session's begin has come. */
  readonly whole: boolean;
  /** Not yet: the session has begun. */
  readonly resyncing: boolean;
}

export class Followed {
  readonly entry: CatalogEntry;
  readonly asked: Asked;
  readonly plan: Plan<unknown>;
  /** Rows shown: a window of none covers none. */
  readonly limit: number;
  /** Live queries that use it. */
  users = 0;
  state: 'asking' | 'complete' | 'denied' | 'leaving' = 'asking';
  error: TendrilError | null = null;
  subscription: SubscriptionNumber = 0;
  selection: SelectionNumber | null = null;
  /** As the authority said last. */
  edge: EntityId | null = null;
  /** From the last chunk until `unsubscribed`: its rows are here, and kept current. */
  isHeld = false;
  /** Since they could be seen first: its rows are in the tables, be they of an earlier session. */
  hasRows = false;
  /** Of the rows in the tables. */
  shownEdge: EntityId | null = null;
  cancelLinger: (() => void) | null = null;
  /** To be called when an answer has come, or none will. */
  readonly waiting: (() => void)[] = [];

  constructor(entry: CatalogEntry, asked: Asked, plan: Plan<unknown>) {
    this.entry = entry;
    this.asked = asked;
    this.plan = plan;
    this.limit = limitOf(asked.selection);
  }

  get isWindow(): boolean {
    return this.limit !== Number.POSITIVE_INFINITY;
  }

  get key(): string {
    return `${this.entry.collection.name} ${this.asked.selection.key}`;
  }

  matches(row: RawRow): boolean {
    return this.plan.matches(row, this.asked.selection.values);
  }

  /** Negative, 0 or positive, by the selection's order. */
  compare(left: RawRow, right: RawRow): number {
    const { order } = this.plan;
    const { values } = this.asked.selection;
    return order.compare(order.keysOf(left, values), order.keysOf(right, values));
  }

  tell(): void {
    for (const task of this.waiting.splice(0)) task();
  }
}

export class Following {
  readonly #parts: FollowingParts;
  readonly #plans;
  readonly #byKey = new Map<string, Followed>();
  readonly #bySubscription = new Map<SubscriptionNumber, Followed>();
  #subscriptions = 0;

  constructor(parts: FollowingParts) {
    this.#parts = parts;
    this.#plans = createPlans<unknown>(parts.probe);
  }

  get size(): number {
    return this.#byKey.size;
  }

  all(): Iterable<Followed> {
    return this.#byKey.values();
  }

  bySubscription(subscription: SubscriptionNumber): Followed | undefined {
    return this.#bySubscription.get(subscription);
  }

  /** Those of one selection: more than one where it was given up and asked for again. */
  bySelection(selection: SelectionNumber): readonly Followed[] {
    return [...this.#bySubscription.values()].filter((followed) => followed.selection === selection);
  }

  find(collection: string, selection: Selection): Followed | undefined {
    return this.#byKey.get(`${collection} ${selection.key}`);
  }

  /** Asks for a selection, unless it is followed already. Leave the cover when it is not used any more. */
  follow(entry: CatalogEntry, asked: Asked): Cover {
    let followed = this.find(entry.collection.name, asked.selection);
    if (followed === undefined || followed.state === 'leaving' || followed.state === 'denied') {
      followed = new Followed(entry, asked, this.#plans(asked.selection.shape));
      this.#makeRoom();
      this.#byKey.set(followed.key, followed);
      const refusal = this.#parts.refusalOf(entry.collection.name);
      if (refusal !== null) {
        followed.state = 'denied';
        followed.error = refusal;
      } else if (this.#parts.connection().online) this.#subscribe(followed);
    }
    followed.cancelLinger?.();
    followed.cancelLinger = null;
    followed.users += 1;
    return this.#coverOf(followed);
  }

  /** A session begins: everything that is used is asked for anew; the rest is forgotten. Returns what was asked for. */
  begin(): readonly Followed[] {
    this.#bySubscription.clear();
    this.#subscriptions = 0;
    for (const followed of [...this.#byKey.values()]) {
      if (followed.users === 0 || followed.state === 'leaving') this.#forget(followed);
      else this.#subscribe(followed);
    }
    return [...this.#byKey.values()];
  }

  /** Tells whoever waits: the session has ended, or what it began with is whole. */
  tellAll(): void {
    const { online } = this.#parts.connection();
    for (const followed of this.#byKey.values()) if (!online || followed.state !== 'asking') followed.tell();
  }

  completed(followed: Followed, selection: SelectionNumber, edge: EntityId | null): void {
    if (followed.state === 'asking') followed.state = 'complete';
    followed.selection = selection;
    followed.edge = edge;
    followed.isHeld = true;
  }

  /** Inside a group: its rows, up to its edge, are in the tables from now on. */
  show(followed: Followed): void {
    const { hasRows, shownEdge } = followed;
    this.#parts.overlay.parts.journal.record(() => {
      followed.hasRows = hasRows;
      followed.shownEdge = shownEdge;
    });
    followed.hasRows = true;
    followed.shownEdge = followed.edge;
  }

  denied(subscription: SubscriptionNumber, error: TendrilError): Followed | undefined {
    const followed = this.#bySubscription.get(subscription);
    if (followed === undefined) return undefined;
    followed.state = 'denied';
    followed.error = error;
    followed.isHeld = false;
    followed.hasRows = false;
    this.#bySubscription.delete(subscription);
    return followed;
  }

  /** Returns what was followed no longer from this moment of the stream on. */
  unsubscribed(subscription: SubscriptionNumber): Followed | undefined {
    const followed = this.#bySubscription.get(subscription);
    if (followed === undefined) return undefined;
    this.#bySubscription.delete(subscription);
    followed.isHeld = false;
    if (this.#byKey.get(followed.key) === followed) this.#byKey.delete(followed.key);
    return followed;
  }

  /** Whether a complete selection covers this confirmed row. */
  covers(collection: string, row: RawRow): boolean {
    for (const followed of this.#bySubscription.values()) {
      if (!followed.isHeld || followed.entry.collection.name !== collection || followed.limit === 0) continue;
      if (!followed.matches(row)) continue;
      const bound = this.boundOf(followed);
      if (bound === null || followed.compare(row, bound) <= 0) return true;
    }
    return false;
  }

  /** The last row of a window, as the authority has it; null where nothing lies beyond. */
  boundOf({ isWindow, shownEdge, entry }: Followed): RawRow | null {
    if (!isWindow || shownEdge === null) return null;
    return this.#parts.overlay.confirmed(entry.collection.name, shownEdge)?.values ?? null;
  }

  asBound(followed: Followed): Bound {
    const collection = followed.entry.collection.name;
    return { collection, key: followed.asked.selection.key, row: this.boundOf(followed) };
  }

  close(): void {
    for (const { cancelLinger } of this.#byKey.values()) cancelLinger?.();
  }

  #subscribe(followed: Followed): void {
    this.#subscriptions += 1;
    followed.state = 'asking';
    followed.isHeld = false;
    followed.subscription = this.#subscriptions;
    followed.selection = null;
    this.#bySubscription.set(followed.subscription, followed);
    const { text, parameters } = followed.asked;
    const { subscription } = followed;
    const { name: collection } = followed.entry.collection;
    this.#parts.send({ kind: 'subscribe', subscription, collection, text, parameters });
  }

  #coverOf(followed: Followed): Cover {
    const { connection } = this.#parts;
    const isAnswered = () => followed.state === 'complete' && connection().whole;
    let left = false;
    return {
      get status() {
        if (followed.state === 'denied') return 'denied';
        if (!connection().online) return 'offline';
        return isAnswered() ? 'complete' : 'syncing';
      },
      get error() {
        return followed.state === 'denied' || connection().online ? followed.error : connection().error;
      },
      whenAnswered: (task) => {
        if (followed.state === 'denied' || !connection().online || isAnswered()) task();
        else followed.waiting.push(task);
      },
      leave: () => {
        if (left) return;
        left = true;
        followed.users -= 1;
        if (followed.users === 0) this.#linger(followed);
      },
    };
  }

  #linger(followed: Followed): void {
    if (followed.state === 'denied') {
      this.#forget(followed);
      return;
    }
    // The longest unused stands first of those.
    if (this.#byKey.get(followed.key) === followed) {
      this.#byKey.delete(followed.key);
      this.#byKey.set(followed.key, followed);
    }
    followed.cancelLinger = this.#parts.scheduler.after(LINGER_MS, () => {
      const { whole, resyncing } = this.#parts.connection();
      // Among the rows of a session that is not whole yet, those of what was given up could not be told.
      if (resyncing) this.#linger(followed);
      // What was held when the link was lost still answers.
      else if (whole || !followed.hasRows) this.#giveUp(followed);
    });
  }

  #giveUp(followed: Followed): void {
    if (followed.state === 'leaving') return;
    if (!this.#parts.connection().whole) {
      this.#forget(followed);
      return;
    }
    followed.cancelLinger?.();
    followed.cancelLinger = null;
    followed.state = 'leaving';
    this.#parts.send({ kind: 'unsubscribe', subscription: followed.subscription });
  }

  #forget(followed: Followed): void {
    followed.cancelLinger?.();
    if (this.#byKey.get(followed.key) === followed) this.#byKey.delete(followed.key);
  }

  /** Those that linger give way, the longest first. @throws {TendrilError} `limit-exceeded` when all are in use. */
  #makeRoom(): void {
    const used = [...this.#byKey.values()].filter(({ state }) => state !== 'leaving');
    if (used.length < MAX_FOLLOWED_SELECTIONS) return;
    const idle = used.find(({ users }) => users === 0);
    if (idle === undefined || this.#parts.connection().resyncing) throw tooManyFollowed();
    this.#giveUp(idle);
  }
}

function tooManyFollowed(): TendrilError {
  return new TendrilError({
    code: 'limit-exceeded',
    problem: `This node follows ${MAX_FOLLOWED_SELECTIONS} different selections already, the most it can.`,
    remedy: 'Close live queries that are not shown; ask for one wider selection instead of many narrow ones.',
    facts: { limit: MAX_FOLLOWED_SELECTIONS },
  });
}
