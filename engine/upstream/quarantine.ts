/**
 * Quarantine: rows that cannot be read, as they came or where they come from. Each is left out and noted; the others are
 * as they should be.
 *
 * Invariants
 *   - of a row that is noted here nothing is held; it is admitted when it comes whole and can be read, or is not followed
 *     any more;
 *   - at most MAX_QUARANTINED are noted; the oldest give way, and only their reason is forgotten.
 */
import { TendrilError } from '../../errors.ts';
import type { EntityId, NodeId } from '../../storage/index.ts';
import { MAX_QUARANTINED } from './limits.ts';
import { partsOf, type RowKey, rowKey } from './outbox.ts';

export interface Quarantined {
  readonly collection: string;
  readonly id: EntityId;
  /** Whom it was to come from. */
  readonly peer: NodeId | null;
  readonly reason: TendrilError;
}

export class Quarantine {
  readonly #peer: () => NodeId | null;
  readonly #noted = new Map<RowKey, Quarantined>();

  constructor(peer: () => NodeId | null) {
    this.#peer = peer;
  }

  get size(): number {
    return this.#noted.size;
  }

  all(): readonly Quarantined[] {
    return [...this.#noted.values()];
  }

  has(collection: string, id: EntityId): boolean {
    return this.#noted.size > 0 && this.#noted.has(rowKey(collection, id));
  }

  note(collection: string, id: EntityId, reason: TendrilError): void {
    const key = rowKey(collection, id);
    this.#noted.delete(key);
    this.#noted.set(key, { collection, id, peer: this.#peer(), reason });
    if (this.#noted.size > MAX_QUARANTINED) this.#noted.delete(this.#noted.keys().next().value!);
  }

  /** It came, and could be read; or it is not followed any more. */
  release(collection: string, id: EntityId): void {
    if (this.#noted.size > 0) this.#noted.delete(rowKey(collection, id));
  }

  /** By collection: to be asked for again. */
  ids(): ReadonlyMap<string, readonly EntityId[]> {
    const ids = new Map<string, EntityId[]>();
    for (const key of this.#noted.keys()) {
      const { collection, id } = partsOf(key);
      ids.set(collection, [...(ids.get(collection) ?? []), id]);
    }
    return ids;
  }

  /** What `read` returns; null, noted, where it cannot be read. What is wrong with more than the row is thrown. */
  attempt<Result>(collection: string, id: EntityId, read: () => Result): Result | null {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof TendrilError) || error.code !== 'protocol-violation') throw error;
      this.note(collection, id, error);
      return null;
    }
  }
}
