/** The desk's work: it edits the delays of flights that its boards show, one transaction each, until it is told to rest. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Node } from '../../index.ts';
import { BOARDS, selectionOf } from './boards.ts';
import { Flight } from './collections.ts';
import { nowMs } from './latency.ts';

/** Between two edits, in milliseconds. */
const EDIT_INTERVAL_MS = 25;
/** Minutes; together none. As many as no multiple of the boards, so that each board sees all of them. */
const CORRECTIONS = [10, -5, 15, -10, -10];

export class Edits {
  #count = 0;
  #isResting = false;
  readonly #done: Promise<void>;

  constructor(node: Node) {
    this.#done = this.#edit(node);
    // Whoever asks for the rest hears of a failure; until then nobody waits for it.
    this.#done.catch(() => undefined);
  }

  /** Resolves with the number of edits. */
  async rest(): Promise<number> {
    this.#isResting = true;
    await this.#done;
    return this.#count;
  }

  async #edit(node: Node): Promise<void> {
    while (!this.#isResting) {
      await node.transact((tx) => {
        const board = BOARDS[this.#count % BOARDS.length]!;
        // Cut off, its own edits may have moved more out of a board than it holds to fill it with.
        const flights = tx.query(Flight, selectionOf(board), board.parameters, { from: 'local' });
        const flight = flights[this.#count % flights.length];
        if (flight === undefined) return;
        const delay = (flight.delay ?? 0) + CORRECTIONS[this.#count % CORRECTIONS.length]!;
        tx.update(Flight, flight.id, { delay, writtenBy: 'desk', writtenAt: nowMs() });
      });
      this.#count++;
      await sleep(EDIT_INTERVAL_MS);
    }
  }
}
