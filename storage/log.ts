/** The log: every operation this node holds, by position; identity for ever, content until compacted. */
import type { EntityId, EpochId, OperationId, Position, TransactionId } from './ids.ts';
import type { LogTransaction } from './log-transactions.ts';
import type { Operation } from './operation.ts';
import type { KnownOutcome, Outcomes } from './outcome.ts';
import type { Undo } from './rows.ts';

export interface LogEntry {
  readonly operation: Operation;
  /** Its own, or those of its skeleton. */
  readonly bytes: Uint8Array;
  readonly digest: Uint8Array;
  readonly undo: Undo;
}

export interface OperationIdentity {
  readonly position: Position;
  readonly digest: Uint8Array;
  readonly collection: string;
  readonly entity: EntityId;
}

export interface LoggedOperation {
  readonly position: Position;
  /** Operation bytes, or its skeleton's where its content was compacted away. */
  readonly bytes: Uint8Array;
}

/** One operation's place, without its content. */
export interface ChangedEntity {
  readonly position: Position;
  readonly collection: string;
  readonly entity: EntityId;
}

export interface UndoEntry {
  readonly position: Position;
  readonly collection: string;
  readonly entity: EntityId;
  readonly undo: Undo;
}

/** Where a reader stands: valid only in the epoch it was given in (see `Log.covers`). */
export interface Cursor {
  readonly epoch: EpochId;
  readonly position: Position;
}

export interface Log {
  /** The position of the last appended transaction; 0 when empty. Follows a rolled-back savepoint only through `rewind`. */
  readonly position: () => Position;
  /** Appends one transaction at the next position, inside the driver transaction the caller holds; records its `applied` outcome. */
  readonly append: (transaction: TransactionId, entries: readonly LogEntry[]) => Position;
  /**
   * Runs `body`, and writes what it appends at its end, or before anything of the log is looked up: many transactions cost
   * less together. What `body` throws is to be rolled back by the caller.
   */
  readonly together: <Result>(body: () => Result) => Result;
  /** Forgets in memory what a rollback took from the file: call after any rollback that covered an `append`. */
  readonly rewind: () => void;
  readonly identity: (id: OperationId) => OperationIdentity | null;
  /** Certainly no operation of it is here; false where one would have to look. Costs nothing. */
  readonly isNewEntity: (entity: EntityId) => boolean;
  readonly outcome: (transaction: TransactionId) => KnownOutcome | null;
  readonly outcomes: Outcomes;
  /** Inside the driver transaction that makes it so. */
  readonly raiseFloor: (position: Position) => void;
  /** Whole transactions after `position`, in position order, at least one if there is one, then up to `limit` operations. */
  readonly since: (position: Position, limit: number) => readonly LoggedOperation[];
  /** Whole transactions after `position`, at least one if there is one, and none more past `limit` operations or `bytes`. */
  readonly transactionsSince: (position: Position, limit: number, bytes: number) => readonly LogTransaction[];
  /** The earliest position that rows can be undone to. */
  readonly floor: () => Position;
  /** How many operations came after `position`, at most `limit`. */
  readonly countSince: (position: Position, limit: number) => number;
  /** What the operations after `position` changed, in position order, once for each: whole transactions, as in `since`. */
  readonly changedSince: (position: Position, limit: number) => readonly ChangedEntity[];
  /** All operations of one entity in position order. */
  readonly ofEntity: (collection: string, entity: EntityId) => readonly LoggedOperation[];
  /** Undo entries of one collection (or one entity) after `position`, newest first, at most `limit` + 1. @throws `history-unavailable` below the floor. */
  readonly undoSince: (
    position: Position,
    scope: { readonly collection?: string; readonly entity?: EntityId },
    limit: number,
  ) => readonly UndoEntry[];
  /** This opening's epoch; recorded in the file with its first position at the latest by its first commit. */
  readonly epoch: () => EpochId;
  /** Whether this log ever was where `cursor` says: false for one given before a backup of this file was restored. */
  readonly covers: (cursor: Cursor) => boolean;
  /** The greatest operation id held, for the mint; null when empty. */
  readonly greatestId: () => OperationId | null;
  /** Recomputes the chain; the first position where it does not hold, or null. Cost: the whole log. */
  readonly verifyChain: () => Position | null;
}
