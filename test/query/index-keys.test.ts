/** Index keys: what a selection registers under, and that whatever matches can be found there. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type Column,
  compareKeys,
  type Fold,
  type IndexKey,
  indexKeysOf,
  MAX_INDEX_KEYS,
  rowKey,
  type SqlInput,
  type SqlValue,
  type Table,
} from '../../query/index.ts';
import { constantKey } from '../../query/keys/row-key.ts';
import { createSelector, type Selector } from '../../query/selector.ts';
import { cellOf } from '../../query/value.ts';
import { memory } from '../../storage/drivers/sql-js.ts';
import type { SqliteDriver } from '../../storage/index.ts';
import { BLOBS, INTEGERS, REALS, TEXTS } from './worlds.ts';

const column = (name: string, type: Column['type'], index: number): Column => ({ name, type, index, json: false });
const table: Table = {
  name: 'thing',
  columns: [
    column('id', 'text', 0),
    column('i', 'integer', 1),
    column('r', 'real', 2),
    column('t', 'text', 3),
    column('b', 'blob', 4),
  ],
};

let driver: SqliteDriver;
let select: Selector;

beforeAll(async () => {
  driver = await memory().open();
  driver.exec('CREATE TABLE thing (id TEXT PRIMARY KEY, i INTEGER, r REAL, t TEXT, b BLOB) STRICT, WITHOUT ROWID');
  select = createSelector(table, driver.all);
});
afterAll(() => driver.close());

function keys(text: string, parameters: readonly SqlInput[] = []): readonly string[] {
  return indexKeysOf(select(text, parameters)).map(spelled);
}

/** `i = 1`, `t~ in [a, b)` (folded), `r in (1, ...)`, `i null`, `every`. */
function spelled(key: IndexKey): string {
  if (key.kind === 'every') return 'every';
  if (key.kind === 'null') return `${key.column.name} null`;
  const place = `${key.column.name}${key.fold === 'nocase' ? '~' : ''}`;
  const text = (value: SqlValue) => `${String(value)}${typeof value === 'bigint' ? 'n' : ''}`;
  if (key.kind === 'equal') return `${place} = ${text(key.key)}`;
  const low = key.low === null ? '(...' : `${key.low.inclusive ? '[' : '('}${text(key.low.key)}`;
  const high = key.high === null ? '...)' : `${text(key.high.key)}${key.high.inclusive ? ']' : ')'}`;
  return `${place} in ${low}, ${high}`;
}

const CASES: Readonly<Record<string, readonly (readonly [text: string, ...keys: string[]])[]>> = {
  'one condition': [
    ["t = 'a'", 't = a'],
    ['? = t', 't = a'],
    ['i IN (3, 1, 3, 1.0)', 'i = 3', 'i = 1'],
    ['i IN ()'],
    ['i IN (NULL)'],
    ['i IS NULL', 'i null'],
    ["t IS 'x'", 't = x'],
    ['i > 5', 'i in (5, ...)'],
    ['5 > i', 'i in (..., 5)'],
    ['i BETWEEN 1 AND 5', 'i in [1, 5]'],
    ['i BETWEEN 5 AND 1'],
    ['i BETWEEN 1 AND r', 'i in [1, ...)'],
    ["t LIKE 'Ab%'", 't~ in [ab, ac)'],
    ["t LIKE 'Ab'", 't~ in [ab, ab\u0001)'],
    ["t GLOB 'Ab*'", 't in [Ab, Ac)'],
    ["t LIKE '50!%%' ESCAPE '!'", 't~ in [50%, 50&)'],
    ["t LIKE '\u{10ffff}%'", 't~ in [\u{10ffff}, ...)'],
    ["t GLOB 'a\ud7ff*'", 't in [a\ud7ff, a\ue000)'],
    ['(i = 1) IS TRUE', 'i = 1'],
    ["i IN (1, '2')", 'i = 1', 'i = 2'],
  ],
  'no use': [
    ['1', 'every'],
    ['', 'every'],
    ['i <> 1', 'every'],
    ['i NOT IN (1)', 'every'],
    ['NOT i = 1', 'every'],
    ['i = r', 'every'],
    ['i + 1 = 2', 'every'],
    ['length(t) = 1', 'every'],
    ["t LIKE '%a'", 'every'],
    ['t LIKE t', 'every'],
    ["i LIKE '1%'", 'every'],
    ["t = 'a' COLLATE RTRIM", 'every'],
    ['i IS NOT NULL', 'every'],
    ["t LIKE '\ufffd%'", 'every'],
    ["r = '0.30000000000000004'", 'every'],
  ],
  'never true': [
    ['0'],
    ['NULL'],
    ['1 = 2'],
    ['i = NULL'],
    ['i = 1.5'],
    ["i = 'x'"],
    ["i > 'x'"],
    ["t = x'61'"],
    ["b < 'z'"],
    ['t LIKE NULL'],
  ],
  'AND takes the most selective': [
    ["i > 5 AND t = 'a' AND r IS NULL", 't = a'],
    ['i > 5 AND r IN (1, 2)', 'r = 1', 'r = 2'],
    ['i > 5 AND r IS NULL', 'r null'],
    ['i > 5 AND i <= 9', 'i in (5, 9]'],
    ['i > 5 AND i >= 7 AND r < 1', 'i in [7, ...)'],
    ['i > 5 AND i >= 5', 'i in (5, ...)'],
    ['i > 5 AND i < 5'],
    ['i >= 5 AND i < 5'],
    ['i >= 5 AND i <= 5', 'i in [5, 5]'],
    ['i = 1 AND 0'],
    ['i = 1 AND length(t) = 1', 'i = 1'],
    ["t LIKE 'a%' AND t > 'b'", 't~ in [a, b)'],
  ],
  'OR takes every arm': [
    ["i = 1 OR t = 'a'", 'i = 1', 't = a'],
    ['i = 1 OR i = 1 OR i = 2', 'i = 1', 'i = 2'],
    ['i IS NULL OR i > 5 OR i IS NULL OR i > 5', 'i null', 'i in (5, ...)'],
    ['i = 1 OR r > 5 OR r IS NULL', 'i = 1', 'r in (5, ...)', 'r null'],
    ['i = 1 OR length(t) = 1', 'every'],
    ['i = 1 OR 0', 'i = 1'],
    ['i = 1 OR 1', 'every'],
    ["(i = 1 OR i = 2) AND (t = 'a' OR t = 'b' OR t = 'c')", 'i = 1', 'i = 2'],
  ],
  'affinity and collation': [
    ["i = ' 7 '", 'i = 7'],
    ['i = 2.0', 'i = 2'],
    ['i = 1152921504606846976.0', 'i = 1152921504606846976n'],
    ['r = 1152921504606846976', 'r = 1152921504606847000'],
    ['r = 9007199254740993'],
    ['i = 9007199254740993', 'i = 9007199254740993n'],
    ['i > 1.5', 'i in (1.5, ...)'],
    ["i < 'x'", 'every'],
    ["b > 'x'", 'every'],
    ["b = x'00ff'", 'b = \0ÿ'],
    ['t = 5', 't = 5'],
    ['t > 5', 't in (5, ...)'],
    ["t = 'ABC' COLLATE NOCASE", 't~ = abc'],
    ["t COLLATE NOCASE IN ('A', 'É')", 't~ = a', 't~ = É'],
    ["t > 'B' COLLATE NOCASE", 't~ in (b, ...)'],
    ['i = 1 COLLATE NOCASE', 'i = 1'],
    ['i = 9e999'],
    ['i < 9e999', 'i in (..., Infinity)'],
  ],
};

describe.each(Object.entries(CASES))('%s', (_name, cases) => {
  test.each(cases.map(([text, ...expected]) => ({ text, expected })))('$text: $expected', ({ text, expected }) => {
    expect(keys(text, text.includes('?') ? ['a'] : [])).toEqual(expected);
  });
});

test('a parameter that is NULL is looked up as IS and = differ about it', () => {
  expect(keys('i IS ?', [null])).toEqual(['i null']);
  expect(keys('i = ?', [null])).toEqual([]);
});

test('a text with U+0000 has no place under NOCASE, which lets lengths decide behind it', () => {
  expect(keys('t = ? COLLATE NOCASE', ['a\0b'])).toEqual(['every']);
  expect(keys('t = ?', ['a\0b'])).toEqual(['t = a\0b']);
});

test(`a selection has at most ${MAX_INDEX_KEYS} keys and registers for every row beyond`, () => {
  const list = Array.from({ length: MAX_INDEX_KEYS }, (_, at) => at).join(', ');
  expect(keys(`i IN (${list})`)).toHaveLength(MAX_INDEX_KEYS);
  expect(keys(`i IN (${list}) OR r = 1`)).toEqual(['every']);
});

describe('keys of values', () => {
  const exact: readonly SqlValue[] = [...INTEGERS, ...REALS, ...TEXTS, ...BLOBS];

  test('are the same exactly where SQLite says equal, whatever the class of the constant', () => {
    for (const [type, values] of [
      ['integer', INTEGERS],
      ['real', REALS],
      ['text', TEXTS],
      ['blob', BLOBS],
    ] as const) {
      const own = column('c', type, 1);
      for (const cell of values) {
        for (const constant of exact.filter((value) => isTellable(own, value))) {
          for (const fold of type === 'text' ? (['none', 'nocase'] as const) : (['none'] as const)) {
            const same = rowKey(own, cellOf(cell), fold) === constantKey(own, constant, fold);
            expect(same, `${type} ${String(cell)} and ${String(constant)}, ${fold}`).toBe(
              saysEqual(type, cell, constant, fold),
            );
          }
        }
      }
    }
  });

  test('sort as SQLite sorts the values', () => {
    for (const [type, values] of [
      ['integer', INTEGERS],
      ['real', REALS],
      ['text', TEXTS],
      ['blob', BLOBS],
    ] as const) {
      const own = column('c', type, 1);
      for (const left of values) {
        for (const right of values) {
          const [less] = driver.get('SELECT ?1 < ?2', [left, right])!;
          const order = compareKeys(rowKey(own, cellOf(left), 'none')!, rowKey(own, cellOf(right), 'none')!);
          expect(Number(order < 0)).toBe(less);
        }
      }
    }
  });

  function saysEqual(type: Column['type'], cell: SqlValue, constant: SqlValue, fold: Fold): boolean {
    const collate = fold === 'nocase' ? 'COLLATE NOCASE' : '';
    const sql = `SELECT c = ?2 ${collate} FROM (SELECT CAST(?1 AS ${type}) AS c)`;
    return driver.get(sql, [cell, constant])![0] === 1;
  }

  /** Neither a text that only SQLite reads as a number, nor a REAL as text, nor U+0000 under NOCASE. */
  function isTellable(own: Column, constant: SqlValue): boolean {
    if (typeof constant === 'string' && constant.includes('\0')) return false;
    try {
      constantKey(own, constant, 'none');
      return true;
    } catch {
      return false;
    }
  }
});
