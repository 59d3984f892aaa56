/**
 * Parking: transactions that arrived before something they were built on, kept in memory and invisible.
 *
 * Invariants
 *   - a transaction is parked whole or not at all, and waits for operations that are neither applied nor its own;
 *   - entries are replaced, never changed, so that a checkpoint is a shallow copy;
 *   - at most MAX_PARKED_TRANSACTIONS and MAX_PARKED_BYTES, each for at most MAX_PARKED_MS; past any of these the
 *     oldest are dropped and named, so that they can be asked for again;
 *   - `checkpoint` and `restore` let a group that was rolled back leave parking as it found it.
 */
import type { OperationId, TransactionId } from '../../storage/index.ts';

export const MAX_PARKED_TRANSACTIONS = 1_000;
export const MAX_PARKED_BYTES = 16 * 1_024 * 1_024;
export const MAX_PARKED_MS = 10 * 60_000;

/** One transaction's operations, decoded and checked as far as they can be without what is missing. */
export interface Arrival<Item> {
  readonly transaction: TransactionId;
  readonly items: readonly Item[];
  readonly bytes: number;
  /** It comes from below the floor of another's log: others there may be skeletons that only it makes up for. */
  readonly truncated?: boolean;
}

interface Parked<Item> {
  readonly arrival: Arrival<Item>;
  /** What it missed when it was parked. */
  readonly missing: readonly OperationId[];
  /** How many of these have not come yet. */
  readonly remaining: number;
  readonly sinceMs: number;
}

export interface Parking<Item> {
  readonly has: (transaction: TransactionId) => boolean;
  /** Takes a transaction out, for its later operations to be added or because what it missed has come. */
  readonly take: (transaction: TransactionId) => Arrival<Item> | null;
  /** Parks it as the youngest; `missing` names each once. Returns what had to be dropped for it, oldest first. */
  readonly park: (arrival: Arrival<Item>, missing: readonly OperationId[], nowMs: number) => readonly TransactionId[];
  /** Drops what has been waiting too long. */
  readonly expire: (nowMs: number) => readonly TransactionId[];
  /** `operation` was applied. Returns the transactions that now miss nothing, oldest first; they are still to be taken. */
  readonly came: (operation: OperationId) => readonly TransactionId[];
  readonly count: () => number;
  readonly bytes: () => number;
  readonly checkpoint: () => Checkpoint<Item>;
  readonly restore: (checkpoint: Checkpoint<Item>) => void;
}

export type Checkpoint<Item> = ReadonlyMap<TransactionId, Parked<Item>>;

export function createParking<Item>(): Parking<Item> {
  /** In order of arrival: a Map keeps it. */
  let parked = new Map<TransactionId, Parked<Item>>();
  let waiters = new Map<OperationId, Set<TransactionId>>();
  let bytes = 0;

  const index = (transaction: TransactionId, entry: Parked<Item>) => {
    parked.set(transaction, entry);
    bytes += entry.arrival.bytes;
    for (const id of entry.missing) {
      const waiting = waiters.get(id);
      if (waiting === undefined) waiters.set(id, new Set([transaction]));
      else waiting.add(transaction);
    }
  };
  const take = (transaction: TransactionId): Arrival<Item> | null => {
    const entry = parked.get(transaction);
    if (entry === undefined) return null;
    parked.delete(transaction);
    bytes -= entry.arrival.bytes;
    for (const id of entry.missing) {
      const waiting = waiters.get(id);
      waiting?.delete(transaction);
      if (waiting?.size === 0) waiters.delete(id);
    }
    return entry.arrival;
  };
  /** Drops from the oldest on while `tooMuch` says so. */
  const dropWhile = (tooMuch: (oldest: Parked<Item>) => boolean): TransactionId[] => {
    const dropped: TransactionId[] = [];
    for (const [transaction, entry] of parked) {
      if (!tooMuch(entry)) break;
      take(transaction);
      dropped.push(transaction);
    }
    return dropped;
  };
  return {
    has: (transaction) => parked.has(transaction),
    take,
    park: (arrival, missing, nowMs) => {
      index(arrival.transaction, { arrival, missing, remaining: missing.length, sinceMs: nowMs });
      return dropWhile(() => parked.size > MAX_PARKED_TRANSACTIONS || bytes > MAX_PARKED_BYTES);
    },
    expire: (nowMs) => dropWhile((entry) => nowMs - entry.sinceMs > MAX_PARKED_MS),
    came: (operation) => {
      const ready: TransactionId[] = [];
      for (const transaction of waiters.get(operation) ?? []) {
        const entry = parked.get(transaction)!;
        parked.set(transaction, { ...entry, remaining: entry.remaining - 1 });
        if (entry.remaining === 1) ready.push(transaction);
      }
      waiters.delete(operation);
      return ready;
    },
    count: () => parked.size,
    bytes: () => bytes,
    checkpoint: () => new Map(parked),
    restore: (checkpoint) => {
      parked = new Map();
      waiters = new Map();
      bytes = 0;
      for (const [transaction, entry] of checkpoint) index(transaction, entry);
    },
  };
}
