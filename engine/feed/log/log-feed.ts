/**
 * Log feed: the whole log, told to a durable node that follows it.
 *
 * Invariants
 *   - transactions are told whole and in position order, each once in a session, from the follower's cursor on if that lies
 *     in this log, else from the beginning;
 *   - they are pulled, as chunks are: a slow reader costs nothing here, and what was committed meanwhile comes together;
 *   - of one that this very session offered only the place is told.
 */
import type { LogTransaction, Position } from '../../../storage/index.ts';
import type { Core } from '../../core.ts';
import type { Peer, Said } from '../../stream.ts';
import type { Job } from '../job.ts';
import { LOGGED_OPERATIONS_TOGETHER, MAX_CHUNK_BYTES } from '../limits.ts';

export interface LogFeedParts {
  readonly core: Pick<Core, 'log'>;
  readonly cursor: Peer['greeting']['cursor'];
  readonly say: (said: Said) => void;
}

export class LogFeed implements Job {
  readonly #parts: LogFeedParts;
  /** Of what is not told yet. */
  readonly #offered: Set<Position>;
  #told: Position;
  /** All has been told that there is. */
  isIdle = false;

  /** - `offered`: where what the same session offered stands; it leaves the set when it has been told. */
  constructor(parts: LogFeedParts, offered: Set<Position>) {
    const { core, cursor } = parts;
    this.#parts = parts;
    this.#offered = offered;
    this.#told = cursor !== null && core.log.covers(cursor) ? cursor.position : (0 as Position);
  }

  /** Up to here. */
  get told(): Position {
    return this.#told;
  }

  advance(): boolean {
    const { core, say } = this.#parts;
    const { log } = core;
    const logged = log.transactionsSince(this.#told, LOGGED_OPERATIONS_TOGETHER, MAX_CHUNK_BYTES);
    if (logged.length > 0) {
      const transactions = logged.map((one): LogTransaction => {
        return this.#offered.delete(one.position) ? { ...one, operations: [] } : one;
      });
      this.#told = logged.at(-1)!.position;
      say({ kind: 'logged', floor: log.floor(), transactions });
    }
    this.isIdle = this.#told >= log.position();
    return !this.isIdle;
  }
}
