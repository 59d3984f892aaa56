/**
 * Overlay: the tables hold merged rows, which are the confirmed rows and over them what is pending here.
 *
 * Invariants
 *   - a row without pending operations is as the authority has it; one with some keeps its confirmed row beside, as its base;
 *   - merged = base + pending operations, in the order they were made, by the same merge as everywhere;
 *   - what left while something is pending over it stays as its base, and goes with the last of that;
 *   - a base that is a row is in the file, too, with the row that is shown over it;
 *   - one step is one commit: it has one net change for each row, however many parts and outcomes led to it.
 */
import type {
  EntityId,
  KeptBase,
  Position,
  ReplicaStore,
  Rows,
  StoredRow,
  TransactionId,
} from '../../../storage/index.ts';
import type { CatalogEntry } from '../../catalog.ts';
import type { Commit } from '../../change.ts';
import type { Application, Prepared } from '../../core.ts';
import { partsOf, type RowKey, rowKey } from '../../row-key.ts';
import type { Staging } from '../../staging.ts';
import type { Journal } from '../../write/journal.ts';
import { stateOf } from '../outbox/held-back.ts';
import type { Outbox } from '../outbox/outbox.ts';
import { Differences } from './differences.ts';
import type { ForeignPending } from './foreign-pending.ts';
import { merged } from './merged.ts';
import type { RecentRows } from './recent-rows.ts';

export interface OverlayParts {
  readonly rows: Rows;
  readonly outbox: Outbox;
  readonly journal: Journal;
  readonly recent: RecentRows;
  readonly store: ReplicaStore;
  /** What other sessions of the same actor have pending. */
  readonly foreign: ForeignPending;
}

/** How the authority's row has changed in one step: null where there is none, or none that is followed. */
export interface ConfirmedChange {
  readonly collection: string;
  readonly id: EntityId;
  readonly before: StoredRow | null;
  readonly after: StoredRow | null;
}

/** What pending operations of a row stand on. */
interface Base {
  /** Null where the authority has no such row, or none that is followed. */
  readonly row: StoredRow | null;
  /** What the table holds: `row` and what is pending over it. */
  readonly shown: StoredRow;
  /** It is not followed any more. */
  readonly hasLeft: boolean;
  /** Nothing of it was written here. */
  readonly isForeign?: boolean;
}

export class Overlay {
  readonly parts: OverlayParts;
  /** Of rows with pending operations. */
  readonly #bases = new Map<RowKey, Base>();
  /** As the file has them. */
  readonly #kept = new Map<RowKey, KeptBase>();
  #position = 0 as Position;
  /** Others follow this node: they are to be told how confirmed rows change. */
  isServed = false;

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

  /** All that is pending of a row, here and elsewhere: in the order made here, or by id, which respects cause too. */
  pendingOf(key: RowKey): readonly Prepared[] {
    const { outbox, foreign } = this.parts;
    const own = outbox.operationsOf(key);
    const others = foreign.operationsOf(key);
    if (others.length === 0) return own;
    return [...own, ...others].sort((left, right) => (left.operation.id < right.operation.id ? -1 : 1));
  }

  /** Of one collection's rows, those with pending operations. */
  idsPending(collection: string): readonly EntityId[] {
    return [...this.#bases.keys()].map(partsOf).flatMap((part) => (part.collection === collection ? [part.id] : []));
  }

  isPending(collection: string): boolean {
    for (const key of this.#bases.keys()) if (partsOf(key).collection === collection) return true;
    return false;
  }

  /** That a session let go which replaced what was held before, under something pending: nobody knows what became of them. */
  unknown(): readonly RowKey[] {
    return [...this.#bases].flatMap(([key, { row, hasLeft }]) => (hasLeft && row?.asOf === 0 ? [key] : []));
  }

  /** For a transaction made here. */
  application(transaction: TransactionId, staging: Staging = 'queue'): Application {
    return new PendingApplication(this, transaction, staging);
  }

  setBase(key: RowKey, base: Base | undefined): void {
    const before = this.#bases.get(key);
    if (base === undefined && before === undefined) return;
    this.parts.journal.set(this.#bases, key, base);
    if (this.parts.store.isKept) this.#keep(key, base);
  }

  /** Of an earlier process. - `kept`: as the file has it; undefined where it has nothing of it. */
  restore(key: RowKey, base: Base, kept: KeptBase | undefined): void {
    this.#bases.set(key, base);
    if (kept !== undefined) this.#kept.set(key, kept);
  }

  /** Where nothing is confirmed there is nothing to keep, unless what is shown is not this node's alone. */
  #keep(key: RowKey, base: Base | undefined): void {
    const { store, journal, foreign } = this.parts;
    const { collection, id } = partsOf(key);
    const isMixed = foreign.operationsOf(key).length > 0;
    const kept = this.#kept.get(key);
    if (base === undefined || (base.row === null && !isMixed)) {
      if (kept === undefined) return;
      journal.set(this.#kept, key, undefined);
      store.removeBase(collection, id);
      return;
    }
    const { row, hasLeft } = base;
    if (kept?.row === row && kept.hasLeft === hasLeft && kept.isMixed === isMixed) return;
    const renewed = { collection, id, row, hasLeft, isMixed };
    journal.set(this.#kept, key, renewed);
    store.putBase(renewed);
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
  readonly #staging: Staging;
  /** Null before anything was touched. */
  #position: Position | null = null;
  readonly #operations: Prepared[] = [];
  readonly #differences = new Differences();

  constructor(overlay: Overlay, transaction: TransactionId, staging: Staging) {
    this.#overlay = overlay;
    this.#transaction = transaction;
    this.#staging = staging;
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
    const base = this.#overlay.baseOf(key);
    const { row: confirmed, hasLeft } = base ?? { row: before, hasLeft: false };
    this.#overlay.setBase(key, { row: confirmed, hasLeft, shown: row });
    this.#position ??= this.#overlay.advance();
    recent.note(this.#position, name, id, before);
    rows.write(name, id, shown, row, true);
    this.#operations.push(...operations);
    this.#differences.add(name, id, before, row, {
      before: base !== undefined && base.isForeign !== true,
      after: true,
    });
  }

  end(): Commit | null {
    if (this.#position === null) return null;
    const { outbox } = this.#overlay.parts;
    const state = stateOf(outbox, this.#transaction, this.#operations, this.#staging);
    outbox.add(this.#transaction, this.#operations, state);
    const { changes, marks } = this.#differences;
    return { transaction: this.#transaction, position: this.#position, changes, marks, touched: [] };
  }
}
