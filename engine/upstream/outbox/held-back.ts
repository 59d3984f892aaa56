/**
 * Held back: transactions made here that are not offered to the authority yet (staging.ts).
 *
 * Invariants
 *   - what shares a row with a transaction that is held is held too, and so offered after it: of a row's pending operations
 *     those that are held are the last;
 *   - `flush` offers all that is held, in the order in which it was made.
 */
import { TendrilError } from '../../../errors.ts';
import type { PendingState, TransactionId } from '../../../storage/index.ts';
import type { Prepared } from '../../core.ts';
import type { Staging } from '../../staging.ts';
import { type CommitQueue, NOTHING_DONE } from '../../write/commit-queue.ts';
import type { Journal } from '../../write/journal.ts';
import { rowKeyOf } from '../../write/prepared.ts';
import type { Outbox } from './outbox.ts';
import type { Sender } from './sender.ts';
import type { Outcomes, Settlements } from './settlements.ts';

/** @throws {TendrilError} `conflict` for what must be final at once and is written over what is held. */
export function stateOf(
  outbox: Outbox,
  transaction: TransactionId,
  operations: readonly Prepared[],
  staging: Staging,
): PendingState {
  const below = (each: Prepared) => outbox.operationsOf(rowKeyOf(each)).at(-1)?.operation.transaction;
  const held = outbox.held === 0 ? [] : operations.filter((each) => outbox.get(below(each)!)?.state === 'held');
  if (staging === 'hold') return 'held';
  if (held.length === 0) return 'queued';
  if (staging === 'online-only') throw overHeld(transaction, below(held[0]!)!);
  return 'held';
}

/** @throws {TendrilError} `offline`, if there is no session and there must be one. */
export function checkOnline(staging: Staging, isConnected: boolean, cause: unknown): void {
  if (staging !== 'online-only' || isConnected) return;
  throw new TendrilError({
    code: 'offline',
    problem:
      'The transaction was to be written only while the upstream can be reached, and it cannot. Nothing was written.',
    remedy: "Try again later; with staging 'queue' it is written here and offered when the upstream can be reached.",
    cause,
  });
}

export interface FlushParts {
  readonly queue: CommitQueue;
  readonly journal: Journal;
  readonly outbox: Outbox;
  readonly sender: Sender;
  readonly settlements: Settlements;
}

/** Resolves when all that is held has its outcome. @throws {TendrilError} (rejects) `closed`, `storage-failed`. */
export function flushHeld({ queue, journal, outbox, sender, settlements }: FlushParts): Promise<Outcomes> {
  return new Promise((resolve, reject) => {
    const released: TransactionId[] = [];
    queue.add({
      run: () => {
        for (const pending of outbox.inOrder()) {
          if (pending.state !== 'held') continue;
          outbox.setState(pending, 'queued');
          released.push(pending.transaction);
        }
        return NOTHING_DONE;
      },
      committed: () => {
        journal.clear();
        settlements.outcomesOf(released).then(resolve, reject);
        sender.upload(released.flatMap((transaction) => outbox.get(transaction) ?? []));
      },
      failed: reject,
    });
  });
}

function overHeld(transaction: TransactionId, held: TransactionId): TendrilError {
  return new TendrilError({
    code: 'conflict',
    problem: `It was to be settled at once, but changes a row over transaction ${held}, which is held back. Nothing was written.`,
    remedy: "Call flush() first; or write with staging 'queue', which then waits for flush() too.",
    facts: { transaction, held },
  });
}
