/** How many operations a session has missed: as the log says, and counted once for many that come back together. */
import { expect, test } from 'vitest';
import { OperationCount } from '../../engine/feed/past/operation-count.ts';
import type { Position } from '../../storage/index.ts';
import { createRandom, runs, seedFor } from '../support/random.ts';

const seed = seedFor('operation count');
const at = (position: number) => position as Position;

/** Transactions of some operations each; and how many operations it had to look at. */
function createLog() {
  const sizes: number[] = [];
  const log = {
    looked: 0,
    commit: (operations: number) => void sizes.push(operations),
    position: () => at(sizes.length),
    countSince: (position: Position, most: number) => {
      const count = sizes.slice(position).reduce((sum, size) => sum + size, 0);
      log.looked += Math.min(count, most);
      return Math.min(count, most);
    },
  };
  return log;
}

test('is what the log says of every position, whatever was asked before', () => {
  const random = createRandom(seed);
  const seen = { yes: 0, no: 0 };
  for (let run = 0; run < runs(50); run += 1) {
    const log = createLog();
    const operations = new OperationCount(log);
    for (let step = 0; step < 60; step += 1) {
      if (random.chance(0.5)) log.commit(1 + random.integer(4));
      const since = at(random.integer(log.position() + 1));
      const most = 20;
      const isAtMost = log.countSince(since, 1_000) <= most;
      expect(operations.isAtMost(most, since)).toBe(isAtMost);
      seen[isAtMost ? 'yes' : 'no'] += 1;
    }
  }
  expect(Math.min(seen.yes, seen.no)).toBeGreaterThan(runs(50));
});

test('is exact at the limit, and one past it', () => {
  const log = createLog();
  for (const size of [3, 2]) log.commit(size);
  for (const first of [1, 0]) {
    const operations = new OperationCount(log);
    operations.isAtMost(5, at(first));
    expect([operations.isAtMost(5, at(0)), operations.isAtMost(4, at(0)), operations.isAtMost(2, at(1))]).toEqual([
      ...[true, false, true],
    ]);
  }
});

test('of those who come back together is counted once, and of what came since by itself', () => {
  const log = createLog();
  for (let count = 0; count < 100; count += 1) log.commit(1);
  const operations = new OperationCount(log);
  for (const since of [40, 50, 60]) expect(operations.isAtMost(100, at(since))).toBe(true);
  expect(log.looked).toBe(60);
  log.commit(2);
  expect(operations.isAtMost(100, at(45))).toBe(true);
  expect(log.looked).toBe(62);
});
