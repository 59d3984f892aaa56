/** Storage: what is kept. */

export type { SqliteDriver, Storage, StorageKind } from './driver.ts';
export type { EntityId, EpochId, NodeId, OperationId, Position, SystemId, TransactionId } from './ids.ts';
export type { Log, LogEntry, LoggedOperation, OperationIdentity, UndoEntry } from './log.ts';
export type { Edit, Operation } from './operation.ts';
export type { Extra, Rows, StoredRow, Undo, Versions } from './rows.ts';
