/**
 * Held rows: what this node has of a selection as its authority has it, looked at stretch by stretch of ids, for comparing.
 *
 * Invariant: a row stands as it was confirmed, without what is pending over it; one that is not followed any more is none.
 */
import { TendrilError } from '../../../errors.ts';
import type { RawRow, SqlValue } from '../../../query/index.ts';
import {
  createRowScan,
  type EntityId,
  encodeRow,
  type OperationId,
  type Position,
  type RowScan,
  type SqliteDriver,
  type StoredRow,
} from '../../../storage/index.ts';
import type { CatalogEntry } from '../../catalog.ts';
import type { CoreBase } from '../../core.ts';
import { rowKey } from '../../row-key.ts';
import type { Overlay } from './overlay.ts';

/** Where rows are held. */
export interface HeldRows {
  readonly driver: SqliteDriver;
  readonly confirmed: (collection: string, id: EntityId) => StoredRow | null;
  /** Those that the tables do not show as they were confirmed. */
  readonly idsPending: (collection: string) => readonly EntityId[];
}

/** Of a durable node, where every row is confirmed. */
export function storedRows({ driver, rows }: Pick<CoreBase, 'driver' | 'rows'>): HeldRows {
  return { driver, confirmed: rows.read, idsPending: () => [] };
}

/** Of an ephemeral node. */
export function confirmedRows({
  driver,
  overlay,
}: {
  readonly driver: SqliteDriver;
  readonly overlay: Overlay;
}): HeldRows {
  const confirmed = (collection: string, id: EntityId) => {
    return overlay.baseOf(rowKey(collection, id))?.hasLeft === true ? null : overlay.confirmed(collection, id);
  };
  return { driver, confirmed, idsPending: (collection) => overlay.idsPending(collection) };
}

export interface HeldRow {
  readonly id: EntityId;
  /** Null where it is damaged. */
  readonly head: readonly OperationId[] | null;
}

export interface Stretch {
  readonly rows: readonly HeldRow[];
  /** Its last id; null where it reaches to the end. */
  readonly through: EntityId | null;
}

/** A selection without LIMIT. */
export interface Scope {
  readonly entry: CatalogEntry;
  readonly where: string | null;
  readonly parameters: readonly SqlValue[];
  readonly matches: (row: RawRow) => boolean;
}

export class HeldSelection {
  readonly #held: HeldRows;
  readonly #scope: Scope;
  readonly #scan: RowScan;

  constructor(held: HeldRows, scope: Scope) {
    const { entry, where, parameters } = scope;
    this.#held = held;
    this.#scope = scope;
    this.#scan = createRowScan(held.driver, entry.descriptor, where, parameters);
  }

  /** Living rows after `after`, up to `through` (null: all), and about `most` at a time. */
  next(after: EntityId | null, through: EntityId | null, most: number): Stretch {
    const { name } = this.#scope.entry.collection;
    const pending = new Set(this.#held.idsPending(name));
    const rows: HeldRow[] = [];
    let end = through;
    let count = 0;
    for (const { id, row: head } of this.#scan.heads(after, most)) {
      if (through !== null && id > through) break;
      count += 1;
      if (count === most) end = id;
      if (!pending.has(id)) rows.push({ id, head: head instanceof TendrilError ? null : head });
    }
    for (const id of pending) {
      if ((after !== null && id <= after) || (end !== null && id > end)) continue;
      const row = this.#held.confirmed(name, id);
      if (row !== null && row.deleted === null && this.#scope.matches(row.values)) rows.push({ id, head: row.head });
    }
    return { rows, through: end };
  }
}

/** But for the position at which it came. */
export function isSameRow({ descriptor }: CatalogEntry, left: StoredRow, right: StoredRow): boolean {
  if (left.head.join() !== right.head.join()) return false;
  const [some, other] = [left, right].map((row) => encodeRow(descriptor, { ...row, asOf: 0 as Position }));
  return some!.length === other!.length && some!.every((byte, at) => byte === other![at]);
}
