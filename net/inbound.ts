/**
 * Inbound: what has come over one link and was not taken yet. The counterpart of outbound.ts.
 *
 * Invariants
 *   - order is kept: a frame, or the end of the link, is told only when all that came before it was taken;
 *   - one turn takes MAX_TURN_BYTES of frames at most, whoever sent how many: then others have theirs;
 *   - while it is paused nothing is taken. The link is told, and reads no more; what comes nevertheless, because it was on
 *     its way or the link cannot wait, is kept up to MAX_PAUSED_BYTES.
 */
import type { Scheduler } from '../engine/index.ts';
import { MAX_PAUSED_BYTES, MAX_TURN_BYTES } from './limits.ts';
import type { Link } from './link.ts';

/** What keeping a frame costs, however small. */
const MIN_KEPT_BYTES = 256;

export interface InboundParts {
  readonly scheduler: Scheduler;
  readonly link: () => Link;
  readonly take: (frame: Uint8Array) => void;
  /** The link is closed, and nothing is kept any more. */
  readonly closed: (reason: string) => void;
  /** More came than is kept. What came is forgotten. */
  readonly overflow: () => void;
}

export class Inbound {
  readonly #parts: InboundParts;
  #kept: Uint8Array[] = [];
  /** Of those kept, how many were taken. */
  #at = 0;
  /** A frame counts as MIN_KEPT_BYTES at least. */
  #keptBytes = 0;
  /** Taken since a turn was let pass. */
  #turnBytes = 0;
  #isPaused = false;
  /** A turn is being let pass. */
  #isWaiting = false;
  #closedBy: string | null = null;

  constructor(parts: InboundParts) {
    this.#parts = parts;
  }

  readonly frame = (bytes: Uint8Array): void => {
    if (!this.#isPaused && !this.#isWaiting && this.#fits(bytes)) this.#take(bytes);
    else this.#keep(bytes);
  };

  readonly closed = (reason: string): void => {
    // Nobody would resume for the sake of a link that is gone.
    if (this.#isPaused || !this.#isWaiting) this.#end(reason);
    else this.#closedBy = reason;
  };

  /** Takes nothing from now on. */
  pause(): void {
    this.#isPaused = true;
    this.#parts.link().pause?.();
  }

  /** Takes what came meanwhile, from the next turn on. */
  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#goOnLater();
  }

  /** Forgets what is kept: nothing of this link will be taken any more. */
  drop(): void {
    this.#kept = [];
    this.#at = 0;
    this.#keptBytes = 0;
  }

  #take(frame: Uint8Array): void {
    this.#turnBytes += frame.length;
    this.#parts.take(frame);
  }

  /** One always does: that it is too large is found out by whoever takes it. */
  #fits({ length }: Uint8Array): boolean {
    return this.#turnBytes === 0 || this.#turnBytes + length <= MAX_TURN_BYTES;
  }

  #keep(frame: Uint8Array): void {
    this.#kept.push(frame);
    this.#keptBytes += Math.max(frame.length, MIN_KEPT_BYTES);
    if (this.#keptBytes > MAX_PAUSED_BYTES) {
      this.drop();
      this.#parts.overflow();
      return;
    }
    if (this.#isPaused || this.#isWaiting) return;
    this.#parts.link().pause?.();
    this.#goOnLater();
  }

  #goOnLater(): void {
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    this.#parts.scheduler.next(() => {
      this.#isWaiting = false;
      this.#turnBytes = 0;
      this.#goOn();
    });
  }

  #goOn(): void {
    while (!this.#isPaused && this.#at < this.#kept.length) {
      const frame = this.#kept[this.#at]!;
      if (!this.#fits(frame)) {
        this.#goOnLater();
        return;
      }
      this.#at += 1;
      this.#keptBytes -= Math.max(frame.length, MIN_KEPT_BYTES);
      this.#take(frame);
    }
    if (this.#at === this.#kept.length) this.drop();
    if (this.#closedBy !== null) this.#end(this.#closedBy);
    else if (!this.#isPaused) this.#parts.link().resume?.();
  }

  #end(reason: string): void {
    this.drop();
    this.#parts.closed(reason);
  }
}
