/**
 * Offering: what was written here is told to the upstream, in the order of this log.
 *
 * Invariants
 *   - everything up to `offered` is in the upstream's log, but for what that refused; both that and what is beyond
 *     `offered` is offered by every session anew, in order;
 *   - an upstream that was opened again may have been restored, to any place from the cursor on: to it everything is offered
 *     again that may stand beyond the cursor in its log. What the file keeps beside a cursor counts no such thing as told;
 *   - what the upstream told is not offered back while this node remembers it;
 *   - at most MAX_OFFERED and MAX_OFFERED_BYTES are on their way;
 *   - one that the upstream refuses stops nothing: the others go on, and the next session offers it again, alone: of more
 *     than MAX_REFUSED_OFFERS, with all that follows. Where only its time has not come yet, that session is to be made.
 */
import type { TendrilError } from '../../errors.ts';
import type { LogTransaction, Position, TransactionId } from '../../storage/index.ts';
import type { Core } from '../core.ts';
import type { Request, SaidOf } from '../stream.ts';
import { sizeOfPieces } from '../write/prepared.ts';
import { MAX_OFFERED, MAX_OFFERED_BYTES, MAX_REFUSED_OFFERS } from './limits.ts';

export interface FirstUploadParts {
  readonly core: Pick<Core, 'log' | 'scheduler'>;
  /** Of the last transaction that is committed. */
  readonly position: () => Position;
  readonly send: (request: Request) => void;
}

/** How far the upstream has been told this log. */
export interface Told {
  readonly offered: Position;
  /** Up to there, ascending. */
  readonly refused: readonly Position[];
}

/** The same, and up to where in the upstream's log all of it stands. */
interface Reached extends Told {
  readonly at: Position;
}

/** How a session begins. */
export interface Meeting {
  /** The upstream is the one of the last session and was not opened again since: it has lost nothing. */
  readonly isSame: boolean;
  /** It tells its log from the cursor on. */
  readonly resumes: boolean;
}

const START = 0 as Position;
const NOTHING: Told = { offered: START, refused: [] };

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class Offering {
  readonly #parts: FirstUploadParts;
  /** Bytes by position, ascending. */
  readonly #underWay = new Map<Position, number>();
  #bytes = 0;
  /** Bytes by position, of what the upstream does not take: 0 until they are read. */
  readonly #refused = new Map<Position, number>();
  /** Of these, what the session has to offer again, ascending. */
  #again: Position[] = [];
  /** Refused beyond MAX_REFUSED_OFFERS, in this session; the first of them. */
  #beyond = 0;
  #stuck: Position | null = null;
  #offered: Position;
  /** What the upstream has as long as it has what the cursor says. */
  #vouched: Told;
  /** What will be vouched for next. */
  #next: Reached;
  /** Up to where in the upstream's log all stands that is known to be there. */
  #at = START;
  #sent: Position;
  #isOnline = false;
  #isScheduled = false;
  /** Beyond `sent`, in the upstream's log too. */
  readonly #there = new Set<Position>();
  readonly #waiting = new Map<Position, Waiting[]>();
  #error: TendrilError | null = null;
  #isEarly = false;

  constructor(parts: FirstUploadParts, told: Told) {
    this.#parts = parts;
    for (const position of told.refused) this.#refused.set(position, 0);
    this.#offered = told.offered;
    this.#vouched = told;
    this.#next = { ...told, at: START };
    this.#sent = told.offered;
  }

  get offered(): Position {
    return this.#offered;
  }

  /** What the upstream has as long as it has its log up to `cursor`, which lies where the last one did or beyond. */
  toldAt(cursor: Position): Told {
    if (this.#at > cursor && this.#next.at > cursor) return this.#vouched;
    const { offered, refused } = this.#at <= cursor ? this.#now() : this.#next;
    return { offered, refused };
  }

  /** The cursor stands there. */
  readonly vouch = (cursor: Position): void => {
    this.#vouched = this.toldAt(cursor);
    if (this.#next.at <= cursor) this.#next = this.#now();
  };

  #now(): Reached {
    return { offered: this.#offered, refused: this.#refusedUpTo(this.#offered), at: this.#at };
  }

  /** Transactions that the upstream refused. */
  get refused(): number {
    return this.#refused.size + this.#beyond;
  }

  /** Transactions that the upstream is not known to have: refused, on their way, or not offered yet. */
  get untold(): number {
    let underWay = 0;
    for (const position of this.#underWay.keys()) if (!this.#refused.has(position)) underWay += 1;
    return this.refused + underWay + this.#parts.position() - this.#sent - this.#there.size;
  }

  /** Why the upstream did not take the last one that it refused in this session. */
  get error(): TendrilError | null {
    return this.#error;
  }

  /** The upstream will take what it refused when its clock has come to it. */
  get isEarly(): boolean {
    return this.#isEarly;
  }

  /** The upstream refused so many that `offered` stands, and has been told the others. */
  get isStuck(): boolean {
    return this.#stuck !== null && this.#underWay.size === 0 && this.#sent >= this.#parts.position();
  }

  /** Of those on their way, and refused. */
  get bytes(): number {
    let sum = 0;
    for (const bytes of this.#underWay.values()) sum += bytes;
    for (const [position, bytes] of this.#refused) if (!this.#underWay.has(position)) sum += bytes;
    return sum;
  }

  begin({ isSame, resumes }: Meeting): void {
    if (!resumes) this.#vouched = NOTHING;
    if (!resumes || !isSame) this.#next = { ...this.#vouched, at: START };
    if (!isSame) this.#goBack();
    for (const position of this.#refused.keys()) if (position > this.#offered) this.#refused.delete(position);
    this.#again = this.#refusedUpTo(this.#offered);
    this.#underWay.clear();
    this.#bytes = 0;
    this.#beyond = 0;
    this.#stuck = null;
    this.#error = null;
    this.#isEarly = false;
    this.#sent = this.#offered;
    this.#isOnline = true;
    this.go();
  }

  /** To what the upstream has at the least. */
  #goBack(): void {
    const { offered, refused } = this.#vouched;
    this.#at = START;
    this.#offered = offered;
    for (const position of refused) this.#refused.set(position, this.#refused.get(position) ?? 0);
    this.#there.clear();
  }

  end(): void {
    this.#isOnline = false;
  }

  /** Later, when whoever committed has been told. */
  go(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#parts.core.scheduler.soon(() => {
      this.#isScheduled = false;
      this.#send();
    });
  }

  /** - `at`: up to where in its log the upstream told them. */
  readonly areThere = (positions: readonly Position[], at: Position): void => {
    if (at > this.#at) this.#at = at;
    for (const position of positions) {
      if (position > this.#sent) this.#there.add(position);
      this.#refused.delete(position);
      this.#settle(position, null);
    }
    this.#passOver();
  };

  /** Most that the upstream told follow each other: they need not be read again. */
  #passOver(): void {
    while (this.#there.delete((this.#sent + 1) as Position)) this.#sent = (this.#sent + 1) as Position;
    this.#advance();
  }

  taken({ position, at, error }: SaidOf<'taken'>): void {
    const bytes = this.#underWay.get(position);
    if (bytes === undefined) return;
    this.#underWay.delete(position);
    this.#bytes -= bytes;
    if (at !== null && at > this.#at) this.#at = at;
    if (error !== null) {
      this.#error = error;
      if (error.code === 'clock-drift') this.#isEarly = true;
      this.#refuse(position, bytes);
    } else this.#refused.delete(position);
    this.#advance();
    this.#settle(position, error);
    this.go();
  }

  /** Resolves when the upstream has the transaction; at once if it has. */
  readonly settled = (transaction: TransactionId): Promise<void> => {
    const outcome = this.#parts.core.log.outcome(transaction);
    if (outcome?.kind !== 'applied' || this.#isTaken(outcome.position)) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const others = this.#waiting.get(outcome.position) ?? [];
      this.#waiting.set(outcome.position, [...others, { resolve, reject }]);
    });
  };

  close(reason: TendrilError): void {
    this.#isOnline = false;
    for (const position of [...this.#waiting.keys()]) this.#settle(position, reason);
  }

  #isTaken(position: Position): boolean {
    return position <= this.#offered && !this.#refused.has(position);
  }

  /** Ascending. */
  #refusedUpTo(last: Position): Position[] {
    return [...this.#refused.keys()].filter((position) => position <= last).sort((left, right) => left - right);
  }

  #refuse(position: Position, bytes: number): void {
    if (this.#refused.has(position) || this.#refused.size < MAX_REFUSED_OFFERS) {
      this.#refused.set(position, bytes);
      return;
    }
    this.#beyond += 1;
    this.#stuck = Math.min(this.#stuck ?? position, position) as Position;
  }

  #send(): void {
    const { core, position } = this.#parts;
    this.#sendAgain();
    if (this.#again.length > 0) return;
    while (this.#isOnline && this.#sent < position()) {
      this.#passOver();
      if (this.#sent >= position()) return;
      const room = MAX_OFFERED - this.#underWay.size;
      if (room <= 0 || this.#bytes >= MAX_OFFERED_BYTES) return;
      for (const one of core.log.transactionsSince(this.#sent, room, MAX_OFFERED_BYTES - this.#bytes)) {
        this.#sent = one.position;
        if (this.#there.delete(one.position)) continue;
        this.#offer(one);
      }
      this.#advance();
    }
  }

  /** What was refused stands before the rest. */
  #sendAgain(): void {
    const { log } = this.#parts.core;
    while (this.#isOnline && this.#again.length > 0) {
      if (this.#underWay.size >= MAX_OFFERED || this.#bytes >= MAX_OFFERED_BYTES) return;
      const position = this.#again.shift()!;
      // Its turn may have come too late: meanwhile the upstream has told it.
      if (!this.#refused.has(position)) continue;
      for (const one of log.transactionsSince((position - 1) as Position, 1, MAX_OFFERED_BYTES)) this.#offer(one);
    }
  }

  #offer({ position, operations }: LogTransaction): void {
    const { core, send } = this.#parts;
    const bytes = sizeOfPieces(operations);
    this.#underWay.set(position, bytes);
    this.#bytes += bytes;
    send({ kind: 'offer', position, floor: core.log.floor(), operations });
  }

  #advance(): void {
    let first = this.#sent + 1;
    for (const position of this.#underWay.keys()) {
      if (this.#refused.has(position)) continue;
      first = position;
      break;
    }
    this.#offered = (Math.min(first, this.#stuck ?? first) - 1) as Position;
  }

  #settle(position: Position, error: TendrilError | null): void {
    const waiting = this.#waiting.get(position);
    if (waiting === undefined) return;
    this.#waiting.delete(position);
    for (const { resolve, reject } of waiting) {
      if (error === null) resolve();
      else reject(error);
    }
  }
}
