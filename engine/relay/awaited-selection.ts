/**
 * Awaited selection: one that a follower of a relay asked for: answered when this node holds it.
 *
 * Invariants
 *   - this node follows it from the request on until `leave`, as any live query of its own would make it;
 *   - it is answered once, from rows that stand where the relay stands, be its upstream in reach or not; or denied.
 */
import type { Asked } from '../covers.ts';
import type { Cover } from '../live/cover.ts';
import type { RelayDesk } from './relay-desk.ts';

export interface Awaiting {
  /** This node holds it. */
  readonly answer: () => void;
  readonly deny: (error: unknown) => void;
  /** Nothing can be said of it now. */
  readonly wait: () => void;
}

export class AwaitedSelection {
  readonly #desk: RelayDesk;
  readonly #collection: string;
  readonly #asked: Asked;
  readonly #awaiting: Awaiting;
  readonly #cover: Cover;
  #isAnswered = false;
  #hasLeft = false;

  /** @throws {TendrilError} `limit-exceeded` where this node follows all that it can. */
  constructor(desk: RelayDesk, collection: string, asked: Asked, awaiting: Awaiting) {
    this.#desk = desk;
    this.#collection = collection;
    this.#asked = asked;
    this.#awaiting = awaiting;
    this.#cover = desk.core.covers.follow(collection, asked);
  }

  /** It was answered, and this node has given it up: its upstream denies it now. */
  get isLost(): boolean {
    return this.#isAnswered && !this.#isHeld();
  }

  /** Looks whether it can be answered now. */
  readonly retry = (): void => {
    if (this.#isAnswered || this.#hasLeft) return;
    if (this.#isHeld()) {
      this.#isAnswered = true;
      this.#awaiting.answer();
    } else if (this.#cover.status === 'denied') this.#awaiting.deny(this.#cover.error);
    else {
      if (!this.#desk.isLinked()) this.#awaiting.wait();
      if (this.#desk.isOnline()) this.#cover.whenAnswered(this.retry);
    }
  };

  leave(): void {
    if (this.#hasLeft) return;
    this.#hasLeft = true;
    this.#cover.leave();
  }

  #isHeld(): boolean {
    return this.#desk.following.find(this.#collection, this.#asked.selection)?.hasRows === true;
  }
}
