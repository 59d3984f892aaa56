/** Text read as a number: SQLite's reading, or none. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DOUBT } from '../../query/evaluate/doubt.ts';
import { integerAtStart, numberAtStart, numberSpelledBy } from '../../query/evaluate/numeric-text.ts';
import { cellOf, classOf, type SqlValue } from '../../query/value.ts';
import type { SqliteDriver } from '../../storage/index.ts';
import { createRandom, runs, seedFor } from '../support/random.ts';
import { openEveryDriver } from './every-driver.ts';

const PARTS = [
  ...'0123456789.eE+- \t\nxa',
  '00',
  '１',
  '\u00a0',
  '\u000b',
  '\0',
  '9223372036854775807',
  '9223372036854775808',
  '1e5',
  '.5',
  '99999999999999',
];

/** What the text is to arithmetic, to a bit operator, and beside an INTEGER column: its class and, if a number, its worth. */
const QUESTION = `SELECT typeof(t + 0), t + 0, t | 0, n < t, n = t, n > t FROM (SELECT ?1 AS t, CAST(?2 AS INTEGER) AS n)`;

let drivers: readonly SqliteDriver[];
beforeAll(async () => {
  drivers = await openEveryDriver();
});
afterAll(() => {
  for (const driver of drivers) driver.close();
});

test('random text is the number that every SQLite takes it for, or is left to SQLite', () => {
  const random = createRandom(seedFor('numeric-text'));
  let doubts = 0;
  const total = runs(100_000);
  for (let run = 0; run < total; run++) {
    const text = Array.from({ length: random.integer(7) }, () => random.pick(PARTS)).join('');
    const beside = random.pick([0n, 1n, 5n, -1n, 150000n, 2n ** 62n]);
    const driver = drivers[run % drivers.length]!;
    const [type, sum, bits, less, same, greater] = driver.get(QUESTION, [text, beside])!;
    const what = `${JSON.stringify(text)} in ${driver.name}`;
    expect(cellOf(integerAtStart(text)), what).toBe(bits);
    const number = undoubted(() => numberAtStart(text));
    if (number === undefined) doubts++;
    else expect([classOf(number), cellOf(number)], what).toEqual([type, sum === 0 ? cellOf(number) : sum]);
    const spelled = undoubted(() => numberSpelledBy(text));
    if (spelled === undefined) continue;
    // What is no number is text, and text is greater than every number.
    const order = spelled === null || beside < spelled ? [1, 0, 0] : beside > spelled ? [0, 0, 1] : [0, 1, 0];
    expect([less, same, greater], what).toEqual(order);
  }
  expect(doubts / total).toBeLessThan(0.4);
});

test.each([
  ['123456789012345', 123456789012345n],
  ['12345678901234.5', 12345678901234.5],
  ['1e22', 1e22],
  ['000000000000000000001.50', 1.5],
  ['9223372036854775807', 2n ** 63n - 1n],
  ['-9223372036854775808', -(2n ** 63n)],
])('%s is read in JavaScript', (text, number) => {
  expect(numberSpelledBy(text)).toBe(number);
});

test.each(['1234567890123456.5', '1e23', '9223372036854775808', '1\0', '0.1234567890123456'])(
  '%j is left to SQLite',
  (text) => {
    expect(undoubted(() => numberSpelledBy(text))).toBeUndefined();
    expect(undoubted(() => numberAtStart(text))).toBeUndefined();
  },
);

test('a million digits are not made a number to find that they are too many', () => {
  const started = performance.now();
  expect(integerAtStart('9'.repeat(1_000_000))).toBe(2n ** 63n - 1n);
  expect(integerAtStart(`-${'9'.repeat(1_000_000)}`)).toBe(-(2n ** 63n));
  expect(performance.now() - started).toBeLessThan(500);
});

function undoubted<Result extends SqlValue>(read: () => Result): Result | undefined {
  try {
    return read();
  } catch (doubt) {
    if (doubt === DOUBT) return undefined;
    throw doubt;
  }
}
