/**
 * Operation count: whether too many operations came since a position for a session to be told them, counted once for
 * sessions that come back together.
 *
 * Invariant: what it says is what the log would say. There are no more operations since a later position than since an
 * earlier one, and what came after they were counted is counted by itself.
 */
import type { Log, Position } from '../../../storage/index.ts';

interface Counted {
  readonly since: Position;
  /** Where the log stood. */
  readonly at: Position;
  /** At most so many came between. */
  readonly count: number;
}

export class OperationCount {
  readonly #log: Pick<Log, 'position' | 'countSince'>;
  #counted: Counted | null = null;

  constructor(log: Pick<Log, 'position' | 'countSince'>) {
    this.#log = log;
  }

  /** Whether there are at most so many since `since`. */
  isAtMost(most: number, since: Position): boolean {
    const at = this.#log.position();
    const counted = this.#counted;
    if (counted !== null && counted.since <= since) {
      const more = at > counted.at ? this.#log.countSince(counted.at, most + 1) : 0;
      const count = counted.count + more;
      this.#counted = { since: counted.since, at, count };
      if (count <= most) return true;
    }
    const count = this.#log.countSince(since, most + 1);
    if (count <= most) this.#counted = { since, at, count };
    return count <= most;
  }
}
