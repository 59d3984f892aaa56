import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { SqlParameters } from '../../query/binding.ts';
import { exactValues } from '../../query/selection.ts';
import { createSelector, type Selector } from '../../query/selector.ts';
import { collection, json, text, timestamp } from '../../storage/index.ts';
import { FLIGHT, type Flights, openFlights, refusal } from './flights.ts';

let flights: Flights;
let asked: string[];
let select: Selector;
beforeAll(async () => {
  flights = await openFlights();
});
beforeEach(() => {
  asked = [];
  select = createSelector(FLIGHT, (sql, parameters) => {
    asked.push(sql);
    return flights.driver.all(sql, parameters);
  });
});
afterAll(() => flights.driver.close());

describe('a known shape', () => {
  test('is shared by texts that differ in constants, white space and comments, and asks SQLite nothing', () => {
    const first = select("origin = 'SFO' AND distance > 500 LIMIT 10");
    expect(asked.length).toBeGreaterThan(0);
    asked.length = 0;
    const second = select("origin = 'JFK'\n AND distance > 7 /* miles */ LIMIT 3");
    expect(asked).toEqual([]);
    expect(second.shape).toBe(first.shape);
    expect(exactValues(second)).toEqual(['JFK', 7n, 3n]);
  });

  test('with parameters is one for each assignment of classes', () => {
    const text = 'distance = ? OR late = ?';
    const [first, same, other] = [select(text, [1, 1.5]), select(text, [2, 2.5]), select(text, [2.5, 2])];
    expect(same.shape).toBe(first.shape);
    expect(other.shape).not.toBe(first.shape);
    expect(other.shape.classes).toEqual(['real', 'integer']);
  });

  test('is not mixed up with one whose path or format differs', () => {
    const find = (text: string, parameters: SqlParameters = []) => flights.found(select(text, parameters));
    expect(find("meta ->> 'a' = 1")).toEqual(['1']);
    expect(find("meta ->> 'b' = 1")).toEqual([]);
    expect(find('meta ->> ? = 1', ['a'])).toEqual(['1']);
    expect(find('meta ->> ? = 1', [0])).toEqual(['2']);
    expect(find('meta ->> ? = 1', ['b'])).toEqual([]);
    expect(find("strftime('%m', departs) = '02'")).toEqual(['2']);
    expect(find("strftime('%d', departs) = '02'")).toEqual(['7']);
    expect(find('ORDER BY 2 LIMIT 1')).toEqual(['4']);
    expect(find('ORDER BY 1 LIMIT 1')).toEqual(['1']);
  });

  test('is refereed again after a text that was refused', () => {
    for (let attempt = 0; attempt < 2; attempt++)
      expect(refusal(() => select('sin(late) = 1')).code).toBe('query-unsupported');
    asked.length = 0;
    select('distance = 1');
    expect(asked).toHaveLength(2);
  });

  test('gives errors their place in the text at hand, not in the one that was parsed first', () => {
    select('origin = ? AND late = 1', ['SFO']);
    const error = refusal(() => select('origin    = ? AND late = 100', [1.5]));
    expect(error.facts).toMatchObject({ offset: 12, text: 'origin    = ? AND late = 100' });
    select("origin LIKE 'a' ESCAPE 'b'");
    expect(refusal(() => select("origin LIKE 'aaaa' ESCAPE 'bb'")).facts.offset).toBe(26);
  });
});

describe('the key', () => {
  const key = (text: string, parameters: SqlParameters = []) => select(text, parameters).key;

  test.each<[string, SqlParameters, string, SqlParameters]>([
    ["origin = 'SFO'", [], "origin   =   'SFO'", []],
    ["origin = 'SFO'", [], 'origin = ?', ['SFO']],
    ["origin = 'SFO'", [], 'ORIGIN == :o', { o: 'SFO' }],
    ["origin = 'SFO' AND late = 2", [], "((flight.origin) = ('SFO')) and late = 2", []],
    ['distance = -5', [], 'distance = ?', [-5]],
    ['distance = 5', [], 'distance = 0x5', []],
    ['origin = id AND (late AND bits)', [], 'origin = id AND late AND bits', []],
    ['late > 1 ORDER BY id', [], 'late > 1', []],
    ['late ISNULL', [], 'late IS NOT DISTINCT FROM NULL', []],
    ['LIMIT 5 OFFSET 6', [], 'LIMIT 5 OFFSET 6 -- five', []],
  ])('%s %j is that of %s %j', (one, oneParameters, other, otherParameters) => {
    expect(key(one, oneParameters)).toBe(key(other, otherParameters));
  });

  test.each<[string, SqlParameters, string, SqlParameters]>([
    ["origin = 'SFO'", [], "origin = 'JFK'", []],
    ['distance = ?', [1], 'distance = ?', ['1']],
    ['distance = ?', [1], 'distance = ?', [1.5]],
    ['distance = 1', [], 'distance = 1.0', []],
    ["bits = x'61'", [], "bits = 'a'", []],
    ['origin = ? OR origin = ?', ['a', 'b'], 'origin = ? OR origin = ?', ['a 1:b', '']],
    ['origin = ? OR origin = ?', ['a ', 'b'], 'origin = ? OR origin = ?', ['a', ' b']],
    ['distance = ? OR distance = ?', [1, 23], 'distance = ? OR distance = ?', [12, 3]],
    [
      'bits = ? OR bits = ?',
      [new Uint8Array([1]), new Uint8Array([2, 3])],
      'bits = ? OR bits = ?',
      [new Uint8Array([1, 2]), new Uint8Array([3])],
    ],
    ['late = ?', [null], 'late = ?', ['null']],
    ['late > 1 ORDER BY id DESC', [], 'late > 1', []],
    ['LIMIT 5', [], 'LIMIT 6', []],
    ['LIMIT 5, 6', [], 'LIMIT 5 OFFSET 6', []],
    ["meta ->> 'a' = 1", [], "meta ->> 'b' = 1", []],
    ['origin = id', [], 'id = origin', []],
  ])('%s %j is not that of %s %j', (one, oneParameters, other, otherParameters) => {
    expect(key(one, oneParameters)).not.toBe(key(other, otherParameters));
  });
});

describe('a shape', () => {
  test('has its constants in slots, its fixed ones in the tree, and the id as last ORDER BY term', () => {
    const { shape, values } = select(
      "date(departs, '+1 day') > '2001-01-01' AND late IN (1, -2.5, NULL) ORDER BY late DESC LIMIT 7",
    );
    expect(shape.sql).toEqual({
      where: `(("date"("departs", '+1 day') > ?1) AND ("late" IN (?2, ?3, NULL)))`,
      orderBy: '"late" DESC, "id"',
      limit: '?4',
      offset: null,
    });
    expect(values).toEqual(['2001-01-01', 1, -2.5, 7]);
    expect(shape.classes).toEqual(['text', 'integer', 'real', 'integer']);
    expect(shape.tree.orderBy.map(({ nulls }) => nulls)).toEqual(['last', 'first']);
  });

  test('does not repeat the id, wherever it stands', () => {
    expect(select('ORDER BY id DESC').shape.sql.orderBy).toBe('"id" DESC');
    expect(select('ORDER BY late, "ID", origin').shape.sql.orderBy).toBe('"late", "id", "origin"');
    expect(select('ORDER BY id COLLATE NOCASE').shape.sql.orderBy).toBe('("id" COLLATE NOCASE), "id"');
  });

  test('spells an integer beyond 2^53 and the smallest one exactly', () => {
    const { values } = select('distance IN (9007199254740993, -9223372036854775808, 9223372036854775808)');
    expect(values).toEqual([9007199254740993n, -9223372036854775808n, 2 ** 63]);
  });

  test('takes a real of many digits as SQLite reads it', () => {
    const { values } = select('late = 0.1234567890123456789 OR late = -1e300');
    expect(values).toEqual([Number('0.1234567890123456789'), -1e300]);
    expect(asked).toContain('SELECT 0.1234567890123456789');
  });
});

test('an empty text, white space and a comment select every row', () => {
  for (const text of ['', '  \n', '-- all\n', '/* all */']) expect(flights.found(select(text))).toHaveLength(8);
});

test('a table and columns whose names need quotes are selected from', () => {
  flights.driver.exec(
    'CREATE TABLE "or""der" (id TEXT PRIMARY KEY, "group" INTEGER, "a ""b" TEXT) STRICT, WITHOUT ROWID',
  );
  const table = {
    name: 'or"der',
    columns: [
      { name: 'id', type: 'text' as const, index: 0, json: false },
      { name: 'group', type: 'integer' as const, index: 1, json: false },
      { name: 'a "b', type: 'text' as const, index: 2, json: false },
    ],
  };
  const own = createSelector(table, flights.driver.all);
  expect(own('"group" > 1 AND [a "b] = `GROUP` AND "or""der".id = \'\'').shape.sql.where).toBe(
    '(("group" > ?1) AND ("a ""b" = "group") AND ("id" = ?2))',
  );
  expect(refusal(() => own('group > 1')).code).toBe('query-syntax');
});

test('the table of a declared collection tells which text is JSON and which a point in time', () => {
  const { table } = collection('visit', { at: timestamp(), note: text(), meta: json() });
  flights.driver.exec('CREATE TABLE visit (id TEXT PRIMARY KEY, at TEXT, note TEXT, meta TEXT) STRICT, WITHOUT ROWID');
  const own = createSelector(table, flights.driver.all);
  expect(own("date(at) = '2001-01-01' AND meta ->> 'a' = 1").values).toEqual(['2001-01-01', 1]);
  expect(refusal(() => own("date(note) = '2001-01-01'")).code).toBe('query-unsupported');
  expect(refusal(() => own("note ->> 'a' = 1")).code).toBe('query-unsupported');
});
