/**
 * Channel: one direction of a simulated link.
 *
 * Invariants
 *   - what arrives is a beginning of what was sent, in order: where a channel breaks, the rest is lost;
 *   - while the way is blocked nothing arrives and nobody is told; all of it goes on when it is free again.
 */
import { hashOfBytes } from './seeded.ts';
import { type Lane, VirtualTime } from './virtual-time.ts';

/** What a channel asks of the network about its way. */
export interface Way {
  readonly from: string;
  readonly to: string;
  readonly isBlocked: () => boolean;
  readonly latencyMs: () => number;
  /** Infinite unless the reader is slow. */
  readonly bytesPerMs: () => number;
}

/** Called as things arrive, in order. */
export interface Arrivals {
  readonly opened: () => void;
  readonly frame: (bytes: Uint8Array) => void;
  /** `bytes` sent before have arrived, or are lost. */
  readonly left: (bytes: number) => void;
  /** Last. */
  readonly ended: (reason: string) => void;
}

type Sent =
  | { readonly kind: 'open' }
  | { readonly kind: 'frame'; readonly bytes: Uint8Array }
  | { readonly kind: 'end'; readonly reason: string };

export class Channel {
  readonly #time: VirtualTime;
  readonly #way: Way;
  readonly #arrivals: Arrivals;
  readonly #underway: Sent[] = [];
  readonly #lane: Lane = VirtualTime.lane();
  /** Whether an arrival is to come; none is while the way is blocked. */
  #isMoving = false;
  #hasEnded = false;
  #queued = 0;

  constructor(time: VirtualTime, way: Way, arrivals: Arrivals) {
    this.#time = time;
    this.#way = way;
    this.#arrivals = arrivals;
  }

  get queued(): number {
    return this.#queued;
  }

  /** Nothing will arrive, unless its way becomes free. */
  get isIdle(): boolean {
    return this.#underway.length === 0 || this.#way.isBlocked();
  }

  send(sent: Sent): void {
    if (this.#hasEnded) return;
    if (sent.kind === 'end') this.#hasEnded = true;
    if (sent.kind === 'frame') this.#queued += sent.bytes.length;
    this.#underway.push(sent);
    this.#moveOn();
  }

  /** Only what the first `kept` sendings on their way hold still arrives; then the end. */
  breakAfter(kept: number, reason: string): void {
    if (this.#hasEnded) return;
    for (const lost of this.#underway.splice(kept)) if (lost.kind === 'frame') this.#queued -= lost.bytes.length;
    this.send({ kind: 'end', reason });
  }

  /** How many sendings are on their way. */
  get underway(): number {
    return this.#underway.length;
  }

  /** Nothing arrives any more: there is nobody. */
  drop(): void {
    this.#hasEnded = true;
    this.#underway.length = 0;
  }

  /** The way may be free again. */
  readonly wake = (): void => this.#moveOn();

  #moveOn(): void {
    const first = this.#underway[0];
    if (first === undefined || this.#isMoving || this.#way.isBlocked()) return;
    this.#isMoving = true;
    const { from, to, latencyMs, bytesPerMs } = this.#way;
    const size = first.kind === 'frame' ? first.bytes.length : 0;
    const detail = first.kind === 'frame' ? `${size} ${hashOfBytes(first.bytes)}` : first.kind;
    this.#time.inLane(this.#lane, latencyMs() + size / bytesPerMs(), `${from}>${to} ${detail}`, () => {
      this.#isMoving = false;
      // It may have been blocked, or have broken, meanwhile.
      if (!this.#way.isBlocked() && this.#underway[0] === first) this.#arrive(first);
      this.#moveOn();
    });
  }

  #arrive(sent: Sent): void {
    this.#underway.shift();
    switch (sent.kind) {
      case 'open':
        this.#arrivals.opened();
        return;
      case 'frame':
        this.#queued -= sent.bytes.length;
        this.#arrivals.frame(sent.bytes);
        this.#arrivals.left(sent.bytes.length);
        return;
      case 'end':
        this.#arrivals.ended(sent.reason);
        return;
    }
  }
}
