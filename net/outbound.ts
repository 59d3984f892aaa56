/**
 * Outbound: what waits to leave over one link.
 *
 * Invariants
 *   - order is kept; what one turn says leaves in one frame, at the end of that turn;
 *   - at most `maxBytes` wait, here and in the link, and beside them one message that is larger than that by itself;
 *   - a link is given another frame only while it has less than LINK_QUEUE_BYTES, so that the rest can still be dropped.
 */
import type { Codec } from './codec.ts';
import type { FrameWriter } from './frames.ts';
import { LINK_QUEUE_BYTES } from './limits.ts';
import type { Link } from './link.ts';
import type { Message } from './messages.ts';
import type { Traffic } from './traffic.ts';
import type { AtTurnEnd } from './turn-end.ts';

export interface OutboundParts {
  readonly codec: Codec;
  readonly write: FrameWriter;
  readonly atTurnEnd: AtTurnEnd;
  readonly traffic: Traffic;
  readonly maxBytes: number;
  readonly link: () => Link;
  /** Something left: `waiting` may be less. */
  readonly progress: () => void;
  /** The link threw, which it never should. */
  readonly failed: (error: unknown) => void;
}

export class Outbound {
  readonly #parts: OutboundParts;
  /** Said in this turn, encoded. */
  #turn: Uint8Array[] = [];
  #turnBytes = 0;
  /** The frames of one turn each. */
  #turns: (readonly Uint8Array[])[] = [];
  #framesBytes = 0;
  /** How many frames of the first turn have left. */
  #left = 0;
  /** Of the one message that waits and is larger than all the others together may be. */
  #giantBytes = 0;
  /** Cut off in the middle of a message: nothing that is said now could be understood. */
  #cut = false;

  constructor(parts: OutboundParts) {
    this.#parts = parts;
  }

  /** False if it may not wait any more: it is not taken. @throws {TendrilError} what the codec throws. */
  say(message: Message): boolean {
    if (this.#cut) return true;
    const { codec, maxBytes, atTurnEnd } = this.#parts;
    const bytes = codec.encodeMessage(message);
    if (!this.#hasRoom(bytes.length, maxBytes)) return false;
    this.#turn.push(bytes);
    this.#turnBytes += bytes.length;
    if (this.#turn.length === 1) atTurnEnd(this.#flush);
    return true;
  }

  #hasRoom(bytes: number, maxBytes: number): boolean {
    const waiting = this.waiting();
    if (waiting <= maxBytes) this.#giantBytes = 0;
    if (bytes <= maxBytes) return waiting - this.#giantBytes + bytes <= maxBytes;
    if (this.#giantBytes > 0) return false;
    this.#giantBytes = bytes;
    return true;
  }

  /** Bytes that have not left. */
  waiting(): number {
    return this.#turnBytes + this.#framesBytes + this.#parts.link().queued();
  }

  /** Gives the link what it can take. */
  readonly pump = (): void => {
    const link = this.#parts.link();
    while (this.#turns.length > 0 && link.queued() < LINK_QUEUE_BYTES) {
      const frames = this.#turns[0]!;
      const frame = frames[this.#left]!;
      this.#left += 1;
      this.#framesBytes -= frame.length;
      if (this.#left === frames.length) {
        this.#turns.shift();
        this.#left = 0;
      }
      if (!this.#send(link, frame)) return;
    }
    this.#parts.progress();
  };

  /** False if the link failed. */
  #send(link: Link, frame: Uint8Array): boolean {
    const { traffic, failed } = this.#parts;
    traffic.framesSent += 1;
    traffic.bytesSent += frame.length;
    try {
      link.send(frame);
      return true;
    } catch (error) {
      failed(error);
      return false;
    }
  }

  /** Forgets what the link has not been given. */
  drop(): void {
    this.#cut = this.#left > 0;
    this.#turn = [];
    this.#turnBytes = 0;
    this.#turns = [];
    this.#framesBytes = 0;
    this.#left = 0;
  }

  readonly #flush = (): void => {
    if (this.#turn.length === 0) return;
    const frames = this.#parts.write(this.#turn);
    this.#turn = [];
    this.#turnBytes = 0;
    const link = this.#parts.link();
    // As a rule nothing waits, and one frame is all.
    if (this.#turns.length === 0 && frames.length === 1 && link.queued() < LINK_QUEUE_BYTES) {
      if (this.#send(link, frames[0]!)) this.#parts.progress();
      return;
    }
    this.#turns.push(frames);
    for (const { length } of frames) this.#framesBytes += length;
    this.pump();
  };
}
