/**
 * Backoff: how long to wait before the next attempt to reach the upstream. Pure.
 *
 * Invariant: a delay is anything from 0 to the bound of its attempt (full jitter), so that a thousand clients that lost
 * their server together do not come back together; bounds double from FIRST_DELAY_MS to MAX_DELAY_MS.
 * @see Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
 */
import type { Random } from '../../ports/random.ts';
import { FIRST_DELAY_MS, MAX_DELAY_MS } from '../limits.ts';

const RANGE = 2 ** 48;

/** - `failures`: sessions in a row that ended before they were stable; at least 1. */
export function delayAfter(failures: number, random: Random): number {
  const bound = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(failures - 1, 30));
  return Math.floor((random.bits48() / RANGE) * (bound + 1));
}
