/** The port for time of day, and the only file that reads the system's. */
export interface Clock {
  /** Milliseconds since 1970-01-01 UTC, a whole number. May stand still or go back. */
  readonly now: () => number;
}

export const systemClock: Clock = { now: () => Date.now() };
