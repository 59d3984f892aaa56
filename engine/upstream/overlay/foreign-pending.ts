/**
 * Foreign pending: what other sessions of the same actor at a relay have written and is not settled yet. It shows here, and
 * may be built on; it is never uploaded from here.
 *
 * Invariants
 *   - it lies over the confirmed rows like this node's own pending operations, and is in no file but in what those show;
 *   - it goes with the session, and where the relay withdraws it;
 *   - at most MAX_FOREIGN_TRANSACTIONS and MAX_FOREIGN_BYTES: what comes beyond is not shown.
 */
import { decodeOperation, digestOf, type TransactionId } from '../../../storage/index.ts';
import type { Prepared } from '../../core.ts';
import type { RowKey } from '../../row-key.ts';
import type { Journal } from '../../write/journal.ts';
import { rowKeyOf, sizeOf } from '../../write/prepared.ts';
import { MAX_FOREIGN_BYTES, MAX_FOREIGN_TRANSACTIONS } from '../limits.ts';

const NONE: readonly Prepared[] = [];

export class ForeignPending {
  readonly #journal: Journal;
  readonly #transactions = new Map<TransactionId, readonly Prepared[]>();
  readonly #ofRow = new Map<RowKey, readonly Prepared[]>();
  #bytes = 0;

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  get size(): number {
    return this.#transactions.size;
  }

  transactions(): Iterable<TransactionId> {
    return [...this.#transactions.keys()];
  }

  operationsOf(key: RowKey): readonly Prepared[] {
    return this.#ofRow.get(key) ?? NONE;
  }

  /** Inside a group. False where there is no room for it. */
  add(transaction: TransactionId, operations: readonly Prepared[]): boolean {
    const bytes = sizeOf(operations);
    if (this.size >= MAX_FOREIGN_TRANSACTIONS || this.#bytes + bytes > MAX_FOREIGN_BYTES) return false;
    this.#journal.set(this.#transactions, transaction, operations);
    this.#addBytes(bytes);
    for (const each of operations) {
      const key = rowKeyOf(each);
      this.#journal.set(this.#ofRow, key, [...this.operationsOf(key), each]);
    }
    return true;
  }

  /** Inside a group. Returns what does not show any more. */
  remove(transaction: TransactionId): readonly Prepared[] {
    const operations = this.#transactions.get(transaction);
    if (operations === undefined) return NONE;
    this.#journal.set(this.#transactions, transaction, undefined);
    this.#addBytes(-sizeOf(operations));
    const gone = new Set(operations);
    for (const key of new Set(operations.map(rowKeyOf))) {
      const left = this.operationsOf(key).filter((each) => !gone.has(each));
      this.#journal.set(this.#ofRow, key, left.length === 0 ? undefined : left);
    }
    return operations;
  }

  #addBytes(bytes: number): void {
    this.#journal.record(() => {
      this.#bytes -= bytes;
    });
    this.#bytes += bytes;
  }
}

/** In the order of their ids. @throws {TendrilError} `invalid-operation` for bytes that are none. */
export function foreignOperations(pieces: readonly Uint8Array[]): readonly Prepared[] {
  const operations = pieces.map((piece) => {
    // A copy: a view would keep the whole frame.
    const bytes = new Uint8Array(piece);
    return { operation: decodeOperation(bytes), bytes, digest: digestOf(bytes) };
  });
  return operations.sort((left, right) => (left.operation.id < right.operation.id ? -1 : 1));
}
