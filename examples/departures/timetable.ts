/**
 * Timetable: when each flight is due, so that the run can be watched, and goes on while the desk is cut off: in the middle of
 * it, a fifth of the flights is spread over the time for which the cable is out.
 */

/** The shares of all flights after which the cable is pulled, and plugged in again. */
const CUT_FROM = 0.4;
const CUT_TO = 0.6;

export interface TimetableOptions {
  readonly total: number;
  /** Flights a second; 0 is as fast as they go. */
  readonly rate: number;
  /** For how long the cable is out. */
  readonly cutMs: number;
}

export class Timetable {
  readonly cutFrom: number;
  readonly cutTo: number;
  readonly #intervalMs: number;
  readonly #cutMs: number;

  constructor({ total, rate, cutMs }: TimetableOptions) {
    this.cutFrom = Math.floor(total * CUT_FROM);
    this.cutTo = Math.floor(total * CUT_TO);
    this.#intervalMs = rate === 0 ? 0 : 1_000 / rate;
    this.#cutMs = cutMs;
  }

  /** Milliseconds to wait at least between flight `done` and the one after it. */
  intervalAfter(done: number): number {
    if (done < this.cutFrom || done >= this.cutTo) return this.#intervalMs;
    return Math.max(this.#intervalMs, this.#cutMs / (this.cutTo - this.cutFrom));
  }
}
