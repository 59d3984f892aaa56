/**
 * Upload load: what all sessions together, those that have gone included, have waiting in the commit queue.
 *
 * Invariant: past the limits of all, a session is given room only within its share of them. So those who upload without
 * measure are ended, the others go on, and the queue always has room for what this node itself writes.
 */
import { MAX_ALL_WAITING_BYTES, MAX_ALL_WAITING_UPLOADS } from '../limits.ts';

/** Uploads, and bytes of their operations. */
export interface Load {
  readonly count: number;
  readonly bytes: number;
}

export class UploadLoad implements Load {
  readonly #sessions: () => number;
  count = 0;
  bytes = 0;

  /** - `sessions`: how many there are now. */
  constructor(sessions: () => number) {
    this.#sessions = sessions;
  }

  /** Whether a session with `own` waiting may add one of `bytes`. */
  hasRoom(own: Load, bytes: number): boolean {
    if (this.count < MAX_ALL_WAITING_UPLOADS && this.bytes + bytes <= MAX_ALL_WAITING_BYTES) return true;
    if (own.count === 0) return true;
    const sessions = this.#sessions();
    return own.count < MAX_ALL_WAITING_UPLOADS / sessions && own.bytes + bytes <= MAX_ALL_WAITING_BYTES / sessions;
  }

  add(bytes: number): void {
    this.count += 1;
    this.bytes += bytes;
  }

  remove(bytes: number): void {
    this.count -= 1;
    this.bytes -= bytes;
  }
}
