/**
 * Write set: what one transaction wants written, kept in memory until its end.
 *
 * Invariants
 *   - one draft for each entity it wrote; of two assignments of one property the later stands;
 *   - a draft's `before` is the row as the transaction found it, and stays that;
 *   - a write that is refused changes nothing here.
 * Bounds: MAX_TRANSACTION_OPERATIONS drafts, and values of MAX_TRANSACTION_BYTES in all (counted from below: the
 * exact count is made of the operations' bytes, see accept.ts).
 */
import { TendrilError } from '../../errors.ts';
import { cellOf, type RawRow, type SqlValue } from '../../query/index.ts';
import {
  type EntityId,
  living,
  MAX_TRANSACTION_BYTES,
  MAX_TRANSACTION_OPERATIONS,
  type OperationId,
  type Position,
  type StoredRow,
} from '../../storage/index.ts';
import type { CatalogEntry } from '../catalog.ts';
import type { Assignments } from './assignments.ts';

/** Where stored rows are looked up. */
export interface RowSource {
  readonly row: (entry: CatalogEntry, id: EntityId) => StoredRow | null;
  /** Where `row` gave null. @throws {TendrilError} `not-covered`, if that does not mean that there is none. */
  readonly checkKnown: (entry: CatalogEntry, id: EntityId) => void;
}

/** One entity's part of a transaction. */
export interface Draft {
  readonly entry: CatalogEntry;
  readonly id: EntityId;
  readonly before: StoredRow | null;
  existence: 'create' | 'restore' | 'delete' | null;
  /** By column; undefined where the transaction says nothing. */
  assignments: Assignments;
  /** What the table holds of it: `before`, or what was shown to a query of the transaction itself. */
  shown: StoredRow | null;
  /** Whether the table lacks something of the draft. */
  stale: boolean;
}

export class WriteSet {
  readonly drafts: Draft[] = [];
  /** From where rows are read that have no draft. */
  standpoint: RowSource;
  readonly #byEntry = new Map<CatalogEntry, Map<EntityId, Draft>>();
  #bytes = 0;

  constructor(standpoint: RowSource) {
    this.standpoint = standpoint;
  }

  /** Of an id that was just minted: nobody can know it, so nothing is looked up. Takes `assignments` over, as all do. */
  createNew(entry: CatalogEntry, id: EntityId, assignments: Assignments): void {
    const bytes = this.#roomFor(undefined, assignments);
    const draft = this.#add(entry, id, null);
    draft.existence = 'create';
    this.#assign(draft, assignments, bytes);
  }

  create(entry: CatalogEntry, id: EntityId, assignments: Assignments): void {
    const found = this.#find(entry, id);
    const bytes = this.#roomFor(found, assignments);
    const draft = found ?? this.#add(entry, id, this.standpoint.row(entry, id));
    draft.existence = 'create';
    this.#assign(draft, assignments, bytes);
  }

  /** @throws {TendrilError} `not-found` where the transaction sees no living row; so do `delete` and `restore`. */
  update(entry: CatalogEntry, id: EntityId, assignments: Assignments): void {
    const bytes = this.#roomFor(this.#find(entry, id), assignments);
    this.#assign(this.#living(entry, id), assignments, bytes);
  }

  delete(entry: CatalogEntry, id: EntityId): void {
    const draft = this.#living(entry, id);
    draft.existence = 'delete';
    draft.stale = true;
  }

  /** Does nothing to a living row. */
  restore(entry: CatalogEntry, id: EntityId): void {
    const found = this.#find(entry, id);
    const before = found === undefined ? this.standpoint.row(entry, id) : found.before;
    const alive = found === undefined ? before !== null && before.deleted === null : isAlive(found);
    if (alive) return;
    if (found === undefined && before === null) this.standpoint.checkKnown(entry, id);
    if (found === undefined && before === null) throw notFound(entry, id);
    const draft = found ?? this.#add(entry, id, before);
    draft.existence = before === null ? 'create' : 'restore';
    draft.stale = true;
  }

  /** Whether the transaction knows of the entity, alive or deleted. */
  knows(entry: CatalogEntry, id: EntityId): boolean {
    return this.#find(entry, id) !== undefined || this.standpoint.row(entry, id) !== null;
  }

  /** The living row as the transaction sees it, or null. */
  rowOf(entry: CatalogEntry, id: EntityId): RawRow | null {
    const draft = this.#find(entry, id);
    if (draft !== undefined) return isAlive(draft) ? valuesOf(draft) : null;
    const row = this.standpoint.row(entry, id);
    if (row === null) this.standpoint.checkKnown(entry, id);
    return living(row);
  }

  /** @throws {TendrilError} `limit-exceeded` if not all of this could be written; each id stands in it once. */
  checkRoom(entry: CatalogEntry, rows: readonly { readonly id: EntityId; readonly assignments: Assignments }[]): void {
    let drafts = this.drafts.length;
    let bytes = this.#bytes;
    for (const { id, assignments } of rows) {
      const held = this.#find(entry, id);
      if (held === undefined) drafts += 1;
      bytes += growth(held?.assignments ?? NOTHING, assignments);
    }
    if (drafts > MAX_TRANSACTION_OPERATIONS) throw tooManyOperations(drafts);
    if (bytes > MAX_TRANSACTION_BYTES) throw tooManyBytes(bytes);
  }

  #find(entry: CatalogEntry, id: EntityId): Draft | undefined {
    return this.#byEntry.get(entry)?.get(id);
  }

  #add(entry: CatalogEntry, id: EntityId, before: StoredRow | null): Draft {
    if (this.drafts.length >= MAX_TRANSACTION_OPERATIONS) throw tooManyOperations(this.drafts.length + 1);
    const draft: Draft = { entry, id, before, existence: null, assignments: [], shown: before, stale: true };
    const ofEntry = this.#byEntry.get(entry);
    if (ofEntry === undefined) this.#byEntry.set(entry, new Map([[id, draft]]));
    else ofEntry.set(id, draft);
    this.drafts.push(draft);
    return draft;
  }

  /** The draft of an entity that the transaction sees alive. */
  #living(entry: CatalogEntry, id: EntityId): Draft {
    const draft = this.#find(entry, id);
    if (draft !== undefined) {
      if (!isAlive(draft)) throw notFound(entry, id);
      return draft;
    }
    const before = this.standpoint.row(entry, id);
    if (before === null) this.standpoint.checkKnown(entry, id);
    if (before === null || before.deleted !== null) throw notFound(entry, id);
    return this.#add(entry, id, before);
  }

  /** `bytes` is what `#roomFor` gave. */
  #assign(draft: Draft, assignments: Assignments, bytes: number): void {
    this.#bytes = bytes;
    draft.stale = true;
    const held = draft.assignments;
    if (held.length === 0) draft.assignments = assignments;
    else {
      for (let column = 1; column < assignments.length; column += 1) {
        if (assignments[column] !== undefined) held[column] = assignments[column];
      }
    }
  }

  /** The bytes of the whole with these. @throws {TendrilError} `limit-exceeded`. */
  #roomFor(draft: Draft | undefined, assignments: Assignments): number {
    const total = this.#bytes + growth(draft?.assignments ?? NOTHING, assignments);
    if (total > MAX_TRANSACTION_BYTES) throw tooManyBytes(total);
    return total;
  }
}

const NOTHING: Assignments = [];

function isAlive({ before, existence }: Draft): boolean {
  return existence === null ? before !== null && before.deleted === null : existence !== 'delete';
}

/** The row that a query of the transaction itself is to find; null if it is to find none and the table has none. */
export function shownRow(draft: Draft): StoredRow | null {
  const { before, id, existence } = draft;
  if (before === null && existence === 'delete') return null;
  // Not an operation's id, but nobody reads versions or head before the transaction's end writes the true ones.
  const placeholder = id as string as OperationId;
  const row = before ?? { head: [], versions: { base: placeholder, listed: [] }, asOf: 0 as Position, extra: [] };
  return { ...row, values: valuesOf(draft), deleted: isAlive(draft) ? null : placeholder };
}

function valuesOf({ entry, id, before, assignments }: Draft): RawRow {
  const values = [...(before?.values ?? entry.descriptor.unset)];
  values[0] = id;
  for (let column = 1; column < assignments.length; column += 1) {
    const value = assignments[column];
    if (value !== undefined) values[column] = cellOf(value);
  }
  return values;
}

function growth(held: Assignments, added: Assignments): number {
  let bytes = 0;
  for (let column = 1; column < added.length; column += 1) {
    const value = added[column];
    if (value !== undefined) bytes += leastBytes(value) - leastBytes(held[column] ?? null);
  }
  return bytes;
}

/** No more than the value takes in an operation. */
function leastBytes(value: SqlValue): number {
  return typeof value === 'string' || value instanceof Uint8Array ? value.length : 0;
}

function notFound(entry: CatalogEntry, id: EntityId): TendrilError {
  return new TendrilError({
    code: 'not-found',
    problem: `${entry.collection.name} ${id} does not exist here, or is deleted.`,
    remedy: 'Create it first; a deleted one comes back with restore, or with create under the same id.',
    facts: { collection: entry.collection.name, id },
  });
}

export function tooManyOperations(operations: number): TendrilError {
  return new TendrilError({
    code: 'limit-exceeded',
    problem: `A transaction of ${operations} operations was asked for; at most ${MAX_TRANSACTION_OPERATIONS} are possible.`,
    remedy: 'Divide the work over several transactions.',
    facts: { operations, limit: MAX_TRANSACTION_OPERATIONS },
  });
}

export function tooManyBytes(bytes: number): TendrilError {
  return new TendrilError({
    code: 'limit-exceeded',
    problem: `A transaction of ${bytes} bytes was asked for; at most ${MAX_TRANSACTION_BYTES} are possible.`,
    remedy: 'Divide the work over several transactions.',
    facts: { bytes, limit: MAX_TRANSACTION_BYTES },
  });
}
