/** What is refused, each at its token: `^` marks where the error points (the character after it). */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Flights, openFlights, refusal } from './flights.ts';

let flights: Flights;
beforeAll(async () => {
  flights = await openFlights();
});
afterAll(() => flights.driver.close());

const refusedAt = (marked: string, parameters?: Parameters<Flights['select']>[1]) => {
  const offset = marked.indexOf('^');
  const text = marked.slice(0, offset) + marked.slice(offset + 1);
  const error = refusal(() => flights.select(text, parameters));
  expect({ offset: error.facts.offset, problem: error.problem }).toMatchObject({ offset });
  expect(error.facts.text).toBe(text);
  expect(error.problem).toContain('^');
  return error;
};

describe('not SQL', () => {
  test.each([
    'origin = ^',
    'origin ^origin',
    'origin = 1^)',
    '(origin = 1^',
    'origin = ^= 1',
    '^* = 1',
    'origin NOT ^= 1',
    'origin IS NOT DISTINCT ^origin',
    'distance BETWEEN 1 ^OR 2 AND 3',
    'distance BETWEEN 1^',
    'CASE distance ^END',
    'CASE WHEN ^THEN 1 END',
    'CASE WHEN 1 THEN 2^',
    'CAST(^)',
    'CAST(late ^)',
    'CAST(late AS ^)',
    'CAST(late AS int(^x))',
    'flight.^',
    'flight.origin^.x',
    'ORDER ^origin',
    'ORDER BY ^',
    'ORDER BY origin ^id',
    'ORDER BY origin NULLS ^',
    'LIMIT ^',
    'origin LIMIT^',
    'distance > 1 LIMIT 1 ^ORDER BY id',
    'distance > 1 ^OFFSET 5',
    'distance > 1^; SELECT 1',
    'distance > 1^, late',
    'distance IN (1, ^)',
    'distance = -^0x8000000000000000',
    'distance = ^?0',
    'origin COLLATE ^',
    '^FROM = 1',
  ])('%s', (marked) => {
    expect(refusedAt(marked).code).toBe('query-syntax');
  });

  test('SQLite is the judge of words that are keywords to it alone', () => {
    const error = refusal(() => flights.select('distance > 1 AND table = 2'));
    expect(['query-syntax', 'unknown-property']).toContain(error.code);
  });
});

describe('names', () => {
  test.each([
    '^nope = 1',
    'origin = ^"nope"',
    '[origin] = ^`nope`',
    'flight.^nope = 1',
    '^airport.id = 1',
    'abs(^nope)',
    'ORDER BY ^nope',
    'ORDER BY ^8',
    '^rowid = 1',
    'origin = ^_rowid_',
    'ORDER BY ^0',
  ])('%s', (marked) => {
    expect(refusedAt(marked).code).toBe('unknown-property');
  });
});

describe('not part of a selection', () => {
  test.each([
    '^SELECT * FROM flight',
    '^UPDATE flight SET distance = 1',
    'distance IN (^SELECT 1)',
    'distance = (^SELECT 1)',
    'distance = (^VALUES (1))',
    '^EXISTS (SELECT 1)',
    'distance IN ^airport',
    '^(distance, late) = (1, 2)',
    'origin ^MATCH origin',
    "origin ^REGEXP 'a'",
    'origin NOT ^REGEXP origin',
    '^count(*) > 1',
    '^sum(distance) > 1',
    'max(^DISTINCT distance, 1)',
    '^max(distance) > 1',
    '^group_concat(origin)',
    '^json_group_array(origin)',
    '^row_number() OVER () = 1',
    'abs(distance) ^OVER () = 1',
    'abs(distance) ^FILTER (WHERE 1) = 1',
    '^random() > 0',
    '^randomblob(3) = bits',
    '^changes() = 0',
    '^last_insert_rowid() = 0',
    'departs < ^CURRENT_TIMESTAMP',
    'departs < ^current_date',
    '^sqlite_version() = 1',
    '^nosuch(1)',
    '^soundex(origin)',
    '^sin(late) > 0',
    '^pow(late, 2) > 0',
    '^round(late, 2) > 0',
    '^iif(late, 1) > 0',
    '^if(late, 1, 2) > 0',
    '^json_pretty(meta) = 1',
    '^jsonb(meta) = 1',
    '^zeroblob(9) = bits',
    '^abs() = 1',
    '^abs(1, 2) = 1',
    '^date() > 1',
    "^strftime('%Y') > 1",
    'ORDER BY ^-1',
    'ORDER BY (^2) COLLATE NOCASE',
    'ORDER BY ^+2',
    'ORDER BY ^likely(2)',
    'LIMIT ^1 + 1',
    'LIMIT 5 OFFSET ^distance',
    '^RAISE(IGNORE)',
    "^json_object('a') = 1",
    "^json_set(meta, '$.a') = 1",
  ])('%s', (marked) => {
    expect(refusedAt(marked).code).toBe('query-unsupported');
  });
});

describe('what builds of SQLite answer differently', () => {
  test.each([
    ['a REAL as text', 'origin = ^1.5'],
    ['a REAL as text', '^late * 1 = origin'],
    ['a REAL as text', 'origin IN (1, ^2.5)'],
    ['a REAL as text', 'origin IN (^late)'],
    ['a REAL as text', 'origin BETWEEN 1 AND ^2.5'],
    ['a REAL as text', 'CASE origin WHEN ^1.5 THEN 1 END'],
    ['a REAL as text', 'origin IS ^distance + 1'],
    ['a REAL as text', 'CAST(distance AS TEXT) = ^late / 2'],
    ['a REAL as text', "^late || 'x' = 'y'"],
    ['a REAL as text', '(^distance + 1) || origin'],
    ['a REAL as text', '(^-origin) || origin'],
    ['a REAL as text', '(^origin * bits) || origin'],
    ['a REAL as text', "^late LIKE '1%'"],
    ['a REAL as text', 'origin GLOB ^1.5'],
    ['a REAL as text', "^meta ->> 'a' LIKE 'x%'"],
    ['a REAL as text', 'CAST(^late AS TEXT) = origin'],
    ['a REAL as text', 'CAST(^late AS BLOB) = bits'],
    ['a REAL as text', 'length(^late) = 3'],
    ['a REAL as text', 'upper(^late) = 3'],
    ['a REAL as text', 'json_array(^late) = 3'],
    ['a REAL as text', 'replace(origin, 1, ^1.5) = 3'],
    ['a number as text', 'replace(^distance, 1, 2) = 3'],
    ['another answer before 3.50', "^concat_ws(',', origin, '') = 'x'"],
    ['a position near the ends of 64 bits', "substr(origin, ^distance) = 'x'"],
    ['a position near the ends of 64 bits', "substr(origin, ^1 + distance) = 'x'"],
    ['a REAL as text', "printf('%d', ^late) = 3"],
    ['a REAL as text', "concat(origin, ^coalesce(origin, late)) = 'x'"],
    ['a REAL as text', '^iif(1, origin, -distance) || 1'],
    ['a BLOB as text', "^bits LIKE 'a'"],
    ['a BLOB as text', "origin LIKE ^x'61'"],
    ['a BLOB as text', "^bits || 'a'"],
    ['a BLOB as text', 'CAST(^bits AS TEXT)'],
    ['a BLOB as text', 'trim(origin, ^bits)'],
    ['COLLATE that reaches out', '^origin COLLATE NOCASE'],
    ['COLLATE that reaches out', "^origin COLLATE NOCASE || 'a' = 'b'"],
    ['COLLATE that reaches out', "(^origin = 'a' COLLATE NOCASE) = origin"],
    ['COLLATE that reaches out', "distance = (^origin = 'b' COLLATE RTRIM)"],
    ['COLLATE that reaches out', 'origin IN (^origin COLLATE NOCASE)'],
    ['COLLATE that reaches out', "^origin COLLATE NOCASE LIKE 'a'"],
    ['COLLATE that reaches out', '^origin COLLATE NOCASE COLLATE BINARY = origin'],
    ['COLLATE that reaches out', 'upper(^origin COLLATE NOCASE) = origin'],
    ['COLLATE that reaches out', "ORDER BY (^origin = 'a' COLLATE NOCASE)"],
    ['COLLATE that reaches out', "ORDER BY id, (^origin = 'a' COLLATE NOCASE) COLLATE BINARY"],
    ['a collation of its own', 'origin COLLATE ^german = 1'],
    ['text that may not be JSON', "^origin -> 'a' = 1"],
    ['text that may not be JSON', "json_extract(^origin, '$.a') = 1"],
    ['text that may not be JSON', "^meta ->> 'a' -> 'b' = 1"],
    ['a path that is not constant', 'meta -> ^origin = 1'],
    ['a path that is not constant', 'json_extract(meta, ^origin) = 1'],
    ['a path some versions refuse', "json_extract(meta, ^'a') = 1"],
    ['a path some versions refuse', "meta -> ^'$.a[x]' = 1"],
    ['a path some versions refuse', 'meta -> ^-1 = 1'],
    ['text that may be now', "date(^origin) = 'x'"],
    ['text that may be now', "date(^upper('now')) = 'x'"],
    ['a modifier that depends on the machine', "date(departs, ^'localtime') = 'x'"],
    ['a modifier that depends on the machine', "date(departs, ^'utc') = 'x'"],
    ['a modifier that depends on the row', "date(departs, ^origin) = 'x'"],
    ['a format some versions refuse', "strftime(^'%G', departs) = 'x'"],
    ['a format of reals', "printf(^'%f', 1) = 'x'"],
    ['a format that depends on the row', "printf(^origin, 1) = 'x'"],
    ['a label that may be NULL', 'json_object(^origin, 1) = meta'],
    ['likelihood of a row', 'likelihood(distance, ^late) = 1'],
    ['an escape that depends on the row', "origin LIKE 'a' ESCAPE ^id"],
    ['an escape that is a number', "origin LIKE 'a' ESCAPE ^1"],
    ['GLOB with an escape', "origin GLOB 'a' ^ESCAPE 'b'"],
  ])('%s: %s', (_, marked) => {
    expect(refusedAt(marked).code).toBe('query-unsupported');
  });

  test.each([
    ['date(^?) < departs', ['now']],
    ['date(^?) < departs', ['NOW']],
    ['date(^?) < departs', ['subsec']],
    ["date(^'now') < departs", []],
    ['meta = json(^?)', ['{a:1}']],
    ['origin LIKE origin ESCAPE ^?', ['ab']],
    ['origin LIKE origin ESCAPE ^?', ['']],
    ["origin LIKE origin ESCAPE ^'ab'", []],
    ['meta -> ^? = 1', ['a\u0000']],
    ['substr(origin, ^?) IS NULL', [2 ** 31]],
    ['substr(origin, 1, ^?) IS NULL', [-(2 ** 33)]],
    ['LIMIT ^?', ['5']],
    ['LIMIT ^?', [1.5]],
    ['LIMIT ^?', [null]],
    ["LIMIT ^'5'", []],
    ['LIMIT 5 OFFSET ^1e3', []],
  ])('by value: %s with %o', (marked, parameters) => {
    const error = refusedAt(marked, parameters);
    expect(error.code).toBe(error.problem.startsWith('-> takes') ? 'query-unsupported' : 'invalid-parameter');
  });

  test('the class of a parameter decides, each time it is bound', () => {
    const text = 'origin = ?';
    expect(flights.found(flights.select(text, ['SFO']))).toEqual(['1']);
    expect(flights.found(flights.select(text, [12]))).toEqual(['5']);
    expect(refusedAt('origin = ^?', [1.5]).code).toBe('query-unsupported');
    expect(refusedAt('origin   = ^?', [1.5]).code).toBe('query-unsupported');
    expect(flights.found(flights.select(text, ['SFO']))).toEqual(['1']);
  });
});

describe('everyday predicates are not refused', () => {
  test.each([
    "origin = 'SFO' AND late IS NULL",
    "upper(origin) LIKE 'S%' AND length(trim(origin)) = 3",
    'distance * 2 > 100 AND late / 60 >= 1.5 AND abs(distance) < 10',
    "origin || '-' || distance = 'SFO-500'",
    "departs >= '2001-01-01' AND departs < '2001-02-01'",
    "date(distance, 'unixepoch') = date(late) OR date(date(departs)) = date(NULL)",
    "strftime('%H', departs) = '08' AND julianday(departs) > 2451910.5",
    "meta ->> '$.a' = 1 AND json_extract(meta, '$.b[0]') = 'x'",
    "meta -> 'b' LIKE '%x%'",
    "coalesce(late, 0) > 15 AND CASE WHEN distance > 100 THEN 'long' ELSE 'short' END = 'long'",
    "CAST(late AS INTEGER) || 'h' = '1h' AND CAST(origin AS REAL) > 1",
    'CASE WHEN late THEN late END IN (1, 2.5) AND nullif(distance, 0) IS NOT NULL',
    "origin IN ('SFO', 'LAX', NULL) ORDER BY late DESC, origin COLLATE NOCASE LIMIT 10",
    "typeof(late) = 'real' AND (bits IS NULL OR length(bits) > 2) AND hex(bits) <> '00'",
    "substr(origin, instr(origin, 'F') + 1, 1) = 'O' AND replace(origin, 'S', 's') = 'sFO'",
  ])('%s', (text) => {
    expect(flights.select(text).shape.sql).toBeDefined();
  });
});
