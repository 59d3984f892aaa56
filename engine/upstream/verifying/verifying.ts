/**
 * Verifying: whether what this node holds is as its upstream has it, asked in the session that there is.
 *
 * Invariants
 *   - one thing is asked about at a time: each selection that is followed and complete, then the ids that are held and that
 *     no selection covers; what differs is repaired in the group that takes the answer;
 *   - it ends with its session: what is not known then is not told.
 */
import { TendrilError } from '../../../errors.ts';
import { type EntityId, idOfRow } from '../../../storage/index.ts';
import type { CatalogEntry } from '../../catalog.ts';
import type { CoreBase, Prepared } from '../../core.ts';
import { partsOf, type RowKey, rowKey } from '../../row-key.ts';
import type { SaidOf, Step, SubscriptionNumber } from '../../stream.ts';
import type { Confirming } from '../confirming/confirming.ts';
import type { Stages } from '../confirming/stages.ts';
import type { Followed } from '../following/followed.ts';
import type { Following } from '../following/following.ts';
import type { HeldIds } from '../following/held-ids.ts';
import { MAX_CHANGED_MEANWHILE, VERIFIED_TOGETHER } from '../limits.ts';
import { confirmedRows, type HeldRows, isSameRow } from '../overlay/held-rows.ts';
import type { Overlay } from '../overlay/overlay.ts';
import type { OverlayStep } from '../overlay/overlay-step.ts';
import type { Collections } from '../session/collections.ts';
import type { Connection } from '../session/connection.ts';
import { interrupted } from '../session/session-errors.ts';
import { Findings, type Verified } from './findings.ts';
import { isComparable, SelectionCheck } from './selection-check.ts';

export interface VerifyingParts {
  readonly base: Pick<CoreBase, 'driver' | 'rows' | 'scheduler'>;
  readonly overlay: Overlay;
  readonly connection: Connection;
  readonly confirming: Confirming;
  readonly following: Following;
  readonly heldIds: HeldIds;
  readonly stages: Stages;
  readonly collections: Collections;
}

const UNKNOWN = 'What was verified is not known to the end.';

interface Awaited {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class Verifying {
  readonly #parts: VerifyingParts;
  readonly #held: HeldRows;
  #last: Promise<unknown> = Promise.resolve();
  #findings = new Findings();
  #awaited: Awaited | null = null;
  #onDescribed: (() => void) | null = null;
  #subscription: SubscriptionNumber | null = null;
  #check: SelectionCheck | null = null;
  /** Why what was asked about cannot be compared to the end. */
  #failure: TendrilError | null = null;
  /** That the authority was asked about. */
  readonly #ids = new Set<RowKey>();
  /** Held, and not of the selection that was looked at; something else follows them. */
  readonly #doubtful = new Set<RowKey>();

  constructor(parts: VerifyingParts) {
    this.#parts = parts;
    this.#held = confirmedRows({ driver: parts.base.driver, overlay: parts.overlay });
  }

  /** After those that were asked for before. @throws {TendrilError} (rejects) `offline`, `limit-exceeded`, `closed`. */
  run(): Promise<Verified> {
    const run = this.#last.then(() => this.#run());
    this.#last = run.catch(() => undefined);
    return run;
  }

  /** The session has ended. */
  lost(reason: TendrilError): void {
    const awaited = this.#awaited;
    this.#forget();
    awaited?.reject(lostWith(reason));
  }

  /** After a COMMIT: the session has said which collections the upstream has. */
  described(): void {
    this.#onDescribed?.();
    this.#onDescribed = null;
  }

  /** Whether the subscription is one of those made here. */
  owns(subscription: SubscriptionNumber): boolean {
    return this.#subscription === subscription;
  }

  /** Inside a group. */
  chunk(step: OverlayStep, chunk: SaidOf<'chunk'>): void {
    this.#check?.take(step, chunk);
  }

  /** After the COMMIT of the last chunk. */
  chunked(): void {
    if (this.#subscription === null) return;
    this.#parts.connection.send({ kind: 'unsubscribe', subscription: this.#subscription });
  }

  /** After a COMMIT. */
  unsubscribed(): void {
    this.#answered();
  }

  /** After a COMMIT. */
  denied(error: TendrilError): void {
    const awaited = this.#awaited;
    this.#forget();
    awaited?.reject(error);
  }

  /** Inside a group: rows of which a step tells. */
  changed({ parts }: Step, operations: readonly Prepared[]): void {
    const check = this.#check;
    if (check === null) return;
    const { name } = check.followed.entry.collection;
    for (const { operation } of operations) if (operation.collection === name) check.changed(operation.entity);
    for (const part of parts) {
      if (part.collection === name) check.changed(part.kind === 'whole' ? idOfRow(part.row) : part.entity);
    }
    if (!check.hasLostTrack) return;
    this.#check = null;
    this.#failure = tooMuchChanged();
  }

  /** Inside a group. Whether it answers a question of this one's, in part at least. */
  heard(step: OverlayStep, entry: CatalogEntry, { ids, rows }: SaidOf<'held'>): boolean {
    if (this.#ids.size === 0) return false;
    const { name } = entry.collection;
    const asked = new Set(ids.filter((id) => this.#ids.delete(rowKey(name, id))));
    const came = new Map(rows.map((bytes) => [idOfRow(bytes), bytes]));
    for (const id of asked) this.#compareId(step, entry, id, came.get(id) ?? null);
    return asked.size > 0;
  }

  /** After the COMMIT of what was heard. */
  heardAll(): void {
    if (this.#ids.size === 0) this.#answered();
  }

  /** After a COMMIT: they have been given up, and a relay does not answer any more. */
  released({ collection, ids }: SaidOf<'released'>): void {
    if (this.#ids.size === 0) return;
    for (const id of ids) this.#ids.delete(rowKey(collection, id));
    this.heardAll();
  }

  async #run(): Promise<Verified> {
    const { connection, following, stages, collections } = this.#parts;
    const { reaches, error } = connection.state();
    if (!reaches || connection.peer === null) throw isClosed(error) ? error : offline(error);
    const { session } = connection;
    this.#findings = new Findings();
    this.#doubtful.clear();
    if (!collections.isDescribed) {
      await this.#answer(session, (resolve) => {
        this.#onDescribed = resolve;
      });
    }
    this.#findings.missing = collections.missing;
    if (!stages.isWhole) await this.#answer(session, (resolve) => stages.whenWhole(resolve));
    for (const followed of [...following.all()]) {
      if (isComparable(followed)) await this.#compare(followed, session);
    }
    await this.#compareIds(session);
    return this.#findings.verified;
  }

  async #compare(followed: Followed, session: unknown): Promise<void> {
    const { following, confirming, connection } = this.#parts;
    const { entry, asked } = followed;
    const parts = { held: this.#held, confirming, findings: this.#findings, surplus: this.#surplus };
    const cover = following.follow(entry, asked);
    try {
      const check = new SelectionCheck(parts, followed);
      const had = await check.sum(() => this.#turn(session));
      this.#check = check;
      const subscription = following.subscriptions.nextNumber();
      this.#subscription = subscription;
      const { text, parameters } = asked;
      await this.#answer(session, () => {
        connection.send({ kind: 'subscribe', subscription, collection: entry.collection.name, text, parameters, had });
      });
    } finally {
      cover.leave();
    }
  }

  async #compareIds(session: unknown): Promise<void> {
    const { heldIds, connection } = this.#parts;
    const known = [...heldIds.all()].flatMap(({ collection, id, state }) => {
      return state === 'known' ? [{ collection, id }] : [];
    });
    for (let from = 0; from < known.length; from += VERIFIED_TOGETHER) {
      const asked = known.slice(from, from + VERIFIED_TOGETHER).filter(({ collection, id }) => {
        return heldIds.knows(collection, id) && !this.#isCompared(collection, id);
      });
      if (asked.length > 0) {
        await this.#answer(session, () => {
          for (const { collection, id } of asked) this.#ids.add(rowKey(collection, id));
          for (const collection of new Set(asked.map((one) => one.collection))) {
            const ids = asked.flatMap((one) => (one.collection === collection ? [one.id] : []));
            connection.send({ kind: 'hold', collection, ids, had: false });
          }
        });
      }
      await this.#turn(session);
    }
    for (const key of this.#doubtful) {
      this.#checkSession(session);
      await this.#fetch(key);
    }
  }

  /** A selection has compared it, or it is asked for by itself. */
  #isCompared(collection: string, id: EntityId): boolean {
    if (this.#doubtful.delete(rowKey(collection, id))) return false;
    const row = this.#held.confirmed(collection, id);
    return row !== null && row.deleted === null && this.#parts.following.subscriptions.covers(collection, row.values);
  }

  /** Whatever else follows it, the row comes as it is. */
  async #fetch(key: RowKey): Promise<void> {
    const { collection, id } = partsOf(key);
    try {
      await this.#parts.heldIds.want(collection, id);
    } catch (error) {
      if (!(error instanceof TendrilError) || error.code !== 'limit-exceeded') throw error;
      this.#findings.isUnrepaired = true;
    }
  }

  #compareId(step: OverlayStep, entry: CatalogEntry, id: EntityId, bytes: Uint8Array | null): void {
    const { name } = entry.collection;
    const before = this.#held.confirmed(name, id);
    const row = bytes === null ? null : this.#parts.confirming.read(entry, bytes);
    this.#findings.rows += 1;
    if (bytes !== null && row === null) return;
    if (before === null ? row === null : row !== null && isSameRow(entry, before, row)) return;
    this.#findings.add(name, id);
    if (row === null) step.leave(entry, id);
    else step.confirm(entry, id, row);
  }

  readonly #surplus = (step: OverlayStep, followed: Followed, id: EntityId): void => {
    const { following, heldIds } = this.#parts;
    const { entry } = followed;
    const { name } = entry.collection;
    const row = this.#held.confirmed(name, id);
    const isCovered =
      row !== null &&
      following.subscriptions.covers(name, row.values, undefined, (other) => other.isHeld && other !== followed);
    if (isCovered || heldIds.isHere(rowKey(name, id))) this.#doubtful.add(rowKey(name, id));
    else step.leave(entry, id);
  };

  /** Resolves with the answer to what `ask` asks, in the session in which this began. */
  async #answer(session: unknown, ask: (resolve: () => void) => void): Promise<void> {
    this.#checkSession(session);
    return new Promise((resolve, reject) => {
      this.#awaited = { resolve, reject };
      ask(resolve);
    });
  }

  #answered(): void {
    const [awaited, failure] = [this.#awaited, this.#failure];
    this.#forget();
    if (failure === null) awaited?.resolve();
    else awaited?.reject(failure);
  }

  #forget(): void {
    this.#awaited = null;
    this.#onDescribed = null;
    this.#check = null;
    this.#failure = null;
    this.#subscription = null;
    this.#ids.clear();
  }

  /** Lets others work. */
  async #turn(session: unknown): Promise<void> {
    await new Promise<void>((resolve) => this.#parts.base.scheduler.next(resolve));
    this.#checkSession(session);
  }

  /** Between two steps nobody waits who would be told. @throws {TendrilError} why it has ended. */
  #checkSession(session: unknown): void {
    const { connection } = this.#parts;
    if (connection.session === session) return;
    throw lostWith(connection.state().error);
  }
}

function tooMuchChanged(): TendrilError {
  return new TendrilError({
    code: 'limit-exceeded',
    problem: `More than ${MAX_CHANGED_MEANWHILE} rows changed while one selection was compared.`,
    remedy: 'Verify again when less is written.',
    facts: { limit: MAX_CHANGED_MEANWHILE },
  });
}

function lostWith(reason: unknown): TendrilError {
  if (!(reason instanceof TendrilError)) return interrupted(UNKNOWN);
  if (reason.code === 'offline' || isClosed(reason)) return reason;
  return interrupted(`${UNKNOWN} ${reason.problem}`);
}

/** By this node itself. */
function isClosed(error: unknown): boolean {
  return error instanceof TendrilError && error.code === 'closed';
}

function offline(cause: unknown): TendrilError {
  return new TendrilError({
    code: 'offline',
    problem: 'There is no session with the upstream in which something could be compared.',
    remedy: 'Wait until there is one; reconnect() makes one at once.',
    cause,
  });
}
