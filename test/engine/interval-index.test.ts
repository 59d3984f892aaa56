/** The interval index against a list that is searched from end to end. */
import { expect, test } from 'vitest';
import { type Bucket, itemsOf } from '../../engine/live/bucket.ts';
import { type Bound, IntervalIndex } from '../../engine/live/interval-index.ts';
import { compareKeys, type RowKey } from '../../query/index.ts';
import { createRandom, type Random, runs, seedFor } from '../support/random.ts';

interface Interval {
  readonly low: Bound;
  readonly high: Bound;
}

const seed = seedFor('interval index');

const NUMBERS: readonly RowKey[] = [
  ...[
    Number.NEGATIVE_INFINITY,
    -Number.MAX_VALUE,
    -5,
    -0.5,
    -Number.MIN_VALUE,
    0,
    Number.MIN_VALUE,
    0.5,
    1,
    2,
    3,
    4,
    5,
  ],
  ...[2 ** 53 - 1, 2n ** 53n, 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n), 1e300, Number.POSITIVE_INFINITY],
];
const TEXTS: readonly RowKey[] = [
  '',
  '\0',
  'a',
  'a\0',
  'aa',
  'ab',
  'b',
  'É',
  '\uffff',
  '\ue000',
  '😀',
  '😀a',
  '😁',
  'z',
];

test.each([
  ['numbers', NUMBERS],
  ['texts', TEXTS],
  ['a few integers', [0, 1, 2, 3]],
  ['many integers', Array.from({ length: 2_000 }, (_, at) => at)],
])('among %s, exactly the intervals that contain a key are found, while they come and go', (_, keys) => {
  const random = createRandom(seed);
  for (let round = 0; round < 5; round += 1) {
    const index = new IntervalIndex<Interval>();
    const held = new Set<Interval>();
    for (let step = 0; step < runs(8_000); step += 1) {
      const grows = random.chance(step < runs(6_000) ? 0.7 : 0.2);
      if (grows || held.size === 0) add(index, held, { low: bound(random, keys), high: bound(random, keys) });
      else remove(index, held, random.pick([...held]));
      if (random.chance(0.3)) expectHits(index, held, random.pick(keys));
    }
    for (const key of keys.slice(0, 50)) expectHits(index, held, key);
    for (const interval of [...held]) remove(index, held, interval);
    expect(index.size).toBe(0);
  }
});

test('a hundred thousand intervals are added, found and removed', () => {
  const index = new IntervalIndex<Interval>();
  const intervals = Array.from({ length: 100_000 }, (_, at) => between(at * 10, at * 10 + 10));
  for (const interval of intervals) index.add(interval.low, interval.high, interval);
  expect(index.size).toBe(100_000);
  expect(hitsOf(index, 500_005)).toEqual([intervals[50_000]]);
  for (const interval of intervals) index.remove(interval.low, interval.high, interval);
  expect(index.size).toBe(0);
  expect(hitsOf(index, 500_005)).toEqual([]);
});

test('what is removed twice, or was never added, is not missed', () => {
  const index = new IntervalIndex<Interval>();
  const [kept, gone] = [between(0, 10), between(0, 20)];
  index.add(kept.low, kept.high, kept);
  index.remove(gone.low, gone.high, gone);
  index.remove(kept.low, kept.high, gone);
  expect(hitsOf(index, 5)).toEqual([kept]);
});

function add(index: IntervalIndex<Interval>, held: Set<Interval>, interval: Interval): void {
  index.add(interval.low, interval.high, interval);
  held.add(interval);
}

function remove(index: IntervalIndex<Interval>, held: Set<Interval>, interval: Interval): void {
  index.remove(interval.low, interval.high, interval);
  held.delete(interval);
}

function expectHits(index: IntervalIndex<Interval>, held: ReadonlySet<Interval>, key: RowKey): void {
  const wanted = [...held].filter((interval) => contains(interval, key));
  const hits = hitsOf(index, key);
  expect(hits.length).toBe(wanted.length);
  expect(new Set(hits)).toEqual(new Set(wanted));
}

function hitsOf(index: IntervalIndex<Interval>, key: RowKey): readonly Interval[] {
  const buckets: Bucket<Interval>[] = [];
  index.stab(key, buckets);
  return buckets.flatMap((bucket) => itemsOf(bucket));
}

function contains({ low, high }: Interval, key: RowKey): boolean {
  const fromLow = low === null ? 1 : compareKeys(key, low.key);
  const toHigh = high === null ? 1 : compareKeys(high.key, key);
  return (fromLow > 0 || (fromLow === 0 && !!low?.inclusive)) && (toHigh > 0 || (toHigh === 0 && !!high?.inclusive));
}

function bound(random: Random, keys: readonly RowKey[]): Bound {
  return random.chance(0.15) ? null : { key: random.pick(keys), inclusive: random.chance(0.5) };
}

function between(low: number, high: number): Interval {
  return { low: { key: low, inclusive: true }, high: { key: high, inclusive: false } };
}
