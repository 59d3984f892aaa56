/** Thing world: the authority of the suites of its feed, new for each test, its things, and whoever follows them. */
import { afterEach, beforeEach } from 'vitest';
import type { Transaction } from '../../engine/write/transaction.ts';
import { type Cursor, type EntityId, idFrom, type StoredRow } from '../../storage/index.ts';
import { Believer, type FeedNode, openFeedNode } from '../support/feed-node.ts';
import { randomThing, Thing } from '../support/live-selections.ts';
import { createRandom } from '../support/random.ts';

export const THING = 'thing';
/** Ascending. */
export const IDS: readonly EntityId[] = Array.from({ length: 30 }, (_, at) => idFrom(THING, at)).sort();

export interface ThingWorld {
  /** Closed after the test: whoever puts another in its place has closed it. */
  node: FeedNode;
  readonly write: (callback: (tx: Transaction) => void) => Promise<void>;
  /** Things of one kind, ranked as their ids are. */
  readonly createThings: (count: number, kind?: string, ids?: readonly EntityId[]) => Promise<void>;
  readonly stored: (id: EntityId) => StoredRow | null;
  readonly here: () => Cursor;
  /** A follower that says where it was. */
  readonly back: (cursor: Cursor | null) => Believer;
}

export function createThingWorld(chunkRows = 4): ThingWorld {
  let node: FeedNode;
  beforeEach(async () => {
    node = await openFeedNode([Thing], { chunkRows });
  });
  afterEach(() => {
    node.feed.close();
    node.core.driver.close();
  });
  const write = (callback: (tx: Transaction) => void) => node.transactor.transact((tx) => callback(tx));
  return {
    get node() {
      return node;
    },
    set node(other) {
      node = other;
    },
    write,
    createThings: (count, kind = 'red', ids = IDS) => {
      const random = createRandom(1);
      return write((tx) => {
        for (const [rank, id] of ids.slice(0, count).entries())
          tx.create(Thing, { ...randomThing(random), kind, rank }, { id });
      });
    },
    stored: (id) => node.core.rows.read(THING, id),
    here: () => ({ epoch: node.core.log.epoch(), position: node.source.position() }),
    back: (cursor) => new Believer({ ...node }, 'ana', cursor),
  };
}
