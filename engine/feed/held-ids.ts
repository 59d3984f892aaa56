/** Held ids: the entities that one session follows by id, whether they exist or not. */
import { TendrilError } from '../../errors.ts';
import type { EntityId } from '../../storage/index.ts';
import type { FollowedCollection } from './followed-collection.ts';
import { MAX_HELD_IDS } from './limits.ts';
import type { Follower } from './subscription.ts';

export class HeldIds {
  readonly #follower: Follower;
  readonly #held = new Map<FollowedCollection, Set<EntityId>>();
  #size = 0;

  constructor(follower: Follower) {
    this.#follower = follower;
  }

  get size(): number {
    return this.#size;
  }

  has(collection: FollowedCollection, id: EntityId): boolean {
    return this.#held.get(collection)?.has(id) === true;
  }

  /** - `reserved`: what else will be held. @throws {TendrilError} `limit-exceeded` if there were too many: then none is. */
  checkRoom(collection: FollowedCollection, ids: Iterable<EntityId>, reserved: number): void {
    const more = new Set([...ids].filter((id) => !this.has(collection, id))).size;
    if (this.#size + reserved + more > MAX_HELD_IDS) throw tooManyHeld();
  }

  add(collection: FollowedCollection, id: EntityId): void {
    const ids = this.#held.get(collection) ?? new Set();
    this.#held.set(collection, ids);
    if (ids.has(id)) return;
    ids.add(id);
    this.#size += 1;
    collection.hold(this.#follower, id);
  }

  remove(collection: FollowedCollection, id: EntityId): void {
    if (this.#held.get(collection)?.delete(id) !== true) return;
    this.#size -= 1;
    collection.release(this.#follower, id);
  }

  clear(): void {
    for (const [collection, ids] of this.#held) for (const id of ids) collection.release(this.#follower, id);
    this.#held.clear();
    this.#size = 0;
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
