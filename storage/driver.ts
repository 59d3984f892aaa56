/** One synchronous SQLite connection, whichever SQLite it is. */
import type { Cell, SqlValue } from '../query/index.ts';

export type DriverName = 'better-sqlite3' | 'node:sqlite' | 'node-sqlite3-wasm' | 'sql.js';
export type StorageKind = 'file' | 'memory';

/**
 * Opening is asynchronous; everything after is not, so that no caller can see half a batch.
 *
 * Parameters bind exactly: a bigint as INTEGER, a number as REAL, on every driver. Rows come as arrays of cells:
 * an INTEGER within ±(2^53-1) as a number, beyond as a bigint. Statements are prepared once per SQL text and kept,
 * at most `MAX_STATEMENTS` (256), the least recently used finalised.
 *
 * @throws {TendrilError} `storage-failed` for whatever SQLite reports, its message in `facts.sqlite`, its code in `facts.sqliteCode`.
 */
export interface SqliteDriver {
  readonly name: DriverName;
  readonly kind: StorageKind;
  /** SQLite's own version, at least MIN_SQLITE_VERSION. */
  readonly version: string;
  /** `changes`: rows changed by this statement; 0 for one that changes none. */
  readonly run: (sql: string, parameters?: readonly SqlValue[]) => { readonly changes: number };
  readonly all: (sql: string, parameters?: readonly SqlValue[]) => Cell[][];
  /** The first row, or undefined. */
  readonly get: (sql: string, parameters?: readonly SqlValue[]) => Cell[] | undefined;
  /** Row by row, so that a large result can be interrupted. The connection must not be written to meanwhile. */
  readonly iterate: (sql: string, parameters?: readonly SqlValue[]) => IterableIterator<Cell[]>;
  /** The names of a statement's result columns, duplicates included; empty for one that returns no rows. */
  readonly columns: (sql: string) => readonly string[];
  /** Several statements, no parameters, nothing returned. */
  readonly exec: (script: string) => void;
  /** Runs `body` between BEGIN IMMEDIATE and COMMIT; a throw (of body or COMMIT) rolls back and is rethrown. Not reentrant. */
  readonly transaction: <Result>(body: () => Result) => Result;
  readonly close: () => void;
}

/** Where a node keeps its file; passed to `Node.open`. Opening takes the lock and configures the connection. */
export interface Storage {
  /** @throws {TendrilError} `storage-busy`, `storage-unsupported`, `storage-failed`. */
  readonly open: () => Promise<SqliteDriver>;
}
