/**
 * Offering: what was written here is told to the upstream, in the order of this log.
 *
 * Invariants
 *   - everything up to `offered` is in the upstream's log; what is beyond it is offered by every session anew, in order;
 *   - what the upstream told is not offered back while this node remembers it;
 *   - at most MAX_OFFERED and MAX_OFFERED_BYTES are on their way;
 *   - one that the upstream refuses stops nothing: the others go on, and the next session offers it again. Where only its
 *     time has not come yet, that session is to be made.
 */
import type { TendrilError } from '../../errors.ts';
import type { Position, TransactionId } from '../../storage/index.ts';
import type { Core } from '../core.ts';
import type { Request } from '../upstream/stream.ts';
import { MAX_OFFERED, MAX_OFFERED_BYTES } from './limits.ts';

export interface OfferingParts {
  readonly core: Pick<Core, 'log' | 'scheduler'>;
  /** Of the last transaction that is committed. */
  readonly position: () => Position;
  readonly send: (request: Request) => void;
}

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class Offering {
  readonly #parts: OfferingParts;
  /** Bytes by position, ascending. */
  readonly #underWay = new Map<Position, number>();
  #bytes = 0;
  /** The first that the upstream refused in this session. */
  #refused: Position | null = null;
  #offered: Position;
  #sent: Position;
  #isOnline = false;
  #isScheduled = false;
  /** Beyond `sent`, in the upstream's log too. */
  readonly #there = new Set<Position>();
  readonly #waiting = new Map<Position, Waiting[]>();
  #error: TendrilError | null = null;
  #isEarly = false;

  constructor(parts: OfferingParts, offered: Position) {
    this.#parts = parts;
    this.#offered = offered;
    this.#sent = offered;
  }

  get offered(): Position {
    return this.#offered;
  }

  /** Why the upstream did not take the last one that it refused in this session. */
  get error(): TendrilError | null {
    return this.#error;
  }

  /** The upstream will take what it refused when its clock has come to it. */
  get isEarly(): boolean {
    return this.#isEarly;
  }

  /** The upstream refused one, and has been told the others. */
  get isStuck(): boolean {
    return this.#refused !== null && this.#underWay.size === 0 && this.#sent >= this.#parts.position();
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** - `all`: also what an earlier session offered, because it is not known whether the upstream has it still. */
  begin(all: boolean): void {
    if (all) this.#offered = 0 as Position;
    this.#underWay.clear();
    this.#bytes = 0;
    this.#refused = null;
    this.#error = null;
    this.#isEarly = false;
    this.#sent = this.#offered;
    this.#isOnline = true;
    this.go();
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

  areThere(positions: readonly Position[]): void {
    for (const position of positions) {
      if (position > this.#sent) this.#there.add(position);
      this.#settle(position, null);
    }
  }

  taken(position: Position, error: TendrilError | null): void {
    const bytes = this.#underWay.get(position);
    if (bytes === undefined) return;
    this.#underWay.delete(position);
    this.#bytes -= bytes;
    if (error !== null) {
      this.#error = error;
      if (error.code === 'clock-drift') this.#isEarly = true;
      this.#refused = Math.min(this.#refused ?? position, position) as Position;
    }
    this.#advance();
    this.#settle(position, error);
    this.go();
  }

  /** Resolves when the upstream has the transaction; at once if it has. */
  readonly settled = (transaction: TransactionId): Promise<void> => {
    const outcome = this.#parts.core.log.outcome(transaction);
    if (outcome?.kind !== 'applied' || outcome.position <= this.#offered) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const others = this.#waiting.get(outcome.position) ?? [];
      this.#waiting.set(outcome.position, [...others, { resolve, reject }]);
    });
  };

  close(reason: TendrilError): void {
    this.#isOnline = false;
    for (const position of [...this.#waiting.keys()]) this.#settle(position, reason);
  }

  #send(): void {
    const { core, position, send } = this.#parts;
    while (this.#isOnline && this.#sent < position()) {
      // Most that the upstream told follow each other: they need not be read again.
      while (this.#there.delete((this.#sent + 1) as Position)) this.#sent = (this.#sent + 1) as Position;
      this.#advance();
      if (this.#sent >= position()) return;
      const room = MAX_OFFERED - this.#underWay.size;
      if (room <= 0 || this.#bytes >= MAX_OFFERED_BYTES) return;
      for (const one of core.log.transactionsSince(this.#sent, room, MAX_OFFERED_BYTES - this.#bytes)) {
        this.#sent = one.position;
        if (this.#there.delete(one.position)) continue;
        const bytes = one.operations.reduce((sum, { length }) => sum + length, 0);
        this.#underWay.set(one.position, bytes);
        this.#bytes += bytes;
        send({ kind: 'offer', position: one.position, floor: core.log.floor(), operations: one.operations });
      }
      this.#advance();
    }
  }

  #advance(): void {
    const [first = this.#sent + 1] = this.#underWay.keys();
    const least = Math.min(first, this.#refused ?? first);
    this.#offered = (least - 1) as Position;
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
