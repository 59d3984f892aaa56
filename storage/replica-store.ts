/**
 * Replica store: what an ephemeral node keeps beside its rows, so that it outlives its process.
 *
 * Invariants
 *   - everything is written inside the SQLite transaction in which the rows it speaks of are: they commit together;
 *   - nothing is remembered here, so that a rollback takes all of it back;
 *   - an entry that cannot be read is told of as damage, and the others are read.
 */
import type { SqlParameters } from '../query/index.ts';
import type { EntityId, OperationId, SystemId, TransactionId } from './ids.ts';
import type { Cursor } from './log.ts';
import type { Operation } from './operation.ts';
import type { StoredRow } from './rows.ts';

/** `held`: not to be offered yet. */
export type PendingState = 'queued' | 'held';

/** An operation, with what is computed of it once. */
export interface PreparedOperation {
  readonly operation: Operation;
  readonly bytes: Uint8Array;
  readonly digest: Uint8Array;
}

/** A transaction that waits for its outcome. */
export interface KeptTransaction {
  readonly transaction: TransactionId;
  /** Its number among all that were ever made here: 1, 2, 3, ... */
  readonly place: number;
  readonly attempt: number;
  readonly rebases: number;
  readonly state: PendingState;
  readonly operations: readonly PreparedOperation[];
}

/** The confirmed row under pending operations; null: there is none. */
export interface KeptBase {
  readonly collection: string;
  readonly id: EntityId;
  readonly row: StoredRow | null;
  /** It is not followed any more. */
  readonly hasLeft: boolean;
  /** What is shown over it is not this node's alone, and so not kept whole. */
  readonly isMixed: boolean;
}

/** A selection whose rows are in the tables. */
export interface KeptSelection {
  readonly collection: string;
  readonly text: string;
  readonly parameters: SqlParameters;
  /** Of a window: the last row held of it; null where nothing lay beyond. */
  readonly edge: EntityId | null;
}

/** An entry that cannot be read. */
export interface Damage {
  readonly what: 'transaction' | 'base' | 'selection' | 'id' | 'cursor';
  readonly error: unknown;
  /** Takes the entry away, inside the caller's transaction. What was written here is not taken away: it may be read one day. */
  readonly forget: (() => void) | null;
}

/** What a file kept. */
export interface KeptReplica {
  /** In the order they were made. */
  readonly transactions: readonly KeptTransaction[];
  readonly bases: readonly KeptBase[];
  readonly selections: readonly (readonly [number: number, selection: KeptSelection])[];
  readonly ids: readonly (readonly [collection: string, id: EntityId])[];
  /** Null: what is held stands nowhere. */
  readonly cursor: Cursor | null;
  readonly system: SystemId | null;
  /** Also of those that cannot be read. */
  readonly greatestPlace: number;
  readonly greatestId: OperationId | null;
  readonly damages: readonly Damage[];
}

export interface ReplicaStore {
  /** False where nothing is kept. */
  readonly isKept: boolean;
  /** A new one, or the next attempt or another state of one that is there. */
  readonly putTransaction: (transaction: KeptTransaction) => void;
  readonly removeTransaction: (place: number) => void;
  readonly putBase: (base: KeptBase) => void;
  readonly removeBase: (collection: string, id: EntityId) => void;
  /** - `number`: any that stands for no other. */
  readonly putSelection: (number: number, selection: KeptSelection) => void;
  readonly moveEdge: (number: number, edge: EntityId | null) => void;
  readonly removeSelection: (number: number) => void;
  /** Ids whose rows, be they none, are in the tables. */
  readonly putIds: (collection: string, ids: readonly EntityId[]) => void;
  readonly removeIds: (collection: string, ids: readonly EntityId[]) => void;
  readonly setCursor: (cursor: Cursor | null) => void;
  readonly adopt: (system: SystemId) => void;
  /** Cost: all that is kept. */
  readonly read: () => KeptReplica;
}

/** Of a node in memory: it forgets all with its process. */
export const NOTHING_KEPT: ReplicaStore = {
  isKept: false,
  putTransaction: () => {},
  removeTransaction: () => {},
  putBase: () => {},
  removeBase: () => {},
  putSelection: () => {},
  moveEdge: () => {},
  removeSelection: () => {},
  putIds: () => {},
  removeIds: () => {},
  setCursor: () => {},
  adopt: () => {},
  read: () => ({
    transactions: [],
    bases: [],
    selections: [],
    ids: [],
    cursor: null,
    system: null,
    greatestPlace: 0,
    greatestId: null,
    damages: [],
  }),
};
