/**
 * Following: the selections that this node asks its upstream to keep it informed of.
 *
 * Invariants
 *   - equal selections are followed once; one that nobody uses any more lingers for LINGER_MS, then it is given up;
 *   - every confirmed row is covered by a complete selection, or is held by its id: what is covered by neither is evicted
 *     when the authority has said `unsubscribed`, not before, so that no row can go stale;
 *   - a window is held up to its edge, the last row that the authority follows it to.
 */
import type { TendrilError } from '../../../errors.ts';
import type { RawRow, Selection } from '../../../query/index.ts';
import type { EntityId, SqliteDriver } from '../../../storage/index.ts';
import type { CatalogEntry } from '../../catalog.ts';
import type { Bound } from '../../change.ts';
import type { Asked } from '../../covers.ts';
import type { Cover } from '../../live/cover.ts';
import { createPlans } from '../../live/plan.ts';
import type { Scheduler } from '../../ports/scheduler.ts';
import type { Had, Request, SubscriptionNumber } from '../../stream.ts';
import type { Journal } from '../../write/journal.ts';
import { LINGER_MS, MAX_FOLLOWED_SELECTIONS } from '../limits.ts';
import { confirmedRows } from '../overlay/held-rows.ts';
import type { Overlay } from '../overlay/overlay.ts';
import type { ConnectionState } from '../session/connection.ts';
import { Followed, followedKey } from './followed.ts';
import { coverOf } from './followed-cover.ts';
import { GivingUp, whoGivesWay } from './giving-up.ts';
import { BucketSummary, hadOf, heldOf } from './had.ts';
import { Subscriptions } from './subscriptions.ts';

export interface FollowingParts {
  readonly overlay: Overlay;
  readonly driver: SqliteDriver;
  readonly scheduler: Scheduler;
  /** Says nothing while there is no session: the next one begins with all that is followed. */
  readonly send: (request: Request) => void;
  readonly connection: () => ConnectionState;
  /** Why rows of a collection cannot be exchanged, or null. */
  readonly refusalOf: (collection: string) => TendrilError | null;
}

const NOT_SUMMED_YET: Had = { kind: 'buckets', hashes: new Uint8Array(0) };

export class Following {
  readonly #parts: FollowingParts;
  readonly #plans;
  readonly #byKey = new Map<string, Followed>();
  readonly subscriptions: Subscriptions;
  readonly givingUp: GivingUp;
  readonly #orphans: Followed[] = [];
  /** That have ended. */
  #sessions = 0;

  constructor(parts: FollowingParts) {
    this.#parts = parts;
    this.#plans = createPlans<unknown>(parts.driver.all);
    this.subscriptions = new Subscriptions({ send: parts.send, boundOf: (followed) => this.boundOf(followed) });
    this.givingUp = new GivingUp({
      open: () => this.subscriptions.all(),
      isWhole: () => parts.connection().whole,
      unsubscribe: ({ subscription }) => parts.send({ kind: 'unsubscribe', subscription }),
      // It may have been refused since it began to wait.
      subscribe: (followed) => (this.#isRefused(followed) ? followed.tell() : this.subscriptions.ask(followed, null)),
    });
  }

  get #journal(): Journal {
    return this.#parts.overlay.parts.journal;
  }

  get size(): number {
    return this.#byKey.size;
  }

  all(): Iterable<Followed> {
    return this.#byKey.values();
  }

  find(collection: string, selection: Selection): Followed | undefined {
    return this.#byKey.get(followedKey(collection, selection));
  }

  /** Asks for a selection, unless it is followed already. Leave the cover when it is not used any more. */
  follow(entry: CatalogEntry, asked: Asked): Cover {
    let followed = this.find(entry.collection.name, asked.selection);
    if (followed === undefined || followed.state === 'leaving' || followed.state === 'denied') {
      followed = new Followed(entry, asked, this.#plans(asked.selection.shape));
      const idle = whoGivesWay(this.#byKey.values(), this.#parts.connection().resyncing);
      if (idle !== null) this.#giveUp(idle);
      this.#byKey.set(followed.key, followed);
      if (!this.#isRefused(followed) && this.#parts.connection().online) this.givingUp.ask(followed);
    }
    followed.cancelLinger?.();
    followed.cancelLinger = null;
    followed.users += 1;
    const used = followed;
    return coverOf(used, this.#parts, () => {
      used.users -= 1;
      if (used.users === 0) this.#linger(used);
    });
  }

  /** Those whose rows are in the tables. */
  *withRows(): Generator<Followed> {
    for (const followed of this.#byKey.values()) if (followed.hasRows) yield followed;
    for (const followed of this.subscriptions.all()) {
      // In its place another may have been asked for.
      const { state, hasRows } = followed;
      if (state === 'leaving' && hasRows && this.#byKey.get(followed.key) !== followed) yield followed;
    }
  }

  /** Its rows, up to its edge, were in the tables when an earlier process ended: it lingers. */
  restore(entry: CatalogEntry, asked: Asked, edge: EntityId | null): Followed {
    const followed = new Followed(entry, asked, this.#plans(asked.selection.shape));
    followed.state = 'complete';
    followed.hasRows = true;
    followed.edge = edge;
    followed.shownEdge = edge;
    this.#byKey.get(followed.key)?.cancelLinger?.();
    this.#byKey.set(followed.key, followed);
    this.#linger(followed);
    return followed;
  }

  /**
   * A session begins. Returns what was asked for.
   *   - one that resumes is asked for everything, with what is here of it;
   *   - any other for what is used, with the buckets of what is here; the rest is forgotten.
   *
   * - `onStage`: what the last session had said is here, beside what is in the tables.
   */
  begin(resumes: boolean, onStage: boolean): readonly Followed[] {
    this.subscriptions.clear();
    const asked: Followed[] = [];
    // What had to give way when the session ended may be there still, beside what was to take its place.
    let excess = this.#byKey.size - MAX_FOLLOWED_SELECTIONS;
    for (const followed of [...this.#byKey.values()]) {
      if (followed.users === 0 && (!resumes || excess > 0)) {
        this.#forget(followed);
        excess -= 1;
      } else if (!followed.isPassedOver && !this.#isRefused(followed)) {
        asked.push(followed);
        if (resumes) this.subscriptions.ask(followed, hadOf(followed, onStage));
        else this.#compare(followed);
        // While there was no session it was kept, however long that was.
        if (followed.users === 0) this.#linger(followed);
      }
    }
    return asked;
  }

  /** The session has ended. What was to be given up lingers on, because nobody knows whether the authority still tells it. */
  lost(): void {
    this.#sessions += 1;
    this.givingUp.drop();
    for (const followed of this.subscriptions.all()) {
      if (followed.state !== 'leaving') continue;
      followed.state = followed.isHeld ? 'complete' : 'asking';
      const again = this.#byKey.get(followed.key);
      if (again === undefined || again === followed) {
        this.#byKey.set(followed.key, followed);
        this.#linger(followed);
      } else again.inherit(followed);
    }
  }

  /** What the session had said of what is not in the tables is of no use any more. */
  dropStaged(): void {
    for (const followed of this.#byKey.values()) {
      followed.isHeld = false;
      followed.through = null;
    }
  }

  /** Inside a group: those given up since the last session, without a word of the authority: rows of theirs may be here that nobody covers. */
  takeOrphans(): readonly Followed[] {
    const orphans = this.#orphans.splice(0);
    this.#journal.record(() => this.#orphans.push(...orphans));
    return orphans;
  }

  /** Tells whoever waits: the session has ended, or what it began with is whole, or a relay on the way is cut off. */
  tellAll(): void {
    const { answers } = this.#parts.connection();
    for (const followed of this.#byKey.values()) {
      if (!answers || followed.state !== 'asking') followed.tell(!answers);
    }
    this.stirAll();
  }

  /** What all that is followed depends on may have changed. */
  stirAll(): void {
    for (const followed of this.#byKey.values()) followed.stir();
  }

  /** This node has written in these collections. */
  wrote(collections: ReadonlySet<string>): void {
    for (const followed of this.#byKey.values()) {
      if (followed.unshown.length > 0 && collections.has(followed.entry.collection.name)) followed.showHeld();
    }
  }

  /** Inside a group: its rows, up to its edge, are in the tables from now on; or not any more. */
  show(followed: Followed, isShown = true): void {
    const { hasRows, shownEdge } = followed;
    this.#journal.record(() => {
      followed.hasRows = hasRows;
      followed.shownEdge = shownEdge;
    });
    followed.hasRows = isShown;
    followed.shownEdge = followed.edge;
  }

  denied(subscription: SubscriptionNumber, error: TendrilError): Followed | undefined {
    const followed = this.subscriptions.get(subscription);
    if (followed === undefined) return undefined;
    const { hasRows } = followed;
    this.#journal.record(() => {
      followed.hasRows = hasRows;
    });
    followed.state = 'denied';
    followed.error = error;
    followed.isPassedOver = followed.basis !== null;
    // Whoever uses it may go before those are looked for.
    if (hasRows) this.#orphans.push(followed);
    followed.isHeld = false;
    followed.hasRows = false;
    this.subscriptions.delete(subscription);
    return followed;
  }

  /** Inside a group. Returns what was followed no longer from this moment of the stream on. */
  unsubscribed(subscription: SubscriptionNumber): Followed | undefined {
    const followed = this.subscriptions.get(subscription);
    if (followed === undefined) return undefined;
    // Taken back, its rows are in the tables still, and nobody speaks for them.
    this.#journal.record(() => this.#orphans.push(followed));
    this.subscriptions.delete(subscription);
    followed.isHeld = false;
    if (this.#byKey.get(followed.key) === followed) this.#byKey.delete(followed.key);
    return followed;
  }

  /** The last row of a window, as the authority has it; null where nothing lies beyond. */
  boundOf(followed: Followed): RawRow | null {
    const { overlay } = this.#parts;
    return followed.rowAt((collection, id) => overlay.confirmed(collection, id), followed.shownEdge);
  }

  asBound(followed: Followed): Bound {
    const collection = followed.entry.collection.name;
    return { collection, key: followed.asked.selection.key, row: this.boundOf(followed) };
  }

  close(): void {
    for (const { cancelLinger, watchers } of this.#byKey.values()) {
      cancelLinger?.();
      // Who closes the node need not be told that it is offline then.
      watchers.clear();
    }
  }

  /** Asks for it when what is here of it has been summed up, which takes turns. */
  #compare(followed: Followed): void {
    if (followed.isWindow || !followed.hasRows) {
      this.subscriptions.ask(followed, null);
      return;
    }
    const session = this.#sessions;
    const summary = new BucketSummary(heldOf(confirmedRows(this.#parts), followed));
    followed.ask(0, NOT_SUMMED_YET);
    const turn = () => {
      if (session !== this.#sessions) return;
      if (summary.advance()) this.#parts.scheduler.next(turn);
      else this.subscriptions.ask(followed, summary.had);
    };
    turn();
  }

  #isRefused(followed: Followed): boolean {
    const refusal = this.#parts.refusalOf(followed.entry.collection.name);
    if (refusal === null) return false;
    followed.state = 'denied';
    followed.error = refusal;
    followed.stir();
    return true;
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
    followed.cancelLinger?.();
    followed.cancelLinger = this.#parts.scheduler.after(LINGER_MS, () => {
      const { whole, resyncing } = this.#parts.connection();
      // Among the rows of a session that is not whole yet, those of what was given up could not be told.
      if (resyncing || this.givingUp.mustWait(followed)) this.#linger(followed);
      // What was held when the link was lost still answers.
      else if (whole || !followed.hasRows) this.#giveUp(followed);
    });
  }

  #giveUp(followed: Followed): void {
    if (followed.state === 'leaving') return;
    // One that was denied is not followed; of one that was passed over, its number is another's now.
    if (!this.#parts.connection().whole || followed.state === 'denied' || this.givingUp.withdraw(followed)) {
      this.#forget(followed);
      return;
    }
    followed.cancelLinger?.();
    followed.cancelLinger = null;
    followed.state = 'leaving';
    this.givingUp.leave(followed);
  }

  #forget(followed: Followed): void {
    followed.cancelLinger?.();
    if (followed.hasRows || followed.isHeld || followed.through !== null) this.#orphans.push(followed);
    if (this.#byKey.get(followed.key) === followed) this.#byKey.delete(followed.key);
  }
}
