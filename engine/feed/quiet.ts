/**
 * Quiet: when the tables may be read for a session: not while they hold what the sessions have not been told yet.
 *
 * Invariant: what has to wait runs in the order in which it was asked for, as soon as the group has been told.
 */
import type { Scheduler } from '../ports/scheduler.ts';

export interface QuietParts {
  /** True from BEGIN to COMMIT of a group. */
  readonly isDraining: () => boolean;
  readonly scheduler: Scheduler;
  readonly onError: (error: unknown) => void;
}

export class Quiet {
  readonly #parts: QuietParts;
  readonly #waiting: (() => void)[] = [];
  #isTelling = false;

  constructor(parts: QuietParts) {
    this.#parts = parts;
  }

  readonly isBusy = (): boolean => this.#isTelling || this.#parts.isDraining();

  /** Runs `task` when it is quiet: at once, mostly. */
  readonly whenQuiet = (task: () => void): void => {
    if (!this.isBusy()) {
      task();
      return;
    }
    this.#waiting.push(task);
    // A group that commits nothing is not told, so that nothing else would run it.
    if (!this.#isTelling) this.#parts.scheduler.soon(() => this.#runWaiting());
  };

  /** Runs `tell`, and then what had to wait for it. */
  during(tell: () => void): void {
    this.#isTelling = true;
    try {
      tell();
    } finally {
      this.#isTelling = false;
      this.#runWaiting();
    }
  }

  #runWaiting(): void {
    for (let task = this.#waiting.shift(); task !== undefined; task = this.#waiting.shift()) {
      try {
        task();
      } catch (error) {
        this.#parts.onError(error);
      }
    }
  }
}
