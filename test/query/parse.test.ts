/** What a text means: our printing, run by SQLite, against the text itself, run by SQLite. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { printExpression, printOrder } from '../../query/parse/print.ts';
import { createSelector } from '../../query/selector.ts';
import { type Flights, openFlights, parsed } from './flights.ts';

let flights: Flights;
beforeAll(async () => {
  flights = await openFlights();
});
afterAll(() => flights.driver.close());

/** Names without quotes, slots as the literals they stand for, so that the parentheses show. */
function shown(text: string): string {
  const draft = parsed(text);
  const spell = (slot: number) => {
    const source = draft.slots[slot]!;
    const { text, starts, ends } = draft.lexed;
    const minus = source.kind === 'literal' && source.negated ? '-' : '';
    return minus + text.slice(starts[source.token], ends[source.token]);
  };
  const where = draft.where ? printExpression(draft.where, spell) : '';
  const order = draft.orderBy.length > 0 ? ` ORDER BY ${printOrder(draft.orderBy, spell)}` : '';
  return (where + order).replaceAll('"', '').trim();
}

describe('precedence', () => {
  test.each([
    ['origin = 1 OR distance = 2 AND late = 3', '((origin = 1) OR ((distance = 2) AND (late = 3)))'],
    ['NOT distance = 5', '(NOT (distance = 5))'],
    ['NOT (distance) = 5', '(NOT (distance = 5))'],
    ['NOT distance AND late', '((NOT distance) AND late)'],
    ['origin = NOT distance = late', '(origin = (NOT (distance = late)))'],
    ['origin + NOT distance = late', '(origin + (NOT (distance = late)))'],
    ['- NOT distance = late AND id', '((- (NOT (distance = late))) AND id)'],
    ['distance = 1 = 0', '((distance = 1) = 0)'],
    ['distance < 5 = 1', '((distance < 5) = 1)'],
    ['1 = distance < 5', '(1 = (distance < 5))'],
    ['distance < 5 IS NOT NULL', '((distance < 5) IS NOT NULL)'],
    ['distance IS NOT late = 1', '((distance IS NOT late) = 1)'],
    ['distance IS NOT NOT late', '(distance IS NOT (NOT late))'],
    ['distance IS TRUE < 2', '(distance IS (TRUE < 2))'],
    ['distance IS (TRUE)', '(distance IS TRUE)'],
    ['distance IS NOT (likely(TRUE) COLLATE NOCASE)', '(distance IS NOT TRUE)'],
    ['distance IS NOT DISTINCT FROM TRUE', '(distance IS TRUE)'],
    ['distance IS DISTINCT FROM FALSE', '(distance IS NOT FALSE)'],
    [
      'distance ISNULL AND late NOTNULL OR bits NOT NULL',
      '(((distance IS NULL) AND (late IS NOT NULL)) OR (bits IS NOT NULL))',
    ],
    ['NOT distance ISNULL', '(NOT (distance IS NULL))'],
    ['distance = 1 ISNULL', '((distance = 1) IS NULL)'],
    ['distance BETWEEN 1 AND 2 AND late', '((distance BETWEEN 1 AND 2) AND late)'],
    ['distance BETWEEN 1 = 1 AND 2 = 3', '((distance BETWEEN (1 = 1) AND 2) = 3)'],
    ['distance BETWEEN NOT late AND 2 < 3', '(distance BETWEEN (NOT late) AND (2 < 3))'],
    ['distance NOT BETWEEN 1 AND 2 OR late', '((distance NOT BETWEEN 1 AND 2) OR late)'],
    ['distance & 1 << 2 + 3 * 4', '((distance & 1) << (2 + (3 * 4)))'],
    ['distance - 1 - 2', '((distance - 1) - 2)'],
    ['distance * 2 / 3 % 4', '(((distance * 2) / 3) % 4)'],
    ['distance * 2 || 3', '(distance * (2 || 3))'],
    ["meta -> 'a' -> 'b' ->> 0 = 'x'", "((((meta -> 'a') -> 'b') ->> 0) = 'x')"],
    ['-distance || ~late', '((- distance) || (~ late))'],
    ['- 5 = distance', '(-5 = distance)'],
    ['-(5) = distance', '(-5 = distance)'],
    ['- - 5 = distance', '((- -5) = distance)'],
    ['-distance = +late', '((- distance) = (+ late))'],
    ['~-5 & distance', '((~ -5) & distance)'],
    ["-'5' = -x'35'", "((- '5') = (- x'35'))"],
    ['distance--5\n', 'distance'],
    ["origin || 'a' COLLATE NOCASE = 'b'", "((origin || ('a' COLLATE NOCASE)) = 'b')"],
    ['origin COLLATE nocase = -late COLLATE binary', '((origin COLLATE NOCASE) = ((- late) COLLATE BINARY))'],
    ['NOT origin COLLATE NOCASE', '(NOT (origin COLLATE NOCASE))'],
    ["origin LIKE 'a' || 'b' AND late", "((origin LIKE ('a' || 'b')) AND late)"],
    ["origin LIKE 'a' = 1", "((origin LIKE 'a') = 1)"],
    ["origin NOT LIKE 'a!%' ESCAPE '!' OR late", "((origin NOT LIKE 'a!%' ESCAPE '!') OR late)"],
    ["origin NOT GLOB 'a*' = 0", "((origin NOT GLOB 'a*') = 0)"],
    ['distance NOT IN (1, 2) = late IN ()', '(((distance NOT IN (1, 2)) = late) IN ())'],
    ['1 + distance IN (1 + 1, late)', '((1 + distance) IN ((1 + 1), late))'],
    ['CASE distance WHEN 1 THEN 2 END = 2', '(CASE distance WHEN 1 THEN 2 END = 2)'],
    ['CASE WHEN distance OR 1 THEN late ELSE 0 END', 'CASE WHEN (distance OR 1) THEN late ELSE 0 END'],
    ['CAST(distance AS varchar(10)) || CAST(late AS "int")', '(CAST(distance AS TEXT) || CAST(late AS INTEGER))'],
    [
      'CAST(distance AS DOUBLE PRECISION) = CAST(late AS decimal(10, -2))',
      '(CAST(distance AS REAL) = CAST(late AS NUMERIC))',
    ],
    ['distance AND (late AND bits)', '(distance AND (late AND bits))'],
    ['(distance AND late) AND bits', '(distance AND late AND bits)'],
    ['FLIGHT.Origin = "ORIGIN" AND [flight].`origin` = flight."id"', '((origin = origin) AND (origin = id))'],
    ['abs(-distance) IN (min(1, late))', '(abs((- distance)) IN (min(1, late)))'],
    [
      'ORDER BY 2, late + 1 DESC, origin COLLATE NOCASE NULLS LAST',
      'ORDER BY origin, (late + 1) DESC, (origin COLLATE NOCASE) NULLS LAST',
    ],
    ['ORDER BY late DESC NULLS LAST, distance ASC NULLS FIRST', 'ORDER BY late DESC, distance'],
  ])('%s', (text, meaning) => {
    expect(shown(text)).toBe(meaning);
  });
});

describe('our printing finds what the text finds', () => {
  test.each([
    '7 / 2 = 3',
    '1 / 0 IS NULL',
    "'abc' + 1 = 1",
    "1 = '1'",
    "distance = '12'",
    "'12' = distance",
    'distance + 1 > 9e18',
    'typeof(9223372036854775807 + 1) = typeof(1.5)',
    '9007199254740993 = 9007199254740992.0',
    'NULL IN ()',
    'NULL NOT IN ()',
    '1 IN (2, NULL) IS NULL',
    "'É' LIKE 'é'",
    "'E' LIKE 'e'",
    '2 IS TRUE',
    '2 = TRUE',
    'round(2.5) = 3',
    '-9223372036854775808 = -9223372036854775807 - 1',
    'distance = 9223372036854775807',
    '-7 / 2 = -3 AND -7 % 3 = -1',
    '1 << 62 > 0 AND 1 << 64 = 0 AND 1 << -1 = 0 AND -1 >> 70 = -1',
    '~5 = -6',
    "x'61' = 'a'",
    "'a' < x'00'",
    "origin = 'sfo' COLLATE NOCASE",
    "origin COLLATE RTRIM = 'JFK'",
    "origin < 'a' COLLATE NOCASE",
    "origin BETWEEN 'a' AND 'z' COLLATE NOCASE",
    "origin COLLATE NOCASE IN ('sfo', 'jfk ')",
    "CASE origin COLLATE NOCASE WHEN 'sfo' THEN 1 ELSE 0 END",
    "origin LIKE 's_o'",
    "origin LIKE '1%' ESCAPE '%'",
    "origin GLOB '[A-Z]*'",
    "origin NOT LIKE 's%'",
    'distance NOT BETWEEN 0 AND 12',
    'late IS NOT NULL AND NOT late',
    'distance IS origin',
    'distance IS NOT DISTINCT FROM NULL',
    "meta ->> 'a' = 1",
    "meta -> '$.b[0]' = '\"x\"'",
    "meta ->> 0 IN (1, 2) OR json_extract(meta, '$.b[#-1]') = 'x'",
    "json_type(meta) = 'array' OR json_array_length(meta) = 0",
    'json_valid(origin) OR json_object(\'a\', origin) = \'{"a":""}\'',
    "date(departs) = '2001-01-01'",
    "strftime('%Y-%m', departs) < '2001-01' OR unixepoch(departs, 'start of month') = 980985600",
    "datetime(departs, '+1 day', 'weekday 0') > '2001-01-07'",
    "length(origin) = 1 OR hex(bits) = '61' OR substr(bits, 1, 1) = x'01'",
    "upper(origin) = 'SFO' AND instr(lower(origin), 'f') = 2",
    "coalesce(origin, 'none') = 'none' OR ifnull(distance, 0) = 0",
    "printf('%05d|%s', distance, origin) = '00500|SFO'",
    'floor(late) = 0 OR ceil(late) = 2 OR sign(distance) = -1 OR sqrt(distance) = 0',
    'abs(late) > 1 ORDER BY late DESC',
    'ORDER BY distance DESC NULLS FIRST, id DESC LIMIT 3',
    'ORDER BY origin COLLATE NOCASE, late LIMIT 4 OFFSET 2',
    'ORDER BY 3 DESC, 1 LIMIT 2, 3',
    'ORDER BY distance % 5, id DESC LIMIT -1 OFFSET 1',
    'LIMIT 0',
    '',
    'distance > 0 -- and no more',
    "distance /* not ' this */ > 0",
  ])('%s', (text) => {
    const ordered = /ORDER BY/.test(text);
    const found = flights.found(flights.select(text));
    const asked = flights.asked(text);
    expect(found).toEqual(ordered ? asked : [...asked].sort());
  });

  test('a part of them finds something and a part does not, so that finding means something', () => {
    expect(flights.asked("origin = 'sfo' COLLATE NOCASE")).toEqual(['1', '2']);
    expect(flights.asked("1 = '1'")).toEqual([]);
    expect(flights.asked("distance = '12'")).toEqual(['5']);
  });
});

test('a keyword that SQLite takes for a name is a name here', () => {
  const keywords =
    'abort action after analyze asc before begin by cascade cast column conflict cross current database deferred desc do each end ' +
    'exclude explain fail filter first following for full generated glob groups if ignore immediate inner instead key last left ' +
    'like match natural no nulls of offset others outer over partition plan pragma query range recursive regexp release replace ' +
    'restrict right rollback row rows savepoint temp ties trigger unbounded vacuum view virtual window without';
  const forms = [
    'K > 1',
    'K - 1 < -K',
    'CASE K WHEN K THEN K ELSE K END',
    'CASE WHEN K THEN K END',
    'K IN (1, K)',
    'NOT K',
    'K ISNULL',
  ];
  forms.push(
    'K BETWEEN K AND K',
    'K LIKE K',
    'K NOT NULL',
    'keyword.K = 1 AND abs(K)',
    'ORDER BY K DESC',
    'K COLLATE NOCASE = K LIMIT 1',
  );
  let taken = 0;
  for (const name of keywords.split(' ')) {
    flights.driver.exec(`DROP TABLE IF EXISTS keyword; CREATE TABLE keyword (id TEXT PRIMARY KEY, "${name}" INTEGER)`);
    const id = { name: 'id', type: 'text' as const, index: 0, json: false };
    const table = { name: 'keyword', columns: [id, { name, type: 'integer' as const, index: 1, json: false }] };
    const select = createSelector(table, flights.driver.all);
    for (const form of forms) {
      const text = form.replace(/\bK\b/g, name);
      const sql = `SELECT 1 FROM keyword ${text.startsWith('ORDER') ? '' : 'WHERE '}${text}`;
      if (!isAccepted(() => flights.driver.columns(sql))) continue;
      expect(() => select(text), text).not.toThrow();
      taken++;
    }
  }
  expect(taken).toBeGreaterThan(800);
});

function isAccepted(body: () => unknown): boolean {
  try {
    body();
    return true;
  } catch {
    return false;
  }
}
