/**
 * Forwarding: what followers of a relay want its upstream to take, in the order in which it came.
 *
 * Invariants
 *   - transactions leave with their author's bytes, in the order in which their sessions brought them, behind what this node
 *     itself wrote before; a question leaves behind all that its session brought before it;
 *   - at most MAX_FORWARDED_TRANSACTIONS, MAX_FORWARDED_BYTES and MAX_FORWARDED_QUESTIONS are on their way: the rest follows
 *     as outcomes and answers come;
 *   - a transaction stays until its outcome is known: a new session begins with all of them. One whose follower has gone
 *     stays only while it is on its way: its author has it in its own outbox;
 *   - each is one session's, who alone hears its outcome: of two that bring it the one that began later, as their follower
 *     has given up the other, which is ended.
 */
import type { TransactionId } from '../../storage/index.ts';
import type { Prepared } from '../core.ts';
import type { Request } from '../stream.ts';
import { sizeOf } from '../write/prepared.ts';
import { MAX_FORWARDED_BYTES, MAX_FORWARDED_QUESTIONS, MAX_FORWARDED_TRANSACTIONS } from './limits.ts';

/** One transaction as a follower brought it. */
export interface Brought {
  readonly transaction: TransactionId;
  readonly attempt: number;
  /** Ascending by id. */
  readonly operations: readonly Prepared[];
  /** As they came. */
  readonly pieces: readonly Uint8Array[];
}

export interface Forwarded<Session> extends Brought {
  /** Null when it has gone. */
  session: Session | null;
  isSent: boolean;
}

type Waiting<Session> =
  | { readonly kind: 'upload'; readonly forwarded: Forwarded<Session> }
  | { readonly kind: 'question'; readonly session: Session; readonly question: WaitingQuestion };

/** One of the two is called, once; neither if its session ends before. */
export interface WaitingQuestion {
  /** Resolves when it is answered, or will not be. */
  readonly send: () => Promise<void>;
  readonly lost: (reason: unknown) => void;
}

export class Forwarding<Session> {
  readonly #send: (request: Request) => void;
  readonly #dropped: (forwarded: Forwarded<Session>) => void;
  readonly #transactions = new Map<TransactionId, Forwarded<Session>>();
  #waiting: Waiting<Session>[] = [];
  #isLinked = false;
  #inFlight = 0;
  #bytes = 0;
  #questions = 0;

  /** - `send`: behind what this node wrote. - `dropped`: told of each that leaves without an outcome. */
  constructor(send: (request: Request) => void, dropped: (forwarded: Forwarded<Session>) => void) {
    this.#send = send;
    this.#dropped = dropped;
  }

  get size(): number {
    return this.#transactions.size;
  }

  get(transaction: TransactionId): Forwarded<Session> | undefined {
    return this.#transactions.get(transaction);
  }

  all(): Iterable<Forwarded<Session>> {
    return this.#transactions.values();
  }

  /** In place of an earlier attempt, if there is one. */
  upload(forwarded: Forwarded<Session>): void {
    this.#take(forwarded.transaction);
    this.#transactions.set(forwarded.transaction, forwarded);
    this.#waiting.push({ kind: 'upload', forwarded });
    this.#flush();
  }

  question(session: Session, question: WaitingQuestion): void {
    this.#waiting.push({ kind: 'question', session, question });
    this.#flush();
  }

  /** Its outcome is known. Undefined where it is none of a follower's, or of another attempt. */
  conclude(transaction: TransactionId, attempt: number | null): Forwarded<Session> | undefined {
    const forwarded = this.#transactions.get(transaction);
    if (forwarded === undefined || (attempt !== null && forwarded.attempt !== attempt)) return undefined;
    this.#take(transaction);
    this.#flush();
    return forwarded;
  }

  /** The session has ended. */
  gone(session: Session): void {
    this.#waiting = this.#waiting.filter((each) => each.kind !== 'question' || each.session !== session);
    for (const forwarded of [...this.#transactions.values()]) {
      if (forwarded.session !== session) continue;
      forwarded.session = null;
      if (!forwarded.isSent) this.#drop(forwarded);
    }
  }

  begin(): void {
    this.#isLinked = true;
    this.#waiting = [...this.#transactions.values()].map((forwarded) => ({ kind: 'upload', forwarded }));
    this.#flush();
  }

  lost(reason: unknown): void {
    this.#isLinked = false;
    this.#inFlight = 0;
    this.#bytes = 0;
    for (const each of this.#waiting.splice(0)) if (each.kind === 'question') each.question.lost(reason);
    for (const forwarded of [...this.#transactions.values()]) {
      forwarded.isSent = false;
      if (forwarded.session === null) this.#drop(forwarded);
    }
  }

  #drop(forwarded: Forwarded<Session>): void {
    this.#take(forwarded.transaction);
    this.#dropped(forwarded);
  }

  #take(transaction: TransactionId): void {
    const forwarded = this.#transactions.get(transaction);
    if (forwarded === undefined) return;
    this.#transactions.delete(transaction);
    if (!forwarded.isSent) return;
    this.#inFlight -= 1;
    this.#bytes -= sizeOf(forwarded.operations);
  }

  #flush(): void {
    while (this.#isLinked && this.#waiting[0] !== undefined) {
      const [next] = this.#waiting;
      if (next.kind === 'upload' && this.#transactions.get(next.forwarded.transaction) === next.forwarded) {
        if (this.#inFlight >= MAX_FORWARDED_TRANSACTIONS || this.#bytes >= MAX_FORWARDED_BYTES) return;
        this.#upload(next.forwarded);
      }
      if (next.kind === 'question' && this.#questions >= MAX_FORWARDED_QUESTIONS) return;
      this.#waiting.shift();
      if (next.kind === 'question') this.#ask(next.question);
    }
  }

  #ask({ send }: WaitingQuestion): void {
    this.#questions += 1;
    void send().then(() => {
      this.#questions -= 1;
      this.#flush();
    });
  }

  #upload(forwarded: Forwarded<Session>): void {
    const { transaction, attempt, operations, pieces } = forwarded;
    forwarded.isSent = true;
    this.#inFlight += 1;
    this.#bytes += sizeOf(operations);
    this.#send({ kind: 'upload', transaction, attempt, operations: pieces });
  }
}
