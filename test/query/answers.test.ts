/** The same rows, predicates and answers on every driver and in JavaScript: SQLite's rules, one line each. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compileMatcher, type RawRow, type SqlInput, type Table } from '../../query/index.ts';
import { exactValues } from '../../query/selection.ts';
import { createSelector, type Selector } from '../../query/selector.ts';
import { exactOf } from '../../query/value.ts';
import type { SqliteDriver } from '../../storage/index.ts';
import { openEveryDriver } from './every-driver.ts';

const table: Table = {
  name: 'thing',
  columns: [
    { name: 'id', type: 'text', index: 0, json: false },
    { name: 'i', type: 'integer', index: 1, json: false },
    { name: 'r', type: 'real', index: 2, json: false },
    { name: 't', type: 'text', index: 3, json: false },
    { name: 'b', type: 'blob', index: 4, json: false },
    { name: 'j', type: 'text', index: 5, json: true },
  ],
};

const rows: readonly RawRow[] = [
  ['n', null, null, null, null, null],
  ['0', 0, 0, '', new Uint8Array(), '{"a":1}'],
  ['1', 1, 1.5, '1', Uint8Array.of(0x31), '[1,"x"]'],
  ['2', 2, 2, 'abc', Uint8Array.of(0x61), '{"a":"1"}'],
  ['3', 9007199254740993n, 9007199254740992, 'ABC ', Uint8Array.of(0xff), 'null'],
  ['4', -9223372036854775808n, -1e300, 'É', Uint8Array.of(0, 1), '"x"'],
  ['5', 10, Number.POSITIVE_INFINITY, '😀', null, null],
  ['6', null, 0.5, '\uffee', null, null],
];

const ALL = 'n0123456';

type Case = readonly [predicate: string, ids: string, parameters?: readonly SqlInput[]];

/** `ids`: the rows found, one character each. */
const CASES: Readonly<Record<string, readonly Case[]>> = {
  arithmetic: [
    ['7 / 2 = 3', ALL],
    ['7 / ? = 3', ALL, [2]],
    ['7 / 2.0 = 3.5', ALL],
    ['-7 / 2 = -3 AND -7 % 3 = -1', ALL],
    ['1 / 0 IS NULL AND 1 % 0 IS NULL AND 1.0 / 0 IS NULL', ALL],
    ["'abc' + 1 = 1", ALL],
    ["'12abc' + 1 = 13 AND '1.5x' * 2 = 3", ALL],
    ['9223372036854775807 + 1 = 9223372036854775808.0', ALL],
    ['i - 1 < 0', '04'],
    ['i * i > 1e30', '34'],
    ['i + 1 = 9007199254740994', '3'],
    ['-i = 9223372036854775808.0', '4'],
    ['i / -1 = 9223372036854775808.0', '4'],
    ['i % 2 = 1', '13'],
    ['r % 2 = 1', '15'],
    ['r * 2 = 3', '1'],
    ['r - r IS NULL', 'n5'],
  ],
  bits: [
    ['i & 1', '13'],
    ['i | 1 = 11', '5'],
    ['~i = -3', '2'],
    ['i << 1 = 4', '2'],
    ['i << 62 = 4611686018427387904', '13'],
    ['1 << 63 = -9223372036854775808', ALL],
    ['i >> 63 = -1', '4'],
    ['1 << 64 = 0 AND -1 >> 100 = -1', ALL],
    ['8 >> -1 = 16 AND 8 << -1 = 4', ALL],
    ["'3x' & 2 = 2", ALL],
    ['i << -1 = 5', '5'],
  ],
  'text beside numbers': [
    ["1 = '1'", ''],
    ["i = '1'", '1'],
    ["i = ' 1.0 '", '1'],
    ["i = '1x'", ''],
    ["i < 'x'", '012345'],
    ["i > 'x'", ''],
    ["r = '1.5'", '1'],
    ['t = 1', '1'],
    ['t < 5', '01'],
    ["'1' = +t", '1'],
    ['1 = +t', ''],
    ['i = t', '1'],
    ['t = i', '1'],
    ['t > i', '02345'],
    ['i = 1.5', ''],
    ['i = 2.0', '2'],
    ['9007199254740993 = 9007199254740992.0', ''],
    ['i = r', '02'],
    ['i > r', '34'],
    ["b > 'zzz'", '01234'],
    ["b = x'31'", '1'],
    ["b = '1'", ''],
  ],
  null: [
    ['i = NULL', ''],
    ['i IS NULL', 'n6'],
    ['i IS ?', 'n6', [null]],
    ['i ISNULL OR i NOTNULL', ALL],
    ['NOT (i = 1)', '02345'],
    ['i = 1 OR NULL', '1'],
    ['i = 1 AND NULL', ''],
    ['NOT (i = 1 AND NULL)', '02345'],
    ['NULL IN ()', ''],
    ['NOT (NULL IN ())', ALL],
    ['i IN (1, NULL)', '1'],
    ['i NOT IN (1, NULL)', ''],
    ['i NOT IN (1)', '02345'],
    ['i BETWEEN NULL AND 0', ''],
    ['i NOT BETWEEN 1 AND NULL', '04'],
    ['i IS DISTINCT FROM 1', 'n023456'],
    ['i IS NOT DISTINCT FROM NULL', 'n6'],
  ],
  truth: [
    ['2 IS TRUE', ALL],
    ['2 = TRUE', ''],
    ['i IS TRUE', '12345'],
    ['i IS NOT TRUE', 'n06'],
    ['i IS FALSE', '0'],
    ['i IS NOT FALSE', 'n123456'],
    ['i = TRUE', '1'],
    ['t', '1'],
    ["t || '0.5'", '01'],
    ['b', '1'],
    ['r', '123456'],
    ['NOT t', '023456'],
  ],
  collation: [
    ["t = 'ABC'", ''],
    ["t = 'ABC' COLLATE NOCASE", '2'],
    ["t COLLATE RTRIM = 'ABC'", '3'],
    ["t COLLATE NOCASE IN ('ABC', 'é')", '2'],
    ["t = 'é' COLLATE NOCASE", ''],
    ["t < '😀'", '012346'],
    ["t > 'É'", '56'],
    ["t COLLATE NOCASE BETWEEN 'ABB' AND 'ABD'", '23'],
    ["CASE t COLLATE NOCASE WHEN 'ABC' THEN 1 END", '2'],
  ],
  patterns: [
    ["t LIKE 'a%'", '23'],
    ["t LIKE 'é'", ''],
    ["t LIKE '_'", '1456'],
    ["t LIKE ''", '0'],
    ["t GLOB 'a*'", '2'],
    ["t GLOB '[A-C]*'", '3'],
    ["t GLOB '[^a]*'", '13456'],
    ["'a%b' LIKE 'a\\%b' ESCAPE '\\'", ALL],
    ["'axb' LIKE 'a\\%b' ESCAPE '\\'", ''],
    ['i LIKE 1', '1'],
    ["i LIKE '%2%'", '234'],
    ["t NOT LIKE '%'", ''],
    ['t LIKE NULL', ''],
  ],
  'functions and JSON': [
    ['round(2.5) = 3', ALL],
    ["typeof(r) = 'real'", '0123456'],
    ["typeof(i) = 'integer'", '012345'],
    ["typeof(i) = 'null'", 'n6'],
    ["typeof(b) = 'blob'", '01234'],
    ['length(t) = 1', '1456'],
    ["upper(t) = 'ABC'", '2'],
    ['CAST(r AS INTEGER) = 1', '1'],
    ['CAST(i AS TEXT) = i', '012345'],
    ['CAST(t AS INTEGER) = 1', '1'],
    ["j ->> '$.a' = 1", '0'],
    ["j ->> 'a' = '1'", '2'],
    ["json_extract(j, '$[1]') = 'x'", '1'],
    ['coalesce(i, -1) = -1', 'n6'],
    ['i > 0 AND length(t) = 1', '15'],
  ],
  precedence: [
    ['i = 1 OR i = 2 AND r > 5', '1'],
    ['NOT i = 1', '02345'],
    ['NOT (i) = 1', '02345'],
    ['1 = NOT 0', ALL],
    ['i = NOT r = 0', '01'],
    ['i BETWEEN 1 AND 2 AND r > 1', '12'],
    ["t || '' = t", '0123456'],
    ['i < 5 = 1', '0124'],
    ['2 + 3 * 2 = 8 AND 2 * 3 + 2 = 8', ALL],
    ['1 | 2 = 3', ALL],
    ['-1 << 1 = -2', ALL],
  ],
};

let drivers: readonly SqliteDriver[];
let select: Selector;

beforeAll(async () => {
  drivers = await openEveryDriver();
  const columns = table.columns.map(({ name, type }) => `${name} ${type}`).join(', ');
  const marks = table.columns.map(() => '?').join(', ');
  for (const driver of drivers) {
    driver.exec(`CREATE TABLE thing (${columns}, PRIMARY KEY (id)) STRICT, WITHOUT ROWID`);
    for (const row of rows) {
      driver.run(
        `INSERT INTO thing VALUES (${marks})`,
        table.columns.map(({ index, type }) => exactOf(row[index]!, type)),
      );
    }
  }
  select = createSelector(table, drivers[0]!.all);
});

afterAll(() => {
  for (const driver of drivers) driver.close();
});

describe.each(Object.entries(CASES))('%s', (_name, cases) => {
  const named = cases.map(([predicate, ids, parameters = []]) => ({ predicate, ids, parameters }));
  test.each(named)('$predicate finds "$ids"', ({ predicate, ids, parameters }) => {
    const selection = select(predicate, parameters);
    const expected = rows.map((row) => String(row[0])).filter((id) => ids.includes(id));
    for (const driver of drivers) {
      const sql = `SELECT id FROM thing WHERE ${selection.shape.sql.where}`;
      const found = driver.all(sql, exactValues(selection)).map((row) => String(row[0]));
      expect(found.sort(), driver.name).toEqual([...expected].sort());
      const matches = compileMatcher(selection.shape, driver.all);
      const matched = rows.filter((row) => matches(row, selection.values)).map((row) => row[0]);
      expect(matched, `in JavaScript beside ${driver.name}`).toEqual(expected);
    }
  });
});
