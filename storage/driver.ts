/** One synchronous SQLite connection, whichever SQLite it is. */
import type { Cell, SqlValue } from '../query/index.ts';

export type DriverName = 'better-sqlite3' | 'node:sqlite' | 'node-sqlite3-wasm' | 'sql.js';
export type StorageKind = 'file' | 'memory';

/** The oldest SQLite that opens a node; read when it opens. */
export const MIN_SQLITE_VERSION = '3.45.0';
/** Statements that a connection keeps prepared; past it the least recently used one is finalised. */
export const MAX_STATEMENTS = 256;

/**
 * Opening is asynchronous; everything after is not, so that no caller can see half a batch.
 *
 * Parameters bind exactly: a bigint as INTEGER, a number as REAL, on every driver. Rows come as arrays of cells:
 * an INTEGER within ±(2^53-1) as a number, beyond as a bigint. Statements are prepared once per SQL text and kept,
 * at most `MAX_STATEMENTS` (256), the least recently used finalised.
 *
 * A text is one statement. Its parameters are numbered as SQLite numbers them: `?` is one above the highest so far, `?3`
 * is the third, `:name` takes the next number where it first stands; `parameters[0]` is number 1, and all must be given.
 * Text is Unicode: a lone surrogate is stored as U+FFFD.
 *
 * @throws {TendrilError} `storage-failed` for whatever SQLite reports, its message in `facts.sqlite`, its code in `facts.sqliteCode`
 *   (`SQLITE_FULL`, `SQLITE_CONSTRAINT`, ...: the primary one, alike on every driver); `invalid-parameter` for too few or too many
 *   parameters; `query-unsupported` for a text that is not one statement; `closed`; `storage-damaged` where SQLite finds
 *   the file damaged (`SQLITE_CORRUPT`, `SQLITE_NOTADB`).
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
  /**
   * Runs `body` between BEGIN IMMEDIATE and COMMIT; a throw (of body or COMMIT) rolls back and is rethrown. Not reentrant.
   *
   * After a disk failure inside, whatever else the body asks fails alike. Where a COMMIT failed and may yet be found in the
   * file, the error has `facts.outcome: 'unknown'`, and the connection is of no more use. Outside, a ROLLBACK TO or RELEASE
   * that fails rolls back everything.
   */
  readonly transaction: <Result>(body: () => Result) => Result;
  /** Writes what is committed to a new file; whole and synced when it returns, or not there. Absent where there are no files. */
  readonly backup?: (path: string) => void;
  readonly close: () => void;
}

/**
 * Where a node keeps its file; passed to `Node.open`. Opening claims the file, sees whose it is while it is still as it was
 * found (journal_mode = WAL alone would change one that is then refused), and only then configures the connection. What
 * stands in its tables is for `openStore`, whatever the storage.
 */
export interface Storage {
  readonly kind?: StorageKind;
  /** @throws {TendrilError} `storage-busy`, `storage-unsupported`, `storage-foreign`, `storage-newer`, `storage-damaged`, `storage-failed`. */
  readonly open: () => Promise<SqliteDriver>;
}
