/** The matcher beyond its answers: what it asks of SQLite, when, and what selections of one shape share. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import {
  type Cell,
  compileMatcher,
  matcherTier,
  type RawRow,
  type SqlInput,
  type SqlProbe,
  type Table,
} from '../../query/index.ts';
import { createSelector, type Selector } from '../../query/selector.ts';
import { memory } from '../../storage/drivers/sql-js.ts';
import type { SqliteDriver } from '../../storage/index.ts';

const table: Table = {
  name: 'flight',
  columns: [
    { name: 'id', type: 'text', index: 0, json: false },
    { name: 'origin', type: 'text', index: 1, json: false },
    { name: 'distance', type: 'integer', index: 2, json: false },
    { name: 'speed', type: 'real', index: 3, json: false },
    { name: 'seal', type: 'blob', index: 4, json: false },
  ],
};

const SFO: RawRow = ['1', 'SFO', 2586, 2, Uint8Array.of(1)];
const LAX: RawRow = ['2', 'LAX', null, null, null];

let driver: SqliteDriver;
let select: Selector;
let asked: string[];
const probe: SqlProbe = (sql, parameters) => {
  asked.push(sql);
  return driver.all(sql, parameters);
};

beforeAll(async () => {
  driver = await memory().open();
  driver.exec('CREATE TABLE flight (id TEXT PRIMARY KEY, origin TEXT, distance INTEGER, speed REAL, seal BLOB) STRICT');
  select = createSelector(table, driver.all);
});
beforeEach(() => {
  asked = [];
});
afterAll(() => driver.close());

function matches(row: RawRow, text: string, parameters: readonly SqlInput[] = []): boolean {
  const { shape, values } = select(text, parameters);
  return compileMatcher(shape, probe)(row, values);
}

test.each([
  ['typed', 'origin = ?'],
  ['typed', 'distance * 2 + 1 > ? AND (speed BETWEEN 1 AND 3 OR NOT distance IS NULL)'],
  ['typed', 'origin IN (?, ?) AND distance IN (1, 2.5, NULL)'],
  ['typed', "origin >= 'A' AND origin NOT BETWEEN 'M' AND 'N'"],
  ['generic', 'origin LIKE ?'],
  ['generic', 'origin = ? COLLATE NOCASE'],
  ['generic', "distance = '1'"],
  ['generic', 'CASE origin WHEN ? THEN 1 END'],
  ['sqlite', 'upper(origin) = ?'],
  ['sqlite', 'distance > 1 AND CAST(distance AS TEXT) = ?'],
])('is %s for %s', (tier, text) => {
  const parameters = Array.from(text.matchAll(/\?/g), (_, at) => `SFO${at}`);
  const typed = tier === 'typed' && text.includes('> ?') ? [1] : parameters;
  expect(matcherTier(select(text, typed).shape)).toBe(tier);
});

test('a selection without a predicate matches every row', () => {
  expect(matches(LAX, 'ORDER BY origin')).toBe(true);
});

test('typed and generic predicates never ask SQLite', () => {
  expect(matches(SFO, "origin LIKE 's%' AND distance > 500")).toBe(true);
  expect(matches(LAX, "origin LIKE 's%' OR distance > 500")).toBe(false);
  expect(asked).toEqual([]);
});

test('SQLite is asked about a function only where the other conditions hold', () => {
  const text = "length(origin) = 3 AND distance > 500 AND upper(origin) = 'SFO'";
  expect(matches(LAX, text)).toBe(false);
  expect(asked).toEqual([]);
  expect(matches(SFO, text)).toBe(true);
  expect(asked).toHaveLength(1);
  expect(asked[0]).toContain('FROM (SELECT CAST(');
});

test('a row keeps its classes, affinities and collation when SQLite is asked about it', () => {
  expect(matches(SFO, "typeof(speed) = 'real' AND typeof(distance) = 'integer' AND typeof(seal) = 'blob'")).toBe(true);
  expect(matches(LAX, "typeof(speed) = 'null' AND typeof(distance) = 'null' AND typeof(seal) = 'null'")).toBe(true);
  // A REAL 2.0 divides as a REAL, an INTEGER as an INTEGER; and columns convert what they are compared with.
  expect(matches(SFO, 'CAST(speed / 4 AS REAL) = 0.5 AND CAST(distance / 5000 AS REAL) = 0')).toBe(true);
  expect(matches(SFO, "coalesce(distance = '2586', 0)")).toBe(true);
  expect(matches(SFO, "coalesce(origin = 'sfo', 1) = 0")).toBe(true);
  expect(matches(['3', '7', 1, 1, null], 'coalesce(origin = 7, 0)')).toBe(true);
  expect(asked).toHaveLength(6);
});

test('a parameter keeps its class when SQLite is asked', () => {
  expect(matches(SFO, 'abs(7 / ?) = 3', [2])).toBe(true);
  expect(matches(SFO, 'abs(7 / ?) = 2.8', [2.5])).toBe(true);
  expect(matches(SFO, "quote(?) = '9007199254740993'", [9007199254740993n])).toBe(true);
});

test('where the digits of a text are beyond what JavaScript can promise, SQLite is asked', () => {
  const text = "speed = '0.30000000000000004'";
  const [row]: RawRow[] = driver.all("SELECT '3', 'x', 1, CAST('0.30000000000000004' AS REAL), NULL");
  expect(matches(row!, text)).toBe(true);
  expect(asked).toHaveLength(1);
});

test('U+FFFE and U+FFFF match as they do in the SQLite at hand', () => {
  for (const [origin, pattern] of [
    ['\ufffe', '\uffff'],
    ['\uffff', '\uffff'],
    ['\ufffd', '\ufffe'],
  ] as const) {
    const [like] = driver.get('SELECT ? LIKE ?', [origin, pattern])!;
    expect(matches(['4', origin, 1, 1, null], 'origin LIKE ?', [pattern])).toBe(like === 1);
  }
});

test('one matcher serves every selection of its shape', () => {
  const short = select('origin IN (?, ?, ?) AND distance > ?', ['SFO', 'JFK', 'ORD', 1000]);
  const other = select('origin IN (?, ?, ?) AND distance > ?', ['LAX', 'JFK', 'ORD', 3000]);
  expect(other.shape).toBe(short.shape);
  const matcher = compileMatcher(short.shape, probe);
  const far: RawRow = ['5', 'LAX', 5000, null, null];
  const answers = [short, other, short].map(({ values }) => [SFO, far].map((row) => matcher(row, values)));
  expect(answers).toEqual([
    [true, false],
    [false, true],
    [true, false],
  ]);
});

test('integers beyond 2^53 compare, add and multiply exactly', () => {
  const row = (distance: Cell): RawRow => ['6', 'SFO', distance, 9007199254740992, null];
  expect(matches(row(9007199254740993n), 'distance = speed')).toBe(false);
  expect(matches(row(9007199254740991), 'distance + 2 = 9007199254740993')).toBe(true);
  expect(matches(row(3037000500), 'distance * distance = 9223372037000250000.0')).toBe(true);
  expect(matches(row(9007199254740991), 'distance * 3 = 27021597764222973')).toBe(true);
  // As doubles these would be 2 and 4.
  expect(matches(row(9007199254740991), 'distance * 3 % 10 = 3')).toBe(true);
  expect(matches(row(9007199254740991), '(distance + 4) % 10 = 5')).toBe(true);
  expect(asked).toEqual([]);
});
