/**
 * Deliveries: the callbacks that are due, called one after the other and never one inside another.
 *
 * Invariants
 *   - no callback runs while views are maintained, nor while another one does: what a callback causes waits its turn;
 *   - a transaction is taken only when all callbacks of the one before have been called;
 *   - what a callback throws, or rejects with, goes to `onError` and harms no other.
 */

/** What has something to deliver. */
export interface Sender {
  /** Delivers all that is due so far. */
  readonly deliver: () => void;
}

export class Deliveries {
  readonly #advance: () => boolean;
  readonly #onError: (error: unknown) => void;
  readonly #due: Sender[] = [];
  #isRunning = false;

  /** - `advance`: takes the next transaction; false if there is none. */
  constructor(advance: () => boolean, onError: (error: unknown) => void) {
    this.#advance = advance;
    this.#onError = onError;
  }

  add(sender: Sender): void {
    this.#due.push(sender);
  }

  /** Delivers all that is due and takes all transactions that wait, unless that is happening already. */
  run(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    try {
      do {
        // Grows while it is walked: callbacks cause deliveries.
        for (let at = 0; at < this.#due.length; at += 1) this.#due[at]!.deliver();
        this.#due.length = 0;
      } while (this.#advance());
    } finally {
      this.#isRunning = false;
    }
  }

  /** Runs what is the user's. */
  guard(task: () => unknown): void {
    try {
      const result = task();
      if (result instanceof Promise) result.catch(this.#onError);
    } catch (error) {
      this.#onError(error);
    }
  }
}
