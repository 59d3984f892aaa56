/**
 * Outbox: the transactions made here whose outcome is not known yet, in the order they were made.
 *
 * Invariants
 *   - a transaction keeps its id and its place over all attempts; only its operations are made anew;
 *   - what changes inside a group is written to the file there, and recorded in the journal: both are taken back with it;
 *   - at most MAX_OUTBOX_TRANSACTIONS and MAX_OUTBOX_BYTES: the write that would pass them is refused.
 */
import { assert, TendrilError } from '../../../errors.ts';
import {
  type KeptTransaction,
  NOTHING_KEPT,
  type PendingState,
  type ReplicaStore,
  type TransactionId,
} from '../../../storage/index.ts';
import type { Prepared } from '../../core.ts';
import type { RowKey } from '../../row-key.ts';
import type { Journal } from '../../write/journal.ts';
import { rowKeyOf, sizeOf } from '../../write/prepared.ts';
import { MAX_OUTBOX_BYTES, MAX_OUTBOX_TRANSACTIONS } from '../limits.ts';

/** - `attempt`: 1, 2, 3, ... - `rebases`: how often the authority could not take it as it was. */
export type Pending = KeptTransaction;

const NONE: readonly Prepared[] = [];

export class Outbox {
  readonly #journal: Journal;
  readonly #store: ReplicaStore;
  readonly #pending = new Map<TransactionId, Pending>();
  readonly #ofRow = new Map<RowKey, readonly Prepared[]>();
  #places = 0;
  #bytes = 0;
  #held = 0;

  constructor(journal: Journal, store: ReplicaStore = NOTHING_KEPT) {
    this.#journal = journal;
    this.#store = store;
  }

  get size(): number {
    return this.#pending.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** How many are not to be offered yet. */
  get held(): number {
    return this.#held;
  }

  get(transaction: TransactionId): Pending | undefined {
    return this.#pending.get(transaction);
  }

  /** In the order they were made. A map forgets it where a rollback puts something back. */
  inOrder(): readonly Pending[] {
    return [...this.#pending.values()].sort((left, right) => left.place - right.place);
  }

  /** The operations on one row, in the order they were made. */
  operationsOf(key: RowKey): readonly Prepared[] {
    return this.#ofRow.get(key) ?? NONE;
  }

  /** @throws {TendrilError} `limit-exceeded`. */
  add(transaction: TransactionId, operations: readonly Prepared[], state: PendingState = 'queued'): void {
    const bytes = this.#bytes + sizeOf(operations);
    if (this.#pending.size >= MAX_OUTBOX_TRANSACTIONS || bytes > MAX_OUTBOX_BYTES) throw full(this.size, bytes);
    this.#places += 1;
    this.#put({ transaction, place: this.#places, attempt: 1, rebases: 0, state, operations });
    this.#setBytes(bytes);
    for (const each of operations) {
      const key = rowKeyOf(each);
      this.#journal.set(this.#ofRow, key, [...this.operationsOf(key), each]);
    }
  }

  /** As the file has it, in order; `greatestPlace`: also of what could not be read. */
  restore(kept: readonly Pending[], greatestPlace: number): void {
    this.#places = greatestPlace;
    for (const pending of kept) {
      this.#pending.set(pending.transaction, pending);
      this.#bytes += sizeOf(pending.operations);
      if (pending.state === 'held') this.#held += 1;
      for (const each of pending.operations) {
        const key = rowKeyOf(each);
        const others = this.#ofRow.get(key) as Prepared[] | undefined;
        if (others === undefined) this.#ofRow.set(key, [each]);
        else others.push(each);
      }
    }
  }

  /** It may be offered from now on, or not. */
  setState(pending: Pending, state: PendingState): void {
    if (pending.state !== state) this.#put({ ...pending, state });
  }

  /** It is settled, or as if it had never been. */
  remove({ transaction, place, state, operations }: Pending): void {
    this.#journal.set(this.#pending, transaction, undefined);
    if (state === 'held') this.#countHeld(-1);
    this.#store.removeTransaction(place);
    this.#setBytes(this.#bytes - sizeOf(operations));
    const gone = new Set(operations);
    for (const key of new Set(operations.map(rowKeyOf))) {
      const left = this.operationsOf(key).filter((each) => !gone.has(each));
      this.#journal.set(this.#ofRow, key, left.length === 0 ? undefined : left);
    }
  }

  /** The next attempt: the same transaction with operations made anew, one for one. - `rebases`: so far. */
  renew(pending: Pending, operations: readonly Prepared[], rebases: number): void {
    assert(operations.length === pending.operations.length, 'a transaction was made anew with other operations');
    const renewed = new Map(pending.operations.map((each, index) => [each, operations[index]!]));
    this.#put({ ...pending, attempt: pending.attempt + 1, rebases, operations });
    this.#setBytes(this.#bytes - sizeOf(pending.operations) + sizeOf(operations));
    for (const key of new Set(operations.map(rowKeyOf))) {
      const all = this.operationsOf(key).map((each) => renewed.get(each) ?? each);
      this.#journal.set(this.#ofRow, key, all);
    }
  }

  #put(pending: Pending): void {
    const isHeld = (held: Pending | undefined) => (held?.state === 'held' ? 1 : 0);
    this.#countHeld(isHeld(pending) - isHeld(this.get(pending.transaction)));
    this.#journal.set(this.#pending, pending.transaction, pending);
    this.#store.putTransaction(pending);
  }

  #countHeld(more: number): void {
    if (more === 0) return;
    const before = this.#held;
    this.#journal.record(() => {
      this.#held = before;
    });
    this.#held += more;
  }

  #setBytes(bytes: number): void {
    const before = this.#bytes;
    this.#journal.record(() => {
      this.#bytes = before;
    });
    this.#bytes = bytes;
  }
}

function full(transactions: number, bytes: number): TendrilError {
  return new TendrilError({
    code: 'limit-exceeded',
    problem: `${transactions} transactions wait for the upstream already; this one would make ${bytes} bytes of them.`,
    remedy: `Wait until the upstream has settled some: at most ${MAX_OUTBOX_TRANSACTIONS} and ${MAX_OUTBOX_BYTES} bytes wait.`,
    facts: { transactions, bytes, limit: MAX_OUTBOX_TRANSACTIONS, limitBytes: MAX_OUTBOX_BYTES },
  });
}
