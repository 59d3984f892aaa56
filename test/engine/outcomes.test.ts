/** Outcomes: what became of an upload is remembered, also a refusal, and over a restart; until it is pruned. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createCompactor, OUTCOME_RETENTION_MS } from '../../engine/compact.ts';
import { MAX_DRIFT_MS } from '../../engine/feed/limits.ts';
import { createMint } from '../../engine/write/mint.ts';
import { TendrilError } from '../../errors.ts';
import { sqliteFile } from '../../storage/drivers/index.ts';
import {
  type Edit,
  encodeOperation,
  idFrom,
  type Operation,
  type OperationId,
  type TransactionId,
  timeOf,
} from '../../storage/index.ts';
import { MAX_REFUSAL_BYTES, MAX_REFUSALS, REFUSALS_FORGOTTEN } from '../../storage/outcome.ts';
import { type Believer, type FeedNode, openFeedNode } from '../support/feed-node.ts';
import { Thing } from '../support/live-selections.ts';
import { createTestClock, createTestRandom } from '../support/ports.ts';

const folder = mkdtempSync(join(tmpdir(), 'outcomes-'));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;
let path = '';
let node: FeedNode;
let ana: Believer;

beforeEach(async () => {
  files += 1;
  path = join(folder, `${files}.db`);
  await open();
});
afterEach(close);

async function open(): Promise<void> {
  node = await openFeedNode([Thing], { storage: sqliteFile(path) });
  ana = node.follow('ana');
}

function close(): void {
  node.feed.close();
  node.core.driver.close();
}

async function restart(): Promise<void> {
  close();
  await open();
}

const clock = createTestClock();
const mint = createMint(clock, createTestRandom(7));
const CREATE: Edit = { kind: 'create', property: '' };
/** Older than all that are made later. */
const leastTransaction = mint.next() as TransactionId;
const WRONG: Edit = { kind: 'set', property: 'rank', value: 'no number' };

function operation(changes: Partial<Operation> = {}): Operation {
  const id = mint.next();
  return {
    id: id as OperationId,
    transaction: mint.next() as TransactionId,
    collection: 'thing',
    entity: idFrom('thing', id),
    precursors: [],
    edits: [CREATE],
    author: 'ana',
    salt: new Uint8Array(8),
    ...changes,
  };
}

async function upload(operations: readonly Operation[], attempt = 1, by = ana): Promise<readonly string[]> {
  const before = by.heard.length;
  by.upload(operations, attempt);
  await node.queue.drained();
  return by.heard.slice(before).map((said) => (said.kind === 'refused' ? said.error.code : said.kind));
}

/** How often an upload was judged. */
function judgements(): () => number {
  const { identity } = node.core.log;
  let count = 0;
  Object.assign(node.core.log, {
    identity: (id: OperationId) => {
      count += 1;
      return identity(id);
    },
  });
  return () => count;
}

const compact = () => createCompactor({ core: node.core, queue: node.queue, places: () => [] })({ keepMs: 0 });
const outcomeOf = ({ transaction }: Operation) => node.core.log.outcome(transaction);

test('a refused transaction is refused again by the same error, without being judged anew, also after a restart', async () => {
  const refused = operation({ edits: [CREATE, WRONG] });
  expect(await upload([refused])).toEqual(['schema-mismatch']);
  const [first] = ana.said('refused');
  await restart();
  const judged = judgements();
  expect(await upload([refused], 2)).toEqual(['schema-mismatch']);
  const [again] = ana.said('refused');
  expect({ ...again!.error }).toEqual({ ...first!.error });
  expect(again!.attempt).toBe(2);
  expect(judged()).toBe(0);
});

test('a later attempt, which has other operations, is judged, and what becomes of it stands', async () => {
  const refused = operation({ edits: [CREATE, WRONG] });
  const { transaction } = refused;
  await upload([refused]);
  expect(await upload([operation({ transaction, edits: [CREATE, WRONG] })], 2)).toEqual(['schema-mismatch']);
  const better = operation({ transaction });
  expect(await upload([better], 3)).toEqual(['step']);
  expect(outcomeOf(better)).toMatchObject({ kind: 'applied', position: 1 });
  // The first attempt comes late: it was settled without these operations.
  expect(await upload([refused])).toEqual(['identity-clash']);
  expect(outcomeOf(better)).toMatchObject({ kind: 'applied', position: 1 });
});

test('who may not write as another refuses nothing for ever', async () => {
  const { transaction, ...made } = operation();
  const bens = operation({ ...made, transaction, author: 'ben' });
  expect(await upload([bens])).toEqual(['policy-denied']);
  expect(outcomeOf(bens)).toBeNull();
  expect(await upload([bens], 1, node.follow('ben'))).toEqual(['step']);
});

test('what is to be made anew is not remembered', async () => {
  const orphan = operation({ precursors: [mint.next() as OperationId], edits: [], id: mint.next() as OperationId });
  expect(await upload([orphan])).toEqual(['rebase']);
  expect(outcomeOf(orphan)).toBeNull();
});

test('facts that are no JSON are left out of what is remembered', () => {
  const { outcomes } = node.core.log;
  const { transaction } = operation();
  const error = Object.assign(new Error('x'), {
    code: 'conflict',
    problem: 'p',
    remedy: 'r',
    facts: { big: 1n, fine: [1], none: undefined },
  });
  node.core.driver.transaction(() => outcomes.refuse(transaction, [], error as never));
  expect(outcomes.of(transaction)).toMatchObject({ error: { code: 'conflict', facts: { fine: [1] } } });
});

test('outcomes are pruned by the time of their transactions, and what is older and not known is refused', async () => {
  const [applied, refused] = [operation(), operation({ edits: [CREATE, WRONG] })];
  await upload([applied]);
  await upload([refused]);
  clock.advance(1);
  const later = operation({ edits: [CREATE, WRONG] });
  await upload([later]);
  node.clock.set(timeOf(refused.transaction) + OUTCOME_RETENTION_MS);
  expect(await compact()).toMatchObject({ outcomes: 0 });
  node.clock.advance(1);
  expect(await compact()).toMatchObject({ outcomes: 2 });
  expect([outcomeOf(applied), outcomeOf(refused)]).toEqual([null, null]);
  expect(outcomeOf(later)).toMatchObject({ kind: 'refused' });
  await restart();
  expect(node.core.log.outcomes.floor()).toBe(timeOf(refused.transaction) + 1);
  // Known by its identity.
  expect(await upload([applied])).toEqual(['step']);
  expect(await upload([refused])).toEqual(['outcome-unknown']);
  expect(outcomeOf(refused), 'which is not remembered').toBeNull();
  expect(await upload([later])).toEqual(['schema-mismatch']);
  const fresh = operation();
  expect(timeOf(fresh.transaction)).toBe(node.core.log.outcomes.floor());
  expect(await upload([fresh])).toEqual(['step']);
});

test('where nothing was pruned, nothing is too old', async () => {
  const old = operation();
  node.clock.advance(OUTCOME_RETENTION_MS * 2);
  expect(await compact()).toMatchObject({ outcomes: 0 });
  expect(await upload([old])).toEqual(['step']);
});

describe('refusals that are kept', () => {
  const error = new TendrilError({ code: 'conflict', problem: 'p', remedy: 'r' });
  const transactions = Array.from({ length: MAX_REFUSALS + 1 }, () => mint.next() as TransactionId);
  const refuse = (refused: readonly TransactionId[], why = error) =>
    node.core.driver.transaction(() => {
      for (const transaction of refused) node.core.log.outcomes.refuse(transaction, [], why);
    });
  const kept = () => transactions.filter((transaction) => node.core.log.outcome(transaction) !== null);

  test(`are ${MAX_REFUSALS}; with one more the ${REFUSALS_FORGOTTEN} oldest make room, and no transaction that was applied`, async () => {
    const applied = operation({ transaction: leastTransaction });
    expect(await upload([applied])).toEqual(['step']);
    refuse(transactions.slice(0, MAX_REFUSALS));
    refuse(transactions.slice(5, 50));
    expect(kept()).toEqual(transactions.slice(0, MAX_REFUSALS));
    await restart();
    refuse(transactions.slice(MAX_REFUSALS));
    expect(kept()).toEqual(transactions.slice(REFUSALS_FORGOTTEN + 1));
    expect(outcomeOf(applied)).toMatchObject({ kind: 'applied' });
  });

  test('are counted anew after a rollback', () => {
    refuse(transactions.slice(0, MAX_REFUSALS - 1));
    const { driver, log } = node.core;
    const failing = () => {
      for (const transaction of transactions.slice(MAX_REFUSALS - 1)) log.outcomes.refuse(transaction, [], error);
      throw new Error('the disk is full');
    };
    expect(() => driver.transaction(failing)).toThrow('the disk is full');
    log.rewind();
    refuse(transactions.slice(MAX_REFUSALS - 1, MAX_REFUSALS));
    expect(kept()).toHaveLength(MAX_REFUSALS);
    refuse(transactions.slice(MAX_REFUSALS));
    expect(kept()).toHaveLength(MAX_REFUSALS - REFUSALS_FORGOTTEN);
  });

  test(`have ${MAX_REFUSAL_BYTES} bytes at most: a longer one is not kept`, () => {
    const [first, second] = transactions;
    const sized = (more: number) => new TendrilError({ code: 'conflict', problem: `é${'x'.repeat(more)}`, remedy: '' });
    const bytes = () =>
      Number(node.core.driver.get('SELECT max(length(CAST(refusal AS BLOB))) FROM tendril_outcome')![0]);
    refuse([first!], sized(0));
    const more = MAX_REFUSAL_BYTES - bytes();
    refuse([first!], sized(more));
    expect(bytes()).toBe(MAX_REFUSAL_BYTES);
    refuse([second!], sized(more + 1));
    expect(kept()).toEqual([first]);
  });

  test('are none of what cannot be read as a transaction of its author, or was made in the future', async () => {
    const { driver } = node.core;
    const strange = operation({ transaction: mint.next() as TransactionId });
    ana.heard.length = 0;
    for (const pieces of [[], [new Uint8Array(3)], [encodeOperation(operation())]]) {
      ana.session.take({ kind: 'upload', transaction: strange.transaction, attempt: 1, operations: pieces });
    }
    await node.queue.drained();
    expect(ana.said('refused').map(({ error }) => error.code)).toEqual(Array(3).fill('invalid-operation'));
    const ahead = createMint({ now: () => node.clock.now() + MAX_DRIFT_MS + 1 }, createTestRandom(8));
    const early = operation({ transaction: ahead.next() as TransactionId, edits: [CREATE, WRONG] });
    expect(await upload([early])).toEqual(['schema-mismatch']);
    expect(driver.all('SELECT 1 FROM tendril_outcome')).toEqual([]);
  });
});
