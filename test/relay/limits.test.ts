/** Bounds of a relay and of what it tells its followers: at the limit, and one past it. */
import { expect, test } from 'vitest';
import type { Prepared } from '../../engine/core.ts';
import { type Forwarded, Forwarding, type WaitingQuestion } from '../../engine/relay/forwarding.ts';
import {
  MAX_FORWARDED_BYTES,
  MAX_FORWARDED_QUESTIONS,
  MAX_FORWARDED_TRANSACTIONS,
  MAX_RELAYED_IDS,
} from '../../engine/relay/limits.ts';
import type { Request } from '../../engine/stream.ts';
import { MAX_FOREIGN_BYTES, MAX_FOREIGN_TRANSACTIONS } from '../../engine/upstream/limits.ts';
import { ForeignPending } from '../../engine/upstream/overlay/foreign-pending.ts';
import { Journal } from '../../engine/write/journal.ts';
import { idFrom } from '../../index.ts';
import type { EntityId, TransactionId } from '../../storage/index.ts';
import { pendingOf } from '../upstream/pending.ts';
import { openSession } from './session-by-hand.ts';
import { createRelayWorld } from './world.ts';

const transactionOf = (at: number) => idFrom('transaction', at) as string as TransactionId;

function forwardedOf(at: number, bytes: number): Forwarded<string> {
  const operations: readonly Prepared[] = [pendingOf(transactionOf(at), at, bytes)];
  return { transaction: transactionOf(at), attempt: 1, operations, pieces: [], session: 'ana', isSent: false };
}

function noting(asked: string[]): WaitingQuestion {
  return {
    send: async () => void asked.push('sent'),
    lost: () => asked.push('lost'),
  };
}

function createForwarding() {
  const sent: Request[] = [];
  const dropped: TransactionId[] = [];
  const forwarding = new Forwarding<string>(
    (request) => sent.push(request),
    ({ transaction }) => dropped.push(transaction),
  );
  forwarding.begin();
  return { forwarding, sent, dropped };
}

test(`${MAX_FORWARDED_TRANSACTIONS} transactions are on their way; one more waits until an outcome comes`, () => {
  const { forwarding, sent } = createForwarding();
  for (let at = 0; at < MAX_FORWARDED_TRANSACTIONS; at += 1) forwarding.upload(forwardedOf(at, 1));
  expect(sent).toHaveLength(MAX_FORWARDED_TRANSACTIONS);
  forwarding.upload(forwardedOf(MAX_FORWARDED_TRANSACTIONS, 1));
  expect(sent).toHaveLength(MAX_FORWARDED_TRANSACTIONS);
  forwarding.conclude(transactionOf(7), 1);
  expect(sent).toHaveLength(MAX_FORWARDED_TRANSACTIONS + 1);
});

test('so it is with their bytes, and a question waits behind what its session brought', () => {
  const { forwarding, sent } = createForwarding();
  const asked: string[] = [];
  forwarding.upload(forwardedOf(1, MAX_FORWARDED_BYTES - 1));
  forwarding.upload(forwardedOf(2, 1));
  expect(sent).toHaveLength(2);
  forwarding.upload(forwardedOf(3, 1));
  forwarding.question('ana', noting(asked));
  expect([sent.length, asked]).toEqual([2, []]);
  forwarding.conclude(transactionOf(2), 1);
  expect([sent.length, asked]).toEqual([3, ['sent']]);
});

test('a lost link loses questions, and no transaction but those whose session has gone', () => {
  const { forwarding, sent, dropped } = createForwarding();
  const asked: string[] = [];
  forwarding.upload(forwardedOf(1, MAX_FORWARDED_BYTES));
  forwarding.upload(forwardedOf(2, 1));
  forwarding.upload({ ...forwardedOf(3, 1), session: 'ben' });
  forwarding.question('ana', noting(asked));
  forwarding.gone('ben');
  expect(dropped).toEqual([transactionOf(3)]);
  forwarding.lost('cut');
  forwarding.begin();
  expect(asked).toEqual(['lost']);
  const uploads = sent.map((request) => (request.kind === 'upload' ? request.transaction : null));
  expect(uploads).toEqual([transactionOf(1), transactionOf(1)]);
  expect(forwarding.conclude(transactionOf(1), 2)).toBeUndefined();
  forwarding.conclude(transactionOf(1), 1);
  expect(forwarding.size).toBe(1);
  expect(sent).toHaveLength(3);
});

test(`${MAX_FOREIGN_TRANSACTIONS} transactions of others show; one more does not, until one is withdrawn`, () => {
  const foreign = new ForeignPending(new Journal());
  for (let at = 0; at < MAX_FOREIGN_TRANSACTIONS; at += 1) {
    expect(foreign.add(transactionOf(at), [pendingOf(transactionOf(at), at, 1)])).toBe(true);
  }
  const [next, operations] = [transactionOf(-1), [pendingOf(transactionOf(-1), 1, 1)]];
  expect(foreign.add(next, operations)).toBe(false);
  foreign.remove(transactionOf(5));
  expect(foreign.add(next, operations)).toBe(true);
});

test(`they show up to ${MAX_FOREIGN_BYTES} bytes; what is taken back makes room again`, () => {
  const journal = new Journal();
  const foreign = new ForeignPending(journal);
  const entity = idFrom('note', 1) as EntityId;
  expect(foreign.add(transactionOf(1), [pendingOf(transactionOf(1), 1, MAX_FOREIGN_BYTES, entity)])).toBe(true);
  expect(foreign.add(transactionOf(2), [pendingOf(transactionOf(2), 2, 1, entity)])).toBe(false);
  journal.rewind(0);
  expect(foreign.size).toBe(0);
  expect(foreign.operationsOf(`${entity}note`)).toEqual([]);
  expect(foreign.add(transactionOf(2), [pendingOf(transactionOf(2), 2, 1, entity)])).toBe(true);
  expect(foreign.operationsOf(`${entity}note`)).toHaveLength(1);
});

test(`${MAX_FORWARDED_QUESTIONS} questions are on their way; one more waits until an answer comes`, async () => {
  const { forwarding } = createForwarding();
  const answers: (() => void)[] = [];
  const ask = () =>
    forwarding.question('ana', { send: () => new Promise((resolve) => answers.push(resolve)), lost: () => undefined });
  for (let at = 0; at < MAX_FORWARDED_QUESTIONS; at += 1) ask();
  expect(answers).toHaveLength(MAX_FORWARDED_QUESTIONS);
  ask();
  expect(answers).toHaveLength(MAX_FORWARDED_QUESTIONS);
  answers[3]!();
  await new Promise(setImmediate);
  expect(answers).toHaveLength(MAX_FORWARDED_QUESTIONS + 1);
});

test(`followers hold ${MAX_RELAYED_IDS} ids, be they held here yet or not; one more ends the one who holds the most`, async () => {
  const world = await createRelayWorld();
  await world.cutOff();
  const follow = () => openSession(world.relay()).session;
  const ids = Array.from({ length: MAX_RELAYED_IDS + 2 }, (_, at) => idFrom('note', at) as EntityId);
  const [greedy, modest] = [follow(), follow()];
  const hold = (from: number, to: number) =>
    ({ kind: 'hold', collection: 'note', ids: ids.slice(from, to), had: false }) as const;
  modest.take(hold(0, 5));
  greedy.take(hold(5, MAX_RELAYED_IDS));
  expect(() => greedy.take(hold(MAX_RELAYED_IDS, MAX_RELAYED_IDS + 1))).toThrow(/more than/);
  greedy.take({ kind: 'release', collection: 'note', ids: ids.slice(5, 6) });
  greedy.take(hold(MAX_RELAYED_IDS, MAX_RELAYED_IDS + 1));
  modest.take(hold(MAX_RELAYED_IDS + 1, MAX_RELAYED_IDS + 2));
  expect(() => greedy.pull()).toThrow(/more than/);
  expect(world.relay().report().followers!.sessions).toBe(1);
  modest.take(hold(10, 100));
  expect(() => modest.pull()).not.toThrow();
  modest.close();
});
