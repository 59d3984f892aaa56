/**
 * Overlay step: what the authority said, on its way into the tables.
 *
 * Invariant: it is one commit, with one net change for each row, however many parts and outcomes led to it.
 */
import type { EntityId, StoredRow } from '../../../storage/index.ts';
import type { CatalogEntry } from '../../catalog.ts';
import type { Bound, Change, Commit, Pendency } from '../../change.ts';
import { type RowKey, rowKey } from '../../row-key.ts';
import { Differences } from './differences.ts';
import { merged } from './merged.ts';
import type { ConfirmedChange, Overlay } from './overlay.ts';

const NOT_PENDING: Pendency = { before: false, after: false };

export type EnteringRow = readonly [entry: CatalogEntry, id: EntityId, row: StoredRow];

interface Touched {
  readonly entry: CatalogEntry;
  readonly id: EntityId;
  /** What the table holds. */
  readonly before: StoredRow | null;
  confirmed: StoredRow | null;
  /** Before the step. */
  readonly wasConfirmed: StoredRow | null;
  hasLeft: boolean;
  isSettled: boolean;
  /** Else, and if it is not settled, it was only looked at. */
  isTouched: boolean;
  /** Before the step. */
  readonly wasPending: boolean;
}

export class OverlayStep {
  readonly #overlay: Overlay;
  readonly #met = new Map<RowKey, Touched>();
  #entering: Iterable<EnteringRow> = [];
  /** Once it has ended. */
  readonly confirmedChanges: ConfirmedChange[] = [];
  readonly #differences = new Differences();

  constructor(overlay: Overlay) {
    this.#overlay = overlay;
  }

  confirmed(entry: CatalogEntry, id: EntityId): StoredRow | null {
    return this.#meet(entry, id).confirmed;
  }

  /** Nothing has been done, though rows may have been looked at. */
  get isIdle(): boolean {
    for (const { isTouched, isSettled } of this.#met.values()) if (isTouched || isSettled) return false;
    return true;
  }

  /** Rows of which the tables have nothing, and nobody else speaks. Asked for in `end`, one by one: they may be very many. */
  enterAll(rows: Iterable<EnteringRow>): void {
    this.#entering = rows;
  }

  /** A row of the node's own has changed, of which the authority knows nothing. */
  add(change: Change): void {
    this.#differences.changes.push(change);
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

  /** Whether the tables have such a row, or something pending over none. What they lack is not kept: it may be very much. */
  holds(entry: CatalogEntry, id: EntityId): boolean {
    const key = rowKey(entry.collection.name, id);
    if (this.#met.has(key)) return true;
    const met = this.#look(entry, id, key);
    if (met.before === null && this.#overlay.baseOf(key) === undefined) return false;
    this.#met.set(key, met);
    return true;
  }

  #meet(entry: CatalogEntry, id: EntityId): Touched {
    const key = rowKey(entry.collection.name, id);
    const held = this.#met.get(key);
    if (held !== undefined) return held;
    const met = this.#look(entry, id, key);
    this.#met.set(key, met);
    return met;
  }

  #look(entry: CatalogEntry, id: EntityId, key: RowKey): Touched {
    const { name } = entry.collection;
    const base = this.#overlay.baseOf(key);
    const before = base === undefined ? this.#overlay.parts.rows.read(name, id) : base.shown;
    const confirmed = base === undefined ? before : base.row;
    const hasLeft = base?.hasLeft === true;
    const wasPending = base !== undefined && base.isForeign !== true;
    const wasConfirmed = hasLeft ? null : confirmed;
    return { entry, id, before, confirmed, wasConfirmed, hasLeft, isSettled: false, isTouched: false, wasPending };
  }

  /**
   * Null where nobody sees a difference.
   *
   * - `boundsOf`: asked when the rows are confirmed; `isWatched`: whether anybody is to be told which rows entered.
   */
  end(boundsOf: () => readonly Bound[], isWatched = true): Commit | null {
    const { rows, outbox, recent } = this.#overlay.parts;
    const position = this.#overlay.advance();
    const differences = this.#differences;
    for (const [entry, id, row] of this.#entering) {
      const { name } = entry.collection;
      const pending = this.#overlay.parts.foreign.operationsOf(rowKey(name, id));
      const shown = pending.length === 0 ? row : merged(entry, row, pending)!;
      if (shown !== row) this.#overlay.setBase(rowKey(name, id), { row, shown, hasLeft: false });
      recent.note(position, name, id, null);
      rows.write(name, id, null, shown);
      if (isWatched) differences.add(name, id, null, shown, NOT_PENDING);
      this.#noteConfirmed(name, id, null, row);
    }
    for (const [key, met] of this.#met) {
      const { entry, id, before, confirmed, hasLeft, isSettled, isTouched, wasPending } = met;
      if (!isSettled && !isTouched) continue;
      const { name } = entry.collection;
      const isPending = outbox.operationsOf(key).length > 0;
      this.#noteConfirmed(name, id, met.wasConfirmed, hasLeft ? null : confirmed);
      if (!isTouched && isPending) {
        this.#overlay.setBase(key, { row: confirmed, shown: before!, hasLeft });
        continue;
      }
      const row = hasLeft && !isPending ? null : confirmed;
      const pending = this.#overlay.pendingOf(key);
      const after = merged(entry, row, pending);
      const isBase = pending.length > 0 && after !== null;
      const base = isBase ? { row, shown: after, hasLeft: hasLeft && isPending, isForeign: !isPending } : undefined;
      this.#overlay.setBase(key, base);
      recent.note(position, name, id, before);
      if (after !== null) rows.write(name, id, before, after, isPending === wasPending ? undefined : isPending);
      else if (before !== null) rows.erase(name, id);
      differences.add(name, id, before, after, { before: wasPending, after: isPending });
    }
    const bounds = boundsOf();
    if (differences.isEmpty && bounds.length === 0) return null;
    const { changes, marks } = differences;
    return { transaction: null, position, changes, marks, touched: [], bounds };
  }

  #noteConfirmed(collection: string, id: EntityId, before: StoredRow | null, after: StoredRow | null): void {
    if (!this.#overlay.isServed || before === after) return;
    // Of what was settled out of order a row may lack an operation that a later one, its head, stands on.
    const isSame = before?.asOf === after?.asOf && winnersOf(before) === winnersOf(after);
    if (!isSame) this.confirmedChanges.push({ collection, id, before, after });
  }
}

/** The same where rows show the same operations. */
function winnersOf(row: StoredRow | null): string | null {
  return row && [row.head, row.versions.base, row.versions.listed, row.deleted, row.extra].join();
}
