/** One atomic change of one entity, and the limits it keeps. Its canonical bytes are in operation-bytes.ts. */
import type { SqlValue } from '../query/index.ts';
import type { EntityId, OperationId, TransactionId } from './ids.ts';

/** Operations that one operation names as its precursors; a longer head is narrowed first. */
export const MAX_PRECURSORS = 8;
/** Edits of one operation. */
export const MAX_EDITS = 1_000;
/** Bytes of one value: UTF-8 of a text, content of a blob or of an unknown edit. */
export const MAX_VALUE_BYTES = 512 * 1_024;
/** Operations of one transaction. */
export const MAX_TRANSACTION_OPERATIONS = 10_000;
/** Operations without edits that the authority adds to a transaction, at most, to narrow heads. */
export const MAX_NARROWING_OPERATIONS = 10_000;
/** Operations of one transaction as it stands in a log. */
export const MAX_LOGGED_TRANSACTION_OPERATIONS = MAX_TRANSACTION_OPERATIONS + MAX_NARROWING_OPERATIONS;
/** Bytes of one transaction's operations. */
export const MAX_TRANSACTION_BYTES = 8 * 1_024 * 1_024;
/** UTF-8 bytes of a collection's, a property's or an author's name. */
export const MAX_NAME_BYTES = 256;
export const SALT_BYTES = 8;

/**
 * One property's part of an operation. The existence of the entity is a register of its own, under the empty
 * property name, so it sorts first. An unknown kind (a number this version does not know) is kept and forwarded raw.
 * A `set` value is exact: bigint is INTEGER, number is REAL.
 */
export type Edit =
  | { readonly kind: 'create' | 'restore' | 'delete'; readonly property: '' }
  | { readonly kind: 'set'; readonly property: string; readonly value: SqlValue }
  | { readonly kind: 'unknown'; readonly property: string; readonly code: number; readonly payload: Uint8Array };

export interface Operation {
  readonly id: OperationId;
  readonly transaction: TransactionId;
  readonly collection: string;
  readonly entity: EntityId;
  /** Sorted, unique, at most MAX_PRECURSORS (8), each below `id`; empty for a creation, which carries a `create` edit. */
  readonly precursors: readonly OperationId[];
  /** Sorted by property (UTF-8 bytes), at most one per property; empty for a merge operation, which only narrows a head. */
  readonly edits: readonly Edit[];
  readonly author: string;
  /** 8 random bytes. */
  readonly salt: Uint8Array;
}

/** What of an operation is sent about a row: its author, salt and precursors stay in the log. */
export interface Item {
  readonly id: OperationId;
  readonly edits: readonly Edit[];
}
