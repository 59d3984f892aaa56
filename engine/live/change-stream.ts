/**
 * Change stream: the change sets of one live query for `for await`, from the next one on.
 *
 * Invariant: what a slow reader has not taken yet waits as one change set, so that it grows with the rows, not with time.
 */
import { type ChangeSet, changeSetOf, isEmpty, merge } from './change-set.ts';
import type { Listener } from './listener.ts';

export class ChangeStream<Row> implements AsyncIterableIterator<ChangeSet<Row>>, Listener<Row> {
  isStopped = false;
  readonly restate = null;
  readonly #stop: (listener: Listener<Row>) => void;
  readonly #identityOf: ((row: Row) => unknown) | null;
  #pending: ChangeSet<Row> | null = null;
  /** Asked for and not given yet; then nothing is pending. */
  readonly #waiting: ((result: IteratorResult<ChangeSet<Row>>) => void)[] = [];

  /** - `stop`: makes the live query forget this stream. */
  constructor(identityOf: ((row: Row) => unknown) | null, stop: (listener: Listener<Row>) => void) {
    this.#identityOf = identityOf;
    this.#stop = stop;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  notify(change: ChangeSet<Row>): void {
    const waiting = this.#waiting.shift();
    if (waiting !== undefined) {
      waiting({ value: change, done: false });
      return;
    }
    this.#pending = this.#pending === null ? change : this.#merged(this.#pending, change);
  }

  async next(): Promise<IteratorResult<ChangeSet<Row>>> {
    const value = this.#pending;
    this.#pending = null;
    if (this.isStopped) return { value: undefined, done: true };
    if (value !== null) return { value, done: false };
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  async return(): Promise<IteratorResult<ChangeSet<Row>>> {
    this.#stop(this);
    this.end();
    return { value: undefined, done: true };
  }

  /** The live query is closed: whoever waits is told so. */
  end(): void {
    this.isStopped = true;
    this.#pending = null;
    for (const waiting of this.#waiting.splice(0)) waiting({ value: undefined, done: true });
  }

  #merged(first: ChangeSet<Row>, second: ChangeSet<Row>): ChangeSet<Row> | null {
    const differences = merge(first, second, this.#identityOf);
    return isEmpty(differences) ? null : changeSetOf(differences, second);
  }
}
