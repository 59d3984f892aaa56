/**
 * Settlements: who waits for the outcomes of transactions.
 *
 * Invariant: an outcome is told once it is committed here, and whoever waits hears of each exactly once.
 */
import { TendrilError } from '../../../errors.ts';
import type { TransactionId } from '../../../storage/index.ts';
import type { Journal } from '../../write/journal.ts';
import type { Outbox, Pending } from './outbox.ts';

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: TendrilError) => void;
}

/** How many of some transactions ended in which way. */
export interface Outcomes {
  readonly applied: number;
  readonly refused: number;
}

export class Settlements {
  readonly #outbox: Outbox;
  readonly #journal: Journal;
  /** Refused in the group that is under way, or was committed just now: it has left the outbox, and nobody was told. */
  readonly #untold = new Map<TransactionId, true>();
  readonly #waiting = new Map<TransactionId, Waiting[]>();
  readonly #drained: (() => void)[] = [];
  /** Why there will be no outcomes any more. */
  #closed: TendrilError | null = null;

  constructor(outbox: Outbox, journal: Journal) {
    this.#outbox = outbox;
    this.#journal = journal;
  }

  /** Resolves when the authority has made it durable; at once if there is nothing to settle. */
  readonly of = (transaction: TransactionId): Promise<void> => {
    if (this.#outbox.get(transaction) === undefined && !this.#untold.has(transaction)) return Promise.resolve();
    if (this.#closed !== null) return Promise.reject(this.#closed);
    return new Promise((resolve, reject) => {
      const others = this.#waiting.get(transaction);
      if (others === undefined) this.#waiting.set(transaction, [{ resolve, reject }]);
      else others.push({ resolve, reject });
    });
  };

  /** Resolves when each has its outcome. @throws {TendrilError} (rejects) `closed`. */
  async outcomesOf(transactions: readonly TransactionId[]): Promise<Outcomes> {
    const outcomes = await Promise.all(
      transactions.map((transaction) =>
        this.of(transaction).then(
          () => true,
          (error: unknown) => {
            if (error === this.#closed) throw error;
            return false;
          },
        ),
      ),
    );
    const applied = outcomes.filter(Boolean).length;
    return { applied, refused: outcomes.length - applied };
  }

  applied(transaction: TransactionId): void {
    for (const { resolve } of this.#take(transaction)) resolve();
    this.#tellDrained();
  }

  /** Inside a group: `refused` follows its COMMIT. The transaction may be of the same group, and who wrote it asks between. */
  refusing({ transaction }: Pending): void {
    this.#journal.set(this.#untold, transaction, true);
  }

  /** `cause`: the transaction that the authority refused: this one, or one it stood on. */
  refused({ transaction }: Pending, cause: TransactionId, error: TendrilError): void {
    const reason = reasonOf(transaction, cause, error);
    this.#untold.delete(transaction);
    for (const { reject } of this.#take(transaction)) reject(reason);
    this.#tellDrained();
  }

  /** Nothing that was offered, or will be by itself, waits for an outcome. */
  get isDrained(): boolean {
    return this.#outbox.size === this.#outbox.held;
  }

  /** Resolves when that is so, or nobody waits for outcomes any more. */
  drained(): Promise<void> {
    if (this.isDrained) return Promise.resolve();
    return new Promise((resolve) => {
      this.#drained.push(resolve);
    });
  }

  /** Nobody will be told any more. */
  close(reason: TendrilError): void {
    this.#closed = reason;
    for (const transaction of [...this.#waiting.keys()]) {
      for (const { reject } of this.#take(transaction)) reject(reason);
    }
  }

  #take(transaction: TransactionId): readonly Waiting[] {
    const waiting = this.#waiting.get(transaction) ?? [];
    this.#waiting.delete(transaction);
    return waiting;
  }

  /** No outcome will come for now: the authority is out of reach, or was waited for long enough. */
  giveUp(): void {
    for (const tell of this.#drained.splice(0)) tell();
  }

  #tellDrained(): void {
    if (this.isDrained) this.giveUp();
  }
}

/** Why `transaction` is refused, if `cause` was refused with this error. */
export function reasonOf(transaction: TransactionId, cause: TransactionId, error: TendrilError): TendrilError {
  return transaction === cause ? error : builtOn(transaction, cause, error);
}

function builtOn(transaction: TransactionId, cause: TransactionId, error: TendrilError): TendrilError {
  return new TendrilError({
    code: error.code,
    problem: `Transaction ${transaction} changes what transaction ${cause} was to create, which was refused: ${error.problem}`,
    remedy: error.remedy,
    facts: { ...error.facts, transaction, builtOn: cause },
    cause: error,
  });
}
