/**
 * Gathering: what is to be written while something runs waits for its end, so that many rows go into one statement.
 *
 * Invariants
 *   - outside `within` nothing waits: what is added is written at once;
 *   - in the order in which it was added, and at the latest when `settle` is called: by whoever is about to read;
 *   - where the body throws, what waits is forgotten: its caller takes back what was written.
 */
import { assert } from '../errors.ts';

export class Gathering<Item> {
  readonly #write: (items: readonly Item[]) => void;
  #waiting: Item[] = [];
  #isOpen = false;

  constructor(write: (items: readonly Item[]) => void) {
    this.#write = write;
  }

  add(item: Item): void {
    if (this.#isOpen) this.#waiting.push(item);
    else this.#write([item]);
  }

  settle(): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#write(waiting);
  }

  within<Result>(body: () => Result): Result {
    assert(!this.#isOpen, 'something was gathered inside another gathering');
    this.#isOpen = true;
    try {
      const result = body();
      this.settle();
      return result;
    } finally {
      this.#waiting = [];
      this.#isOpen = false;
    }
  }
}
