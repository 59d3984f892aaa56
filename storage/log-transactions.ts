/** Log transactions: a stretch of the log, read whole transaction by whole transaction, as it is told to whoever follows it. */
import type { SqliteDriver } from './driver.ts';
import type { Position, TransactionId } from './ids.ts';
import { bytesIn } from './row-bytes.ts';
import { transactionOf } from './skeleton.ts';

export interface LogTransaction {
  readonly position: Position;
  readonly transaction: TransactionId;
  /** Operation bytes, or skeletons. */
  readonly operations: readonly Uint8Array[];
}

const SINCE = 'SELECT position, bytes FROM tendril_content WHERE position > ? ORDER BY position, ordinal';

/** After `position`, at least one if there is one; no further one once there are `limit` operations or `bytes` bytes. */
export function readTransactions(
  driver: SqliteDriver,
  position: Position,
  limit: number,
  bytes: number,
): readonly LogTransaction[] {
  const transactions: { position: Position; transaction: TransactionId; operations: Uint8Array[] }[] = [];
  let count = 0;
  let size = 0;
  for (const [at, cell] of driver.iterate(SINCE, [position])) {
    const operation = bytesIn(cell, 'an operation');
    const last = transactions.at(-1);
    if (last !== undefined && last.position === at) last.operations.push(operation);
    else {
      if (count >= limit || size >= bytes) break;
      const transaction = transactionOf(operation);
      transactions.push({ position: at as Position, transaction, operations: [operation] });
    }
    count += 1;
    size += operation.length;
  }
  return transactions;
}
