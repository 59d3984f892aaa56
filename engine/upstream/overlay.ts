/**
 * Overlay: the tables hold merged rows, which are the confirmed rows and over them what is pending here.
 *
 * Invariants
 *   - a row without pending operations is as the authority has it; one with some keeps its confirmed row beside, as its base;
 *   - merged = base + pending operations, in the order they were made, by the same merge as everywhere;
 *   - what left while something is pending over it stays as its base, and goes with the last of that;
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
import { type Outbox, partsOf, type RowKey, rowKey } from './outbox.ts';
import type { RecentRows } from './recent-rows.ts';

export interface OverlayParts {
  readonly rows: Rows;
  readonly outbox: Outbox;
  readonly journal: Journal;
  readonly recent: RecentRows;
}

/** What pending operations of a row stand on. */
interface Base {
  /** Null where the authority has no such row, or none that is followed. */
  readonly row: StoredRow | null;
  /** What the table holds: `row` and what is pending over it. */
  readonly shown: StoredRow;
  /** It is not followed any more. */
  readonly hasLeft: boolean;
}

export class Overlay {
  readonly parts: OverlayParts;
  /** Of rows with pending operations. */
  readonly #bases = new Map<RowKey, Base>();
  #position = 0 as Position;

  constructor(parts: OverlayParts) {
    this.parts = parts;
  }

  /** Counts this node's own steps; no position of the authority's. */
  readonly position = (): Position => this.#position;

  confirmed(collection: string, id: EntityId): StoredRow | null {
    const base = this.#bases.get(rowKey(collection, id));
    return base === undefined ? this.parts.rows.read(collection, id) : base.row;
  }

  /** Undefined where nothing is pending. */
  baseOf(key: RowKey): Base | undefined {
    return this.#bases.get(key);
  }

  hasPending(collection: string, id: EntityId): boolean {
    return this.#bases.has(rowKey(collection, id));
  }

  /** Of one collection's rows, those with pending operations. */
  idsPending(collection: string): readonly EntityId[] {
    return [...this.#bases.keys()].map(partsOf).flatMap((part) => (part.collection === collection ? [part.id] : []));
  }

  /** For a transaction made here. */
  application(transaction: TransactionId): Application {
    return new PendingApplication(this, transaction);
  }

  setBase(key: RowKey, base: Base | undefined): void {
    if (base !== undefined || this.#bases.has(key)) this.parts.journal.set(this.#bases, key, base);
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
  /** Null before anything was touched. */
  #position: Position | null = null;
  readonly #operations: Prepared[] = [];
  readonly #changes: Change[] = [];

  constructor(overlay: Overlay, transaction: TransactionId) {
    this.#overlay = overlay;
    this.#transaction = transaction;
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
    const key = rowKey(name, id);
    const row = merged(entry, before, operations)!;
    this.#overlay.setBase(key, { ...(this.#overlay.baseOf(key) ?? { row: before, hasLeft: false }), shown: row });
    this.#position ??= this.#overlay.advance();
    recent.note(this.#position, name, id, before);
    rows.write(name, id, shown, row);
    this.#operations.push(...operations);
    const change = changeOf(name, id, before, row);
    if (change !== null) this.#changes.push(change);
  }

  end(): Commit | null {
    if (this.#position === null) return null;
    this.#overlay.parts.outbox.add(this.#transaction, this.#operations);
    return { transaction: this.#transaction, position: this.#position, changes: this.#changes, touched: [] };
  }
}

export type EnteringRow = readonly [entry: CatalogEntry, id: EntityId, row: StoredRow];

interface Touched {
  readonly entry: CatalogEntry;
  readonly id: EntityId;
  /** What the table holds. */
  readonly before: StoredRow | null;
  confirmed: StoredRow | null;
  hasLeft: boolean;
  isSettled: boolean;
  /** Else, and if it is not settled, it was only looked at. */
  isTouched: boolean;
}

/** What the authority said, on its way into the tables. */
export class OverlayStep {
  readonly #overlay: Overlay;
  readonly #met = new Map<RowKey, Touched>();
  #entering: Iterable<EnteringRow> = [];

  constructor(overlay: Overlay) {
    this.#overlay = overlay;
  }

  confirmed(entry: CatalogEntry, id: EntityId): StoredRow | null {
    return this.#meet(entry, id).confirmed;
  }

  /** Rows of which the tables have nothing, and nobody else speaks. Asked for in `end`, one by one: they may be very many. */
  enterAll(rows: Iterable<EnteringRow>): void {
    this.#entering = rows;
  }

  /** From now on the authority's row is this; null: there is none. */
  confirm(entry: CatalogEntry, id: EntityId, row: StoredRow | null): void {
    const touched = this.touch(entry, id);
    touched.confirmed = row;
    touched.hasLeft = false;
  }

  /**
   * The authority's row has now, beside what it had, own operations that are pending no more. What else is pending over it
   * shows it as it was, because a merge has no order (law 1), so that a long outbox of one row need not be merged anew.
   */
  settle(entry: CatalogEntry, id: EntityId, row: StoredRow | null): void {
    const met = this.#meet(entry, id);
    met.confirmed = row;
    met.hasLeft = false;
    met.isSettled = true;
  }

  /** It is not followed any more. */
  leave(entry: CatalogEntry, id: EntityId): void {
    this.touch(entry, id).hasLeft = true;
  }

  /** What is pending of the row has changed: it is merged anew. */
  touch(entry: CatalogEntry, id: EntityId): Touched {
    const met = this.#meet(entry, id);
    met.isTouched = true;
    return met;
  }

  #meet(entry: CatalogEntry, id: EntityId): Touched {
    const { name } = entry.collection;
    const key = rowKey(name, id);
    const held = this.#met.get(key);
    if (held !== undefined) return held;
    const base = this.#overlay.baseOf(key);
    const before = base === undefined ? this.#overlay.parts.rows.read(name, id) : base.shown;
    const confirmed = base === undefined ? before : base.row;
    const met = { entry, id, before, confirmed, hasLeft: base?.hasLeft === true, isSettled: false, isTouched: false };
    this.#met.set(key, met);
    return met;
  }

  /**
   * Null where nobody sees a difference.
   *
   * - `boundsOf`: asked when the rows are confirmed; `isWatched`: whether anybody is to be told which rows entered.
   */
  end(boundsOf: () => readonly Bound[], isWatched = true): Commit | null {
    const { rows, outbox, recent } = this.#overlay.parts;
    const position = this.#overlay.advance();
    const changes: Change[] = [];
    for (const [entry, id, row] of this.#entering) {
      const { name } = entry.collection;
      recent.note(position, name, id, null);
      rows.write(name, id, null, row);
      const change = isWatched ? changeOf(name, id, null, row) : null;
      if (change !== null) changes.push(change);
    }
    for (const [key, { entry, id, before, confirmed, hasLeft, isSettled, isTouched }] of this.#met) {
      if (!isSettled && !isTouched) continue;
      const { name } = entry.collection;
      const pending = outbox.operationsOf(key);
      const isBase = pending.length > 0;
      if (!isTouched && isBase) {
        this.#overlay.setBase(key, { row: confirmed, shown: before!, hasLeft });
        continue;
      }
      const after = merged(entry, hasLeft && !isBase ? null : confirmed, pending);
      this.#overlay.setBase(key, isBase ? { row: confirmed, shown: after!, hasLeft } : undefined);
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
