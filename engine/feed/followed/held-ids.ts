/** Held ids: the entities that one session follows by id, whether they exist or not. */
import { TendrilError } from '../../../errors.ts';
import type { EntityId } from '../../../storage/index.ts';
import type { Follower } from '../follower.ts';
import { MAX_HELD_IDS } from '../limits.ts';
import type { FollowedCollection } from './followed-collection.ts';

export class HeldIds {
  readonly #follower: Follower;
  /** False for one that is asked for, and of which nothing has been said yet. */
  readonly #held = new Map<FollowedCollection, Map<EntityId, boolean>>();
  #size = 0;

  constructor(follower: Follower) {
    this.#follower = follower;
  }

  /** With those that are asked for. */
  get size(): number {
    return this.#size;
  }

  has(collection: FollowedCollection, id: EntityId): boolean {
    return this.#held.get(collection)?.get(id) === true;
  }

  isWanted(collection: FollowedCollection, id: EntityId): boolean {
    return this.#held.get(collection)?.has(id) === true;
  }

  /** They will be held. - `reserved`: what else will. @throws {TendrilError} `limit-exceeded` if there were too many: then none is. */
  want(collection: FollowedCollection, ids: Iterable<EntityId>, reserved: number): void {
    const more = new Set([...ids].filter((id) => !this.isWanted(collection, id)));
    if (this.#size + reserved + more.size > MAX_HELD_IDS) throw tooManyHeld();
    for (const id of more) this.#set(collection, id, false);
  }

  add(collection: FollowedCollection, id: EntityId): void {
    if (this.has(collection, id)) return;
    this.#set(collection, id, true);
    collection.hold(this.#follower, id);
  }

  remove(collection: FollowedCollection, id: EntityId): void {
    if (this.has(collection, id)) collection.release(this.#follower, id);
    if (this.#held.get(collection)?.delete(id)) this.#size -= 1;
  }

  clear(): void {
    for (const [collection, ids] of this.#held) for (const id of [...ids.keys()]) this.remove(collection, id);
    this.#held.clear();
  }

  #set(collection: FollowedCollection, id: EntityId, isHeld: boolean): void {
    const ids = this.#held.get(collection) ?? new Map<EntityId, boolean>();
    this.#held.set(collection, ids);
    if (!ids.has(id)) this.#size += 1;
    ids.set(id, isHeld);
  }
}

export function tooManyHeld(): TendrilError {
  return new TendrilError({
    code: 'limit-exceeded',
    problem: `A session was to hold more than ${MAX_HELD_IDS} entities by id.`,
    remedy: 'Follow them by a selection, or release those that are not needed any more.',
    facts: { limit: MAX_HELD_IDS },
  });
}
