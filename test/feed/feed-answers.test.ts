import { afterEach, beforeEach, expect, test } from 'vitest';
import { MAX_ANSWER_ROWS, MAX_OPEN_ASKS, MAX_WHOLE_ANSWER_ROWS } from '../../engine/feed/limits.ts';
import { TendrilError } from '../../errors.ts';
import type { SqlInput } from '../../query/index.ts';
import {
  type Edit,
  encodeOperation,
  idFrom,
  memory,
  type OperationId,
  type Storage,
  type TransactionId,
} from '../../storage/index.ts';
import { type Believer, type FeedNode, openFeedNode } from '../support/feed-node.ts';
import { Thing } from '../support/live-selections.ts';

const THING = 'thing';
const A = idFrom(THING, 'a');

let node: FeedNode;
let ana: Believer;

beforeEach(async () => {
  node = await openFeedNode([Thing]);
  ana = node.follow('ana');
});

afterEach(() => {
  node.feed.close();
  node.core.driver.close();
});

async function ask(
  text: string,
  collection: string | null = null,
  parameters: readonly SqlInput[] = [],
): Promise<void> {
  ana.ask({ request: 7, collection, text, parameters });
  await node.queue.drained();
  ana.pull();
}

/** What a peer is told names no node as `this` one: it is another for whom reads it. */
const NOT_ITS_OWN = expect.not.stringMatching(/this node/i);

test('a selection is answered with raw cells and the types by which they are decoded', async () => {
  const due = new Date(Date.UTC(2024, 0, 2));
  await node.transactor.transact((tx) => tx.create(Thing, { kind: 'red', rank: 3, due }, { id: A }));
  await ask('kind = ?', THING, ['red']);
  expect(ana.heard).toEqual([
    {
      kind: 'answer',
      request: 7,
      columns: [
        { name: 'id', type: null },
        { name: 'kind', type: 'text' },
        { name: 'rank', type: 'integer' },
        { name: 'weight', type: 'real' },
        { name: 'name', type: 'text' },
        { name: 'done', type: 'boolean' },
        { name: 'due', type: 'timestamp' },
      ],
      rows: [[A, 'red', 3, null, null, 0, '2024-01-02T00:00:00.000Z']],
      changes: 0,
      last: true,
    },
  ]);
});

test('a SELECT is answered with a type for plain properties only', async () => {
  await node.transactor.transact((tx) => tx.create(Thing, { kind: 'red', done: true }, { id: A }));
  await ask('SELECT id, done, count(*) AS many FROM thing GROUP BY id');
  expect(ana.said('answer')).toMatchObject([
    {
      columns: [
        { name: 'id', type: null },
        { name: 'done', type: 'boolean' },
        { name: 'many', type: null },
      ],
      rows: [[A, 1, 1]],
    },
  ]);
});

test('a statement that writes is a transaction of the authority, answered after its commit', async () => {
  ana.subscribe(THING, 'rank > 0');
  ana.pull();
  await ask("INSERT INTO thing (kind, rank) VALUES ('red', 1), ('blue', 2) RETURNING kind, rank + 1 AS next");
  expect(ana.heard.map(({ kind }) => kind)).toEqual(['chunk', 'step', 'answer']);
  expect(ana.said('answer')).toMatchObject([
    {
      columns: [
        { name: 'kind', type: 'text' },
        { name: 'next', type: null },
      ],
      rows: [
        ['red', 2],
        ['blue', 3],
      ],
      changes: 2,
      last: true,
    },
  ]);
  await ask('DELETE FROM thing WHERE rank = ?', null, [1]);
  expect(ana.said('answer')[1]).toMatchObject({ columns: [], rows: [], changes: 1 });
  expect(node.source.position()).toBe(2);
});

test('a question sees what its session uploaded before it', async () => {
  const edits: Edit[] = [{ kind: 'create', property: '' }];
  const transaction = node.core.mint.next() as TransactionId;
  const id = node.core.mint.next() as OperationId;
  const salt = new Uint8Array(8);
  const operation = { id, transaction, collection: THING, entity: A, precursors: [], edits, author: 'ana', salt };
  ana.session.take({ kind: 'upload', transaction, attempt: 1, operations: [encodeOperation(operation)] });
  await ask('', THING);
  expect(ana.heard.map(({ kind }) => kind)).toEqual(['step', 'answer']);
  expect(ana.said('answer')[0]!.rows).toHaveLength(1);
});

test.each([
  ['SELECT speed FROM thing', null, 'unknown-property'],
  ['SELECT * FROM', null, 'query-syntax'],
  ['DROP TABLE thing', null, 'query-unsupported'],
  ['', 'nowhere', 'unknown-collection'],
  ["INSERT INTO thing (rank) VALUES ('high')", null, 'invalid-value'],
  ['SELECT abs(-9223372036854775807 - 1) AS a FROM thing', null, 'storage-failed'],
])('%j of %s is unanswered: %s', async (text, collection, code) => {
  await node.transactor.transact((tx) => tx.create(Thing, {}, { id: A }));
  await ask(text, collection);
  expect(ana.heard).toMatchObject([{ kind: 'unanswered', request: 7, error: { code, problem: NOT_ITS_OWN } }]);
  expect(node.source.position()).toBe(1);
  expect(node.feed.report().openAsks).toBe(0);
});

test('a long answer comes in parts, in turn with other things to say', async () => {
  const many = `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) SELECT i FROM n`;
  ana.ask({ request: 1, collection: null, text: many, parameters: [2 * MAX_ANSWER_ROWS] });
  ana.ask({ request: 2, collection: null, text: many, parameters: [MAX_ANSWER_ROWS + 1] });
  await node.queue.drained();
  ana.pull();
  expect(ana.said('answer').map(({ request, rows, last }) => [request, rows.length, last])).toEqual([
    [1, MAX_ANSWER_ROWS, false],
    [2, MAX_ANSWER_ROWS, false],
    [1, MAX_ANSWER_ROWS, true],
    [2, 1, true],
  ]);
  ana.ask({ request: 3, collection: null, text: many, parameters: [MAX_WHOLE_ANSWER_ROWS] });
  ana.ask({ request: 4, collection: null, text: many, parameters: [MAX_WHOLE_ANSWER_ROWS + 1] });
  await node.queue.drained();
  ana.pull();
  expect(ana.said('unanswered')).toMatchObject([{ request: 4, error: { code: 'limit-exceeded' } }]);
  expect(ana.said('answer').at(-1)).toMatchObject({ request: 3, last: true });
});

test('more questions than may wait are unanswered; one answered to its end makes room', async () => {
  for (let request = 1; request <= MAX_OPEN_ASKS + 1; request += 1) {
    ana.ask({ request, collection: THING, text: '', parameters: [] });
  }
  expect(ana.heard).toMatchObject([
    { kind: 'unanswered', request: MAX_OPEN_ASKS + 1, error: { code: 'limit-exceeded' } },
  ]);
  await node.queue.drained();
  ana.pull(1);
  expect(node.feed.report().openAsks).toBe(MAX_OPEN_ASKS - 1);
  ana.ask({ request: 500, collection: THING, text: '', parameters: [] });
  expect(ana.said('unanswered')).toHaveLength(1);
});

test('what only reads runs when its group is committed: no failure of SQLite in it can take back what others wrote', async () => {
  const during: boolean[] = [];
  const storage: Storage = {
    open: async () => {
      const driver = await memory().open();
      const iterate: typeof driver.iterate = (sql, parameters) => {
        if (sql.includes('answered')) {
          during.push(node.queue.isDraining());
          throw new TendrilError({ code: 'storage-failed', problem: 'Out of memory.', remedy: 'None.' });
        }
        return driver.iterate(sql, parameters);
      };
      return { ...driver, iterate };
    },
  };
  node = await openFeedNode([Thing], { storage });
  ana = node.follow('ana');
  const other = node.transactor.transact((tx) => tx.create(Thing, { kind: 'red' }, { id: A }));
  await ask('SELECT count(*) AS answered FROM thing');
  expect(ana.said('unanswered')).toMatchObject([{ error: { code: 'storage-failed' } }]);
  expect(await other).toBe(A);
  expect(during).toEqual([false]);
  await ask('SELECT count(*) AS n FROM thing');
  expect(ana.said('answer')).toMatchObject([{ rows: [[1]] }]);
});
