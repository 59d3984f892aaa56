/** How a driver behaves, the same over every SQLite of this runtime: errors, iteration, transactions, its end. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { SqliteDriver } from '../../storage/driver.ts';
import { everyDriver, openInMemory } from '../support/every-driver.ts';
import { failureOf } from '../support/failure.ts';

describe.each(everyDriver)('%s', (name) => {
  let driver: SqliteDriver;
  beforeEach(async () => {
    driver = await openInMemory(name);
    driver.exec('CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT NOT NULL) STRICT');
    for (let a = 1; a <= 5; a += 1) driver.run('INSERT INTO t VALUES (?, ?)', [BigInt(a), `b${a}`]);
  });
  afterEach(() => driver.close());

  test('says what it is', () => {
    expect(driver).toMatchObject({ name, kind: 'memory', version: driver.get('SELECT sqlite_version()')?.[0] });
  });

  describe('a failure', () => {
    test.each([
      ['INSERT INTO t VALUES (1, NULL)', 'SQLITE_CONSTRAINT', /NOT NULL/],
      ["INSERT INTO t VALUES (1, 'again')", 'SQLITE_CONSTRAINT', /UNIQUE/],
      ['SELECT * FROM nowhere', 'SQLITE_ERROR', /no such table: nowhere/],
      ['SELEC 1', 'SQLITE_ERROR', /syntax error/],
      ['SELECT abs(-9223372036854775808)', 'SQLITE_ERROR', /integer overflow/],
    ])('%s is storage-failed with %s', (sql, sqliteCode, sqlite) => {
      for (const call of [
        driver.run,
        driver.all,
        driver.get,
        driver.exec,
        (text: string) => [...driver.iterate(text)],
      ]) {
        const failure = failureOf(() => call(sql));
        expect(failure).toMatchObject({ code: 'storage-failed', facts: { sqliteCode, statement: sql } });
        expect(failure.facts.sqlite).toMatch(sqlite);
      }
      expect(driver.get('SELECT count(*) FROM t')).toEqual([5]);
    });

    test.each(['', '  ', '-- nothing', ';', 'SELECT 1; SELECT 2', 'SELECT 1; -- two\n DELETE FROM t'])(
      'a text that is not one statement is refused: %j',
      (sql) => {
        for (const call of [driver.run, driver.all, driver.get, driver.columns]) {
          expect(failureOf(() => call(sql)).code).toBe('query-unsupported');
        }
        expect(driver.get('SELECT count(*) FROM t')).toEqual([5]);
      },
    );

    test('what follows the one statement may be blank', () => {
      expect(driver.all('SELECT 1; ;-- done\n/* really */ ')).toEqual([[1]]);
    });
  });

  describe('iterate', () => {
    const sql = 'SELECT a FROM t ORDER BY a';

    test('gives rows one by one, and may be left early', () => {
      const seen: unknown[] = [];
      for (const [a] of driver.iterate(sql)) {
        seen.push(a);
        if (a === 2) break;
      }
      expect(seen).toEqual([1, 2]);
      expect([...driver.iterate(sql)]).toHaveLength(5);
      driver.exec('DROP TABLE t');
    });

    test('survives the same statement run, and iterated, meanwhile', () => {
      const seen: unknown[] = [];
      for (const [a] of driver.iterate(sql)) {
        expect(driver.all(sql)).toHaveLength(5);
        seen.push([a, ...[...driver.iterate(sql)].map(([inner]) => inner)]);
      }
      expect(seen).toEqual([1, 2, 3, 4, 5].map((a) => [a, 1, 2, 3, 4, 5]));
    });

    test('survives more other statements than are kept', () => {
      const seen: unknown[] = [];
      for (const [a] of driver.iterate(sql)) {
        seen.push(a);
        for (let other = 0; other < 300; other += 1) driver.get(`SELECT ${other}, ?`, ['x'.repeat(100)]);
      }
      expect(seen).toEqual([1, 2, 3, 4, 5]);
    });

    test('keeps its parameters while others are bound', () => {
      const rows = driver.iterate('SELECT ? FROM t', ['mine']);
      for (const [value] of rows) {
        expect(value).toBe('mine');
        driver.get('SELECT ?, ?', ['not mine', 'y'.repeat(5_000)]);
      }
    });

    test('fails where SQLite does, after the rows before', () => {
      const seen: unknown[] = [];
      const body = () => {
        for (const [a] of driver.iterate('SELECT abs(CASE a WHEN 3 THEN -9223372036854775807 - 1 ELSE a END) FROM t'))
          seen.push(a);
      };
      expect(failureOf(body).facts.sqlite).toMatch(/integer overflow/);
      expect(seen).toEqual([1, 2]);
    });
  });

  describe('a transaction', () => {
    test('commits, and returns what its body returns', () => {
      expect(driver.transaction(() => driver.run("INSERT INTO t VALUES (6, 'x')").changes)).toBe(1);
      expect(driver.get('SELECT count(*) FROM t')).toEqual([6]);
    });

    test('that throws is rolled back, and the next one works', () => {
      const thrown = new Error('mine');
      const body = () =>
        driver.transaction(() => {
          driver.run("INSERT INTO t VALUES (6, 'x')");
          throw thrown;
        });
      expect(body).toThrow(thrown);
      expect(driver.transaction(() => driver.get('SELECT count(*) FROM t'))).toEqual([5]);
    });

    test('whose COMMIT fails is rolled back', () => {
      driver.exec(
        'PRAGMA foreign_keys = ON; CREATE TABLE child (of INTEGER REFERENCES t DEFERRABLE INITIALLY DEFERRED)',
      );
      const body = () => driver.transaction(() => driver.run('INSERT INTO child VALUES (99)'));
      expect(failureOf(body).facts).toMatchObject({ sqliteCode: 'SQLITE_CONSTRAINT', statement: 'COMMIT' });
      expect(driver.transaction(() => driver.get('SELECT count(*) FROM child'))).toEqual([0]);
    });

    test('that SQLite ended by itself reports the failure that ended it', () => {
      const body = () =>
        driver.transaction(() => {
          driver.run("INSERT INTO t VALUES (6, 'x')");
          driver.run("INSERT OR ROLLBACK INTO t VALUES (1, 'x')");
        });
      expect(failureOf(body).facts.sqlite).toMatch(/UNIQUE/);
      expect(driver.transaction(() => driver.get('SELECT count(*) FROM t'))).toEqual([5]);
    });

    test('inside another is a bug, and the outer one is rolled back', () => {
      const body = () =>
        driver.transaction(() => driver.transaction(() => driver.run("INSERT INTO t VALUES (6, 'x')")));
      expect(body).toThrow(/inside another/);
      expect(driver.transaction(() => driver.get('SELECT count(*) FROM t'))).toEqual([5]);
    });

    test('may use savepoints by run', () => {
      driver.transaction(() => {
        for (const [a, keep] of [
          [6, true],
          [7, false],
          [8, true],
        ] as const) {
          driver.run('SAVEPOINT member');
          driver.run('INSERT INTO t VALUES (?, ?)', [BigInt(a), 'x']);
          if (!keep) driver.run('ROLLBACK TO member');
          driver.run('RELEASE member');
        }
      });
      expect(driver.all('SELECT a FROM t WHERE a > 5')).toEqual([[6], [8]]);
    });
  });

  describe('the end', () => {
    test('closed twice is closed; used after, it says so', () => {
      driver.get('SELECT 1');
      driver.close();
      driver.close();
      for (const call of [driver.run, driver.all, driver.get, driver.columns, driver.exec]) {
        expect(failureOf(() => call('SELECT 1')).code).toBe('closed');
      }
      expect(failureOf(() => driver.transaction(() => 1)).code).toBe('closed');
      expect(failureOf(() => driver.iterate('SELECT 1').next()).code).toBe('closed');
    });

    test('an iteration under way says so too', () => {
      const rows = driver.iterate('SELECT a FROM t');
      expect(rows.next().value).toEqual([1]);
      driver.close();
      expect(failureOf(() => rows.next()).code).toBe('closed');
      expect(rows.next().done).toBe(true);
    });

    test('closing inside a transaction rolls it back and says so', () => {
      const body = () => driver.transaction(() => driver.close());
      expect(failureOf(body).code).toBe('closed');
    });
  });

  test('two connections in memory share nothing', async () => {
    const other = await openInMemory(name);
    other.exec('CREATE TABLE t (c)');
    expect(other.get('SELECT count(*) FROM t')).toEqual([0]);
    other.close();
    expect(driver.get('SELECT count(*) FROM t')).toEqual([5]);
  });
});
