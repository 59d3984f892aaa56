/** Parameters are values, never text; and each value is exactly one value of SQL. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { SqlParameters } from '../../query/binding.ts';
import { exactValues } from '../../query/selection.ts';
import type { SqlInput, SqlValue } from '../../query/value.ts';
import { where } from '../../query/where.ts';
import { createRandom, runs, seedFor } from '../support/random.ts';
import { type Flights, openFlights, refusal } from './flights.ts';

let flights: Flights;
beforeAll(async () => {
  flights = await openFlights();
});
afterAll(() => flights.driver.close());

const bound = (input: SqlInput) => exactValues(flights.select('id = ? IS NULL', [input]))[0];

describe('what a value is in SQL', () => {
  test.each<[SqlInput, SqlValue]>([
    ['text', 'text'],
    ['', ''],
    ['a\ud800', 'a\ufffd'],
    ['😀', '😀'],
    [1, 1n],
    [-0, 0n],
    [1e3, 1000n],
    [2 ** 53 - 1, 9007199254740991n],
    [2n ** 63n - 1n, 9223372036854775807n],
    [-(2n ** 63n), -9223372036854775808n],
    [true, 1n],
    [false, 0n],
    [null, null],
    [new Date('2001-02-03T04:05:06.007Z'), '2001-02-03T04:05:06.007Z'],
    [new Date('0000-01-01T00:00:00.000Z'), '0000-01-01T00:00:00.000Z'],
    [new Uint8Array([1, 2]), new Uint8Array([1, 2])],
  ])('%o is %o', (input, value) => {
    expect(bound(input)).toEqual(value);
  });

  test('a negative zero is 0, as SQLite keeps it', () => {
    expect(flights.select('late = ? OR late = -0.0', [-0]).values).toEqual([0, 0]);
  });

  test.each([1.5, 2 ** 53, Infinity, -Infinity, 1e300])('%d is a REAL', (input) => {
    expect(exactValues(flights.select('late = ?', [input]))).toEqual([input]);
    expect(flights.driver.get('SELECT typeof(?)', exactValues(flights.select('late = ?', [input])))).toEqual(['real']);
  });

  test.each<[unknown, string]>([
    [undefined, 'undefined'],
    [Number.NaN, 'NaN'],
    [2n ** 63n, '64 bits'],
    [-(2n ** 63n) - 1n, '64 bits'],
    [new Date('nonsense'), 'Date'],
    [new Date('+010000-01-01T00:00:00.000Z'), 'four digits'],
    [{}, 'Object'],
    [[1], 'Array'],
    [Symbol('s'), 'symbol'],
    [() => 1, 'function'],
    [new Map(), 'Map'],
  ])('%o is refused at its place', (input, problem) => {
    const error = refusal(() => flights.select('origin = 1 AND id = ?', [input as SqlInput]));
    expect(error.code).toBe('invalid-parameter');
    expect(error.facts).toMatchObject({ offset: 20, parameter: 1 });
    expect(error.problem).toContain(problem);
  });
});

describe('how parameters are written', () => {
  const values = (text: string, parameters: SqlParameters) => exactValues(flights.select(text, parameters));

  test.each<[string, SqlParameters, SqlValue[]]>([
    ['distance = ? AND late = ?', [1, 2], [1n, 2n]],
    ['distance = ?2 AND late = ?1', [1, 2], [2n, 1n]],
    ['distance = ?2 AND late = ?', [1, 2, 3], [2n, 3n]],
    ['distance = ?1 OR late = ?1', [1], [1n]],
    ['distance = :a AND late = :b OR distance = :a', { b: 2, a: 1 }, [1n, 2n]],
    ['distance = ?3', [1, 'unused', 3], [3n]],
    ["distance = '?' OR distance = ':a' -- ?", [], ['?', ':a']],
  ])('%s with %j', (text, parameters, expected) => {
    expect(values(text, parameters)).toEqual(expected);
  });

  test.each<[string, unknown, string, number]>([
    ['distance = ?', [], 'invalid-parameter', 0],
    ['distance = ?', [1, 2], 'invalid-parameter', 0],
    ['distance = 1', [1], 'invalid-parameter', 0],
    ['distance = ?', { a: 1 }, 'invalid-parameter', 0],
    ['distance = :a', [1], 'invalid-parameter', 0],
    ['distance = :a', {}, 'invalid-parameter', 11],
    ['distance = :a', { a: 1, b: 2 }, 'invalid-parameter', 0],
    ['distance = :toString', {}, 'invalid-parameter', 11],
    ['distance = ?3', [undefined, 2, 3], 'invalid-parameter', 0],
    ['distance = ? AND late = :a', [1], 'query-syntax', 24],
    ['distance = :a AND late = ?', [1], 'query-syntax', 25],
  ])('%s with %j is refused', (text, parameters, code, offset) => {
    const error = refusal(() => flights.select(text, parameters as SqlParameters));
    expect(error).toMatchObject({ code, facts: { offset } });
  });

  test('the where template makes a parameter of each value', () => {
    const origin = "' OR 1 --";
    const template = where`origin = ${origin} AND distance > ${5} ORDER BY late LIMIT ${10}`;
    expect(template.text).toBe('origin = ? AND distance > ? ORDER BY late LIMIT ?');
    const selection = flights.select(template);
    expect(exactValues(selection)).toEqual([origin, 5n, 10n]);
    expect(selection.key).toBe(flights.select(template.text, [origin, 5, 10]).key);
    expect(refusal(() => flights.select(where`origin = '${'SFO'}'`)).code).toBe('invalid-parameter');
  });
});

describe('hostile strings', () => {
  const PIECES = [
    "'",
    '"',
    '`',
    '[',
    ']',
    ';',
    '--',
    '/*',
    '*/',
    '\\',
    '%',
    '_',
    '?',
    '?1',
    ':a',
    '$a',
    '@a',
    '(',
    ')',
    ',',
    '\u0000',
    '\n',
    ' OR 1=1',
    ' UNION SELECT * FROM flight',
    'DROP TABLE flight',
    'NULL',
    'x',
    '0x1',
    '1e999',
    "x'00'",
    '\ud800',
    '😀',
    "'' OR ''='",
    'ORDER BY 1',
    'LIMIT 0',
    '$' + '{}',
    'ESCAPE',
    "\\'",
    'é',
  ];
  /** Each text with one parameter, in another position. */
  const POSITIONS = [
    'origin = ?',
    '? = origin',
    'origin <> ? AND distance > 0',
    'origin IN (?, ?1)',
    'NOT origin IN (1, ?)',
    'origin BETWEEN ? AND ?1',
    'origin LIKE ?',
    'origin GLOB ?',
    "origin || ? = 'x'",
    'CASE origin WHEN ? THEN ?1 ELSE 0 END',
    'coalesce(origin, ?) = ?1',
    'CAST(? AS INTEGER) = distance',
    'ORDER BY ?, id',
    'origin COLLATE NOCASE >= ?',
    'length(?) > distance',
    '-? = distance',
    'upper(?) = origin COLLATE RTRIM',
    'origin IS NOT ?',
    'distance = ?',
    'bits = ?',
  ];

  test('change nothing but the value, in every position', () => {
    const random = createRandom(seedFor('hostile strings'));
    const known = new Set<unknown>();
    for (let run = 0; run < runs(10_000); run++) {
      const hostile = Array.from({ length: 1 + random.integer(6) }, () => random.pick(PIECES)).join('');
      const text = random.pick(POSITIONS);
      const selection = flights.select(text, [hostile]);
      known.add(selection.shape);
      expect(exactValues(selection)).toContain(hostile.replaceAll('\ud800', '\ufffd'));
      const clauses = text.startsWith('ORDER') ? text : `WHERE ${text} ORDER BY id`;
      const asked = flights.driver.all(`SELECT id FROM flight ${clauses}`, [hostile]).map(([id]) => id);
      expect(flights.found(selection), JSON.stringify([text, hostile])).toEqual(asked);
    }
    expect(known.size).toBeLessThanOrEqual(POSITIONS.length);
  });

  test('as a path of JSON they are a path, or are refused', () => {
    for (const hostile of PIECES) {
      try {
        flights.found(flights.select('meta ->> ? IS NOT NULL', [hostile]));
      } catch (error) {
        expect(error).toMatchObject({ code: expect.stringMatching(/query-unsupported|invalid-parameter/) });
      }
    }
    expect(flights.found(flights.select('meta ->> ? = 1', ['a']))).toEqual(['1']);
    expect(flights.found(flights.select('meta ->> ? = 1', ["' OR 1 --"]))).toEqual([]);
  });
});
