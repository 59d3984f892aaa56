/** The prefix index against asking every prefix. */
import { describe, expect, test } from 'vitest';
import { type Bucket, itemsOf } from '../../engine/live/bucket.ts';
import { MAX_PREFIX_LENGTH, PrefixIndex, prefixBetween } from '../../engine/live/prefix-index.ts';
import { compareText } from '../../query/index.ts';
import { createRandom, type Random, runs, seedFor } from '../support/random.ts';

const seed = seedFor('prefix index');

test('exactly the prefixes that a text starts with are found, while they come and go', () => {
  const random = createRandom(seed);
  const index = new PrefixIndex<{ readonly prefix: string }>();
  const held = new Set<{ readonly prefix: string }>();
  for (let step = 0; step < runs(20_000); step += 1) {
    if (held.size === 0 || random.chance(0.55)) {
      const item = { prefix: randomText(random, 4) };
      held.add(item);
      index.add(item.prefix, item);
    } else {
      const item = random.pick([...held]);
      held.delete(item);
      index.remove(item.prefix, item);
    }
    const text = randomText(random, 6);
    expect(new Set(hitsOf(index, text))).toEqual(new Set([...held].filter(({ prefix }) => text.startsWith(prefix))));
  }
  for (const item of held) index.remove(item.prefix, item);
  expect(index.size).toBe(0);
});

test('a prefix at the limit is held whole, one past it by its beginning, which is never too narrow', () => {
  const index = new PrefixIndex<object>();
  const [at, past] = ['x'.repeat(MAX_PREFIX_LENGTH), 'y'.repeat(MAX_PREFIX_LENGTH + 1)];
  const [first, second] = [{}, {}];
  index.add(at, first);
  index.add(past, second);
  expect(hitsOf(index, at)).toEqual([first]);
  expect(hitsOf(index, at.slice(1))).toEqual([]);
  expect(hitsOf(index, past)).toEqual([second]);
  expect(hitsOf(index, past.slice(1))).toEqual([second]);
  index.remove(past, second);
  index.remove(past, second);
  expect(index.size).toBe(1);
});

describe('the prefix of what lies between two bounds', () => {
  const within = (low: string, high: string) =>
    prefixBetween({ key: low, inclusive: true }, { key: high, inclusive: false });

  test('is that of exactly these texts', () => {
    expect(within('an', 'ao')).toBe('an');
    expect(within('é', 'ê')).toBe('é');
    const random = createRandom(seed);
    for (let round = 0; round < runs(20_000); round += 1) {
      const [low, high, text] = [randomText(random, 3), randomText(random, 3), randomText(random, 5)];
      const prefix = within(low, high);
      if (prefix === null) continue;
      const isWithin = compareText(low, text) <= 0 && compareText(text, high) < 0;
      expect(text.startsWith(prefix)).toBe(isWithin);
    }
  });

  test('is none where the texts differ in more, or a bound is open, exclusive or no text', () => {
    for (const [low, high] of [
      ['an', 'ap'],
      ['an', 'b'],
      ['an', 'bo'],
      ['', 'a'],
      ['a\ud7ff', 'a\ud800'],
      ['\ue000', '\ue001'],
    ] as const) {
      expect(within(low, high)).toBeNull();
    }
    const [a, b] = ['a', 'b'].map((key) => ({ key, inclusive: true }));
    expect(prefixBetween(a!, b!)).toBeNull();
    expect(prefixBetween({ key: 'a', inclusive: false }, { key: 'b', inclusive: false })).toBeNull();
    expect(prefixBetween(a!, null)).toBeNull();
    expect(prefixBetween({ key: 1, inclusive: true }, { key: 2, inclusive: false })).toBeNull();
  });
});

function hitsOf<Item extends object>(index: PrefixIndex<Item>, text: string): readonly Item[] {
  const buckets: Bucket<Item>[] = [];
  index.find(text, buckets);
  return buckets.flatMap((bucket) => itemsOf(bucket));
}

function randomText(random: Random, maxLength: number): string {
  return Array.from({ length: 1 + random.integer(maxLength) }, () => random.pick(['a', 'b', 'c', 'é'])).join('');
}
