/** Settlements: who waits for the outcome of a transaction, and whom to tell where nobody does. */
import { TendrilError } from '../../errors.ts';
import type { TransactionId } from '../../storage/index.ts';
import type { Outbox, Pending } from './outbox.ts';

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class Settlements {
  readonly #outbox: Outbox;
  readonly #onError: (error: unknown) => void;
  readonly #waiting = new Map<TransactionId, Waiting[]>();
  readonly #drained: (() => void)[] = [];

  constructor(outbox: Outbox, onError: (error: unknown) => void) {
    this.#outbox = outbox;
    this.#onError = onError;
  }

  /** Resolves when the authority has made it durable; at once if there is nothing to settle. */
  readonly of = (transaction: TransactionId): Promise<void> => {
    if (this.#outbox.get(transaction) === undefined) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const others = this.#waiting.get(transaction);
      if (others === undefined) this.#waiting.set(transaction, [{ resolve, reject }]);
      else others.push({ resolve, reject });
    });
  };

  applied(transaction: TransactionId): void {
    for (const { resolve } of this.#take(transaction)) resolve();
    this.#tellDrained();
  }

  /** `cause`: the transaction that the authority refused: this one, or one it stood on. */
  refused({ transaction }: Pending, cause: TransactionId, error: TendrilError): void {
    const reason = transaction === cause ? error : builtOn(transaction, cause, error);
    const waiting = this.#take(transaction);
    for (const { reject } of waiting) reject(reason);
    if (waiting.length === 0) this.#onError(reason);
    this.#tellDrained();
  }

  /** Resolves when nothing waits for an outcome, or none will come. */
  drained(): Promise<void> {
    if (this.#outbox.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#drained.push(resolve);
    });
  }

  /** Nobody will be told any more. */
  close(reason: TendrilError): void {
    for (const transaction of [...this.#waiting.keys()]) {
      for (const { reject } of this.#take(transaction)) reject(reason);
    }
  }

  #take(transaction: TransactionId): readonly Waiting[] {
    const waiting = this.#waiting.get(transaction) ?? [];
    this.#waiting.delete(transaction);
    return waiting;
  }

  /** The session has ended. */
  lost(): void {
    for (const tell of this.#drained.splice(0)) tell();
  }

  #tellDrained(): void {
    if (this.#outbox.size === 0) this.lost();
  }
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
