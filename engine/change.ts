/** What the reactor is told: the net effect of one committed transaction on each row it touched. */
import type { TendrilError } from '../errors.ts';
import type { RawRow, Selection, SqlValue } from '../query/index.ts';
import type { EntityId, Operation, Position, StoredRow, TransactionId } from '../storage/index.ts';

/** `before` and `after` are null where the row did not exist or was deleted. Both null never occurs; equal rows are left out. */
export interface Change {
  readonly collection: string;
  readonly id: EntityId;
  readonly before: RawRow | null;
  readonly after: RawRow | null;
  /** Absent where nothing written here of the row was, or is, unsettled: always on a durable node. */
  readonly pending?: Pendency;
}

/** Whether a transaction of this node on a row was, and is, not settled. */
export interface Pendency {
  readonly before: boolean;
  readonly after: boolean;
}

export interface Commit {
  /** Null for what an authority said to an ephemeral node. */
  readonly transaction: TransactionId | null;
  readonly position: Position;
  readonly changes: readonly Change[];
  /** What followers are told: also what no query of this node can see. */
  readonly touched: readonly Touched[];
  /** Living rows of which nothing but their pendency has changed: only selections that name `_pending` see a difference. */
  readonly marks?: readonly Change[];
  /** Selections that this node holds up to another row from now on; a durable node holds all rows, and has none. */
  readonly bounds?: readonly Bound[];
}

/** `row`: the last one held of the selection with this key, as its order sees it; null where all of it is held. */
export interface Bound {
  readonly collection: string;
  readonly key: string;
  readonly row: RawRow | null;
}

/** What followers are told of an operation. */
export type TouchedOperation = Pick<Operation, 'id' | 'edits'>;

/** One entity of a committed transaction, whole: alive or deleted, changed for a reader or not. */
export interface Touched {
  readonly collection: string;
  readonly id: EntityId;
  /** Null if it was never seen here. */
  readonly before: StoredRow | null;
  /** Null where a relay is not told of it any more; never on a durable node. */
  readonly after: StoredRow | null;
  /** In the order applied. */
  readonly operations: readonly TouchedOperation[];
  /** A relay was told the row, and not all that was done to it. */
  readonly isWhole?: boolean;
  /** Why a relay holds nothing of it any more, where it is because the row cannot be read. */
  readonly unreadable?: TendrilError;
}

/** How live queries read: committed rows, as they stand now or stood at `at` (an earlier position of the same group). */
export interface Source {
  /** The position of the last commit. */
  readonly position: () => Position;
  readonly select: (sql: string, parameters: readonly SqlValue[], at?: Position) => readonly RawRow[];
  /** See `Bound`. */
  readonly boundOf: (collection: string, selection: Selection) => RawRow | null;
}
