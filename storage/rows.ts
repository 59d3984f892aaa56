/** Rows: the present state of every entity, synchronous and always SQLite, on every node. */
import type { RawRow, SqlValue } from '../query/index.ts';
import type { EntityId, OperationId, Position } from './ids.ts';

/**
 * The winner of each property: `base` (the smallest winner of all) for every property that was set, except those listed.
 * A property is listed when its winner is not `base`, or when its cell equals what an unset property reads (NULL, or the
 * descriptor's default), so that "set to that" and "never set" differ: not listed and reading so means never set.
 * The existence register ('' ) always has a winner and is listed only when that is not `base`.
 * Sorted by property (UTF-8 bytes): canonical, equal histories give equal bytes. Properties of `extra` keep theirs there.
 */
export interface Versions {
  readonly base: OperationId;
  readonly listed: readonly (readonly [property: string, winner: OperationId])[];
}

/** Values of properties this node's descriptor does not have, with their winners; sorted by property (UTF-8 bytes). */
export type Extra = readonly (readonly [property: string, value: SqlValue, winner: OperationId])[];

export interface StoredRow {
  readonly values: RawRow;
  /** Sorted, an antichain. */
  readonly head: readonly OperationId[];
  readonly versions: Versions;
  /** The operation that deleted it, or null while it lives. */
  readonly deleted: OperationId | null;
  /** The position of the last transaction that changed it on this node. */
  readonly asOf: Position;
  readonly extra: Extra;
}

/** Its values; null where there is none, or it is deleted. */
export function living(row: StoredRow | null): RawRow | null {
  return row === null || row.deleted !== null ? null : row.values;
}

/**
 * One property as it stood or is to stand: its exact value and the operation that set it; `winner` null is "never set"
 * (the value is then ignored). Property '' is the existence register: its value is ignored, `deleted` says which way.
 */
export interface Register {
  readonly property: string;
  readonly value: SqlValue;
  readonly winner: OperationId | null;
}

/**
 * What undoing one operation restores: the registers it won, as they were before, and the rest of the row; null if the
 * row did not exist here. By property name, so that it outlives columns added or moved since. Kept beside the operation in the log.
 */
export type Undo = {
  readonly registers: readonly Register[];
  readonly head: readonly OperationId[];
  readonly deleted: OperationId | null;
  readonly asOf: Position;
} | null;

export interface Rows {
  /** Alive or deleted; null if never seen here. */
  readonly read: (collection: string, id: EntityId) => StoredRow | null;
  /**
   * `before` is what `read` gave: null inserts. Must run inside a transaction of the driver.
   *
   * - `isPending`: whether something written here of the row is not settled; where absent, as it was (of a new row: no).
   */
  readonly write: (
    collection: string,
    id: EntityId,
    before: StoredRow | null,
    after: StoredRow,
    isPending?: boolean,
  ) => void;
  /** Many that are not there, at less than `write` costs each. Inside a transaction of the driver, too. */
  readonly writeNew: (collection: string, rows: readonly StoredRow[]) => void;
  /** Runs `body`, and writes what it gives to `writeNew` at its end, or before it is looked at. As `Log.together`. */
  readonly together: <Result>(body: () => Result) => Result;
  /** Takes a row away again: only for undoing a creation inside a savepoint that is rolled back. */
  readonly erase: (collection: string, id: EntityId) => void;
}
