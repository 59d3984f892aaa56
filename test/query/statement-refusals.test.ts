/** Whole statements that are refused: `^` marks where the error points (the character after it). */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Airports, openAirports } from './airports.ts';
import { refusal } from './flights.ts';

let airports: Airports;
beforeAll(async () => {
  airports = await openAirports();
});
afterAll(() => airports.driver.close());

describe('refused at its token', () => {
  const refusedAt = (marked: string) => {
    const offset = marked.indexOf('^');
    const error = refusal(() => airports.analyse(marked.slice(0, offset) + marked.slice(offset + 1)));
    expect({ offset: error.facts.offset, problem: error.problem }).toMatchObject({ offset });
    return error;
  };

  test.each([
    '^PRAGMA user_version',
    "^ATTACH 'x' AS y",
    '^DETACH y',
    '^VACUUM',
    '^BEGIN',
    '^COMMIT',
    '^END',
    '^ROLLBACK',
    '^SAVEPOINT a',
    '^RELEASE a',
    '^CREATE TABLE a (b)',
    '^ALTER TABLE flight ADD x',
    '^DROP TABLE flight',
    '^REINDEX',
    '^ANALYZE',
    '^EXPLAIN SELECT 1',
    '^REPLACE INTO flight (late) VALUES (1)',
    'INSERT ^OR IGNORE INTO flight (late) VALUES (1)',
    'UPDATE ^OR REPLACE flight SET late = 1',
    'INSERT INTO airport (id) VALUES (1) ^ON CONFLICT DO NOTHING',
    'INSERT INTO airport (id) SELECT 1 WHERE 1 ^ON CONFLICT (id) DO UPDATE SET name = 1',
    '^WITH c AS (SELECT 1) DELETE FROM flight',
    '^WITH c AS (SELECT 1) INSERT INTO airport (id) SELECT * FROM c',
    'UPDATE flight SET late = 1 ^FROM airport',
    'UPDATE flight ^INDEXED BY x SET late = 1',
    'DELETE FROM flight ^NOT INDEXED',
    'UPDATE flight SET late = 1 ^ORDER BY id LIMIT 1',
    'DELETE FROM flight WHERE 1 ^LIMIT 1',
    'UPDATE flight SET ^(late, distance) = (1, 2)',
    'UPDATE flight SET ^id = 1',
    'UPDATE flight SET late = 1, ^late = 2',
    'INSERT INTO airport (id, ^ID) VALUES (1, 2)',
    'UPDATE flight SET late = ^count(*)',
    'UPDATE flight SET late = 1 + ^max(late)',
    'UPDATE flight SET late = ^row_number() OVER ()',
    'DELETE FROM flight RETURNING ^sum(late)',
    'SELECT 1 AS a; ^SELECT 2 AS b',
    'DELETE FROM flight; ^DELETE FROM airport',
    'SELECT * FROM ^main.flight',
    'DELETE FROM main^.flight',
    'SELECT * FROM ^_flight',
    'SELECT * FROM ^tendril_log',
    'SELECT * FROM ^sqlite_schema',
    'SELECT * FROM ^"sqlite_master"',
    "SELECT * FROM ^pragma_table_info('flight')",
    'SELECT ^_head FROM flight',
    'SELECT f.^"_head" FROM flight f',
    'SELECT ^sqlite_version() AS v',
    "SELECT ^load_extension('x') AS v",
    'SELECT ^changes() AS c',
    'INSERT INTO airport (name) VALUES (^last_insert_rowid())',
    'SELECT id FROM flight WHERE id IN ^airport',
    'SELECT f.id, ^a.id FROM flight f, airport a',
    'SELECT late, ^distance AS late FROM flight',
    'SELECT id, ^* FROM airport',
    'INSERT INTO airport ^AS a (id) VALUES (1)',
    'SELECT ^nosuch(1) AS x',
    'DELETE FROM flight RETURNING id, ^late AS id',
  ])('%s', (marked) => {
    expect(refusedAt(marked).code).toBe('query-unsupported');
  });

  test.each([
    ['SELECT * FROM ^other', 'unknown-collection'],
    ['SELECT * FROM ^dbstat', 'unknown-collection'],
    ['SELECT 1 AS a FROM flight JOIN (SELECT 2 AS b FROM ^other)', 'unknown-collection'],
    ['SELECT (SELECT x FROM ^other) AS a', 'unknown-collection'],
    ['SELECT id FROM flight ORDER BY (SELECT 1 FROM ^other)', 'unknown-collection'],
    ['SELECT count(*) FILTER (WHERE EXISTS (SELECT 1 FROM ^other)) AS n FROM flight', 'unknown-collection'],
    ['WITH c AS (SELECT x FROM ^other) SELECT x FROM c', 'unknown-collection'],
    ['SELECT id FROM flight LIMIT (SELECT 1 FROM ^other)', 'unknown-collection'],
    ['SELECT id FROM flight f JOIN airport a ON a.id = (SELECT x FROM ^other)', 'unknown-collection'],
    ['VALUES ((SELECT x FROM ^other))', 'unknown-collection'],
    ['UPDATE ^other SET x = 1', 'unknown-collection'],
    ['UPDATE flight SET late = (SELECT x FROM ^other)', 'unknown-collection'],
    ['DELETE FROM flight WHERE id IN (SELECT x FROM ^other)', 'unknown-collection'],
    ['INSERT INTO ^other VALUES (1)', 'unknown-collection'],
    ['INSERT INTO airport (id) SELECT x FROM ^other', 'unknown-collection'],
    ['DELETE FROM flight RETURNING (SELECT x FROM ^other)', 'unknown-collection'],
    ['SELECT id FROM flight, ^generate_series(1, 2)', 'unknown-collection'],
    ["SELECT id FROM ^'flight'", 'query-syntax'],
    ['SELECT ^nope FROM flight', 'unknown-property'],
    ['SELECT flight.^nope FROM flight', 'unknown-property'],
    ['UPDATE flight SET ^nope = 1', 'unknown-property'],
    ['UPDATE flight SET late = ^nope', 'unknown-property'],
    ['INSERT INTO airport (id, ^nope) VALUES (1, 2)', 'unknown-property'],
    ['DELETE FROM flight WHERE ^nope = 1', 'unknown-property'],
    ['SELECT id FROM flight f, airport a WHERE ^id = 1', 'query-syntax'],
    ['SELECT 1 AS a FROM flight WHERE ^GROUP BY late', 'query-syntax'],
    ['^SELEC 1', 'query-syntax'],
    ['^', 'query-syntax'],
    ['^;', 'query-syntax'],
    ['SELECT ^(1 AS a', 'query-syntax'],
    ['SELECT 1^) AS a', 'query-syntax'],
    ['UPDATE flight SET late = ^WHERE 1', 'query-syntax'],
    ['UPDATE flight SET late = 1^)', 'query-syntax'],
    ['DELETE FROM flight WHERE ^', 'query-syntax'],
    ['^DELETE flight WHERE 1', 'query-syntax'],
    ['^INSERT INTO airport (id) VALUES (1, 2)', 'query-syntax'],
    ['INSERT ^airport (id) VALUES (1)', 'query-syntax'],
    ['UPDATE flight ^f SET late = 1', 'query-syntax'],
    ['SELECT ? AS a, ^:b AS b', 'query-syntax'],
  ])('%s', (marked, code) => {
    expect(refusedAt(marked).code).toBe(code);
  });
});

test('an expression cannot leave the place it is moved from', () => {
  for (const hostile of [
    '1) FROM flight --',
    '1, 2',
    '(1',
    '1; DELETE FROM flight',
    '1 FROM airport',
    "1 UNION SELECT 'x'",
  ]) {
    const error = refusal(() => airports.analyse(`UPDATE flight SET late = ${hostile}`));
    expect(error.code, hostile).toMatch(/^query-/);
  }
});
