import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { SqlParameters } from '../../query/binding.ts';
import {
  type Analyser,
  bindStatement,
  createAnalyser,
  pieceValues,
  type SelectStatement,
  type Statement,
} from '../../query/statement/statement.ts';
import type { Piece } from '../../query/statement/statement-tokens.ts';
import type { Cell } from '../../query/value.ts';
import type { SqliteDriver } from '../../storage/index.ts';
import { AIRPORT, openAirports } from './airports.ts';
import { FLIGHT, refusal } from './flights.ts';

let driver: SqliteDriver;
let analyse: Analyser;
beforeAll(async () => {
  ({ driver, analyse } = await openAirports());
});
afterAll(() => driver.close());

function run(statement: Statement, piece: Piece, parameters: SqlParameters, ...more: string[]): Cell[][] {
  return driver.all(piece.sql, [...pieceValues(piece, bindStatement(statement, parameters)), ...more]);
}

describe('SELECT', () => {
  const columns = (sql: string) =>
    (analyse(sql) as SelectStatement).columns.map(({ name, property }) =>
      property === null ? name : `${name}=${property.table.name}.${property.column.name}`,
    );

  test.each<[string, string[]]>([
    ['SELECT id, Late FROM flight', ['id=flight.id', 'late=flight.late']],
    ['SELECT * FROM airport', ['id=airport.id', 'iata=airport.iata', 'name=airport.name']],
    [
      'SELECT a.*, f.origin FROM flight f, airport AS a',
      ['id=airport.id', 'iata=airport.iata', 'name=airport.name', 'origin=flight.origin'],
    ],
    [
      'SELECT origin AS o, distance d, "late" AS \'l\' FROM flight',
      ['o=flight.origin', 'd=flight.distance', 'l=flight.late'],
    ],
    [
      'SELECT flight.origin, [iata] FROM flight LEFT JOIN airport ON iata = origin',
      ['origin=flight.origin', 'iata=airport.iata'],
    ],
    ['SELECT count(*) AS n, origin FROM flight GROUP BY origin', ['n', 'origin=flight.origin']],
    [
      'SELECT late ISNULL, CASE late WHEN 1 THEN 2 END, origin FROM flight',
      ['late ISNULL', 'CASE late WHEN 1 THEN 2 END', 'origin=flight.origin'],
    ],
    ['SELECT late + 1, +late AS plus, (late) AS l FROM flight', ['late + 1', 'plus', 'l']],
    [
      'SELECT (SELECT max(late) FROM flight g WHERE g.origin = f.origin) AS worst, f.id FROM flight f',
      ['worst', 'id=flight.id'],
    ],
    ['SELECT x, late FROM (SELECT origin AS x, late FROM flight)', ['x=flight.origin', 'late=flight.late']],
    ['SELECT s.* FROM (SELECT origin AS x, 1 AS one FROM flight) s', ['x=flight.origin', 'one']],
    ['WITH c AS (SELECT late FROM flight) SELECT * FROM c', ['late=flight.late']],
    ['WITH c(x, y) AS (SELECT late, 1 FROM flight) SELECT y, x FROM c', ['y', 'x=flight.late']],
    ['WITH flight AS (SELECT 1 AS late) SELECT late FROM flight', ['late']],
    ['WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT i FROM n', ['i']],
    ['SELECT origin FROM flight UNION SELECT origin FROM flight', ['origin=flight.origin']],
    ['SELECT origin FROM flight UNION ALL SELECT iata FROM airport', ['origin']],
    ['SELECT id, late FROM flight EXCEPT SELECT id, name FROM airport ORDER BY 1 LIMIT 5', ['id', 'late']],
    [
      'SELECT * FROM flight NATURAL JOIN airport',
      [
        'id=flight.id',
        ...FLIGHT.columns.slice(1).map(({ name }) => `${name}=flight.${name}`),
        'iata=airport.iata',
        'name=airport.name',
      ],
    ],
    ['SELECT id, name FROM flight RIGHT JOIN airport USING (id)', ['id', 'name=airport.name']],
    ['SELECT f.id, a.name FROM (flight f JOIN airport a ON a.iata = f.origin)', ['id=flight.id', 'name=airport.name']],
    ["SELECT value, origin FROM flight, json_each('[1]') AS j WHERE j.key = 0", ['value', 'origin=flight.origin']],
    ['SELECT origin IS NOT DISTINCT FROM name AS same, origin FROM flight, airport', ['same', 'origin=flight.origin']],
    [
      'SELECT DISTINCT origin FROM flight WHERE late IN (SELECT late FROM flight) GROUP BY 1 HAVING count(*) > 0 ORDER BY 1',
      ['origin=flight.origin'],
    ],
    ['SELECT row_number() OVER w AS n, id FROM flight WINDOW w AS (ORDER BY late)', ['n', 'id=flight.id']],
    ['SELECT sum(late) FILTER (WHERE distance > 5) AS s FROM flight;', ['s']],
    ['VALUES (1, 2), (3, 4)', ['column1', 'column2']],
    ['SELECT 1 AS one -- FROM nowhere', ['one']],
    ['SELECT "f"."late" || :x FROM flight f', ['"f"."late" || :x']],
    ['SELECT ? AS a, ?', ['a', '?']],
  ])('%s', (sql, expected) => {
    expect(columns(sql)).toEqual(expected);
  });

  test('names what it reads, wherever it stands', () => {
    const reads = (sql: string) => (analyse(sql) as SelectStatement).reads;
    expect(reads('SELECT id FROM flight WHERE origin IN (SELECT iata FROM airport)')).toEqual(['flight', 'airport']);
    expect(reads('SELECT (SELECT count(*) FROM AIRPORT) AS n')).toEqual(['airport']);
    expect(reads('WITH c AS (SELECT 1 AS x FROM flight) SELECT x FROM c')).toEqual(['flight']);
    expect(reads('SELECT id FROM flight ORDER BY (SELECT count(*) FROM airport)')).toEqual(['flight', 'airport']);
    expect(reads('SELECT 1 AS one')).toEqual([]);
  });

  test.each<[string, string | null]>([
    ['SELECT random() AS r', 'random()'],
    ['SELECT id FROM flight ORDER BY RANDOM()', 'random()'],
    ["SELECT id FROM flight WHERE departs < datetime('NOW', '-1 day')", "'NOW'"],
    ['SELECT date() AS today', 'date()'],
    ["SELECT strftime('%s') AS s", 'strftime()'],
    ['SELECT id FROM flight WHERE departs < CURRENT_TIMESTAMP', 'CURRENT_TIMESTAMP'],
    ["SELECT date(departs, 'localtime') AS d FROM flight", "'localtime'"],
    ["SELECT strftime('%s', departs) AS s, date(departs) AS d FROM flight", null],
    ['SELECT random AS r FROM (SELECT 1 AS random)', null],
  ])('%s is unstable by %s', (sql, unstable) => {
    expect((analyse(sql) as SelectStatement).unstable).toBe(unstable);
  });

  test('a name of WITH hides a collection also in the bodies before it', () => {
    const sql = 'WITH a AS (SELECT departs FROM flight), flight AS (SELECT 5 AS departs) SELECT departs FROM a';
    const statement = analyse(sql) as SelectStatement;
    expect(run(statement, statement.rows, [])).toEqual([[5]]);
    expect(statement.columns[0]?.property).toBeNull();
    expect(statement.reads).toEqual([]);
  });

  test('keeps its parameters, whatever they are called', () => {
    const named = analyse('SELECT id FROM flight WHERE distance > :far AND origin = :from OR distance > :far');
    expect(named.rows?.sql).toBe('SELECT id FROM flight WHERE distance > ?1 AND origin = ?2 OR distance > ?1');
    expect(run(named, named.rows!, { from: 'SFO', far: 300 })).toEqual([['1']]);
    const numbered = analyse('SELECT id FROM flight WHERE distance > ?2 AND origin = ?1');
    expect(run(numbered, numbered.rows!, ['SFO', 300])).toEqual([['1']]);
    expect(refusal(() => bindStatement(numbered, ['SFO'])).code).toBe('invalid-parameter');
    expect(refusal(() => bindStatement(numbered, ['SFO', Number.NaN])).code).toBe('invalid-parameter');
    expect(refusal(() => bindStatement(named, { from: 'SFO' })).code).toBe('invalid-parameter');
  });

  test('reads a name in double quotes as a name in every build, never as a string', () => {
    const sql = 'SELECT "late" AS "a`b" FROM "flight" WHERE "origin" = \'SFO\'';
    const statement = analyse(sql) as SelectStatement;
    expect(statement.columns[0]?.name).toBe('a`b');
    expect(run(statement, statement.rows, [])).toEqual([[1.5], [null]]);
    const error = refusal(() => analyse('SELECT id FROM flight WHERE origin = "SFO"'));
    expect(error).toMatchObject({ code: 'unknown-property', facts: { offset: 37 } });
  });
});

describe('INSERT', () => {
  const insert = (sql: string) => {
    const statement = analyse(sql);
    if (statement.kind !== 'insert') throw new Error(statement.kind);
    return statement;
  };

  test.each<[string, SqlParameters, string[], Cell[][]]>([
    [
      "INSERT INTO flight (origin, distance) VALUES (?, 1 + ?), ('x', ?1)",
      ['a', 2],
      ['origin', 'distance'],
      [
        ['a', 3],
        ['x', 'a'],
      ],
    ],
    [
      'insert into "AIRPORT" values (:id, :iata, NULL)',
      { id: 'x', iata: 'LAX' },
      ['id', 'iata', 'name'],
      [['x', 'LAX', null]],
    ],
    [
      'INSERT INTO airport ("name") SELECT DISTINCT origin FROM flight WHERE distance > ? ORDER BY 1',
      [5],
      ['name'],
      [['JFK'], ['SFO']],
    ],
    [
      'INSERT INTO airport (name, iata) WITH c AS (SELECT 1 AS x) SELECT x, x + 1 FROM c;',
      [],
      ['name', 'iata'],
      [[1, 2]],
    ],
  ])('%s', (sql, parameters, properties, rows) => {
    const statement = insert(sql);
    expect(statement.properties.map(({ name }) => name)).toEqual(properties);
    expect(run(statement, statement.rows!, parameters)).toEqual(rows);
    expect(statement.returning).toBe(null);
  });

  test('of defaults has no rows to ask for', () => {
    expect(insert('INSERT INTO airport DEFAULT VALUES')).toMatchObject({ rows: null, table: AIRPORT });
  });

  test('with RETURNING says how to ask for one row that was written', () => {
    const statement = insert("INSERT INTO airport (name) SELECT 'x' RETURNING iata || ?, *, airport.name AS again");
    expect(statement.returning?.columns.map(({ name, property }) => [name, property?.column.name])).toEqual([
      ['iata || ?', undefined],
      ['id', 'id'],
      ['iata', 'iata'],
      ['name', 'name'],
      ['again', 'name'],
    ]);
    expect(run(statement, statement.returning!.row, ['!'], 'a')).toEqual([
      ['SFO!', 'a', 'SFO', 'San Francisco', 'San Francisco'],
    ]);
  });
});

describe('UPDATE', () => {
  test.each<[string, SqlParameters, string[], Cell[][]]>([
    [
      'UPDATE flight SET distance = distance + ?, late = NULL WHERE origin = ? AND late > 1',
      [1, 'SFO'],
      ['distance', 'late'],
      [['1', 501, null]],
    ],
    [
      'UPDATE flight AS f SET late = (SELECT count(*) FROM airport a WHERE a.iata = f.origin) WHERE f.id <> :id',
      { id: '2' },
      ['late'],
      [
        ['1', 1],
        ['3', 1],
      ],
    ],
    [
      "UPDATE flight SET origin = CASE WHEN origin = 'SFO' THEN 'a' ELSE 'b' END",
      [],
      ['origin'],
      [
        ['1', 'a'],
        ['2', 'a'],
        ['3', 'b'],
      ],
    ],
    [
      "UPDATE flight SET distance = distance = 7, origin = 'x=y' -- no more\n WHERE id IN ('3')",
      [],
      ['distance', 'origin'],
      [['3', 1, 'x=y']],
    ],
    [
      'UPDATE "flight" SET "late" = max(late, 1), [distance] = (1) WHERE late IS NOT DISTINCT FROM 0.5',
      [],
      ['late', 'distance'],
      [['3', 1, 1]],
    ],
    ['UPDATE flight SET late = ?2 WHERE distance = ?1', [7, 5], ['late'], [['3', 5]]],
    [
      "UPDATE flight SET distance = origin IS DISTINCT FROM 'SFO', late = 1",
      [],
      ['distance', 'late'],
      [
        ['1', 0, 1],
        ['2', 0, 1],
        ['3', 1, 1],
      ],
    ],
  ])('%s', (sql, parameters, properties, rows) => {
    const statement = analyse(sql);
    if (statement.kind !== 'update') throw new Error(statement.kind);
    expect(statement.properties.map(({ name }) => name)).toEqual(properties);
    expect(run(statement, statement.rows, parameters)).toEqual(rows);
  });

  test('with RETURNING', () => {
    const statement = analyse('UPDATE flight AS f SET late = 0 WHERE distance > ? RETURNING f.id, late * ? AS worse');
    if (statement.kind !== 'update') throw new Error(statement.kind);
    expect(run(statement, statement.rows, [400, 2])).toEqual([['1', 0]]);
    expect(run(statement, statement.returning!.row, [400, 2], '1')).toEqual([['1', 3]]);
  });
});

describe('DELETE', () => {
  test.each<[string, SqlParameters, Cell[][]]>([
    ['DELETE FROM flight', [], [['1'], ['2'], ['3']]],
    ['DELETE FROM flight AS f WHERE f.late IS NULL OR f.distance < :d', { d: 10 }, [['2'], ['3']]],
    ['DELETE FROM flight WHERE origin IN (SELECT iata FROM airport WHERE name LIKE ?) /* all */;', ['K%'], [['3']]],
  ])('%s', (sql, parameters, rows) => {
    const statement = analyse(sql);
    expect(statement.kind).toBe('delete');
    expect(run(statement, statement.rows!, parameters)).toEqual(rows);
  });

  test('with RETURNING', () => {
    const statement = analyse('DELETE FROM flight WHERE late > 1 RETURNING *');
    if (statement.kind !== 'delete') throw new Error(statement.kind);
    expect(statement.returning?.columns.map(({ property }) => property?.column.name)).toEqual(
      FLIGHT.columns.map(({ name }) => name),
    );
    expect(run(statement, statement.returning!.row, [], '1')[0]?.slice(0, 3)).toEqual(['1', 'SFO', 500]);
  });
});

test('a statement seen before is remembered', () => {
  let prepared = 0;
  const counting = createAnalyser([FLIGHT, AIRPORT], {
    columns: (sql) => {
      prepared++;
      return driver.columns(sql);
    },
  });
  const first = counting('SELECT id FROM flight');
  expect(prepared).toBe(1);
  expect(counting('SELECT id FROM flight')).toBe(first);
  expect(prepared).toBe(1);
});
