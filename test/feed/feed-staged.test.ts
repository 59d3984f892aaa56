/** A row that a session has only for a selection that is still coming: any other that it enters is told of it whole. Rows are four to a chunk. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { MIN_SLACK_ROWS } from '../../engine/live/window.ts';
import type { Transaction } from '../../engine/write/transaction.ts';
import { type EntityId, idFrom } from '../../storage/index.ts';
import { type Believer, type FeedNode, openFeedNode } from '../support/feed-node.ts';
import { randomThing, Thing } from '../support/live-selections.ts';
import { createRandom } from '../support/random.ts';

const IDS: readonly EntityId[] = Array.from({ length: 12 }, (_, at) => idFrom('thing', at)).sort();
/** Of the first chunk. */
const A = IDS[1]!;
/** Of a window that follows all rows but one. */
const LIMIT = IDS.length - 1 - MIN_SLACK_ROWS;

let node: FeedNode;
let ana: Believer;

beforeEach(async () => {
  node = await openFeedNode([Thing], { chunkRows: 4 });
  const random = createRandom(1);
  await write((tx) => {
    for (const id of IDS) tx.create(Thing, { ...randomThing(random), kind: 'red', rank: 0 }, { id });
  });
  ana = node.follow();
});

afterEach(() => {
  node.feed.close();
  node.core.driver.close();
});

const write = (callback: (tx: Transaction) => void): Promise<void> => node.transactor.transact((tx) => callback(tx));
const rank = (to: number) => write((tx) => tx.update(Thing, A, { rank: to }));
const kinds = () => ana.said('step').map(({ parts }) => parts.map(({ kind }) => kind));

test('enters it whole, though it was told to the other', async () => {
  ana.subscribe('thing', 'rank > 5');
  ana.pull();
  ana.subscribe('thing', '');
  ana.pull(1);
  await rank(7);
  await rank(8);
  expect(kinds()).toEqual([['whole'], ['items']]);
});

test('and leaves it by what it is in the other', async () => {
  ana.subscribe('thing', 'rank > 5');
  ana.pull();
  ana.subscribe('thing', '');
  ana.pull(1);
  await rank(7);
  await rank(0);
  await rank(1);
  await rank(7);
  expect(kinds()).toEqual([['whole'], ['items'], ['items'], ['whole']]);
});

test('is told as any other once both are complete', async () => {
  ana.subscribe('thing', 'rank > 5');
  ana.subscribe('thing', '');
  ana.pull();
  await rank(7);
  await rank(8);
  expect(kinds()).toEqual([['items'], ['items']]);
});

test('enters one that is still coming whole, whichever of both is complete first', async () => {
  await rank(9);
  ana.subscribe('thing', '');
  ana.subscribe('thing', 'rank < 5');
  ana.pull(2);
  await rank(1);
  await rank(2);
  await rank(9);
  await rank(1);
  expect(kinds()).toEqual([['whole'], ['items'], ['items'], ['whole']]);
});

test('and so a window that is still coming, where another row leaves it', async () => {
  await rank(9);
  ana.subscribe('thing', '');
  ana.subscribe('thing', `ORDER BY rank LIMIT ${LIMIT}`);
  ana.pull(2);
  // It was told of neither of them.
  await write((tx) => tx.delete(Thing, IDS.at(-1)!));
  expect(kinds()).toEqual([['whole']]);
});
