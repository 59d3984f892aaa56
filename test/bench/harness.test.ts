/** The bench's arithmetic and its table; what it measures is never a test. */
import { expect, test } from 'vitest';
import { createHandWriter } from '../../bench/by-hand.ts';
import { atLeast, atMost, type Figure, isReached, noMoreThan, scoreOf } from '../../bench/figure.ts';
import { flights, take } from '../../bench/flights.ts';
import { duel, median, quantile, typicalMilliseconds } from '../../bench/measure.ts';
import { requireSameWork } from '../../bench/same-work.ts';
import { takeSample } from '../../bench/sample.ts';
import { printNumber, printTable } from '../../bench/table.ts';
import { withFolder } from '../../bench/temporary.ts';

const figure = (part: Partial<Figure>): Figure => ({
  name: 'create',
  unit: 'ms',
  ours: 40,
  limit: 20,
  score: 0.5,
  reach: atLeast(0.5),
  ...part,
});

test('the median is the middle value, or between the two in the middle, in whatever order they come', () => {
  expect(median([9, 1, 5])).toBe(5);
  expect(median([10, 1, 4, 2])).toBe(3);
  expect(median([])).toBeNaN();
});

test('a quantile lies between its neighbours in proportion', () => {
  expect(quantile([0, 10], 0.99)).toBeCloseTo(9.9);
  expect(quantile([3, 1, 2], 1)).toBe(3);
  expect(quantile([3, 1, 2], 0)).toBe(1);
});

test('a score is a share of the speed, a multiple of the cost, or the cost itself', () => {
  expect(scoreOf(40, 20, atLeast(0.5))).toBe(0.5);
  expect(scoreOf(40, 20, atMost(3))).toBe(2);
  expect(scoreOf(1.5, Number.NaN, noMoreThan(2))).toBe(1.5);
});

test('what is exactly at its bound reaches it, and what is past it does not', () => {
  expect(isReached(figure({ score: 0.5, reach: atLeast(0.5) }))).toBe(true);
  expect(isReached(figure({ score: 0.499, reach: atLeast(0.5) }))).toBe(false);
  expect(isReached(figure({ score: 3, reach: atMost(3) }))).toBe(true);
  expect(isReached(figure({ score: 3.01, reach: atMost(3) }))).toBe(false);
  expect(isReached(figure({ score: Number.NaN, reach: atMost(3) }))).toBe(false);
});

test('a duel runs both sides in turn, leaves the warm-up out, and its score is the median of the rounds', async () => {
  const order: string[] = [];
  const side = (name: string, costs: readonly number[]) => (round: number) => {
    order.push(`${name}${round}`);
    return costs[round]!;
  };
  const result = await duel({
    name: 'create',
    unit: 'ms',
    reach: atMost(3),
    rounds: 3,
    warmUp: 1,
    ours: side('a', [900, 20, 300, 40]),
    limit: side('b', [1, 10, 100, 10]),
  });
  expect(order).toEqual(['a0', 'b0', 'b1', 'a1', 'a2', 'b2', 'b3', 'a3']);
  // The rounds' own ratios are 2, 3 and 4; the ratio of the medians would have been 4.
  expect(result).toEqual({ name: 'create', unit: 'ms', reach: atMost(3), ours: 40, limit: 10, score: 3 });
});

test('the typical time is taken of one item after the other, each waited for', async () => {
  const seen: string[] = [];
  const work = async (item: number) => {
    seen.push(`begin ${item}`);
    await undefined;
    seen.push(`end ${item}`);
  };
  expect(await typicalMilliseconds([1, 2], work)).toBeGreaterThanOrEqual(0);
  expect(seen).toEqual(['begin 1', 'end 1', 'begin 2', 'end 2']);
});

test('a comparison of files that do not hold the same is refused', async () => {
  const sample = await takeSample();
  const some = take(flights(), 20);
  await withFolder(async (path) => {
    for (const [name, count] of [
      ['one', 20],
      ['same', 20],
      ['less', 19],
    ] as const) {
      const hand = createHandWriter(path(name), sample);
      hand.commit(() => {
        hand.transaction();
        some.slice(0, count).forEach(hand.create);
      });
      hand.database.close();
    }
    expect(() => requireSameWork(path('one'), path('same'))).not.toThrow();
    expect(() => requireSameWork(path('one'), path('less'))).toThrow(/not fair: _flight/);
  });
});

test('numbers are printed with three significant digits, and a missing one as a dash', () => {
  expect([0.012345, 1.5, 12.34, 99.99, 1234.6].map(printNumber)).toEqual(['0.0123', '1.5', '12.3', '100', '1235']);
  expect(printNumber(Number.NaN)).toBe('-');
});

test('the table aligns its columns and marks what misses its reach', () => {
  const figures = [
    figure({}),
    figure({ name: 'window', ours: 90, score: 4.5, reach: atMost(3) }),
    figure({ name: 'memory', unit: 'KiB', ours: 1.25, limit: null, score: 1.25, reach: noMoreThan(2) }),
  ];
  expect(printTable(figures, new Map([['window', 2.5]])).split('\n')).toEqual([
    'bench       ours  limit  ratio     reach      ok  baseline',
    '------  --------  -----  -----  --------  ------  --------',
    'create     40 ms  20 ms    0.5    >= 0.5     yes         -',
    'window     90 ms  20 ms    4.5      <= 3  MISSED       2.5',
    'memory  1.25 KiB      -      -  <= 2 KiB     yes         -',
  ]);
});
