/**
 * Holding: the rows of the ids that a session asked for, said part by part.
 *
 * Invariant: an id is held from the moment at which its row was said, or that there is none; before that, nothing is.
 */
import { type EntityId, encodeRow } from '../../storage/index.ts';
import type { Source } from '../change.ts';
import type { Core } from '../core.ts';
import type { FollowedCollection } from './followed-collection.ts';
import type { HeldIds } from './held-ids.ts';
import type { Job } from './hydration.ts';
import { MAX_CHUNK_BYTES } from './limits.ts';
import type { Follower } from './subscription.ts';

export interface HoldingParts {
  readonly core: Core;
  readonly source: Source;
  readonly chunkRows: number;
}

export class Holding implements Job {
  readonly #parts: HoldingParts;
  readonly #follower: Follower;
  readonly #held: HeldIds;
  readonly #collection: FollowedCollection;
  /** The next one last. */
  #ids: EntityId[];

  constructor(
    parts: HoldingParts,
    follower: Follower,
    held: HeldIds,
    collection: FollowedCollection,
    ids: readonly EntityId[],
  ) {
    this.#parts = parts;
    this.#follower = follower;
    this.#held = held;
    this.#collection = collection;
    this.#ids = [...ids].reverse();
  }

  /** Ids not said yet. */
  get remaining(): number {
    return this.#ids.length;
  }

  /** Released before they were said. */
  drop(collection: FollowedCollection, ids: readonly EntityId[]): void {
    if (collection !== this.#collection) return;
    const dropped = new Set(ids);
    this.#ids = this.#ids.filter((id) => !dropped.has(id));
  }

  advance(): boolean {
    const { core, source, chunkRows } = this.#parts;
    const { entry, name } = this.#collection;
    const ids: EntityId[] = [];
    const rows: Uint8Array[] = [];
    let bytes = 0;
    while (this.#ids.length > 0 && ids.length < chunkRows && bytes < MAX_CHUNK_BYTES) {
      const id = this.#ids.pop()!;
      ids.push(id);
      this.#held.add(this.#collection, id);
      const row = core.rows.read(name, id);
      if (row === null) continue;
      const encoded = encodeRow(entry.descriptor, row);
      rows.push(encoded);
      bytes += encoded.length;
    }
    this.#follower.say({ kind: 'held', collection: name, position: source.position(), ids, rows });
    return this.#ids.length > 0;
  }
}
