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
  readonly #ids: EntityId[];

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

  advance(): boolean {
    const { core, source, chunkRows } = this.#parts;
    const { entry, name } = this.#collection;
    const ids: EntityId[] = [];
    const rows: Uint8Array[] = [];
    let bytes = 0;
    while (this.#ids.length > 0 && ids.length < chunkRows && bytes < MAX_CHUNK_BYTES) {
      const id = this.#ids.pop()!;
      // Released meanwhile.
      if (!this.#held.isWanted(this.#collection, id)) continue;
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
