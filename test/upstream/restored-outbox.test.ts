/** The bounds of an outbox hold for what an earlier process left in it. */
import { expect, test } from 'vitest';
import { MAX_OUTBOX_BYTES, MAX_OUTBOX_TRANSACTIONS } from '../../engine/upstream/limits.ts';
import { Outbox } from '../../engine/upstream/outbox/outbox.ts';
import { Journal } from '../../engine/write/journal.ts';
import { idFrom } from '../../index.ts';
import type { EntityId, KeptTransaction, TransactionId } from '../../storage/index.ts';
import { pendingOf } from './pending.ts';

test('a full outbox is full after a restart, too', () => {
  const kept = (place: number, bytes: number): KeptTransaction => {
    const transaction = idFrom('tx', place) as string as TransactionId;
    const operations = [pendingOf(transaction, place, bytes, idFrom('note', place) as EntityId)];
    return { transaction, place, attempt: 1, rebases: 0, state: 'queued', operations };
  };
  const add = (restored: Outbox) =>
    restored.add(idFrom('one more') as string as TransactionId, [pendingOf(kept(0, 0).transaction, 0, 1)]);
  const many = Array.from({ length: MAX_OUTBOX_TRANSACTIONS }, (_, at) => kept(at + 1, 1));
  const full = new Outbox(new Journal());
  full.restore(many, MAX_OUTBOX_TRANSACTIONS);
  expect(() => add(full)).toThrow(/wait for the upstream/);
  const almost = new Outbox(new Journal());
  almost.restore(many.slice(1), MAX_OUTBOX_TRANSACTIONS);
  add(almost);
  expect([almost.size, almost.inOrder().at(-1)!.place]).toEqual([MAX_OUTBOX_TRANSACTIONS, MAX_OUTBOX_TRANSACTIONS + 1]);
  const large = new Outbox(new Journal());
  large.restore([kept(1, MAX_OUTBOX_BYTES)], 1);
  expect(() => add(large)).toThrow(/wait for the upstream/);
});
