/** At a relay: a transaction is told that names a row as it stands already, because its author waits for it. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { MIN_SLACK_ROWS } from '../../engine/live/window.ts';
import { changeOf } from '../../engine/write/apply.ts';
import { type EntityId, idFrom } from '../../storage/index.ts';
import { type FeedNode, openFeedNode } from '../support/feed-node.ts';
import { randomThing, Thing } from '../support/live-selections.ts';
import { createRandom } from '../support/random.ts';

const IDS: readonly EntityId[] = Array.from({ length: 12 }, (_, at) => idFrom('thing', at)).sort();
/** Beyond a window that follows all rows but it. */
const LAST = IDS.at(-1)!;
const FIRST = IDS[0]!;
const LIMIT = IDS.length - 1 - MIN_SLACK_ROWS;

let node: FeedNode;

beforeEach(async () => {
  node = await openFeedNode([Thing]);
  const random = createRandom(1);
  await node.transactor.transact((tx) => {
    for (const [rank, id] of IDS.entries()) tx.create(Thing, { ...randomThing(random), kind: 'red', rank }, { id });
  });
});

afterEach(() => {
  node.feed.close();
  node.core.driver.close();
});

test('it is told whole where another row of it moves it into a window, and not at all where it was followed', async () => {
  const [ana, ben] = [node.follow(), node.follow('ben')];
  ana.subscribe('thing', `ORDER BY rank LIMIT ${LIMIT}`);
  ben.subscribe('thing', 'rank > 5');
  ana.pull();
  ben.pull();
  const { rows } = node.core;
  const [first, last] = [rows.read('thing', FIRST)!, rows.read('thing', LAST)!];
  rows.erase('thing', FIRST);
  const touched = { collection: 'thing', operations: [], isWhole: false };
  node.feed.commit([
    {
      transaction: null,
      position: node.core.position(),
      changes: [changeOf('thing', FIRST, first, null)!],
      touched: [
        { ...touched, id: FIRST, before: first, after: null },
        { ...touched, id: LAST, before: last, after: last },
      ],
    },
  ]);
  expect(ana.steps.map(({ parts }) => parts.map(({ kind }) => kind))).toEqual([['leave', 'whole']]);
  expect(ben.steps).toEqual([]);
  ana.believe();
  expect([...ana.rowsOf('thing').keys()].sort()).toEqual(IDS.slice(1));
});
