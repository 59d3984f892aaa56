/**
 * Quarantine: rows that cannot be read, as they came or where they come from. Each is left out and noted; the others are
 * as they should be.
 *
 * Invariants
 *   - of a row that is noted here nothing is held; it is admitted when it comes whole and can be read, or is not followed
 *     any more;
 *   - at most MAX_QUARANTINED are noted; the oldest give way, and only their reason is forgotten;
 *   - what is noted inside a group that fails is as it was before it.
 */
import { TendrilError } from '../../../errors.ts';
import type { EntityId, NodeId } from '../../../storage/index.ts';
import { partsOf, type RowKey, rowKey } from '../../row-key.ts';
import { Journal } from '../../write/journal.ts';
import { MAX_QUARANTINED } from '../limits.ts';

export interface QuarantinedRow {
  readonly collection: string;
  readonly id: EntityId;
  /** Whom it was to come from. */
  readonly peer: NodeId | null;
  readonly reason: TendrilError;
}

export class Quarantine {
  readonly #peer: () => NodeId | null;
  readonly #journal: Journal;
  readonly #noted = new Map<RowKey, QuarantinedRow>();
  #hasForgotten = false;

  constructor(peer: () => NodeId | null, journal = new Journal()) {
    this.#peer = peer;
    this.#journal = journal;
  }

  /** Nothing of what is followed was left out. */
  get isEmpty(): boolean {
    return this.size === 0 && !this.#hasForgotten;
  }

  /** More were left out than are noted: any row that is not held may be one. */
  get hasForgotten(): boolean {
    return this.#hasForgotten;
  }

  get size(): number {
    return this.#noted.size;
  }

  all(): readonly QuarantinedRow[] {
    return [...this.#noted.values()];
  }

  has(collection: string, id: EntityId): boolean {
    return this.#noted.size > 0 && this.#noted.has(rowKey(collection, id));
  }

  /** Why it cannot be read; null where it is not noted. */
  reasonOf(collection: string, id: EntityId): TendrilError | null {
    return this.#noted.size === 0 ? null : (this.#noted.get(rowKey(collection, id))?.reason ?? null);
  }

  note(collection: string, id: EntityId, reason: TendrilError): void {
    const key = rowKey(collection, id);
    this.release(collection, id);
    this.#journal.set(this.#noted, key, { collection, id, peer: this.#peer(), reason });
    if (this.size <= MAX_QUARANTINED) return;
    this.#hasForgotten = true;
    this.#journal.set(this.#noted, this.#noted.keys().next().value!, undefined);
  }

  /** It came, and could be read; or it is not followed any more. */
  release(collection: string, id: EntityId): void {
    if (this.has(collection, id)) this.#journal.set(this.#noted, rowKey(collection, id), undefined);
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
