/** Storage: what is kept. */

export { type Affinity, createAffinity } from './affinity.ts';
export { BUCKETS, BUCKETS_BYTES, bucketOf, createBuckets, differingBuckets } from './buckets.ts';
export {
  type Collection,
  collection,
  type InsertOf,
  localCollection,
  MAX_PROPERTIES,
  type Properties,
  type RowOf,
  type UpdateOf,
} from './collection.ts';
export { type Claim, FIRST_PLACE, type Place, standing } from './compact.ts';
export { encodeOrDamage, orDamage } from './damage.ts';
export { type Descriptor, describeCollection } from './descriptor.ts';
export type {
  SqliteDriver,
  Storage,
  StorageKind,
} from './driver.ts';
export { type MemoryOptions, memory } from './drivers/sql-js.ts';
export { readFollowedLog, writeFollowedLog } from './followed-log.ts';
export { type FollowerPlace, MAX_FOLLOWERS } from './followers.ts';
export { idFrom } from './id-from.ts';
export {
  type AnyId,
  bytesOfId,
  type EntityId,
  type EpochId,
  isUlid,
  type NodeId,
  type OperationId,
  type Position,
  parseEntityId,
  readId,
  type SystemId,
  type TransactionId,
  timeOf,
  writeId,
} from './ids.ts';
export type { ChangedEntity, Cursor, Log, LogEntry, LoggedOperation } from './log.ts';
export type { LogTransaction } from './log-transactions.ts';
export { openStore, type Store } from './open.ts';
export {
  type Edit,
  type Item,
  MAX_EDITS,
  MAX_LOGGED_TRANSACTION_OPERATIONS,
  MAX_NAME_BYTES,
  MAX_NARROWING_OPERATIONS,
  MAX_PRECURSORS,
  MAX_TRANSACTION_BYTES,
  MAX_TRANSACTION_OPERATIONS,
  MAX_VALUE_BYTES,
  type Operation,
  SALT_BYTES,
} from './operation.ts';
export { decodeOperation, digestOf, encodeOperation } from './operation-bytes.ts';
export { fingerprintOf } from './outcome.ts';
export {
  bigint,
  blob,
  boolean,
  type DefaultedProperty,
  integer,
  json,
  type OptionalProperty,
  type Property,
  type RequiredProperty,
  real,
  ref,
  text,
  timestamp,
} from './property.ts';
export type { PropertyRule, PropertyType } from './property-rule.ts';
export { decodeCell, encodeSqlValue, encodeValue, fitsType } from './property-value.ts';
export { sameBytes, sameCell, undoRow, versionsOf, winnersOf, withRegisters } from './registers.ts';
export { decodeOperations } from './replica-bytes.ts';
export {
  type Damage,
  type KeptBase,
  type KeptReplica,
  type KeptSelection,
  type KeptTransaction,
  NOTHING_KEPT,
  type PendingState,
  type PreparedOperation,
  type ReplicaStore,
} from './replica-store.ts';
export { createRowDecoder } from './row-decoder.ts';
export { createRowScan, MAX_COUNTED_ROWS, MAX_SORTED_ROWS, type RowScan } from './row-scan.ts';
export { decodeItems, decodeRow, encodeItems, encodeRow, idOfRow, positionOfRow } from './row-stream.ts';
export { living, type Register, type Rows, type StoredRow, type Undo } from './rows.ts';
export {
  decodeKept,
  decodeKeptOfLog,
  decodeSkeleton,
  encodeSkeleton,
  isSkeleton,
  type Skeleton,
  transactionOf,
} from './skeleton.ts';
export { MAX_UNDO_ROWS, type Snapshots } from './snapshot.ts';
export { descriptorOf, differenceOf, translateRow } from './translate-row.ts';
