/**
 * Held ids: entities that this node fetched or wrote, followed one by one for a while.
 *
 * Invariants
 *   - an id is known when the authority has said what is behind it, be it nothing; until `released` it is kept current;
 *   - one that was not used for LINGER_MS, and has nothing pending, is released; past MAX_HELD_IDS the longest unused.
 */
import type { EntityId } from '../../storage/index.ts';
import type { Clock } from '../ports/clock.ts';
import { LINGER_MS, MAX_HELD_IDS } from './limits.ts';
import { type RowKey, rowKey } from './outbox.ts';

export interface HeldId {
  readonly collection: string;
  readonly id: EntityId;
  /** `written`: the authority will follow it by itself, once the operations arrive. */
  state: 'written' | 'asked' | 'known' | 'leaving';
  usedMs: number;
  readonly waiting: { readonly resolve: () => void; readonly reject: (error: unknown) => void }[];
}

export class HeldIds {
  readonly #clock: Clock;
  /** The longest unused first: a use moves an entry to the end. */
  readonly #held = new Map<RowKey, HeldId>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#held.size;
  }

  all(): Iterable<HeldId> {
    return this.#held.values();
  }

  has(collection: string, id: EntityId): boolean {
    return this.#held.has(rowKey(collection, id));
  }

  /** Whether what the tables say of it is all there is to say. */
  knows(collection: string, id: EntityId): boolean {
    return this.#held.get(rowKey(collection, id))?.state === 'known';
  }

  /** It was written here, and so is followed from the moment the authority takes the operations. */
  wrote(collection: string, id: EntityId): void {
    this.#use(collection, id, 'written');
  }

  /** Somebody waits for what the authority has to say of it. True if it must be asked for. */
  want(collection: string, id: EntityId, resolve: () => void, reject: (error: unknown) => void): boolean {
    const known = this.#held.get(rowKey(collection, id));
    const held = this.#use(collection, id, 'asked');
    held.waiting.push({ resolve, reject });
    const isNew = known === undefined || known.state === 'written' || known.state === 'leaving';
    if (isNew) held.state = 'asked';
    return isNew;
  }

  /** The authority has answered. */
  answered(collection: string, ids: readonly EntityId[]): readonly (() => void)[] {
    const tasks: (() => void)[] = [];
    for (const id of ids) {
      const held = this.#held.get(rowKey(collection, id));
      if (held === undefined) continue;
      held.state = 'known';
      for (const { resolve } of held.waiting.splice(0)) tasks.push(resolve);
    }
    return tasks;
  }

  /** A transaction of this node that wrote it was settled: the authority follows it now. */
  settled(collection: string, id: EntityId): void {
    const held = this.#held.get(rowKey(collection, id));
    if (held?.state === 'written') held.state = 'known';
  }

  /** From this moment of the stream on it is not kept current any more, unless it was used again meanwhile. */
  released(collection: string, ids: readonly EntityId[]): readonly EntityId[] {
    return ids.filter((id) => {
      const key = rowKey(collection, id);
      if (this.#held.get(key)?.state === 'leaving') this.#held.delete(key);
      return !this.#held.has(key);
    });
  }

  /** The session has ended: who waits will not be answered. */
  lost(error: unknown): void {
    for (const [key, held] of this.#held) {
      for (const { reject } of held.waiting.splice(0)) reject(error);
      if (held.state === 'leaving' || held.state === 'asked') this.#held.delete(key);
    }
  }

  /** What is to be released now, by collection. */
  expire(hasPending: (collection: string, id: EntityId) => boolean): ReadonlyMap<string, readonly EntityId[]> {
    const expired = new Map<string, EntityId[]>();
    const now = this.#clock.now();
    let excess = this.#held.size - MAX_HELD_IDS;
    for (const held of this.#held.values()) {
      if (now - held.usedMs < LINGER_MS && excess <= 0) break;
      if (held.state !== 'known' || hasPending(held.collection, held.id)) continue;
      held.state = 'leaving';
      excess -= 1;
      const ids = expired.get(held.collection);
      if (ids === undefined) expired.set(held.collection, [held.id]);
      else ids.push(held.id);
    }
    return expired;
  }

  #use(collection: string, id: EntityId, state: 'written' | 'asked'): HeldId {
    const key = rowKey(collection, id);
    const held = this.#held.get(key) ?? { collection, id, state, usedMs: 0, waiting: [] };
    held.usedMs = this.#clock.now();
    this.#held.delete(key);
    this.#held.set(key, held);
    return held;
  }
}
