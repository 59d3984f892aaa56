/**
 * Pending writes: what one actor's sessions at a relay tell each other before the authority has settled it.
 *
 * Invariants
 *   - a session is told what others of its actor have pending, when it comes and from then on, and nothing of other actors;
 *   - each is withdrawn once, after the step that settles it, if there is one.
 */
import type { TransactionId } from '../../storage/index.ts';
import type { Said } from '../stream.ts';

/** A session, as this knows it. */
export interface Teller {
  readonly author: string;
  readonly tell: (said: Said) => void;
}

export interface PendingWrite {
  readonly transaction: TransactionId;
  readonly actor: string;
  /** Who brought it, and is not told; null: this node wrote it. */
  readonly origin: Teller | null;
  /** In an order that respects cause. */
  readonly operations: readonly Uint8Array[];
}

export class PendingWrites {
  readonly #sessions: ReadonlySet<Teller>;
  readonly #writes = new Map<TransactionId, PendingWrite>();

  constructor(sessions: ReadonlySet<Teller>) {
    this.#sessions = sessions;
  }

  get size(): number {
    return this.#writes.size;
  }

  show(write: PendingWrite): void {
    this.withdraw(write.transaction);
    this.#writes.set(write.transaction, write);
    for (const session of this.#others(write)) session.tell(spoken(write));
  }

  withdraw(transaction: TransactionId): void {
    const write = this.#writes.get(transaction);
    if (write === undefined) return;
    this.#writes.delete(transaction);
    for (const session of this.#others(write)) session.tell({ kind: 'withdrawn', transaction });
  }

  /** A session has begun. */
  join(session: Teller): void {
    for (const write of this.#writes.values()) {
      if (write.actor === session.author && write.origin !== session) session.tell(spoken(write));
    }
  }

  *#others({ actor, origin }: PendingWrite): Generator<Teller> {
    for (const session of this.#sessions) if (session.author === actor && session !== origin) yield session;
  }
}

function spoken({ transaction, operations }: PendingWrite): Said {
  return { kind: 'pending', transaction, operations };
}
