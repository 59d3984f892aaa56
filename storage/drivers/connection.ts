/**
 * From one package's connection to a `SqliteDriver`: what all four drivers share.
 *
 * Invariants
 *   - a statement in the cache is idle, so that it may be finalised at any time; an iteration owns its statement;
 *   - whatever a package throws leaves as a TendrilError;
 *   - after `close` nothing reaches the package, and an unfinished iteration throws `closed` at its next step;
 *   - a statement never runs outside the transaction it was meant for: SQLite may end a transaction with a statement that
 *     the disk failed, so what follows in that transaction is refused with the same error;
 *   - what a failed COMMIT left behind is not guessed: nothing more is asked of the connection, and the next opening of
 *     the file decides.
 */
import { assert, TendrilError } from '../../errors.ts';
import type { Cell, SqlValue } from '../../query/index.ts';
import { type DriverName, MAX_STATEMENTS, type SqliteDriver, type StorageKind } from '../driver.ts';
import {
  closedFailure,
  endsTransaction,
  isUndecided,
  miscounted,
  notOneStatement,
  type SqliteReason,
  sqliteFailure,
  undecidedCommit,
  unusable,
} from './failure.ts';
import { StatementCache } from './statement-cache.ts';
import { isBlank, readStatementText, type StatementText } from './statement-text.ts';

/** One prepared statement of one package. Each call binds all parameters, and leaves the statement idle. */
export interface Statement {
  /** Runs to the end; what `sqlite3_changes` says then, which a statement that changes no rows leaves as it was. */
  readonly run: (parameters: readonly SqlValue[]) => number;
  readonly all: (parameters: readonly SqlValue[]) => Cell[][];
  readonly get: (parameters: readonly SqlValue[]) => Cell[] | undefined;
  /** Ended early by `return`. */
  readonly iterate: (parameters: readonly SqlValue[]) => IterableIterator<Cell[]>;
  readonly columns: () => readonly string[];
  readonly finalise: () => void;
}

/** One connection of one package, with its errors as they come. */
export interface Connection {
  readonly name: DriverName;
  readonly kind: StorageKind;
  readonly prepare: (text: StatementText) => Statement;
  readonly exec: (script: string) => void;
  readonly close: () => void;
  readonly reasonOf: (error: unknown) => SqliteReason;
}

/** A loaded package that opens files, and `:memory:`. */
export interface SqlitePackage {
  readonly name: DriverName;
  /** Native ones lock files as SQLite does everywhere, and share memory: WAL works with other programs reading. */
  readonly native: boolean;
  readonly open: (path: string, busyTimeoutMs: number) => SqliteDriver;
}

interface PreparedText extends Statement {
  readonly text: StatementText;
}

const NO_PARAMETERS: readonly SqlValue[] = [];
/** Where it fails outside a transaction of the driver's, what was done under the savepoint must not stay. */
const LEAVING_SAVEPOINT = /^(?:ROLLBACK TO|RELEASE) /;
const COUNTERS = 'SELECT total_changes(), changes()';

/** Owns the connection, and asks nothing of it yet. */
export function createDriver(connection: Connection): SqliteDriver {
  return new ConnectionDriver(connection).driver();
}

class ConnectionDriver {
  readonly #connection: Connection;
  readonly #statements: StatementCache<PreparedText>;
  readonly #iterations = new Set<IterableIterator<Cell[]>>();
  #closed = false;
  #inTransaction = false;
  /** Why nothing is asked of the connection: until its transaction has been rolled back, or for ever. */
  #failed: TendrilError | null = null;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#statements = new StatementCache(MAX_STATEMENTS, (sql) => this.#prepare(sql));
  }

  driver(): SqliteDriver {
    const { name, kind } = this.#connection;
    let version: string | undefined;
    const versionOf = () => String(this.#get('SELECT sqlite_version()', NO_PARAMETERS)?.[0]);
    return {
      name,
      kind,
      get version() {
        version ??= versionOf();
        return version;
      },
      run: (sql, parameters = NO_PARAMETERS) => ({ changes: this.#run(sql, parameters) }),
      all: (sql, parameters = NO_PARAMETERS) => this.#all(sql, parameters),
      get: (sql, parameters = NO_PARAMETERS) => this.#get(sql, parameters),
      iterate: (sql, parameters = NO_PARAMETERS) => this.#iterate(sql, parameters),
      columns: (sql) => this.#find(sql).columns(),
      exec: (script) => this.#exec(script),
      transaction: (body) => this.#transaction(body),
      close: () => this.close(),
    };
  }

  #run(sql: string, parameters: readonly SqlValue[]): number {
    const statement = this.#find(sql, parameters);
    const { effect } = statement.text;
    if (effect === 'either') return this.#runAndCount(statement, parameters);
    try {
      const changes = statement.run(parameters);
      return effect === 'writes' ? changes : 0;
    } catch (error) {
      throw this.#failure(error, sql);
    }
  }

  /** Whether it writes, only the connection's count of all changes can tell. */
  #runAndCount(statement: PreparedText, parameters: readonly SqlValue[]): number {
    const before = this.#get(COUNTERS, NO_PARAMETERS)?.[0];
    try {
      statement.run(parameters);
    } catch (error) {
      throw this.#failure(error, statement.text.sql);
    }
    const [after, changes] = this.#get(COUNTERS, NO_PARAMETERS) ?? [];
    return after === before ? 0 : (changes as number);
  }

  #all(sql: string, parameters: readonly SqlValue[]): Cell[][] {
    const statement = this.#find(sql, parameters);
    try {
      return statement.all(parameters);
    } catch (error) {
      throw this.#failure(error, sql);
    }
  }

  #get(sql: string, parameters: readonly SqlValue[]): Cell[] | undefined {
    const statement = this.#find(sql, parameters);
    try {
      return statement.get(parameters);
    } catch (error) {
      throw this.#failure(error, sql);
    }
  }

  *#iterate(sql: string, parameters: readonly SqlValue[]): IterableIterator<Cell[]> {
    if (this.#failed !== null) throw this.#failed;
    const statement = this.#statements.take(sql);
    let rows: IterableIterator<Cell[]> | undefined;
    try {
      rows = this.#checked(statement, parameters).iterate(parameters);
      this.#iterations.add(rows);
      for (;;) {
        const { done, value } = rows.next();
        if (done === true) return;
        yield value;
        if (this.#closed) throw closedFailure();
      }
    } catch (error) {
      throw this.#failure(error, sql);
    } finally {
      if (rows !== undefined) this.#iterations.delete(rows);
      if (!this.#closed) {
        rows?.return?.();
        this.#statements.give(sql, statement);
      }
    }
  }

  #exec(script: string): void {
    if (this.#closed) throw closedFailure();
    if (this.#failed !== null) throw this.#failed;
    try {
      this.#connection.exec(script);
    } catch (error) {
      throw this.#failure(error, script);
    }
  }

  #transaction<Result>(body: () => Result): Result {
    assert(!this.#inTransaction, 'a transaction of the driver was begun inside another');
    this.#run('BEGIN IMMEDIATE', NO_PARAMETERS);
    this.#inTransaction = true;
    let result: Result;
    try {
      result = body();
      // The body may have caught what ended it.
      if (this.#failed !== null) throw this.#failed;
    } catch (error) {
      this.#inTransaction = false;
      this.#rollBack();
      throw error;
    }
    this.#inTransaction = false;
    this.#commit();
    return result;
  }

  #commit(): void {
    try {
      this.#run('COMMIT', NO_PARAMETERS);
    } catch (error) {
      this.#rollBack();
      if (!isUndecided(error)) throw error;
      this.#failed = unusable(error);
      throw undecidedCommit(error);
    }
  }

  #rollBack(): void {
    this.#failed = null;
    if (this.#closed) return;
    try {
      this.#run('ROLLBACK', NO_PARAMETERS);
    } catch (error) {
      // SQLITE_ERROR: there is nothing to roll back, because SQLite has done so by itself.
      if (error instanceof TendrilError && error.facts.sqliteCode !== 'SQLITE_ERROR') this.#failed = unusable(error);
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const rows of this.#iterations) rows.return?.();
    this.#iterations.clear();
    this.#statements.clear();
    try {
      this.#connection.close();
    } catch (error) {
      throw this.#failure(error, '');
    }
  }

  #find(sql: string, parameters?: readonly SqlValue[]): PreparedText {
    if (this.#failed !== null) throw this.#failed;
    const statement = this.#statements.get(sql);
    return parameters === undefined ? statement : this.#checked(statement, parameters);
  }

  #checked(statement: PreparedText, parameters: readonly SqlValue[]): PreparedText {
    const { text } = statement;
    if (parameters.length !== text.parameters) throw miscounted(text.sql, text.parameters, parameters.length);
    return statement;
  }

  #prepare(sql: string): PreparedText {
    if (this.#closed) throw closedFailure();
    if (isBlank(sql)) throw notOneStatement(sql, 'The text holds no statement.');
    const text = readStatementText(sql);
    try {
      return { text, ...this.#connection.prepare(text) };
    } catch (error) {
      throw this.#failure(error, sql);
    }
  }

  #failure(error: unknown, sql: string): TendrilError {
    if (error instanceof TendrilError) return error;
    const failure = sqliteFailure(this.#connection.reasonOf(error), sql, error);
    if (this.#inTransaction) {
      if (endsTransaction(failure)) this.#failed = failure;
    } else if (LEAVING_SAVEPOINT.test(sql)) this.#rollBack();
    return failure;
  }
}
