/** Followed: one selection that this node asks its upstream to keep it informed of, and how far that has come. */
import type { TendrilError } from '../../../errors.ts';
import type { RawRow, Selection } from '../../../query/index.ts';
import { bucketOf, type EntityId, type StoredRow } from '../../../storage/index.ts';
import type { CatalogEntry } from '../../catalog.ts';
import type { Asked } from '../../covers.ts';
import type { Progress } from '../../live/cover.ts';
import { limitOf, type Plan } from '../../live/plan.ts';
import type { Basis, Had, SelectionNumber, SubscriptionNumber } from '../../stream.ts';

/** A confirmed row, in the tables or, as far as there is one, on a stage over them. */
export type ConfirmedRow = (collection: string, id: EntityId) => StoredRow | null;

const NONE: ReadonlySet<EntityId> = new Set();

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
  /** It was denied when it had come in part: it is not asked for again, until somebody opens it anew. */
  isPassedOver = false;
  /** Whoever waited was told that no answer will come for now. */
  isUnanswered = false;
  subscription: SubscriptionNumber = 0;
  selection: SelectionNumber | null = null;
  /** As the authority said last. */
  edge: EntityId | null = null;
  /** From the last chunk until `unsubscribed`: its rows are here, on a stage or in the tables, and kept current. */
  isHeld = false;
  /** While it is not held: the rows up to this id are. */
  through: EntityId | null = null;
  /** What the authority was told that is here; null: nothing. */
  had: Had | null = null;
  /** On what it answered; null before it has. */
  basis: Basis | null = null;
  /** On the basis of buckets: of these all rows come. */
  #differing: ReadonlySet<number> = new Set();
  /** Of a window: rows of before that did not lie within it when its last chunk came. It speaks for none of them. */
  pushedOut: ReadonlySet<EntityId> = NONE;
  progress: Progress = { received: 0, total: null };
  /** Since they could be seen first: its rows are in the tables, and stand where the tables stand. */
  hasRows = false;
  /** Of the rows in the tables. */
  shownEdge: EntityId | null = null;
  cancelLinger: (() => void) | null = null;
  /** To be called when an answer has come, or none will. */
  readonly waiting: (() => void)[] = [];
  /** To be called when something of it can be shown before. */
  readonly unshown: (() => void)[] = [];
  /** To be called when its state, error or progress has changed. */
  readonly watchers = new Set<() => void>();

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
    return followedKey(this.entry.collection.name, this.asked.selection);
  }

  /** Of an edge of its: null where nothing lies beyond the window, or it is none. */
  rowAt(confirmed: ConfirmedRow, edge: EntityId | null): RawRow | null {
    if (!this.isWindow || edge === null) return null;
    return confirmed(this.entry.collection.name, edge)?.values ?? null;
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

  /** It is asked for in a session, of whose rows nothing is here but what was `had`. */
  ask(subscription: SubscriptionNumber, had: Had | null): void {
    this.state = 'asking';
    this.isHeld = false;
    this.isUnanswered = false;
    this.through = null;
    this.subscription = subscription;
    this.selection = null;
    this.had = had;
    this.basis = null;
    this.pushedOut = NONE;
    this.progress = { received: 0, total: null };
    this.stir();
  }

  /** The same selection, asked for again while this one was to be given up: its rows are here still. */
  inherit({ isHeld, edge, hasRows, shownEdge }: Followed): void {
    if (this.isHeld) return;
    this.isHeld = isHeld;
    this.edge = edge;
    this.hasRows = hasRows;
    this.shownEdge = shownEdge;
  }

  /** - `through`: the last id that was said; null if none was. */
  answered(basis: Basis, differing: Uint8Array, through: EntityId | null, progress: Progress): void {
    if (this.basis === null && basis === 'buckets') this.#differing = new Set(differing);
    this.basis = basis;
    this.through = through ?? this.through;
    const { received, total } = this.progress;
    this.progress = { received: received + progress.received, total: progress.total ?? total };
    this.stir();
  }

  /** What was claimed to be here has been brought to where the session stands. */
  get isCaughtUp(): boolean {
    // Those of equal buckets are only in the tables, where they stand in another log.
    if (this.basis === 'buckets') return false;
    if (this.had === null || this.isHeld || this.state === 'denied' || this.basis === 'nothing') return true;
    if (this.had.kind === 'buckets' || this.had.through === null || this.through === null) return false;
    return this.through > this.had.through;
  }

  /** Whether a row that is here from before is as the authority has it, because its bucket is. */
  keeps(row: StoredRow): boolean {
    if (this.basis !== 'buckets' || row.deleted !== null || this.#differing.has(bucketOf(row.values[0] as EntityId))) {
      return false;
    }
    return this.matches(row.values);
  }

  /** - `isUnanswered`: no answer will come for now. */
  tell(isUnanswered = false): void {
    this.isUnanswered = isUnanswered;
    this.unshown.length = 0;
    for (const task of this.waiting.splice(0)) task();
    this.stir();
  }

  /** Something of it was written here: that shows before the answer does. */
  showHeld(): void {
    for (const task of this.unshown.splice(0)) task();
  }

  stir(): void {
    for (const stirred of this.watchers) stirred();
  }
}

/** Equal for equal selections of one collection. */
export function followedKey(collection: string, { key }: Selection): string {
  return `${collection} ${key}`;
}
