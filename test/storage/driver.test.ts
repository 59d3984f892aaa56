/** One suite over every SQLite of this runtime: whatever the package, a statement means the same. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Cell, SqlValue } from '../../query/index.ts';
import type { SqliteDriver } from '../../storage/driver.ts';
import { everyDriver, openInMemory } from '../support/every-driver.ts';
import { failureOf } from '../support/failure.ts';
import { createRandom, type Random, runs, seedFor } from '../support/random.ts';

const MAX = 9007199254740991n;
const INT64_MIN = -9223372036854775808n;
const INT64_MAX = 9223372036854775807n;

/** What is bound, the class SQLite sees, and the cell that comes back. */
const VALUES: readonly (readonly [bound: SqlValue, seen: string, cell: Cell])[] = [
  [null, 'null', null],
  [0n, 'integer', 0],
  [5n, 'integer', 5],
  [-(2n ** 31n) - 1n, 'integer', -(2 ** 31) - 1],
  [MAX, 'integer', Number(MAX)],
  [-MAX, 'integer', -Number(MAX)],
  [MAX + 1n, 'integer', MAX + 1n],
  [MAX + 2n, 'integer', MAX + 2n],
  [-MAX - 1n, 'integer', -MAX - 1n],
  [INT64_MAX, 'integer', INT64_MAX],
  [INT64_MIN, 'integer', INT64_MIN],
  [5, 'real', 5],
  [-0, 'real', -0],
  [0.1, 'real', 0.1],
  [2 ** 31, 'real', 2 ** 31],
  [2 ** 53 + 2, 'real', 2 ** 53 + 2],
  [1e300, 'real', 1e300],
  [5e-324, 'real', 5e-324],
  [Infinity, 'real', Infinity],
  [-Infinity, 'real', -Infinity],
  ['', 'text', ''],
  ['plain', 'text', 'plain'],
  ['5', 'text', '5'],
  ['a\0b', 'text', 'a\0b'],
  ['\0', 'text', '\0'],
  ['\ufeffat the start', 'text', '\ufeffat the start'],
  ['\ufeff', 'text', '\ufeff'],
  ['ß中文🛫🛬', 'text', 'ß中文🛫🛬'],
  ['x'.repeat(100_000), 'text', 'x'.repeat(100_000)],
  ['é'.repeat(70_000), 'text', 'é'.repeat(70_000)],
  ['lone \ud800 high', 'text', 'lone \ufffd high'],
  ['lone \udfff low', 'text', 'lone \ufffd low'],
  ['at the end \ud83d', 'text', 'at the end \ufffd'],
  [new Uint8Array(0), 'blob', new Uint8Array(0)],
  [Uint8Array.of(0), 'blob', Uint8Array.of(0)],
  [Uint8Array.of(0, 255, 128, 7), 'blob', Uint8Array.of(0, 255, 128, 7)],
  [new Uint8Array(2_000_000).fill(9), 'blob', new Uint8Array(2_000_000).fill(9)],
];

describe.each(everyDriver)('%s', (name) => {
  let driver: SqliteDriver;
  beforeEach(async () => {
    driver = await openInMemory(name);
  });
  afterEach(() => driver.close());

  describe('values', () => {
    test.each(VALUES.map(([bound, seen, cell]) => [label(bound), bound, seen, cell] as const))(
      '%s is bound, compared and read as it is',
      (_, bound, seen, cell) => {
        expectSame(driver.all('SELECT ?, typeof(?)', [bound, bound]), [[cell, seen]]);
        expectSame(driver.get('SELECT ?1, typeof(?1)', [bound]), [cell, seen]);
        expectSame([...driver.iterate('SELECT ?', [bound])], [[cell]]);
      },
    );

    test('they are stored and found again, whatever the neighbours', () => {
      driver.exec('CREATE TABLE kept (at INTEGER PRIMARY KEY, value ANY) STRICT');
      for (const [index, [bound]] of VALUES.entries())
        driver.run('INSERT INTO kept VALUES (?, ?)', [BigInt(index), bound]);
      const stored = driver.all('SELECT value, typeof(value) FROM kept ORDER BY at');
      expectSame(
        stored,
        VALUES.map(([, seen, cell]) => [cell, seen]),
      );
      for (const [index, [bound]] of VALUES.entries()) {
        const found = driver.all('SELECT at FROM kept WHERE value IS ? AND at = ?', [bound, BigInt(index)]);
        expect(found).toEqual([[index]]);
      }
    });

    test('a division by a bound integer is an integer, by a bound number a real', () => {
      expect(driver.all('SELECT 7 / ?, 7 / ?', [2n, 2])).toEqual([[3, 3.5]]);
    });

    test('random values of random statements come back as they went', () => {
      const random = createRandom(seedFor(`driver ${name}`));
      for (let run = 0; run < runs(5_000); run += 1) {
        const bound = Array.from({ length: 1 + random.integer(6) }, () => randomValue(random));
        const sql = `SELECT ${bound.map(() => '?').join(', ')}`;
        expectSame(driver.get(sql, bound), bound.map(cellOf));
      }
    });

    test('a blob is a plain Uint8Array of its own', () => {
      const [first] = driver.get("SELECT x'0102'") as [Uint8Array];
      expect(first.constructor).toBe(Uint8Array);
      const copy = first.slice();
      first[0] = 9;
      expect(copy[0]).toBe(1);
      expect(driver.get("SELECT x'0102'")).toEqual([Uint8Array.of(1, 2)]);
    });

    test('one wide integer among many rows is read exactly', () => {
      driver.exec('CREATE TABLE wide (n INTEGER)');
      for (let n = 0; n < 100; n += 1) driver.run('INSERT INTO wide VALUES (?)', [n === 60 ? MAX + 2n : BigInt(n)]);
      const rows = driver.all('SELECT n FROM wide ORDER BY rowid');
      expect(rows[60]).toEqual([MAX + 2n]);
      expect(rows[61]).toEqual([61]);
      expect(driver.all('SELECT n FROM wide ORDER BY rowid')).toEqual(rows);
      expect([...driver.iterate('SELECT n FROM wide ORDER BY rowid')]).toEqual(rows);
    });

    test('a wide integer returned by a writing statement is written once', () => {
      driver.exec('CREATE TABLE once (n INTEGER)');
      const insert = 'INSERT INTO once VALUES (?) RETURNING n';
      expect(driver.all(insert, [MAX + 2n])).toEqual([[MAX + 2n]]);
      expect(driver.get(insert, [INT64_MIN])).toEqual([INT64_MIN]);
      const shift = 'WITH one AS (SELECT 1 AS d) UPDATE once SET n = n + (SELECT d FROM one) RETURNING n';
      expect(driver.all(shift)).toEqual([[MAX + 3n], [INT64_MIN + 1n]]);
      expect(driver.get('SELECT count(*) FROM once')).toEqual([2]);
    });
  });

  describe('parameters', () => {
    test.each<[sql: string, parameters: SqlValue[], row: Cell[]]>([
      ['SELECT ?, ?', [1n, 2n], [1, 2]],
      ['SELECT ?2, ?1', [1n, 2n], [2, 1]],
      ['SELECT ?1, ?1, ?1', [1n], [1, 1, 1]],
      ['SELECT ?3', [1n, 2n, 3n], [3]],
      ['SELECT ?3, ?', [1n, 2n, 3n, 4n], [3, 4]],
      ['SELECT ?, ?1', [1n], [1, 1]],
      ['SELECT :a, ?, :a, @a, $b', [1n, 2n, 3n, 4n], [1, 2, 1, 3, 4]],
      ['SELECT ?1 FROM (SELECT 1 AS a$b) WHERE a$b = ?1', [1n], [1]],
    ])('%s', (sql, parameters, row) => {
      expect(driver.all(sql, parameters)).toEqual([row]);
      expect(driver.get(sql, parameters)).toEqual(row);
      expect([...driver.iterate(sql, parameters)]).toEqual([row]);
      expect(driver.run(sql, parameters)).toEqual({ changes: 0 });
    });

    test('what stands in strings, names and comments is none', () => {
      const sql = `SELECT 'it''s ?', t."?", t.\`?\`, t.[?], ? /* ? ' */ FROM (SELECT 7 AS "?") AS t -- ?, :a "`;
      expect(driver.all(sql, [1n])).toEqual([["it's ?", 7, 7, 7, 1]]);
    });

    test('too few and too many are refused by number', () => {
      expect(failureOf(() => driver.all('SELECT ?, ?', [1n]))).toMatchObject({
        code: 'invalid-parameter',
        facts: { wanted: 2, given: 1 },
      });
      expect(failureOf(() => driver.run('SELECT 1', [1n])).code).toBe('invalid-parameter');
      expect(failureOf(() => [...driver.iterate('SELECT ?')]).code).toBe('invalid-parameter');
    });

    test('a statement keeps no value of an earlier run', () => {
      expect(driver.get('SELECT ?', ['kept?'])).toEqual(['kept?']);
      expect(driver.get('SELECT ?', [null])).toEqual([null]);
    });
  });

  describe('results', () => {
    beforeEach(() =>
      driver.exec("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT) STRICT; INSERT INTO t VALUES (1, 'x'), (2, 'y')"),
    );

    test('columns keep their order and their duplicates', () => {
      expect(driver.columns('SELECT a, b, a, 1 AS a, b AS "b c" FROM t')).toEqual(['a', 'b', 'a', 'a', 'b c']);
      expect(driver.all('SELECT a, b, a FROM t')).toEqual([
        [1, 'x', 1],
        [2, 'y', 2],
      ]);
      expect(driver.columns('DELETE FROM t')).toEqual([]);
      expect(driver.columns('INSERT INTO t VALUES (?, ?) RETURNING b AS done')).toEqual(['done']);
      expect(driver.get('SELECT count(*) FROM t')).toEqual([2]);
    });

    test('changes counts the rows of this statement, and none for one that changes none', () => {
      expect(driver.run("UPDATE t SET b = 'z'")).toEqual({ changes: 2 });
      expect(driver.run('SELECT * FROM t').changes).toBe(0);
      expect(driver.run('CREATE TABLE other (c)').changes).toBe(0);
      expect(driver.run('PRAGMA user_version').changes).toBe(0);
      expect(driver.run('UPDATE t SET b = 1 WHERE a > 9').changes).toBe(0);
      expect(driver.run('WITH two AS (SELECT 2 AS a) DELETE FROM t WHERE a IN (SELECT a FROM two)').changes).toBe(1);
      expect(driver.run("WITH one AS (SELECT 1) SELECT replace('a', 'b', 'c') FROM one").changes).toBe(0);
      expect(driver.run("REPLACE INTO t VALUES (1, 'again')").changes).toBe(1);
      expect(driver.run("INSERT INTO t VALUES (7, 'r'), (8, 's') RETURNING a").changes).toBe(2);
      expect(driver.run('-- a comment\n /* and another */ DELETE FROM t').changes).toBe(3);
    });

    test('a statement without rows runs under all, get and iterate too', () => {
      expect(driver.all("INSERT INTO t VALUES (3, 'z')")).toEqual([]);
      expect(driver.get("INSERT INTO t VALUES (4, 'z')")).toBeUndefined();
      expect([...driver.iterate("INSERT INTO t VALUES (5, 'z')")]).toEqual([]);
      expect(driver.get('SELECT count(*) FROM t')).toEqual([5]);
    });

    test('get is the first row, or undefined', () => {
      expect(driver.get('SELECT a FROM t ORDER BY a DESC')).toEqual([2]);
      expect(driver.get('SELECT a FROM t WHERE a > 9')).toBeUndefined();
    });

    test('a kept statement sees a changed schema', () => {
      const [sql, view] = ['SELECT * FROM t WHERE a = 1', 'SELECT * FROM v'];
      driver.exec('CREATE VIEW v AS SELECT a FROM t WHERE a = 1');
      expect([driver.all(sql), driver.get(sql), driver.all(view)]).toEqual([[[1, 'x']], [1, 'x'], [[1]]]);
      driver.exec(
        'ALTER TABLE t ADD COLUMN c INTEGER DEFAULT 7; DROP VIEW v; CREATE VIEW v AS SELECT a, b, c FROM t WHERE a = 1',
      );
      expect([driver.all(sql), driver.get(sql), driver.all(view)]).toEqual([[[1, 'x', 7]], [1, 'x', 7], [[1, 'x', 7]]]);
      expect([...driver.iterate(sql)]).toEqual([[1, 'x', 7]]);
      expect(driver.columns(view)).toEqual(['a', 'b', 'c']);
    });
  });
});

function randomValue(random: Random): SqlValue {
  const kind = random.integer(6);
  if (kind === 0) return null;
  if (kind === 1) return BigInt.asIntN(64, BigInt(random.integer(2 ** 31)) << BigInt(random.integer(34)));
  if (kind === 2) return (random.next() - 0.5) * 10 ** (random.integer(40) - 20);
  if (kind === 3) return random.integer(1000) - 500;
  if (kind === 4) return Uint8Array.from({ length: random.integer(40) }, () => random.integer(256));
  const points = Array.from({ length: random.integer(30) }, () =>
    random.pick([0, 65, 0xe9, 0x4e2d, 0x1f6eb, 0xfeff, 39, 63]),
  );
  return String.fromCodePoint(...points);
}

function cellOf(value: SqlValue): Cell {
  if (typeof value !== 'bigint') return value;
  return value <= MAX && value >= -MAX ? Number(value) : value;
}

function label(value: SqlValue): string {
  if (value instanceof Uint8Array) return `a blob of ${value.length} bytes`;
  if (typeof value === 'string' && value.length > 30) return `text of ${value.length} characters`;
  return typeof value === 'bigint'
    ? `${value}n`
    : Object.is(value, -0)
      ? '-0'
      : (JSON.stringify(value) ?? String(value));
}

/** Equal to the sign of a zero; large texts and blobs are not printed. */
function expectSame(actual: unknown, expected: unknown): void {
  expect(typeof actual).toBe(typeof expected);
  if (Array.isArray(expected)) {
    expect((actual as unknown[]).length).toBe(expected.length);
    for (const [index, item] of expected.entries()) expectSame((actual as unknown[])[index], item);
  } else if (expected instanceof Uint8Array) {
    expect(actual).toBeInstanceOf(Uint8Array);
    expect(Buffer.compare(actual as Uint8Array, expected)).toBe(0);
  } else expect(Object.is(actual, expected) || [actual, expected]).toBe(true);
}
