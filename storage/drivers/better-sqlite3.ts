/**
 * better-sqlite3: native, compiled for this version of Node, an optional dependency.
 *
 * What it does differently, and what is done here about it
 *   - `?3` is a name to it: a text whose parameters are not simply `?` in order is given its values by name (`:p1`, `:p2`, ...);
 *   - it rounds an INTEGER beyond 2^53 unless told (narrow.ts), and gives blobs as Buffers;
 *   - it stores a lone surrogate as three bytes that are not UTF-8: text is made well-formed first;
 *   - `run` of a statement with rows, and `all` of one without, are errors to it.
 */
import type { Database, Statement as Prepared } from 'better-sqlite3';
import type { Cell, SqlValue } from '../../query/index.ts';
import { type Connection, createDriver, type SqlitePackage, type Statement } from './connection.ts';
import { notOneStatement, type SqliteReason } from './failure.ts';
import { narrowRow, takeRow, takeRows } from './narrow.ts';
import type { StatementText } from './statement-text.ts';

/** @throws whatever Node throws where the package is absent; `open` throws it where it was not built for this Node. */
export async function loadBetterSqlite3(): Promise<SqlitePackage> {
  const { default: Open } = await import('better-sqlite3');
  return {
    name: 'better-sqlite3',
    native: true,
    open: (path, timeout) => createDriver(connect(new Open(path, { timeout }), path)),
  };
}

function connect(database: Database, path: string): Connection {
  // Not prepared before it is asked for: on a damaged file any statement fails, and this one not as a TendrilError.
  let counter: Prepared<[], number> | undefined;
  const changes = () => {
    counter ??= database.prepare<[], number>('SELECT changes()').pluck();
    return counter.get() ?? 0;
  };
  return {
    name: 'better-sqlite3',
    kind: path === ':memory:' ? 'memory' : 'file',
    prepare: (text) => createStatement(prepare(database, text), text, changes),
    exec: (script) => {
      database.exec(script);
    },
    close: () => {
      database.close();
    },
    reasonOf,
  };
}

function prepare(database: Database, { plain, spelled, sql }: StatementText): Prepared {
  try {
    return database.prepare(plain ?? spelled(':p'));
  } catch (error) {
    // What SQLite refuses is another class of error.
    throw error instanceof RangeError ? notOneStatement(sql, 'The text holds more than one statement.') : error;
  }
}

function createStatement(prepared: Prepared, text: StatementText, changes: () => number): Statement {
  const bind = text.plain === null ? byName : wellFormed;
  // Nothing to finalise: the package does that when the statement is collected, or the connection closed.
  const finalise = () => {};
  if (!prepared.reader) return { ...createAction(prepared, bind), columns: () => [], finalise };
  const rows = createRows(prepared.raw() as Prepared, bind);
  const run = (parameters: readonly SqlValue[]) => {
    rows.all(parameters);
    return changes();
  };
  return { run, ...rows, columns: () => prepared.columns().map(({ name }) => name), finalise };
}

/** A statement without rows, which the package only runs. */
function createAction(prepared: Prepared, bind: Binding): Pick<Statement, 'run' | 'all' | 'get' | 'iterate'> {
  const run = (parameters: readonly SqlValue[]) => prepared.run(bind(parameters)).changes;
  const all = (parameters: readonly SqlValue[]): Cell[][] => {
    run(parameters);
    return [];
  };
  return { run, all, get: (parameters) => all(parameters)[0], iterate: (parameters) => all(parameters).values() };
}

type Binding = (parameters: readonly SqlValue[]) => unknown;

function createRows(prepared: Prepared, bind: Binding): Pick<Statement, 'all' | 'get' | 'iterate'> {
  // What also writes cannot be run twice, so it is read as bigints at once.
  let wide = !prepared.readonly;
  prepared.safeIntegers(wide);
  const widen = () => {
    wide = true;
    prepared.safeIntegers(true);
  };
  return {
    all: (parameters) => {
      const bound = bind(parameters);
      const rows = prepared.all(bound) as Cell[][];
      if (!wide) {
        if (takeRows(rows)) return rows;
        widen();
        return (prepared.all(bound) as Cell[][]).map(narrowRow);
      }
      return rows.map(narrowRow);
    },
    get: (parameters) => {
      const bound = bind(parameters);
      let row = prepared.get(bound) as Cell[] | undefined;
      if (row === undefined) return undefined;
      if (!wide) {
        if (takeRow(row)) return row;
        widen();
        row = prepared.get(bound) as Cell[];
      }
      return narrowRow(row);
    },
    iterate: function* (parameters) {
      widen();
      for (const row of prepared.iterate(bind(parameters))) yield narrowRow(row as Cell[]);
    },
  };
}

/** The values by the names `p1`, `p2`, ... */
function byName(parameters: readonly SqlValue[]): Record<string, SqlValue> {
  const named: Record<string, SqlValue> = {};
  const formed = wellFormed(parameters);
  for (let index = 0; index < formed.length; index += 1) named[`p${index + 1}`] = formed[index]!;
  return named;
}

function wellFormed(parameters: readonly SqlValue[]): readonly SqlValue[] {
  for (let index = 0; index < parameters.length; index += 1) {
    const value = parameters[index];
    if (typeof value === 'string' && !(value as Unicode).isWellFormed()) return parameters.map(toWellFormed);
  }
  return parameters;
}

function toWellFormed(value: SqlValue): SqlValue {
  return typeof value === 'string' ? (value as Unicode).toWellFormed() : value;
}

/** Of Node 20 on; not yet in the library of types that this project compiles against. */
type Unicode = string & { isWellFormed(): boolean; toWellFormed(): string };

function reasonOf(error: unknown): SqliteReason {
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
  const primary = typeof code === 'string' ? /^SQLITE_[A-Z]+/.exec(code)?.[0] : undefined;
  return { code: primary ?? 'SQLITE_MISUSE', message: String(message ?? error) };
}
