/**
 * Sender: what this node wants its authority to take, in the order in which it came up.
 *
 * Invariants
 *   - transactions leave in the order they were made, but those that are held back not before they are flushed; a question
 *     leaves after all that was to leave before it;
 *   - at most MAX_IN_FLIGHT_TRANSACTIONS and MAX_IN_FLIGHT_BYTES are on their way: the rest follows as outcomes come;
 *   - a session begins with the whole outbox: the authority knows by their ids which transactions it has already.
 */
import type { TransactionId } from '../../../storage/index.ts';
import type { Request } from '../../stream.ts';
import { sizeOf } from '../../write/prepared.ts';
import { MAX_IN_FLIGHT_BYTES, MAX_IN_FLIGHT_TRANSACTIONS } from '../limits.ts';
import type { Outbox, Pending } from './outbox.ts';

type Waiting =
  | { readonly kind: 'upload'; readonly pending: Pending }
  | { readonly kind: 'request'; readonly request: Request; readonly gate: Gate };

/** What becomes of a request whose turn has come; while it is to wait, nothing behind it leaves. */
export type Gate = () => 'leave' | 'wait' | 'drop';

/** How many may have left before the list of what waits is made shorter. */
const KEPT_BEHIND = 1_000;

export class Sender {
  readonly #outbox: Outbox;
  #send: ((request: Request) => void) | null = null;
  #waiting: Waiting[] = [];
  /** The first of these have left. */
  #gone = 0;
  /** Bytes by transaction. */
  readonly #inFlight = new Map<TransactionId, number>();
  #bytes = 0;

  constructor(outbox: Outbox) {
    this.#outbox = outbox;
  }

  begin(send: (request: Request) => void): void {
    // What was asked before the session began waits still.
    const asked = this.#waiting.slice(this.#gone).filter(({ kind }) => kind === 'request');
    this.end();
    this.#send = send;
    this.#waiting = [...this.#outbox.inOrder().map(waitingUpload), ...asked];
    this.#flush();
  }

  end(): void {
    this.#send = null;
    this.#waiting = [];
    this.#gone = 0;
    this.#inFlight.clear();
    this.#bytes = 0;
  }

  /** Committed here just now, or made anew. */
  upload(pending: readonly Pending[]): void {
    if (this.#send === null) return;
    for (const each of pending) this.#waiting.push(waitingUpload(each));
    this.#flush();
  }

  /** At once. */
  request(request: Request): void {
    this.#send?.(request);
  }

  /** After all that was written before, when `gate` lets it. */
  requestInTurn(request: Request, gate: Gate = () => 'leave'): void {
    this.#waiting.push({ kind: 'request', request, gate });
    this.#flush();
  }

  /** A gate may say otherwise now. */
  askAgain(): void {
    this.#flush();
  }

  /** Its outcome has come, be it final or not. */
  arrived(transaction: TransactionId): void {
    this.#bytes -= this.#inFlight.get(transaction) ?? 0;
    this.#inFlight.delete(transaction);
    this.#flush();
  }

  #flush(): void {
    if (this.#send === null) return;
    for (; this.#gone < this.#waiting.length; this.#gone += 1) {
      const waiting = this.#waiting[this.#gone]!;
      if (waiting.kind === 'request') {
        const verdict = waiting.gate();
        if (verdict === 'wait') break;
        if (verdict === 'leave') this.#send(waiting.request);
      } else if (this.#isToLeave(waiting.pending)) {
        if (!this.#hasRoom()) break;
        this.#upload(waiting.pending, this.#send);
      }
    }
    if (this.#gone < this.#waiting.length && this.#gone < KEPT_BEHIND) return;
    this.#waiting.splice(0, this.#gone);
    this.#gone = 0;
  }

  /** It has not been settled, made anew or held back. */
  #isToLeave(pending: Pending): boolean {
    return pending.state === 'queued' && this.#outbox.get(pending.transaction) === pending;
  }

  #hasRoom(): boolean {
    return this.#inFlight.size < MAX_IN_FLIGHT_TRANSACTIONS && this.#bytes < MAX_IN_FLIGHT_BYTES;
  }

  #upload({ transaction, attempt, operations }: Pending, send: (request: Request) => void): void {
    const bytes = sizeOf(operations);
    this.#bytes += bytes - (this.#inFlight.get(transaction) ?? 0);
    this.#inFlight.set(transaction, bytes);
    send({ kind: 'upload', transaction, attempt, operations: operations.map((each) => each.bytes) });
  }
}

function waitingUpload(pending: Pending): Waiting {
  return { kind: 'upload', pending };
}
