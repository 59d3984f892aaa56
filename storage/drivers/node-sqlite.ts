/**
 * node:sqlite: native and part of Node, from 22.13; older ones have no such module.
 *
 * What it does differently, and what is done here about it
 *   - rows are objects unless told, which merges columns of one name: a Node whose statements cannot give arrays is refused;
 *   - `?3` is a name to it: a text whose parameters are not simply `?` in order is given its values by name ('?1', '?2', ...);
 *   - it refuses to read an INTEGER beyond 2^53 as a number, after the statement has run (narrow.ts);
 *   - it prepares the first statement of a text and ignores the rest.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { TendrilError } from '../../errors.ts';
import type { Cell, SqlValue } from '../../query/index.ts';
import { type Connection, createDriver, type SqlitePackage, type Statement } from './connection.ts';
import { codeName, notOneStatement, type SqliteReason } from './failure.ts';
import { narrowRow } from './narrow.ts';
import { isBlank, type StatementText } from './statement-text.ts';

/** The least INTEGER, rounded to a number. */
const LEAST = -(2 ** 63);

/** @throws whatever Node throws where it has no node:sqlite; `storage-unsupported` where its rows cannot be arrays. */
export async function loadNodeSqlite(): Promise<SqlitePackage> {
  const { DatabaseSync, StatementSync } = await import('node:sqlite');
  if (!('setReturnArrays' in StatementSync.prototype)) throw tooOld();
  return {
    name: 'node:sqlite',
    native: true,
    open: (path, timeout) => {
      // Older versions pass over the options that they do not know.
      const options = { timeout, defensive: true, enableForeignKeyConstraints: false };
      return createDriver(connect(new DatabaseSync(path, options), path));
    },
  };
}

function connect(database: DatabaseSync, path: string): Connection {
  return {
    name: 'node:sqlite',
    kind: path === ':memory:' ? 'memory' : 'file',
    prepare: (text) => {
      const sql = text.plain ?? text.spelled('?');
      const prepared = database.prepare(sql);
      const rest = sql.slice(prepared.sourceSQL.length);
      if (!isBlank(rest)) throw notOneStatement(text.sql, 'The text holds more than one statement.');
      return createStatement(prepared, text);
    },
    exec: (script) => database.exec(script),
    close: () => database.close(),
    reasonOf,
  };
}

function createStatement(prepared: StatementSync, text: StatementText): Statement {
  const bind = text.plain === null ? byName(text.used) : asGiven;
  return {
    run: (parameters) => Number(prepared.run(...bind(parameters)).changes),
    ...createRows(prepared, bind, text.effect === 'reads'),
    columns: () => prepared.columns().map(({ name }) => name),
    // Nothing to finalise: Node does that when the statement is collected, or the connection closed.
    finalise: () => {},
  };
}

type Binding = (parameters: readonly SqlValue[]) => SqlValue[];

function createRows(
  prepared: StatementSync,
  bind: Binding,
  readsOnly: boolean,
): Pick<Statement, 'all' | 'get' | 'iterate'> {
  // What also writes cannot be run twice, so it is read as bigints at once.
  let wide = !readsOnly;
  prepared.setReturnArrays(true);
  prepared.setReadBigInts(wide);
  const widen = () => {
    wide = true;
    prepared.setReadBigInts(true);
  };
  const exact = (read: () => Cell[][]): Cell[][] => {
    if (!wide) {
      const rows = asNumbers(read);
      if (rows !== null) return rows;
      widen();
    }
    return read().map(narrowRow);
  };
  return {
    all: (parameters) => {
      const bound = bind(parameters);
      return exact(() => prepared.all(...bound) as unknown as Cell[][]);
    },
    get: (parameters) => {
      const bound = bind(parameters);
      return exact(() => {
        const row = prepared.get(...bound) as unknown as Cell[] | undefined;
        return row === undefined ? [] : [row];
      })[0];
    },
    iterate: function* (parameters) {
      widen();
      for (const row of prepared.iterate(...bind(parameters))) yield narrowRow(row as unknown as Cell[]);
    },
  };
}

/** The rows, or null if an INTEGER did not fit. Node takes the least one for a small one, and rounds it. */
function asNumbers(read: () => Cell[][]): Cell[][] | null {
  try {
    const rows = read();
    for (let index = 0; index < rows.length; index += 1) if (holdsLeast(rows[index]!)) return null;
    return rows;
  } catch (error) {
    if ((error as { readonly code?: unknown }).code === 'ERR_OUT_OF_RANGE') return null;
    throw error;
  }
}

function holdsLeast(row: readonly Cell[]): boolean {
  for (let column = 0; column < row.length; column += 1) if (row[column] === LEAST) return true;
  return false;
}

function asGiven(parameters: readonly SqlValue[]): SqlValue[] {
  return parameters as SqlValue[];
}

/** The values by the names '?1', '?2', ...: those that the text has, because it refuses another. */
function byName(used: readonly number[]): Binding {
  const names = used.map((number) => [`?${number}`, number - 1] as const);
  return (parameters) => {
    const named: Record<string, SqlValue> = {};
    for (const [name, index] of names) named[name] = parameters[index]!;
    return [named] as unknown as SqlValue[];
  };
}

function reasonOf(error: unknown): SqliteReason {
  const { errcode, message } = error as { readonly errcode?: unknown; readonly message?: unknown };
  return {
    code: typeof errcode === 'number' ? codeName(errcode) : 'SQLITE_MISUSE',
    message: String(message ?? error),
  };
}

function tooOld(): TendrilError {
  return new TendrilError({
    code: 'storage-unsupported',
    problem: `node:sqlite of Node ${process.versions.node} cannot give rows as arrays.`,
    remedy: 'Use Node 22.16 or later, or install better-sqlite3.',
    facts: { node: process.versions.node },
  });
}
