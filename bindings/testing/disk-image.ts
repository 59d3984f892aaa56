/** Disk image: all that a disk holds at one moment, to be put back later: a backup. */
import type { Cell, SqlValue } from '../../query/index.ts';
import type { SqliteDriver } from '../../storage/index.ts';

export interface DiskImage {
  /** What makes its tables, then its indexes and views. */
  readonly schema: readonly string[];
  readonly tables: readonly ImageTable[];
  readonly pragmas: readonly string[];
}

interface ImageTable {
  readonly name: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
}

const PRAGMAS = ['application_id', 'user_version'];

export function imageOf(sqlite: SqliteDriver): DiskImage {
  const found = sqlite.all(
    `SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite!_%' ESCAPE '!'
      ORDER BY type <> 'table', rowid`,
  ) as [string, string, string][];
  const tables = found
    .filter(([type]) => type === 'table')
    .map(([, name]) => {
      // A statement that was prepared before a column was added still names those of before.
      const columns = sqlite.all('SELECT name FROM pragma_table_info(?)', [name]).map(([column]) => String(column));
      return { name, columns, rows: sqlite.all(`SELECT ${columns.map(quoted).join(', ')} FROM ${quoted(name)}`) };
    });
  const pragmas = PRAGMAS.map((pragma) => `PRAGMA ${pragma} = ${String(sqlite.get(`PRAGMA ${pragma}`)![0])}`);
  return { schema: found.map(([, , sql]) => sql), tables, pragmas };
}

/** Into an empty database. Tables are STRICT: a column decides whether a number is an INTEGER. */
export function writeImage(sqlite: SqliteDriver, { schema, tables, pragmas }: DiskImage): void {
  sqlite.transaction(() => {
    for (const sql of schema) sqlite.exec(sql);
    for (const { name, columns, rows } of tables) {
      const names = columns.map(quoted).join(', ');
      const insert = `INSERT INTO ${quoted(name)} (${names}) VALUES (${columns.map(() => '?').join(', ')})`;
      for (const row of rows) sqlite.run(insert, row.map(sqlValue));
    }
    for (const pragma of pragmas) sqlite.exec(pragma);
  });
}

function sqlValue(cell: Cell): SqlValue {
  return typeof cell === 'number' && Number.isSafeInteger(cell) ? BigInt(cell) : cell;
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
