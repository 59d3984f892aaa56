/**
 * Held ids: entities that this node fetched or wrote, followed one by one for a while.
 *
 * Invariants
 *   - an id is known when the authority has said what is behind it, be it nothing, and that can be seen; until `released`
 *     it is kept current;
 *   - one that was written here is followed from the moment the authority takes that, also if it was asked for meanwhile: it is
 *     forgotten in no session that ends before its answer is seen;
 *   - one that was not used for LINGER_MS, and has nothing pending, is released at the next sweep; past MAX_HELD_IDS the
 *     longest unused at once; neither while a selection of its collection is coming.
 * Time is counted in sweeps: the clock of an ephemeral node jumps when it learns the authority's.
 */
import { TendrilError } from '../../../errors.ts';
import type { EntityId } from '../../../storage/index.ts';
import { type RowKey, rowKey } from '../../row-key.ts';
import type { Request } from '../../stream.ts';
import type { Journal } from '../../write/journal.ts';
import { LINGER_MS, MAX_HELD_IDS } from '../limits.ts';

/** How often ids that nobody uses any more are looked for. */
export const SWEEP_MS = LINGER_MS / 5;

export interface HeldIdsParts {
  readonly hasPending: (collection: string, id: EntityId) => boolean;
  /** A session exists, and what it began with is here: before, its rows could not be told from those of what was given up. */
  readonly isWhole: () => boolean;
  /** A selection of the collection is on its way: its rows may be here for these ids alone (giving-up.ts). */
  readonly isComing: (collection: string) => boolean;
  readonly send: (request: Request) => void;
  readonly journal: Journal;
  /** `isHere` may say otherwise now. */
  readonly changed: (key: RowKey) => void;
}

export interface HeldId {
  readonly collection: string;
  readonly id: EntityId;
  /** `written`: the authority will follow it by itself, once the operations arrive. */
  state: 'written' | 'asked' | 'known' | 'leaving';
  /** While it is asked for: it was answered, and can be seen as soon as the session is whole. */
  isHeard: boolean;
  /** It is known again if the session is lost before it is answered or released: what was here then is here still. */
  wasKnown: boolean;
  /** While it is not known: the authority follows it, or will as soon as what was written here arrives. */
  isWritten: boolean;
  /** It was settled before the session was whole: the tables need not have it as it stood at the cursor. */
  isAhead: boolean;
  usedAt: number;
  readonly waiting: Waiting[];
}

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class HeldIds {
  readonly #parts: HeldIdsParts;
  /** The longest unused first: a use moves an entry to the end. */
  readonly #held = new Map<RowKey, HeldId>();
  #sweeps = 0;
  #catchingUp = new Set<RowKey>();
  /** How many are in that state. */
  #leaving = 0;

  constructor(parts: HeldIdsParts) {
    this.#parts = parts;
  }

  get size(): number {
    return this.#held.size;
  }

  all(): Iterable<HeldId> {
    return this.#held.values();
  }

  /** Whether all that was known before the session began has been brought to where it stands. */
  get isCaughtUp(): boolean {
    return this.#catchingUp.size === 0;
  }

  /**
   * A session begins: asks for every id that is held. Returns what was asked about.
   *
   * - `isAnew`: of another log nobody knows whether it has what was written here.
   */
  begin(resumes: boolean, isAnew: boolean): readonly RowKey[] {
    const keys: RowKey[] = [];
    this.#catchingUp = new Set();
    for (const had of [true, false]) {
      const byCollection = new Map<string, EntityId[]>();
      for (const { collection, id, state, isAhead } of this.#held.values()) {
        if (state === 'written' && !isAnew) continue;
        if ((resumes && state === 'known' && !isAhead) !== had) continue;
        keys.push(rowKey(collection, id));
        if (state === 'known') this.#catchingUp.add(rowKey(collection, id));
        const ids = byCollection.get(collection);
        if (ids === undefined) byCollection.set(collection, [id]);
        else ids.push(id);
      }
      for (const [collection, ids] of byCollection) this.#parts.send({ kind: 'hold', collection, ids, had });
    }
    return keys;
  }

  /** Whether what the tables say of it is all there is to say. */
  knows(collection: string, id: EntityId): boolean {
    return this.#held.get(rowKey(collection, id))?.state === 'known';
  }

  /** Whether the authority keeps this node informed of it: the tables have what is behind it, be it nothing, once the session is whole. */
  isHere(key: RowKey): boolean {
    const held = this.#held.get(key);
    if (held === undefined) return false;
    return held.isHeard || held.wasKnown || held.state === 'known' || held.state === 'leaving';
  }

  /** Of one that is here: whether the tables have it already. */
  isInTables(key: RowKey): boolean {
    const state = this.#held.get(key)?.state;
    return state === 'known' || state === 'leaving';
  }

  /** It was known when an earlier process ended. */
  restore(collection: string, id: EntityId): void {
    this.#held.set(rowKey(collection, id), this.#new(collection, id, 'known'));
  }

  /** Somebody has looked at it. */
  used(collection: string, id: EntityId): void {
    const held = this.#held.get(rowKey(collection, id));
    if (held !== undefined) this.#use(held);
  }

  /** It was written here, and so is followed from the moment the authority takes the operations. */
  wrote(collection: string, id: EntityId): void {
    const held = this.#held.get(rowKey(collection, id)) ?? this.#new(collection, id, 'written');
    if (held.state === 'leaving') {
      this.#become(held, 'written');
      held.wasKnown = true;
      this.#changed(held);
    }
    held.isWritten = true;
    this.#use(held);
  }

  /**
   * Resolves when what the authority has to say of it can be seen.
   *
   * @throws {TendrilError} (rejects) `limit-exceeded` if none of MAX_HELD_IDS can give way; why the session ended.
   */
  want(collection: string, id: EntityId): Promise<void> {
    return this.wantAll(collection, [id]);
  }

  /** The same of many, asked for at once. */
  async wantAll(collection: string, ids: readonly EntityId[]): Promise<void> {
    const asked: EntityId[] = [];
    // At once: each time whoever is to give way is looked for among all.
    this.makeRoom(ids.filter((id) => !this.#held.has(rowKey(collection, id))).length);
    const waiting = ids.map((id) => this.#await(collection, id, asked));
    if (asked.length > 0) this.#parts.send({ kind: 'hold', collection, ids: asked, had: false });
    await Promise.all(waiting);
  }

  /** - `asked`: takes the id if nobody waits for it yet. */
  #await(collection: string, id: EntityId, asked: EntityId[]): Promise<void> {
    const known = this.#held.get(rowKey(collection, id));
    if (known === undefined && this.#excess >= 0) return Promise.reject(tooMany());
    const held = known ?? this.#new(collection, id, 'asked');
    this.#use(held);
    return new Promise((resolve, reject) => {
      held.waiting.push({ resolve, reject });
      if (known?.state === 'asked') return;
      if (known !== undefined && known.state !== 'written') held.wasKnown = true;
      this.#become(held, 'asked');
      asked.push(id);
    });
  }

  /** The authority has said how they stand in this session. */
  heard(collection: string, ids: readonly EntityId[]): void {
    if (this.#catchingUp.size > 0) for (const id of ids) this.#catchingUp.delete(rowKey(collection, id));
    for (const held of this.#listed(collection, ids)) {
      held.isHeard = true;
      this.#changed(held);
    }
  }

  /** What the authority has answered can be seen. */
  answered(collection: string, ids: readonly EntityId[]): void {
    for (const held of this.#listed(collection, ids)) {
      // What was given up while it was only verified is not asked for.
      if (held.state !== 'leaving') this.#become(held, 'known');
      held.isHeard = false;
      held.wasKnown = false;
      held.isAhead = false;
      for (const { resolve } of held.waiting.splice(0)) resolve();
    }
  }

  /** The authority has nothing to say of these. */
  denied(collection: string, ids: readonly EntityId[], error: unknown): void {
    for (const held of this.#listed(collection, ids)) this.#forget(held, error);
  }

  /** Inside a group: a transaction of this node that wrote it was settled: the authority follows it now. */
  settled(collection: string, id: EntityId): void {
    const held = this.#held.get(rowKey(collection, id));
    if (held === undefined || (held.state !== 'written' && held.state !== 'asked')) return;
    const { state, wasKnown, isWritten, isAhead } = held;
    this.#parts.journal.record(() => Object.assign(held, { state, wasKnown, isWritten, isAhead }));
    if (state === 'written') held.state = 'known';
    held.wasKnown = state !== 'written';
    held.isWritten = false;
    held.isAhead = !this.#parts.isWhole();
    this.#changed(held);
  }

  /** What was written of it was refused. */
  refused(collection: string, id: EntityId): void {
    const held = this.#held.get(rowKey(collection, id));
    // What was asked about and answered is followed.
    if (held === undefined || this.#parts.hasPending(collection, id)) return;
    held.isWritten = false;
    if (held.state === 'written' && !held.isHeard) this.#forget(held, null);
  }

  /** Inside a group: from this moment of the stream on they are not kept current any more. */
  released(collection: string, ids: readonly EntityId[]): void {
    for (const held of this.#listed(collection, ids)) {
      if (held.state === 'leaving') {
        this.#parts.journal.record(() => {
          this.#held.set(rowKey(collection, held.id), held);
          this.#become(held, 'leaving');
        });
        this.#forget(held, null);
      } else {
        const { wasKnown } = held;
        this.#parts.journal.record(() => {
          held.wasKnown = wasKnown;
        });
        held.wasKnown = false;
        this.#changed(held);
      }
    }
  }

  /** The session has ended: who waits will not be answered. */
  lost(error: unknown): void {
    for (const held of this.#held.values()) {
      for (const { reject } of held.waiting.splice(0)) reject(error);
      // Whether the authority still tells of it nobody knows: it is asked for, and given up again.
      const isKnown = held.state === 'leaving' || held.wasKnown;
      held.wasKnown = false;
      held.isHeard = false;
      if (isKnown) this.#become(held, 'known');
      else if (held.state === 'asked' && held.isWritten) this.#become(held, 'written');
      else if (held.state === 'asked') this.#forget(held, error);
    }
  }

  /** Every SWEEP_MS. */
  sweep(): void {
    this.#sweeps += 1;
    this.#release(0);
  }

  /** Gives up the longest unused where there is no room for `more`. */
  makeRoom(more: number): void {
    if (this.#excess + more > 0) this.#release(this.#excess + more);
  }

  get #excess(): number {
    return this.#held.size - this.#leaving - MAX_HELD_IDS;
  }

  /** What has not been used for long, and as many as there are too many. */
  #release(tooMany: number): void {
    if (!this.#parts.isWhole()) return;
    let excess = tooMany;
    const released = new Map<string, EntityId[]>();
    const coming = new Map<string, boolean>();
    const isComing = (collection: string) => {
      const is = coming.get(collection) ?? this.#parts.isComing(collection);
      coming.set(collection, is);
      return is;
    };
    for (const held of this.#held.values()) {
      if (this.#sweeps - held.usedAt <= LINGER_MS / SWEEP_MS && excess <= 0) break;
      const { collection, id, state } = held;
      if (state !== 'known' || isComing(collection) || this.#parts.hasPending(collection, id)) continue;
      this.#become(held, 'leaving');
      held.isWritten = false;
      excess -= 1;
      const ids = released.get(collection);
      if (ids === undefined) released.set(collection, [id]);
      else ids.push(id);
    }
    for (const [collection, ids] of released) this.#parts.send({ kind: 'release', collection, ids });
  }

  #listed(collection: string, ids: readonly EntityId[]): readonly HeldId[] {
    return ids.flatMap((id) => this.#held.get(rowKey(collection, id)) ?? []);
  }

  #new(collection: string, id: EntityId, state: 'written' | 'asked' | 'known'): HeldId {
    const is = { isHeard: false, wasKnown: false, isWritten: false, isAhead: false };
    return { collection, id, state, ...is, usedAt: this.#sweeps, waiting: [] };
  }

  #use(held: HeldId): void {
    const key = rowKey(held.collection, held.id);
    held.usedAt = this.#sweeps;
    this.#held.delete(key);
    this.#held.set(key, held);
  }

  #become(held: HeldId, state: HeldId['state']): void {
    if (held.state === 'leaving') this.#leaving -= 1;
    if (state === 'leaving') this.#leaving += 1;
    held.state = state;
  }

  #forget(held: HeldId, error: unknown): void {
    this.#become(held, 'known');
    for (const { reject } of held.waiting.splice(0)) reject(error);
    this.#held.delete(rowKey(held.collection, held.id));
    this.#changed(held);
  }

  #changed({ collection, id }: HeldId): void {
    this.#parts.changed(rowKey(collection, id));
  }
}

function tooMany(): TendrilError {
  return new TendrilError({
    code: 'limit-exceeded',
    problem: `${MAX_HELD_IDS} entities are followed by their ids already, and none of them can be given up now.`,
    remedy: 'Await what was asked for or written; follow many entities by a live query.',
    facts: { limit: MAX_HELD_IDS },
  });
}
