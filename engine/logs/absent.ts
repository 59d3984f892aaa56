/**
 * Absent transactions: what the upstream's log has, was told, and is not in this one: it cannot be read, was refused, or
 * waits for what it was built on.
 *
 * Invariants
 *   - all that was told up to `below` is here: a session that begins there is told every absent one again;
 *   - at most MAX_QUARANTINED_TRANSACTIONS are noted; of those beyond, `below` is kept until the next session.
 */
import type { TendrilError } from '../../errors.ts';
import type { NodeId, OperationId, Position, TransactionId } from '../../storage/index.ts';
import { MAX_QUARANTINED_TRANSACTIONS } from './limits.ts';

export interface QuarantinedTransaction {
  readonly transaction: TransactionId;
  /** In the log of the peer. */
  readonly position: Position;
  readonly peer: NodeId;
  /** Null where it only waits for what it was built on. */
  readonly reason: TendrilError | null;
}

export interface Absent extends QuarantinedTransaction {
  /** One of its operations; null where none can be read. */
  readonly operation: OperationId | null;
}

export class AbsentTransactions {
  readonly #noted = new Map<TransactionId, Absent>();
  /** The first one for which there was no room. */
  #beyond: Position | null = null;

  get size(): number {
    return this.#noted.size;
  }

  all(): readonly QuarantinedTransaction[] {
    return [...this.#noted.values()].map(({ transaction, position, peer, reason }) => {
      return { transaction, position, peer, reason };
    });
  }

  entries(): readonly Absent[] {
    return [...this.#noted.values()];
  }

  /** A session has begun: all will be told again that is not here. */
  clear(): void {
    this.#noted.clear();
    this.#beyond = null;
  }

  note(absent: Absent): void {
    const isNoted = this.#noted.has(absent.transaction);
    if (isNoted || this.#noted.size < MAX_QUARANTINED_TRANSACTIONS) this.#noted.set(absent.transaction, absent);
    else this.#beyond = Math.min(this.#beyond ?? absent.position, absent.position) as Position;
  }

  explain(transaction: TransactionId, reason: TendrilError): void {
    const noted = this.#noted.get(transaction);
    if (noted !== undefined) this.#noted.set(transaction, { ...noted, reason });
  }

  came(transaction: TransactionId): void {
    this.#noted.delete(transaction);
  }

  /** The last position before the first absent one; `told` where none is. */
  below(told: Position): Position {
    let least = this.#beyond === null ? told + 1 : this.#beyond;
    for (const { position } of this.#noted.values()) least = Math.min(least, position);
    return Math.min(told, least - 1) as Position;
  }
}
