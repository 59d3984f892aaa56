/** The ports of a node as values a test turns: a clock that stands still, randomness from a seed, timers by hand. */
import type { Clock } from '../../engine/ports/clock.ts';
import { createRandomFrom, type Random } from '../../engine/ports/random.ts';
import type { Scheduler } from '../../engine/ports/scheduler.ts';
import { createRandom } from './random.ts';

export interface TestClock extends Clock {
  readonly advance: (ms: number) => void;
  readonly set: (ms: number) => void;
}

export function createTestClock(startMs = Date.UTC(2024, 0, 1)): TestClock {
  let ms = startMs;
  return {
    now: () => ms,
    advance: (by) => {
      ms += by;
    },
    set: (to) => {
      ms = to;
    },
  };
}

/** The engine's randomness, replayable. */
export function createTestRandom(seed: number): Random {
  const random = createRandom(seed);
  return createRandomFrom((pool) => {
    for (let index = 0; index < pool.length; index += 1) pool[index] = random.integer(256);
  });
}

export interface TestScheduler extends Scheduler {
  /** Runs the timers that are due `ms` from now, in order of their time. */
  readonly pass: (ms: number) => void;
  readonly waiting: () => number;
}

/** Microtasks and turns are the system's; delays pass only when the test says so. */
export function createTestScheduler(): TestScheduler {
  let nowMs = 0;
  let timers: { readonly dueMs: number; readonly task: () => void }[] = [];
  return {
    soon: (task) => queueMicrotask(task),
    next: (task) => void setImmediate(task),
    after: (delayMs, task) => {
      const timer = { dueMs: nowMs + delayMs, task };
      timers.push(timer);
      return () => {
        timers = timers.filter((other) => other !== timer);
      };
    },
    pass: (ms) => {
      nowMs += ms;
      const due = timers.filter((timer) => timer.dueMs <= nowMs).sort((left, right) => left.dueMs - right.dueMs);
      timers = timers.filter((timer) => timer.dueMs > nowMs);
      for (const timer of due) timer.task();
    },
    waiting: () => timers.length,
  };
}
