/** Turn end: what many sessions do as the turn ends, done in one go; a microtask for each would cost more than its frame. */
import type { Scheduler } from '../engine/index.ts';

/** Runs each task once the code that runs now has ended, in the order asked for. Tasks do not throw. */
export type AtTurnEnd = (task: () => void) => void;

export function createTurnEnd(scheduler: Scheduler): AtTurnEnd {
  let waiting: (() => void)[] = [];
  return (task) => {
    waiting.push(task);
    if (waiting.length > 1) return;
    scheduler.soon(() => {
      const tasks = waiting;
      waiting = [];
      for (const each of tasks) each();
    });
  };
}
