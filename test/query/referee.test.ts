import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TendrilError } from '../../errors.ts';
import type { Draft } from '../../query/parse/parse.ts';
import { referee } from '../../query/parse/referee.ts';
import { type Flights, openFlights, parsed, refusal } from './flights.ts';

let flights: Flights;
beforeAll(async () => {
  flights = await openFlights();
});
afterAll(() => flights.driver.close());

const judge = (draft: Draft) => referee(draft, flights.driver.all);

describe('a planted mis-parse is caught', () => {
  /** The tree of the second text is given out as that of the first. */
  test.each([
    ['origin OR late AND distance', '(origin OR late) AND distance'],
    ['origin = 1 OR late = 2 AND distance = 3', '(origin = 1 OR late = 2) AND distance = 3'],
    ['0 AND late OR distance', '0 AND (late OR distance)'],
    ['1 OR late AND distance', '(1 OR late) AND distance'],
    // SQLite folds both to 0, unless the constant is lifted.
    ['0 AND late = 2', '0 AND late < 2'],
    ['NOT (distance) = late', '(NOT distance) = late'],
    ['NOT distance = 5', '(NOT distance) = 5'],
    ['origin = NOT distance = late', '(origin = NOT distance) = late'],
    ['distance = 1 = 0', 'distance = (1 = 0)'],
    ['distance < 5 = 1', 'distance < (5 = 1)'],
    ['distance - 1 - 2', 'distance - (1 - 2)'],
    ['distance + 2 * 3', '(distance + 2) * 3'],
    ['distance & 1 + 2', '(distance & 1) + 2'],
    ['distance * 2 || 3', '(distance * 2) || 3'],
    ['- distance || late', '-(distance || late)'],
    ['distance BETWEEN 1 AND 2 AND 3', 'distance BETWEEN 1 AND (2 AND 3)'],
    ['distance BETWEEN 1 AND 2 = 3', 'distance BETWEEN 1 AND (2 = 3)'],
    ['distance IS NOT late', 'distance IS (NOT late)'],
    ['distance IS TRUE', 'distance = TRUE'],
    ['distance IS NOT TRUE', 'distance IS NOT FALSE'],
    ['distance IS DISTINCT FROM late', 'distance IS late'],
    ['origin LIKE id ESCAPE meta', 'origin LIKE meta ESCAPE id'],
    ['origin NOT LIKE id', 'origin LIKE id'],
    ['origin IN (id, late)', 'origin IN (late, id)'],
    ['origin = id COLLATE NOCASE', 'origin = id'],
    ['CASE WHEN late THEN id ELSE meta END', 'CASE WHEN late THEN meta ELSE id END'],
    ['CASE late WHEN 1 THEN 2 END', 'CASE WHEN 1 THEN 2 END'],
    ['CAST(late AS TEXT)', 'CAST(late AS BLOB)'],
    ["meta -> 'a' ->> 'b'", "meta ->> 'a' -> 'b'"],
    ['origin = late', 'late = origin'],
    ['origin = late', 'origin = distance'],
    ['ORDER BY origin DESC', 'ORDER BY origin'],
    ['ORDER BY origin, late', 'ORDER BY late, origin'],
    ['ORDER BY origin NULLS LAST', 'ORDER BY origin'],
    ['ORDER BY 2', 'ORDER BY 3'],
    ['ORDER BY late + 1 * 2', 'ORDER BY (late + 1) * 2'],
    ['ORDER BY 0 AND late OR distance', 'ORDER BY 0 AND (late OR distance)'],
    ['ORDER BY origin COLLATE NOCASE', 'ORDER BY origin'],
    ['LIMIT 5 OFFSET 6', 'LIMIT 5'],
    ['LIMIT 5, 6', 'LIMIT 5 OFFSET 6'],
  ])('%s is not %s', (text, other) => {
    const [right, wrong] = [parsed(text), parsed(other)];
    judge(right);
    const { where, orderBy, limit, offset } = wrong;
    // The slots stand for the same literals in both.
    const planted = { ...right, where, orderBy, limit, offset };
    expect(refusal(() => judge(planted)).code).toBe('query-unsupported');
  });

  test.each([
    ['distance = 5', { value: 6 }],
    ['distance = 5', { tag: 'r' as const, value: 5 }],
    ["origin = 'it''s'", { value: "it''s" }],
    ["origin = 'a'", { value: 'A' }],
    ['late = 1e3', { value: 1 }],
    ["bits = x'00'", { value: new Uint8Array([1]) }],
    ['distance = 0x10', { value: 10 }],
  ])('%s read as %j', (text, wrong) => {
    const right = parsed(text);
    judge(right);
    const literals = right.lexed.literals.map((literal) => ({ ...literal, ...wrong }));
    expect(refusal(() => judge({ ...right, lexed: { ...right.lexed, literals } })).code).toBe('query-unsupported');
  });

  test('a minus that got lost', () => {
    const right = parsed('distance = -5');
    const slots = right.slots.map((source) => ({ ...source, negated: false }));
    expect(refusal(() => judge({ ...right, slots })).code).toBe('query-unsupported');
  });
});

describe('what SQLite refuses', () => {
  test('comes through with its message and its place', () => {
    const draft = parsed('distance > 1 AND late = 2');
    const table = { ...draft.table, name: 'nosuch' };
    const error = refusal(() => judge({ ...draft, table }));
    expect(error.code).toBe('unknown-collection');
    expect(error.facts.sqlite).toBe('no such table: nosuch');
    const text = 'distance > 1 AND likelihood(late, 0.5)';
    const planted = { ...parsed(text), where: parsed('likelihood(late, late) > 1').where };
    expect(refusal(() => judge(planted)).problem).toContain('likelihood');
  });

  test('a failing disk is not blamed on the text', () => {
    const failure = new TendrilError({
      code: 'storage-failed',
      problem: 'The disk is gone.',
      remedy: 'Find it.',
      facts: { sqlite: 'disk I/O error', sqliteCode: 'SQLITE_IOERR' },
    });
    const probe = () => {
      throw failure;
    };
    expect(refusal(() => referee(parsed('distance > 1'), probe))).toBe(failure);
  });
});

test.each([
  'distance IN (2147483648, 0x80000000, id, 2147483648, 2_147_483_648)',
  "late = 1.5 OR late = 1.50 OR late = 15e-1 OR bits = x'aB' OR bits = X'Ab'",
  'distance = -9223372036854775808 OR distance = 0x7fffffffffffffff OR distance = 9223372036854775807',
  'ORDER BY (2147483648 + 0x80000000)',
])('%s: one value in several spellings is no mis-parse', (text) => {
  expect(() => judge(parsed(text))).not.toThrow();
});

test('a verdict that the driver remembers from an older schema does not count', () => {
  judge(parsed('late = ? OR late = 7'));
  flights.driver.exec('CREATE TABLE later (x)');
  expect(() => judge(parsed('(late) = ? OR late = 7'))).not.toThrow();
  const planted = { ...parsed('(late) = ? OR distance = 7'), where: parsed('late = ? OR late = 7').where };
  expect(refusal(() => judge(planted)).code).toBe('query-unsupported');
});

test('a text cannot get out of the parenthesis it is judged in', () => {
  for (const text of ['1) FROM flight --', '1) OR (1', 'distance > 1 -- )', '1 /*', '1); DROP TABLE flight; --']) {
    const attempt = () => judge(parsed(text));
    if (text.includes('-- )')) expect(attempt).not.toThrow();
    else expect(refusal(attempt).code).toBe('query-syntax');
  }
  expect(flights.driver.get('SELECT count(*) FROM flight')).toEqual([8]);
});
