/** Every bound of query/, at the limit and one past it. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  MAX_IN_LIST,
  MAX_JOINED,
  MAX_KNOWN_CHARACTERS,
  MAX_KNOWN_TEXTS,
  MAX_PARAMETERS,
  MAX_PATTERN_BYTES,
  MAX_STATEMENT_DEPTH,
  MAX_TREE_DEPTH,
  MAX_TREE_NODES,
} from '../../query/limits.ts';
import { Recent } from '../../query/recent.ts';
import { createSelector } from '../../query/selector.ts';
import { createAnalyser } from '../../query/statement/statement.ts';
import type { SqlInput } from '../../query/value.ts';
import { FLIGHT, type Flights, openFlights, parsed, refusal } from './flights.ts';

let flights: Flights;
beforeAll(async () => {
  flights = await openFlights();
});
afterAll(() => flights.driver.close());

function exceeds(body: () => unknown, facts: object): void {
  const error = refusal(body);
  expect(error.code).toBe('limit-exceeded');
  expect(error.facts).toMatchObject(facts);
}

describe('nodes', () => {
  test('a tree of MAX_TREE_NODES is parsed, one more is refused at its token', () => {
    // The column, the list, and IN itself.
    const full = `distance IN (late${', late'.repeat(MAX_TREE_NODES - 3)})`;
    expect(parsed(full).where?.kind).toBe('in');
    const offset = 'distance '.length;
    exceeds(() => parsed(full.replace('(late', '(late, late')), { limit: MAX_TREE_NODES, offset });
  });

  test('the constants of an IN list cost nothing', () => {
    const full = `distance IN (${'1,-2,?,'.repeat(333)}late${',late'.repeat(MAX_TREE_NODES - 1000)})`;
    expect(parsed(full).where?.kind).toBe('in');
  });
});

describe('depth', () => {
  const inParentheses = (depth: number) => `${'('.repeat(depth)}distance${')'.repeat(depth)}`;
  const inNots = (depth: number) => `${'NOT '.repeat(depth)}distance`;
  const inSums = (depth: number) => `distance${' + 1'.repeat(depth)}`;
  const inCalls = (depth: number) => `${'abs('.repeat(depth)}distance${')'.repeat(depth)}`;

  test.each([
    ['parentheses', inParentheses, MAX_TREE_DEPTH, MAX_TREE_DEPTH],
    ['prefixes', inNots, MAX_TREE_DEPTH - 1, 0],
    ['operators', inSums, MAX_TREE_DEPTH - 1, 'distance'.length + (MAX_TREE_DEPTH - 1) * 4 + 1],
    ['calls', inCalls, MAX_TREE_DEPTH - 1, 0],
  ])('%s: the deepest is accepted by us and by SQLite, one more is refused', (_, text, most, offset) => {
    expect(flights.found(flights.select(text(most)))).toEqual([...flights.asked(text(most))].sort());
    exceeds(() => flights.select(text(most + 1)), { limit: MAX_TREE_DEPTH, offset });
  });

  test.each([inParentheses, inNots, inCalls])('a text made of nothing else does not end the process', (text) => {
    exceeds(() => flights.select(text(10_000)), { limit: MAX_TREE_DEPTH });
  });

  test('of a whole statement', () => {
    const analyse = createAnalyser([FLIGHT], flights.driver);
    const text = (depth: number) => `SELECT ${'('.repeat(depth)}1${')'.repeat(depth)} AS one FROM flight`;
    expect(analyse(text(MAX_STATEMENT_DEPTH)).kind).toBe('select');
    const offset = 'SELECT '.length + MAX_STATEMENT_DEPTH;
    exceeds(() => analyse(text(MAX_STATEMENT_DEPTH + 1)), { limit: MAX_STATEMENT_DEPTH, offset });
  });

  test('of a FROM clause: MAX_JOINED tables, and no more', () => {
    const analyse = createAnalyser([FLIGHT], flights.driver);
    const text = (tables: number) => `SELECT 1 AS one FROM ${'flight, '.repeat(tables - 1)}flight`;
    expect(analyse(text(MAX_JOINED)).kind).toBe('select');
    exceeds(() => analyse(text(MAX_JOINED + 1)), {
      limit: MAX_JOINED,
      offset: text(MAX_JOINED + 1).lastIndexOf('flight'),
    });
  });

  test('sub-selects within sub-selects are skimmed once each', () => {
    const analyse = createAnalyser([FLIGHT], flights.driver);
    const depth = 40;
    const text = `SELECT ${'(SELECT '.repeat(depth)}1${')'.repeat(depth)} AS one`;
    expect(analyse(text).kind).toBe('select');
  });
});

describe('lists', () => {
  test('an IN list of MAX_IN_LIST is accepted, one more is refused at its token', () => {
    const list = (length: number) => Array.from({ length }, (_, i) => i).join(', ');
    const full = `distance IN (${list(MAX_IN_LIST)})`;
    expect(flights.found(flights.select(full))).toEqual(['1', '2', '3', '5']);
    exceeds(() => flights.select(`distance IN (${list(MAX_IN_LIST + 1)})`), {
      limit: MAX_IN_LIST,
      offset: full.length + 1,
    });
  });

  test('?N up to MAX_PARAMETERS', () => {
    expect(parsed(`distance = ?${MAX_PARAMETERS}`).parameters).toEqual({ kind: 'positions', count: MAX_PARAMETERS });
    exceeds(() => parsed(`distance = ?${MAX_PARAMETERS + 1}`), { limit: MAX_PARAMETERS, offset: 11 });
  });
});

test('a pattern of MAX_PATTERN_BYTES is accepted by us and by SQLite, one more is refused', () => {
  const find = (pattern: string) => flights.found(flights.select('origin LIKE ?', [pattern]));
  expect(find('é'.repeat(MAX_PATTERN_BYTES / 2))).toEqual([]);
  const error = refusal(() => find(`${'é'.repeat(MAX_PATTERN_BYTES / 2)}x`));
  expect(error.code).toBe('limit-exceeded');
  expect(error.facts.offset).toBe(12);
});

describe('memory', () => {
  test('Recent forgets what was used least recently', () => {
    const recent = new Recent<string, number>(2);
    recent.set('a', 1);
    recent.set('b', 2);
    expect(recent.get('a')).toBe(1);
    recent.set('c', 3);
    expect([recent.get('a'), recent.get('b'), recent.get('c'), recent.size]).toEqual([1, undefined, 3, 2]);
    recent.set('c', 4);
    expect([recent.size, recent.get('c')]).toEqual([2, 4]);
  });

  test('Recent forgets what is too much together, but for the last', () => {
    const recent = new Recent<string, number>(9, 100);
    recent.set('a', 1, 60);
    recent.set('b', 2, 40);
    expect([recent.get('a'), recent.get('b')]).toEqual([1, 2]);
    recent.set('c', 3, 1);
    expect([recent.get('a'), recent.get('b'), recent.get('c')]).toEqual([undefined, 2, 3]);
    recent.set('b', 4, 99);
    expect([recent.get('b'), recent.get('c'), recent.size]).toEqual([4, 3, 2]);
    recent.set('d', 5, 101);
    expect([recent.get('d'), recent.size]).toEqual([5, 1]);
  });

  test('texts of MAX_KNOWN_CHARACTERS together are parsed once, and one more makes it forget', () => {
    let asked = 0;
    const select = createSelector(FLIGHT, (sql: string, parameters: readonly SqlInput[]) => {
      asked++;
      return flights.driver.all(sql, parameters as never);
    });
    const texts = ['<', '<=', '>', '>=', '='].map((sign) => `late ${sign} 1`.padEnd(MAX_KNOWN_CHARACTERS / 4));
    for (const text of texts.slice(0, 4)) select(text);
    asked = 0;
    for (const text of texts.slice(0, 4)) select(text);
    expect(asked).toBe(0);
    select(texts[4]!);
    const once = asked;
    select(texts[0]!);
    expect(asked).toBe(2 * once);
  });

  test('a text is parsed once while it is among the last MAX_KNOWN_TEXTS, and again after', () => {
    let asked = 0;
    const select = createSelector(FLIGHT, (sql: string, parameters: readonly SqlInput[]) => {
      asked++;
      return flights.driver.all(sql, parameters as never);
    });
    select('late = 1');
    const once = asked;
    select('late = 2');
    expect(asked).toBe(once);
    for (let i = 0; i < MAX_KNOWN_TEXTS; i++) select(`origin = 'x' OR late = :name${i}`, { [`name${i}`]: 1 });
    asked = 0;
    select('late = 3');
    expect(asked).toBe(once);
  });
});
