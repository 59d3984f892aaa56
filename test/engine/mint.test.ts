import { decodeTime } from 'ulid';
import { describe, expect, test } from 'vitest';
import { createRandomFrom, createSystemRandom } from '../../engine/ports/random.ts';
import { createMint } from '../../engine/write/mint.ts';
import { createTestClock, createTestRandom } from '../support/ports.ts';
import { createRandom, runs, seedFor } from '../support/random.ts';

const ULID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;
const GREATEST = '7ZZZZZZZZZZZZZZZZZZZZZZZZZ';
const seed = seedFor('mint');

describe('the id mint', () => {
  test('mints well-formed ids of the clock’s time, each greater than the last, in one millisecond and over many', () => {
    const clock = createTestClock();
    const mint = createMint(clock, createTestRandom(seed));
    let last = '';
    for (let count = 0; count < 20_000; count += 1) {
      if (count % 5_000 === 0) clock.advance(3);
      const id = mint.next();
      expect(id).toMatch(ULID);
      expect(id > last).toBe(true);
      expect(decodeTime(id)).toBe(clock.now());
      last = id;
    }
  });

  test('never mints at or below what it observed, and keeps the observed milliseconds while the clock is behind', () => {
    const clock = createTestClock(1_000_000);
    const mint = createMint(clock, createTestRandom(seed));
    const ahead = createMint(createTestClock(5_000_000), createTestRandom(seed + 1)).next();
    mint.observe(ahead);
    const first = mint.next();
    expect(first > ahead).toBe(true);
    expect(decodeTime(first)).toBe(5_000_000);
    clock.set(5_000_001);
    expect(decodeTime(mint.next())).toBe(5_000_001);
  });

  test('observing a smaller id changes nothing', () => {
    const mint = createMint(createTestClock(1_000_000), createTestRandom(seed));
    const id = mint.next();
    mint.observe(createMint(createTestClock(999_999), createTestRandom(seed)).next());
    const next = mint.next();
    expect(next > id).toBe(true);
    expect(decodeTime(next)).toBe(1_000_000);
  });

  test('goes on upwards when the clock goes back', () => {
    const clock = createTestClock(2_000_000);
    const mint = createMint(clock, createTestRandom(seed));
    const before = mint.next();
    clock.set(1_000_000);
    expect(mint.next() > before).toBe(true);
  });

  test('a fresh random part starts below 2^79, and a step is at least 1 and at most 2^48', () => {
    const ones = createRandomFrom((pool) => pool.fill(255));
    const zeros = createRandomFrom((pool) => pool.fill(0));
    expect(createMint(createTestClock(1), ones).next()).toBe('0000000001FZZZZZZZZZZZZZZZ');
    const least = createMint(createTestClock(1), zeros);
    expect([least.next(), least.next()]).toEqual(['00000000010000000000000000', '00000000010000000000000001']);
    const most = createMint(createTestClock(0), ones);
    most.observe('00000000010000000000000000');
    expect(most.next()).toBe('00000000010000008000000000');
  });

  test('two nodes that observed the same id mint different ones', () => {
    const observed = createMint(createTestClock(9_000), createTestRandom(seed)).next();
    const minted = new Set<string>();
    for (let node = 0; node < 50; node += 1) {
      const mint = createMint(createTestClock(0), createSystemRandom());
      mint.observe(observed);
      for (let count = 0; count < 100; count += 1) minted.add(mint.next());
    }
    expect(minted.size).toBe(5_000);
  });

  test('a random part that overflows takes the next millisecond', () => {
    const mint = createMint(createTestClock(0), createTestRandom(seed));
    mint.observe('0000000001ZZZZZZZZZZZZZZZZ');
    const id = mint.next();
    expect(decodeTime(id)).toBe(2);
    expect(id[10]! < 'G').toBe(true);
  });

  test('the very last id has no successor: a typed error, again and again', () => {
    const mint = createMint(createTestClock(0), createTestRandom(seed));
    mint.observe(GREATEST);
    expect(() => mint.next()).toThrow(expect.objectContaining({ code: 'limit-exceeded' }));
    expect(() => mint.next()).toThrow(expect.objectContaining({ code: 'limit-exceeded' }));
  });

  test('order holds under any mixture of minting, observing and a wandering clock', () => {
    const random = createRandom(seed);
    const clock = createTestClock(1_000);
    const mint = createMint(clock, createTestRandom(seed));
    const other = createMint({ now: () => clock.now() + random.integer(40) - 20 }, createTestRandom(seed + 1));
    let greatest = '';
    for (let step = 0; step < runs(200_000); step += 1) {
      if (random.chance(0.3)) clock.advance(random.integer(7) - 3);
      if (random.chance(0.3)) {
        const foreign = other.next();
        mint.observe(foreign);
        if (foreign > greatest) greatest = foreign;
      } else {
        const id = mint.next();
        if (id <= greatest || !ULID.test(id)) expect.fail(`${id} after ${greatest}`);
        greatest = id;
      }
      if (random.chance(0.2)) other.observe(greatest);
    }
  });
});
