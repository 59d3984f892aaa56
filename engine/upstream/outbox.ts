/**
 * Outbox: the transactions made here whose outcome is not known yet, in the order they were made.
 *
 * Invariants
 *   - a transaction keeps its id and its place over all attempts; only its operations are made anew;
 *   - what changes inside a group is recorded in the journal, and taken back with it;
 *   - at most MAX_OUTBOX_TRANSACTIONS and MAX_OUTBOX_BYTES: the write that would pass them is refused.
 */
import { assert, TendrilError } from '../../errors.ts';
import type { EntityId, TransactionId } from '../../storage/index.ts';
import type { Prepared } from '../core.ts';
import type { Journal } from '../write/journal.ts';
import { sizeOf } from '../write/prepared.ts';
import { MAX_OUTBOX_BYTES, MAX_OUTBOX_TRANSACTIONS } from './limits.ts';

export interface Pending {
  readonly transaction: TransactionId;
  readonly place: number;
  /** 1, 2, 3, ... */
  readonly attempt: number;
  /** How often the authority could not take it as it was. */
  readonly rebases: number;
  readonly operations: readonly Prepared[];
}

/** One entity of one collection. */
export type RowKey = string;

export function rowKey(collection: string, id: EntityId): RowKey {
  return id + collection;
}

export function partsOf(key: RowKey): { readonly collection: string; readonly id: EntityId } {
  return { collection: key.slice(ULID_LENGTH), id: key.slice(0, ULID_LENGTH) as EntityId };
}

const ULID_LENGTH = 26;

const NONE: readonly Prepared[] = [];

export class Outbox {
  readonly #journal: Journal;
  readonly #pending = new Map<TransactionId, Pending>();
  readonly #ofRow = new Map<RowKey, readonly Prepared[]>();
  #places = 0;
  #bytes = 0;

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  get size(): number {
    return this.#pending.size;
  }

  get bytes(): number {
    return this.#bytes;
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
  add(transaction: TransactionId, operations: readonly Prepared[]): void {
    const bytes = this.#bytes + sizeOf(operations);
    if (this.#pending.size >= MAX_OUTBOX_TRANSACTIONS || bytes > MAX_OUTBOX_BYTES) throw full(this.size, bytes);
    this.#places += 1;
    const pending = { transaction, place: this.#places, attempt: 1, rebases: 0, operations };
    this.#journal.set(this.#pending, transaction, pending);
    this.#setBytes(bytes);
    for (const each of operations) {
      const key = keyOf(each);
      this.#journal.set(this.#ofRow, key, [...this.operationsOf(key), each]);
    }
  }

  /** It is settled, or as if it had never been. */
  remove({ transaction, operations }: Pending): void {
    this.#journal.set(this.#pending, transaction, undefined);
    this.#setBytes(this.#bytes - sizeOf(operations));
    const gone = new Set(operations);
    for (const key of new Set(operations.map(keyOf))) {
      const left = this.operationsOf(key).filter((each) => !gone.has(each));
      this.#journal.set(this.#ofRow, key, left.length === 0 ? undefined : left);
    }
  }

  /** The next attempt: the same transaction with operations made anew, one for one. - `rebases`: so far. */
  renew(pending: Pending, operations: readonly Prepared[], rebases: number): void {
    assert(operations.length === pending.operations.length, 'a transaction was made anew with other operations');
    const renewed = new Map(pending.operations.map((each, index) => [each, operations[index]!]));
    const { transaction, place, attempt } = pending;
    this.#journal.set(this.#pending, transaction, { transaction, place, attempt: attempt + 1, rebases, operations });
    this.#setBytes(this.#bytes - sizeOf(pending.operations) + sizeOf(operations));
    for (const key of new Set(operations.map(keyOf))) {
      const all = this.operationsOf(key).map((each) => renewed.get(each) ?? each);
      this.#journal.set(this.#ofRow, key, all);
    }
  }

  #setBytes(bytes: number): void {
    const before = this.#bytes;
    this.#journal.record(() => {
      this.#bytes = before;
    });
    this.#bytes = bytes;
  }
}

export function keyOf({ operation: { collection, entity } }: Prepared): RowKey {
  return rowKey(collection, entity);
}

function full(transactions: number, bytes: number): TendrilError {
  return new TendrilError({
    code: 'limit-exceeded',
    problem: `${transactions} transactions wait for the upstream already; this one would make ${bytes} bytes of them.`,
    remedy: `Wait until the upstream has settled some: at most ${MAX_OUTBOX_TRANSACTIONS} and ${MAX_OUTBOX_BYTES} bytes wait.`,
    facts: { transactions, bytes, limit: MAX_OUTBOX_TRANSACTIONS, limitBytes: MAX_OUTBOX_BYTES },
  });
}
