/**
 * Holding: the rows of the ids that a session asked for, said part by part.
 *
 * Invariants
 *   - an id is held from the moment at which its row was said, or that there is none; before that, nothing is;
 *   - to a session that had them at its cursor only those are said that changed since, or that it was told to have left;
 *   - a row that cannot be read is told to be so, and its id is held.
 */
import { TendrilError } from '../../../errors.ts';
import { type EntityId, encodeOrDamage } from '../../../storage/index.ts';
import type { Source } from '../../change.ts';
import type { FeedRows } from '../feed-rows.ts';
import type { FeedWork } from '../feed-work.ts';
import type { FollowedCollection } from '../followed/followed-collection.ts';
import type { HeldIds } from '../followed/held-ids.ts';
import type { Follower } from '../follower.ts';
import type { Job } from '../job.ts';
import { MAX_CHUNK_BYTES } from '../limits.ts';
import type { CatchUp } from '../past/catch-up.ts';

export interface HoldingParts {
  readonly rows: FeedRows;
  readonly source: Source;
  readonly work: FeedWork;
  readonly chunkRows: number;
}

export class Holding implements Job {
  readonly #parts: HoldingParts;
  readonly #follower: Follower;
  readonly #held: HeldIds;
  readonly #collection: FollowedCollection;
  /** The next one last. */
  readonly #ids: EntityId[];
  readonly #had: CatchUp | null;

  /** - `had`: the session has them as they stood at its cursor; null: it has not. */
  constructor(
    parts: HoldingParts,
    follower: Follower,
    held: HeldIds,
    collection: FollowedCollection,
    ids: readonly EntityId[],
    had: CatchUp | null,
  ) {
    this.#parts = parts;
    this.#follower = follower;
    this.#held = held;
    this.#collection = collection;
    this.#ids = [...ids].reverse();
    this.#had = had === null || had.isOver ? null : had;
    this.#had?.begin();
  }

  advance(): boolean {
    const { source, chunkRows } = this.#parts;
    const { name } = this.#collection;
    const ids: EntityId[] = [];
    const rows: Uint8Array[] = [];
    let bytes = 0;
    while (this.#ids.length > 0 && ids.length < chunkRows && bytes < MAX_CHUNK_BYTES) {
      const id = this.#ids.pop()!;
      // Released meanwhile.
      if (!this.#held.isWanted(this.#collection, id)) continue;
      ids.push(id);
      this.#held.add(this.#collection, id);
      const encoded = this.#encoded(id);
      if (encoded === null) continue;
      rows.push(encoded);
      bytes += encoded.length;
    }
    const basis = this.#had === null ? 'nothing' : 'held';
    this.#follower.say({ kind: 'held', collection: name, position: source.position(), basis, ids, rows });
    if (this.#ids.length > 0) return true;
    this.#had?.end();
    return false;
  }

  /** Null where there is nothing to be said. */
  #encoded(id: EntityId): Uint8Array | null {
    const { entry, name } = this.#collection;
    const row = this.#parts.rows.read(name, id);
    if (row === null) return null;
    if (row instanceof TendrilError) return this.#unreadable(id, row);
    const had = this.#had;
    if (had !== null && row.asOf <= had.cursor! && !had.departed(name).has(id)) return null;
    const encoded = encodeOrDamage(entry.descriptor, row);
    return encoded instanceof TendrilError ? this.#unreadable(id, encoded) : encoded;
  }

  #unreadable(entity: EntityId, error: TendrilError): null {
    this.#parts.work.unreadable += 1;
    this.#follower.say({ kind: 'unreadable', collection: this.#collection.name, entity, error });
    return null;
  }
}
