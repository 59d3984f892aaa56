/** LIKE and GLOB against SQLite, and the prefix that everything matching a pattern starts with. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { GLOB, LIKE, likeWithEscape, literalPrefix, matchesPattern } from '../../query/evaluate/like.ts';
import { MAX_PATTERN_BYTES } from '../../query/limits.ts';
import { foldAscii } from '../../query/value.ts';
import type { SqliteDriver } from '../../storage/index.ts';
import { createRandom, runs, seedFor } from '../support/random.ts';
import { openEveryDriver } from './every-driver.ts';

const SIGNS = ['a', 'A', 'b', '%', '_', '*', '?', '[', ']', '^', '-', '\\', 'é', '😀', '\0', 'ab', '[^a', '[]', 'a-'];

let drivers: readonly SqliteDriver[];
beforeAll(async () => {
  drivers = await openEveryDriver();
});
afterAll(() => {
  for (const driver of drivers) driver.close();
});

test('random patterns match as in SQLite, and what matches starts with the literal prefix', () => {
  const random = createRandom(seedFor('like'));
  const text = () => Array.from({ length: random.integer(7) }, () => random.pick(SIGNS)).join('');
  const driver = drivers[0]!;
  for (let run = 0; run < runs(200_000); run++) {
    const [subject, pattern, sign] = [text(), text(), random.pick(['\\', 'a', '%', '_', '😀'])];
    const [like, escaped, glob] = driver.get('SELECT ?1 LIKE ?2, ?1 LIKE ?2 ESCAPE ?3, ?1 GLOB ?2', [
      subject,
      pattern,
      sign,
    ])!;
    for (const [dialect, said] of [
      [LIKE, like],
      [likeWithEscape(sign), escaped],
      [GLOB, glob],
    ] as const) {
      const what = JSON.stringify({ subject, pattern, sign: dialect.escape });
      expect(Number(matchesPattern(pattern, subject, dialect)), what).toBe(said);
      const { prefix } = literalPrefix(pattern, dialect);
      const fold = dialect.fold ? foldAscii : (whole: string) => whole;
      if (said === 1) expect(fold(subject).startsWith(fold(prefix)), what).toBe(true);
    }
  }
});

test('a pattern may be as long as SQLite allows, and no longer', () => {
  for (const sign of ['a', 'é', '日', '😀']) {
    const bytes = new TextEncoder().encode(sign).length;
    const longest = sign.repeat(MAX_PATTERN_BYTES / bytes) + 'a'.repeat(MAX_PATTERN_BYTES % bytes);
    expect(matchesPattern(longest, longest, LIKE)).toBe(true);
    expect(drivers[0]!.get('SELECT ?1 LIKE ?1', [longest])).toEqual([1]);
    expect(() => matchesPattern(`${longest}a`, 'a', LIKE)).toThrow('longer than 50000 bytes');
    expect(() => drivers[0]!.get('SELECT ?1 LIKE ?1', [`${longest}a`])).toThrow();
  }
});

test.each(['', 'ab', '\0', 'a\0'])('ESCAPE %j is refused unless it is one character', (sign) => {
  const accepted = sign === 'a\0';
  for (const driver of drivers) {
    const ask = () => driver.get("SELECT 'x' LIKE 'x' ESCAPE ?", [sign]);
    if (accepted) expect(ask()).toEqual([1]);
    else expect(ask).toThrow();
  }
  if (accepted) expect(likeWithEscape(sign).escape).toBe(0x61);
  else expect(() => likeWithEscape(sign)).toThrow('single character');
});

test('many wildcards cost the product of the lengths, not more', () => {
  const started = performance.now();
  expect(matchesPattern('%a'.repeat(200).concat('b'), 'a'.repeat(2_000), LIKE)).toBe(false);
  expect(performance.now() - started).toBeLessThan(1_000);
});
