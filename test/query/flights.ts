/** A small table of flights in memory, and the ways of asking it that the tests of query/ share. */
import { TendrilError } from '../../errors.ts';
import { lex } from '../../query/parse/lexer.ts';
import { type Draft, parse } from '../../query/parse/parse.ts';
import { exactValues, type Selection } from '../../query/selection.ts';
import { createSelector, type Selector } from '../../query/selector.ts';
import type { Column, Table } from '../../query/table.ts';
import type { Cell } from '../../query/value.ts';
import { memory } from '../../storage/drivers/sql-js.ts';
import type { SqliteDriver } from '../../storage/index.ts';

const TYPES: readonly (readonly [string, Column['type']])[] = [
  ['id', 'text'],
  ['origin', 'text'],
  ['distance', 'integer'],
  ['late', 'real'],
  ['bits', 'blob'],
  ['meta', 'text'],
  ['departs', 'text'],
];

export const FLIGHT: Table = {
  name: 'flight',
  columns: TYPES.map(([name, type], index) => ({
    name,
    type,
    index,
    json: name === 'meta',
    timestamp: name === 'departs',
  })),
};

const ROWS = [
  `('1', 'SFO', 500, 1.5, x'00', '{"a":1,"b":["x"]}', '2001-01-01T08:00:00.000Z')`,
  `('2', 'sfo', 5, -2.0, x'01ff', '[1,2]', '2001-02-01T00:00:00.000Z')`,
  `('3', 'JFK ', 0, 0.0, x'', '"text"', '2000-12-31T23:59:59.999Z')`,
  `('4', NULL, NULL, NULL, NULL, NULL, NULL)`,
  `('5', '12', 12, 12.0, x'3132', '12', '2001-01-01T00:00:00.000Z')`,
  `('6', '', -1, 9e999, x'61', 'null', '1999-01-01T00:00:00.000Z')`,
  `('7', 'é', 9223372036854775807, 0.1, x'c3a9', '{}', '2001-01-02T00:00:00.000Z')`,
  `('8', '1e3', 1000, 1000.0, NULL, 'true', '2001-01-03T00:00:00.000Z')`,
];

export interface Flights {
  readonly driver: SqliteDriver;
  readonly select: Selector;
  /** The ids that SQLite finds for `text` as it is written, which may start with ORDER BY or LIMIT. */
  readonly asked: (text: string) => readonly Cell[];
  /** The ids that our printing of the selection finds. */
  readonly found: (selection: Selection) => readonly Cell[];
}

export async function openFlights(): Promise<Flights> {
  const driver = await memory().open();
  const columns = TYPES.map(([name, type]) => `${name} ${type.toUpperCase()}${name === 'id' ? ' PRIMARY KEY' : ''}`);
  driver.exec(`CREATE TABLE flight (${columns.join(', ')}) STRICT, WITHOUT ROWID; INSERT INTO flight VALUES ${ROWS}`);
  return {
    driver,
    select: createSelector(FLIGHT, driver.all),
    asked: (text) => {
      const where = text === '' || /^\s*(?:ORDER|LIMIT)\b/i.test(text) ? '' : 'WHERE ';
      return driver.all(`SELECT * FROM flight ${where}${text}`).map(([id]) => id as Cell);
    },
    found: (selection) => driver.all(runnable(selection), exactValues(selection)).map(([id]) => id as Cell),
  };
}

function runnable({ shape: { sql } }: Selection): string {
  const where = sql.where === null ? '' : `WHERE ${sql.where} `;
  const limit = sql.limit === null ? '' : ` LIMIT ${sql.limit}${sql.offset === null ? '' : ` OFFSET ${sql.offset}`}`;
  return `SELECT id FROM flight ${where}ORDER BY ${sql.orderBy}${limit}`;
}

export function parsed(text: string, table: Table = FLIGHT): Draft {
  return parse(lex(text), table);
}

/** The error that `body` throws. */
export function refusal(body: () => unknown): TendrilError {
  try {
    body();
  } catch (error) {
    if (error instanceof TendrilError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}
