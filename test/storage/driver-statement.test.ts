/** What drivers know of a statement's text, and how many prepared statements they keep. */
import { describe, expect, test } from 'vitest';
import { MAX_STATEMENTS } from '../../storage/driver.ts';
import { StatementCache } from '../../storage/drivers/statement-cache.ts';
import { isBlank, readStatementText } from '../../storage/drivers/statement-text.ts';
import { createRandom, runs, seedFor } from '../support/random.ts';

describe('the statements that are kept', () => {
  test(`are ${MAX_STATEMENTS}; one more finalises the least recently used, and only it`, () => {
    const { cache, finalised } = createCache();
    for (let n = 0; n < MAX_STATEMENTS; n += 1) cache.get(`${n}`);
    expect([cache.size, finalised]).toEqual([256, []]);
    cache.get('0');
    cache.get('one more');
    expect([cache.size, finalised]).toEqual([256, ['1']]);
    expect(cache.get('0')).toBe(cache.get('0'));
    cache.get('1');
    expect(finalised).toEqual(['1', '2']);
  });

  test("one that was taken is nobody else's, and is kept again when given back", () => {
    const { cache, finalised, prepared } = createCache();
    const mine = cache.take('a');
    expect(cache.take('a')).not.toBe(mine);
    cache.give('a', mine);
    expect(cache.get('a')).toBe(mine);
    const second = cache.take('a');
    cache.get('a');
    cache.give('a', second);
    expect([prepared.length, finalised]).toEqual([3, ['a']]);
  });

  test('a statement given back when all places are taken still leaves no more than there are', () => {
    const { cache, finalised } = createCache();
    const mine = cache.take('mine');
    for (let n = 0; n < MAX_STATEMENTS; n += 1) cache.get(`${n}`);
    cache.give('mine', mine);
    expect([cache.size, finalised]).toEqual([256, ['0']]);
    cache.clear();
    expect([cache.size, finalised.length]).toEqual([0, 257]);
  });

  test('are always the most recently used ones, whatever the order of use', () => {
    const random = createRandom(seedFor('statement cache'));
    const { cache, finalised, prepared } = createCache(8);
    let recent: string[] = [];
    for (let use = 0; use < runs(20_000); use += 1) {
      const sql = `${random.integer(14)}`;
      const known = recent.includes(sql);
      const before = prepared.length;
      cache.get(sql);
      expect(prepared.length - before, 'prepared only what was not kept').toBe(known ? 0 : 1);
      recent = [...recent.filter((each) => each !== sql), sql].slice(-8);
    }
    expect(prepared.length - finalised.length).toBe(recent.length);
  });

  function createCache(capacity = MAX_STATEMENTS) {
    const prepared: string[] = [];
    const finalised: string[] = [];
    const cache = new StatementCache(capacity, (sql) => {
      prepared.push(sql);
      return { finalise: () => finalised.push(sql) };
    });
    return { cache, prepared, finalised };
  }
});

describe('a text', () => {
  test.each([
    ['SELECT 1', 0, 'SELECT 1', 'SELECT 1'],
    ['SELECT ?, ?', 2, 'SELECT ?, ?', 'SELECT ?1, ?2'],
    ['SELECT ?1, ?2', 2, 'SELECT ?, ?', 'SELECT ?1, ?2'],
    ['SELECT :a, @b', 2, 'SELECT ?, ?', 'SELECT ?1, ?2'],
    ['SELECT ?2, ?1', 2, null, 'SELECT ?2, ?1'],
    ['SELECT ?1, ?1', 1, null, 'SELECT ?1, ?1'],
    ['SELECT ?7, ?, :x, ?7', 9, null, 'SELECT ?7, ?8, ?9, ?7'],
    ['SELECT \'?\' || "a?" || [?] || `?` -- ?\n/* ?\n? */, ?', 1, null, null],
    ["SELECT '?''?', ?", 1, "SELECT '?''?', ?", "SELECT '?''?', ?1"],
    ['SELECT a$b, a:b FROM t', 1, null, null],
    ['SELECT 1 /* open ?', 0, 'SELECT 1 /* open ?', 'SELECT 1 /* open ?'],
  ])('%s takes %i parameters', (sql, parameters, plain, numbered) => {
    const text = readStatementText(sql);
    expect(text.parameters).toBe(parameters);
    if (numbered !== null) expect([text.plain, text.spelled('?')]).toEqual([plain, numbered]);
  });

  test.each([
    ['select 1', 'reads'],
    ['  -- a comment\n/* another */ SELECT 1', 'reads'],
    ['VALUES (1)', 'reads'],
    ['EXPLAIN QUERY PLAN DELETE FROM t', 'reads'],
    ['WITH a AS (SELECT 1) SELECT * FROM a', 'reads'],
    ["WITH a AS (SELECT 'DELETE') SELECT * FROM a", 'reads'],
    ['WITH a AS (SELECT 1) DELETE FROM t', 'either'],
    ['insert into t values (1)', 'writes'],
    ['REPLACE INTO t VALUES (1)', 'writes'],
    ['UPDATE t SET a = 1', 'writes'],
    ['DELETE FROM t', 'writes'],
    ['CREATE TABLE t AS SELECT 1', 'other'],
    ['PRAGMA user_version', 'other'],
    ['COMMIT', 'other'],
  ])('%s: %s', (sql, effect) => {
    expect(readStatementText(sql).effect).toBe(effect);
  });

  test('is blank without a statement', () => {
    for (const sql of ['', ' \n;;', '-- x', '/* x */ ; -- y', '/* open']) expect(isBlank(sql)).toBe(true);
    for (const sql of ['x', '/* x */ y', "'--'", '-- x\ny']) expect(isBlank(sql)).toBe(false);
  });

  test('of hostile length is read in time that grows with its length', () => {
    for (const part of ['/**/', '--\n', "'", '"', '[', '?', ':', '/*', "''"]) {
      const started = performance.now();
      readStatementText(part.repeat(200_000));
      isBlank(`${part.repeat(200_000)} x`);
      expect(performance.now() - started, part).toBeLessThan(5_000);
    }
  });
});
