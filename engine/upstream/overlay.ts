/**
 * Overlay: the tables hold merged rows, which are the confirmed rows and over them what is pending here.
 *
 * Invariants
 *   - a row without pending operations is as the authority has it; one with some keeps its confirmed row beside, as its base;
 *   - merged = base + pending operations, in the order they were made, by the same merge as everywhere;
 *   - one step is one commit: it has one net change for each row, however many parts and outcomes led to it.
 */
import { assert } from '../../errors.ts';
import type { EntityId, Position, Rows, StoredRow, TransactionId } from '../../storage/index.ts';
import type { CatalogEntry } from '../catalog.ts';
import type { Bound, Change, Commit } from '../change.ts';
import type { Application, Prepared } from '../core.ts';
import { changeOf } from '../write/apply.ts';
import type { Journal } from '../write/journal.ts';
import { mergeOperation } from '../write/merge.ts';
import { type Outbox, type RowKey, rowKey } from './outbox.ts';
import type { RecentRows } from './recent-rows.ts';

export interface OverlayParts {
  readonly rows: Rows;
  readonly outbox: Outbox;
  readonly journal: Journal;
  readonly recent: RecentRows;
}

export class Overlay {
  readonly parts: OverlayParts;
  /** Of rows with pending operations; null where the authority has no such row, or none that is followed. */
  readonly #bases = new Map<RowKey, StoredRow | null>();
  #position = 0 as Position;

  constructor(parts: OverlayParts) {
    this.parts = parts;
  }

  /** Counts this node's own steps; no position of the authority's. */
  readonly position = (): Position => this.#position;

  confirmed(collection: string, id: EntityId): StoredRow | null {
    const base = this.#bases.get(rowKey(collection, id));
    return base === undefined ? this.parts.rows.read(collection, id) : base;
  }

  hasPending(collection: string, id: EntityId): boolean {
    return this.#bases.has(rowKey(collection, id));
  }

  /** For a transaction made here. */
  application(transaction: TransactionId): Application {
    return new PendingApplication(this, transaction);
  }

  setBase(key: RowKey, row: StoredRow | null | undefined): void {
    this.parts.journal.set(this.#bases, key, row);
  }

  advance(): Position {
    const before = this.#position;
    this.parts.journal.record(() => {
      this.#position = before;
    });
    this.#position = (before + 1) as Position;
    return this.#position;
  }
}

/** Writes a transaction over the rows, and puts it into the outbox. */
class PendingApplication implements Application {
  readonly #overlay: Overlay;
  readonly #transaction: TransactionId;
  readonly #position: Position;
  readonly #operations: Prepared[] = [];
  readonly #changes: Change[] = [];

  constructor(overlay: Overlay, transaction: TransactionId) {
    this.#overlay = overlay;
    this.#transaction = transaction;
    this.#position = overlay.advance();
  }

  touch(
    entry: CatalogEntry,
    id: EntityId,
    before: StoredRow | null,
    shown: StoredRow | null,
    operations: readonly Prepared[],
  ): void {
    const { name } = entry.collection;
    const { rows, recent } = this.#overlay.parts;
    if (!this.#overlay.hasPending(name, id)) this.#overlay.setBase(rowKey(name, id), before);
    recent.note(this.#position, name, id, before);
    const row = merged(entry, before, operations)!;
    rows.write(name, id, shown, row);
    this.#operations.push(...operations);
    const change = changeOf(name, id, before, row);
    if (change !== null) this.#changes.push(change);
  }

  end(): Commit | null {
    if (this.#operations.length === 0) return null;
    this.#overlay.parts.outbox.add(this.#transaction, this.#operations);
    return { transaction: this.#transaction, position: this.#position, changes: this.#changes, touched: [] };
  }
}

interface Touched {
  readonly entry: CatalogEntry;
  readonly id: EntityId;
  /** What the table holds. */
  readonly before: StoredRow | null;
  confirmed: StoredRow | null;
}

/** What the authority said, on its way into the tables. */
export class OverlayStep {
  readonly #overlay: Overlay;
  readonly #touched = new Map<RowKey, Touched>();

  constructor(overlay: Overlay) {
    this.#overlay = overlay;
  }

  confirmed(entry: CatalogEntry, id: EntityId): StoredRow | null {
    const { name } = entry.collection;
    const touched = this.#touched.get(rowKey(name, id));
    return touched === undefined ? this.#overlay.confirmed(name, id) : touched.confirmed;
  }

  /** From now on the authority's row is this; null: there is none, or it is not followed any more. */
  confirm(entry: CatalogEntry, id: EntityId, row: StoredRow | null): void {
    this.touch(entry, id).confirmed = row;
  }

  /** What is pending of the row has changed: it is merged anew. */
  touch(entry: CatalogEntry, id: EntityId): Touched {
    const { name } = entry.collection;
    const key = rowKey(name, id);
    const held = this.#touched.get(key);
    if (held !== undefined) return held;
    const before = this.#overlay.parts.rows.read(name, id);
    const touched = { entry, id, before, confirmed: this.#overlay.confirmed(name, id) };
    this.#touched.set(key, touched);
    return touched;
  }

  /** Null where nobody sees a difference. - `boundsOf`: asked when the rows are confirmed. */
  end(boundsOf: () => readonly Bound[]): Commit | null {
    const { rows, outbox, recent } = this.#overlay.parts;
    const position = this.#overlay.advance();
    const changes: Change[] = [];
    for (const [key, { entry, id, before, confirmed }] of this.#touched) {
      const { name } = entry.collection;
      const pending = outbox.operationsOf(key);
      const after = merged(entry, confirmed, pending);
      this.#overlay.setBase(key, pending.length === 0 ? undefined : confirmed);
      recent.note(position, name, id, before);
      if (after !== null) rows.write(name, id, before, after);
      else if (before !== null) rows.erase(name, id);
      const change = changeOf(name, id, before, after);
      if (change !== null) changes.push(change);
    }
    const bounds = boundsOf();
    if (changes.length === 0 && bounds.length === 0) return null;
    return { transaction: null, position, changes, touched: [], bounds };
  }
}

/** A row and what is pending over it. */
export function merged(entry: CatalogEntry, base: StoredRow | null, pending: readonly Prepared[]): StoredRow | null {
  let row = base;
  for (const { operation } of pending) {
    assert(row !== null || operation.edits[0]?.kind === 'create', `nothing to merge operation ${operation.id} into`);
    row = mergeOperation(entry.descriptor, row, operation, row?.asOf ?? (0 as Position)).after;
  }
  return row;
}
