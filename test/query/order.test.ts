/** ORDER BY in JavaScript: SQLite's order, and what a caller keeps to sort by. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compareText, compareValues, compileOrder, type RawRow, type SqlValue, type Table } from '../../query/index.ts';
import { exactValues } from '../../query/selection.ts';
import { createSelector, type Selector } from '../../query/selector.ts';
import { exactOf } from '../../query/value.ts';
import type { SqliteDriver } from '../../storage/index.ts';
import { openEveryDriver } from './every-driver.ts';
import { BLOBS, INTEGERS, REALS, TEXTS } from './worlds.ts';

const table: Table = {
  name: 'thing',
  columns: [
    { name: 'id', type: 'text', index: 0, json: false },
    { name: 't', type: 'text', index: 1, json: false },
    { name: 'n', type: 'integer', index: 2, json: false },
  ],
};

const rows: readonly RawRow[] = [
  ['a', 'Zebra', 2],
  ['b', 'apple', null],
  ['c', null, 9007199254740993n],
  ['d', 'éclair', -1],
  ['e', '\ue000', 2],
  ['f', '😀', 2],
  ['g', 'Apple ', 0],
];

let drivers: readonly SqliteDriver[];
let select: Selector;

beforeAll(async () => {
  drivers = await openEveryDriver();
  for (const driver of drivers) {
    driver.exec('CREATE TABLE thing (id TEXT PRIMARY KEY, t TEXT, n INTEGER) STRICT, WITHOUT ROWID');
    for (const row of rows) {
      driver.run(
        'INSERT INTO thing VALUES (?, ?, ?)',
        table.columns.map(({ index, type }) => exactOf(row[index]!, type)),
      );
    }
  }
  select = createSelector(table, drivers[0]!.all);
});
afterAll(() => {
  for (const driver of drivers) driver.close();
});

test.each([
  ['', 'abcdefg'],
  ['ORDER BY t', 'cgabdef'],
  ['ORDER BY t DESC', 'fedbagc'],
  ['ORDER BY t NULLS LAST', 'gabdefc'],
  ['ORDER BY t DESC NULLS FIRST', 'cfedbag'],
  ['ORDER BY t COLLATE NOCASE', 'cbgadef'],
  ['ORDER BY (t) COLLATE RTRIM DESC', 'fedbagc'],
  ['ORDER BY n', 'bdgaefc'],
  ['ORDER BY n DESC, id DESC', 'cfeagdb'],
  ['ORDER BY n % 2, t', 'bdgaefc'],
  ['ORDER BY length(t) DESC, n NULLS LAST', 'dgabefc'],
  ['ORDER BY -n', 'bcaefgd'],
  ["ORDER BY n = 2 DESC, t || 'x'", 'aefcgdb'],
])('%s gives %s', (text, ids) => {
  const selection = select(text);
  for (const driver of drivers) {
    const sql = `SELECT id FROM thing ORDER BY ${selection.shape.sql.orderBy}`;
    expect(driver.all(sql, exactValues(selection)).join(''), driver.name).toBe(ids);
    const order = compileOrder(selection.shape, driver.all);
    const keyed = rows.map((row) => ({ id: row[0], keys: order.keysOf(row, selection.values) }));
    keyed.sort((a, b) => order.compare(a.keys, b.keys));
    expect(keyed.map(({ id }) => id).join(''), `in JavaScript beside ${driver.name}`).toBe(ids);
  }
});

test('where every term is a plain column the row is its own key', () => {
  const order = compileOrder(select('ORDER BY t COLLATE NOCASE DESC, n').shape, drivers[0]!.all);
  expect(order.plain).toBe(true);
  expect(order.keysOf(rows[0]!, [])).toBe(rows[0]);
});

test('where a term is an expression the keys are computed once, one per term', () => {
  const selection = select('ORDER BY n + ?, t', [1]);
  const order = compileOrder(selection.shape, drivers[0]!.all);
  expect(order.plain).toBe(false);
  expect(order.keysOf(rows[0]!, selection.values)).toEqual([3n, 'Zebra', 'a']);
});

describe('values of any class', () => {
  const values: readonly SqlValue[] = [null, ...INTEGERS, ...REALS, ...TEXTS, ...BLOBS];

  test('are ordered as SQLite orders them', () => {
    for (const driver of drivers) {
      for (const left of values) {
        for (const right of values) {
          const [less, same] = driver.get('SELECT ?1 < ?2, ?1 = ?2', [left, right])!;
          const order = compareValues(left, right, 'BINARY');
          const said = left === null || right === null ? [null, null] : [Number(order < 0), Number(order === 0)];
          expect([less, same], `${String(left)} and ${String(right)} in ${driver.name}`).toEqual(said);
        }
      }
    }
  });

  test.each(['NOCASE', 'RTRIM'] as const)('are ordered under %s as SQLite orders them', (collation) => {
    const texts = [...TEXTS, 'a\0B', 'A\0b', 'a\0bc', 'ABC\0', 'abc \0', 'é ', ' a ', 'a  '];
    for (const left of texts) {
      for (const right of texts) {
        const [less, same] = drivers[0]!.get(`SELECT ?1 < ?2 COLLATE ${collation}, ?1 = ?2 COLLATE ${collation}`, [
          left,
          right,
        ])!;
        const order = compareValues(left, right, collation);
        expect([less, same], JSON.stringify([left, right])).toEqual([Number(order < 0), Number(order === 0)]);
      }
    }
  });
});

test('text beyond the basic plane sorts after U+FFFF, though its UTF-16 units are smaller', () => {
  expect('😀' < '\uffff').toBe(true);
  expect(compareText('😀', '\uffff')).toBeGreaterThan(0);
  expect(compareText('a😀', 'a\ue000b')).toBeGreaterThan(0);
  expect(compareText('\ud7ff', '😀')).toBeLessThan(0);
});
