/** What the reactor is told: the net effect of one committed transaction on each row it touched. */
import type { RawRow } from '../query/index.ts';
import type { EntityId, Position, TransactionId } from '../storage/index.ts';

/** `before` and `after` are null where the row did not exist or was deleted. Both null never occurs; equal rows are left out. */
export interface Change {
  readonly collection: string;
  readonly id: EntityId;
  readonly before: RawRow | null;
  readonly after: RawRow | null;
}

export interface Commit {
  readonly transaction: TransactionId;
  readonly position: Position;
  readonly changes: readonly Change[];
}

/** How live queries read: committed rows, as they stand now or stood at `at` (an earlier position of the same group). */
export interface Source {
  /** The position of the last commit. */
  readonly position: () => Position;
  readonly select: (
    sql: string,
    parameters: readonly import('../query/index.ts').SqlValue[],
    at?: Position,
  ) => readonly RawRow[];
}
