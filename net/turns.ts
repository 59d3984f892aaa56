/**
 * Turns: what the sessions of one server have to do when it is their turn: one part of one of them in each turn of the program.
 *
 * Invariants
 *   - between two parts everything that has come over any link is taken. Of a thousand that come back together all are let
 *     in while the first are told what they missed: else the last would give up, and come again;
 *   - who has just begun is asked every other time, in the order of beginning: what fits one part waits for no long one;
 *   - long ones are done one after the other, each for MAX_PARTS_TOGETHER parts before the next is: so the first is done early,
 *     and what is half told, and kept at the other end until it is told whole, is little.
 */
import type { Scheduler } from '../engine/index.ts';
import { MAX_PARTS_TOGETHER } from './limits.ts';

/** Does a part; true if there is another one to be done. Does not throw. */
export type Task = () => boolean;

export type InTurn = (task: Task) => void;

export function createTurns(scheduler: Scheduler): InTurn {
  const begun: Task[] = [];
  const long: Task[] = [];
  let isLongNext = false;
  /** That the first of the long ones has done. */
  let parts = 0;
  let isUnderWay = false;
  const begin = () => {
    const task = begun.shift()!;
    if (task()) long.push(task);
  };
  const goOn = () => {
    const task = long[0]!;
    const hasMore = task();
    parts += 1;
    if (hasMore && parts < MAX_PARTS_TOGETHER) return;
    parts = 0;
    long.shift();
    if (hasMore) long.push(task);
  };
  const takeOne = () => {
    if (long.length > 0 && (isLongNext || begun.length === 0)) goOn();
    else begin();
    isLongNext = !isLongNext;
    isUnderWay = begun.length + long.length > 0;
    if (isUnderWay) scheduler.next(takeOne);
  };
  return (task) => {
    begun.push(task);
    if (isUnderWay) return;
    isUnderWay = true;
    scheduler.next(takeOne);
  };
}
