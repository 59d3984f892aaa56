/** What a follower that comes back is told, case by case. Rows are four to a chunk. */
import { describe, expect, test } from 'vitest';
import { createCompactor } from '../../engine/compact.ts';
import { capacityOf } from '../../engine/live/window.ts';
import type { Had, Said } from '../../engine/stream.ts';
import {
  type Cursor,
  decodeRow,
  type EntityId,
  type EpochId,
  type FollowerPlace,
  idFrom,
  type Position,
} from '../../storage/index.ts';
import { codeOf } from '../storage/fixtures.ts';
import type { Believer } from '../support/feed-node.ts';
import { Thing } from '../support/live-selections.ts';
import { createThingWorld, IDS, THING } from './thing-world.ts';

const ALL: Had = { kind: 'held', through: null, edge: null };

const world = createThingWorld();
const { write, createThings, here, back } = world;

function subscribe(follower: Believer, subscription: number, text: string, had: Had | null): void {
  follower.session.take({ kind: 'subscribe', subscription, collection: THING, text, parameters: [], had });
}

/** What the chunks of one subscription hold: the places of their ids. */
function told(follower: Believer, subscription = 1) {
  const { descriptor } = world.node.core.catalog.named(THING)!;
  return follower
    .said('chunk')
    .filter((chunk) => chunk.subscription === subscription)
    .map(({ rows, left, basis, last, position }) => ({
      rows: rows.map((bytes) => placeOf(decodeRow(descriptor, bytes).values[0] as EntityId)),
      left: left.map(placeOf),
      basis,
      last,
      position,
    }));
}

const placeOf = (id: EntityId) => IDS.indexOf(id);
const kindsOf = (said: readonly Said[]) => said.map(({ kind }) => kind);

describe('a welcome', () => {
  test('resumes where the cursor lies in the log, and the log can still tell what came since', async () => {
    await createThings(2);
    const cursor = here();
    await write((tx) => tx.update(Thing, IDS[0]!, { rank: 9 }));
    const resumes = (greeted: Cursor | null) => back(greeted).session.welcome().resumes;
    expect(resumes(cursor)).toBe(true);
    expect(resumes(here())).toBe(true);
    expect(resumes(null)).toBe(false);
    expect(resumes({ ...cursor, position: (world.node.source.position() + 1) as Position })).toBe(false);
    expect(resumes({ ...cursor, epoch: '01HK153X00ZZZZZZZZZZZZZZZZ' as EpochId })).toBe(false);
  });

  test('that does not resume takes nothing that was held at a cursor', async () => {
    await createThings(1);
    const ana = back(null);
    expect(codeOf(() => subscribe(ana, 1, '', ALL))).toBe('protocol-violation');
    const hold = { kind: 'hold', collection: THING, ids: [IDS[0]!], had: true } as const;
    expect(codeOf(() => back(null).session.take(hold))).toBe('protocol-violation');
  });
});

describe('a selection that was held', () => {
  test('is told whole rows of what changed or entered, and the ids of what left or was deleted', async () => {
    await createThings(10);
    await write((tx) => tx.update(Thing, IDS[9]!, { kind: 'green' }));
    const cursor = here();
    await write((tx) => {
      tx.update(Thing, IDS[1]!, { rank: 70 });
      tx.update(Thing, IDS[3]!, { kind: 'green' });
      tx.delete(Thing, IDS[5]!);
      tx.update(Thing, IDS[9]!, { kind: 'red' });
      tx.create(Thing, { kind: 'red' }, { id: IDS[12]! });
      tx.create(Thing, { kind: 'green' }, { id: IDS[13]! });
    });
    const ana = back(cursor);
    subscribe(ana, 1, "kind = 'red'", ALL);
    ana.pull();
    expect(told(ana)).toEqual([
      { rows: [1, 9], left: [3, 5], basis: 'held', last: false, position: 3 },
      { rows: [12], left: [], basis: 'held', last: true, position: 3 },
    ]);
  });

  test('of which nothing changed is told that it is whole, and where that stands', async () => {
    await createThings(10);
    const cursor = here();
    const ana = back(cursor);
    subscribe(ana, 1, '', ALL);
    ana.pull();
    expect(told(ana)).toEqual([{ rows: [], left: [], basis: 'held', last: true, position: 1 }]);
  });

  test('costs what changed, not what it holds', async () => {
    const ids = Array.from({ length: 10_000 }, (_, at) => idFrom(THING, `many ${at}`));
    await createThings(10_000, 'red', ids);
    const cursor = here();
    for (let at = 0; at < 10; at += 1) await write((tx) => tx.update(Thing, ids[at * 900]!, { rank: at }));
    const before = { ...world.node.feed.report().work };
    const ana = back(cursor);
    subscribe(ana, 1, "kind = 'red'", ALL);
    subscribe(ana, 2, "kind = 'green'", ALL);
    ana.pull();
    const { evaluated, hydrated } = world.node.feed.report().work;
    expect(hydrated - before.hydrated).toBe(10);
    // The first as they are; the second as they are and as they were.
    expect(evaluated - before.evaluated).toBe(30);
  });

  test('that was interrupted goes on after the last id said, and is told what changed up to it', async () => {
    await createThings(14);
    const cursor = here();
    for (const at of [0, 2, 4, 6]) await write((tx) => tx.update(Thing, IDS[at]!, { rank: 9 }));
    for (const at of [3, 11]) await write((tx) => tx.delete(Thing, IDS[at]!));
    const ana = back(cursor);
    subscribe(ana, 1, '', { kind: 'held', through: IDS[8]!, edge: null });
    ana.pull();
    const all = told(ana);
    expect(all.map(({ rows }) => rows)).toEqual([[0, 2, 4], [6, 9, 10, 12], [13]]);
    expect(all.map(({ left }) => left)).toEqual([[3], [], []]);
    expect(all.map(({ basis, last }) => [basis, last])).toEqual([
      ['held', false],
      ['held', false],
      ['held', true],
    ]);
  });

  test('hears by steps of ids its chunks have come to, be they told or not, and of later ones by a later chunk', async () => {
    await createThings(12);
    const cursor = here();
    for (const at of [0, 2, 4, 6, 8, 10]) await write((tx) => tx.update(Thing, IDS[at]!, { rank: 50 + at }));
    const ana = back(cursor);
    subscribe(ana, 1, '', ALL);
    ana.pull(1);
    expect(told(ana).map(({ rows }) => rows)).toEqual([[0, 2, 4, 6]]);
    await write((tx) => tx.update(Thing, IDS[1]!, { rank: 71 }));
    await write((tx) => tx.update(Thing, IDS[7]!, { rank: 77 }));
    await write((tx) => tx.delete(Thing, IDS[11]!));
    expect(ana.steps.map(({ parts }) => parts)).toMatchObject([[{ kind: 'items', entity: IDS[1] }]]);
    ana.pull();
    expect(told(ana).slice(1)).toMatchObject([{ rows: [7, 8, 10], left: [11], last: true }]);
    await write((tx) => tx.update(Thing, IDS[9]!, { rank: 79 }));
    expect(ana.steps.at(-1)!.parts).toMatchObject([{ kind: 'items', entity: IDS[9] }]);
  });

  test('gets a row again that was told to have left another one meanwhile, though the row is as it was', async () => {
    await createThings(capacityOf(1));
    const ana = world.node.follow();
    ana.subscribe(THING, 'ORDER BY rank LIMIT 1');
    ana.subscribe(THING, "kind = 'red'");
    ana.pull();
    const cursor = here();
    ana.session.close();
    const edge = capacityOf(1) - 1;
    const again = back(cursor);
    subscribe(again, 1, 'ORDER BY rank LIMIT 1', ALL);
    subscribe(again, 2, "kind = 'red'", ALL);
    const hold = { kind: 'hold', collection: THING, ids: IDS.slice(20, 24).concat(IDS[edge]!), had: true } as const;
    again.session.take(hold);
    again.pull(1);
    await write((tx) => tx.create(Thing, { kind: 'green', rank: -1 }, { id: IDS[29]! }));
    expect(again.steps.at(-1)!.parts).toMatchObject([{ kind: 'whole' }, { kind: 'leave', entity: IDS[edge] }]);
    again.pull();
    expect(told(again, 2).flatMap(({ rows }) => rows)).toEqual([edge]);
    expect(again.said('held').map(({ ids, rows, basis }) => [ids.length, rows.length, basis])).toEqual([
      [4, 0, 'held'],
      [1, 1, 'held'],
    ]);
    // Who remembers what has left? Nobody, from now on: what is asked for later is answered anew.
    subscribe(again, 3, "kind = 'red' AND rank >= 0", ALL);
    again.pull();
    expect(told(again, 3)[0]!.basis).toBe('nothing');
  });

  test('gets such a row also where it has not been begun with yet', async () => {
    await createThings(capacityOf(1));
    const ana = back(here());
    subscribe(ana, 1, 'ORDER BY rank LIMIT 1', null);
    ana.pull();
    subscribe(ana, 2, "kind = 'red'", ALL);
    await write((tx) => tx.create(Thing, { kind: 'green', rank: -1 }, { id: IDS[29]! }));
    ana.pull();
    expect(told(ana, 2)).toMatchObject([{ rows: [capacityOf(1) - 1], basis: 'held' }]);
  });

  test('is answered anew where a row has left while nothing was under way', async () => {
    await createThings(4);
    const ana = back(here());
    subscribe(ana, 1, "kind = 'red'", ALL);
    ana.pull();
    await write((tx) => tx.update(Thing, IDS[0]!, { rank: 8 }));
    subscribe(ana, 2, 'rank > 1', ALL);
    ana.pull();
    expect(told(ana, 2).map(({ basis }) => basis)).toEqual(['held']);
    await write((tx) => tx.delete(Thing, IDS[0]!));
    subscribe(ana, 3, 'rank > 2', ALL);
    ana.pull();
    expect(told(ana, 3).map(({ basis }) => basis)).toEqual(['nothing']);
    ana.session.take({ kind: 'hold', collection: THING, ids: [IDS[1]!], had: true });
    expect(ana.said('held')).toMatchObject([{ basis: 'nothing', rows: [{}] }]);
  });

  test('is denied where its predicate fails on a row that changed', async () => {
    await createThings(2);
    const cursor = here();
    await write((tx) => tx.update(Thing, IDS[0]!, { rank: Number.MIN_SAFE_INTEGER }));
    const ana = back(cursor);
    subscribe(ana, 1, 'abs(rank - 9214364837600034817) > 0', ALL);
    ana.pull();
    expect(kindsOf(ana.heard)).toEqual(['denied']);
    expect(world.node.feed.report().hydrating).toBe(0);
  });
});

describe('a window that was held', () => {
  const limit = 2;
  const followed = capacityOf(limit);
  const text = `ORDER BY rank LIMIT ${limit}`;
  const hadUpTo = (edge: EntityId | null): Had => ({ kind: 'held', through: null, edge });

  test('is told what changed in it, what lies beyond its old edge, what left it, and its new edge', async () => {
    await createThings(20);
    const cursor = here();
    await write((tx) => tx.delete(Thing, IDS[0]!));
    await write((tx) => tx.update(Thing, IDS[3]!, { rank: 90 }));
    await write((tx) => tx.update(Thing, IDS[4]!, { name: 'x' }));
    await write((tx) => tx.update(Thing, IDS[18]!, { rank: 91 }));
    const ana = back(cursor);
    subscribe(ana, 1, text, hadUpTo(IDS[followed - 1]!));
    ana.pull();
    const all = told(ana);
    expect(all.flatMap(({ rows }) => rows)).toEqual([4, followed, followed + 1]);
    expect(all.flatMap(({ left }) => left)).toEqual([0, 3]);
    expect(ana.said('chunk').at(-1)).toMatchObject({ basis: 'held', last: true, edge: IDS[followed + 1] });
  });

  test('says nothing of unchanged rows that were pushed out: they lie beyond the new edge', async () => {
    await createThings(20);
    const cursor = here();
    await write((tx) => tx.update(Thing, IDS[19]!, { rank: -1 }));
    const ana = back(cursor);
    subscribe(ana, 1, text, hadUpTo(IDS[followed - 1]!));
    ana.pull();
    expect(told(ana)).toMatchObject([{ rows: [19], left: [], last: true }]);
    expect(ana.said('chunk').at(-1)!.edge).toBe(IDS[followed - 2]);
  });

  /** One whose first chunk has come: of the first ids, and of those that push out as many. */
  async function comingBack(): Promise<Believer> {
    await createThings(20);
    const cursor = here();
    await write((tx) => {
      for (const id of IDS.slice(15, 20)) tx.update(Thing, id, { rank: -1 });
    });
    const ana = back(cursor);
    subscribe(ana, 1, text, hadUpTo(IDS[followed - 1]!));
    ana.session.pull();
    expect(told(ana)).toMatchObject([{ rows: [15, 16, 17, 18], left: [], last: false }]);
    return ana;
  }

  test('is told once that such a row has left, when it changes between chunks, and nothing of those that it never had', async () => {
    const ana = await comingBack();
    const change = (name: string, ...places: readonly number[]) =>
      write((tx) => {
        for (const place of places) tx.update(Thing, IDS[place]!, { name });
      });
    await change('once', followed - 1, followed);
    await change('twice', followed - 1, followed);
    expect(ana.steps.map(({ parts }) => parts)).toEqual([
      [{ kind: 'leave', collection: THING, entity: IDS[followed - 1] }],
    ]);
    ana.pull();
    await change('later', followed - 2, followed - 1, followed);
    expect(ana.steps).toHaveLength(1);
  });

  test('is told such a row whole when it comes in again', async () => {
    const ana = await comingBack();
    await write((tx) => tx.update(Thing, IDS[followed - 1]!, { rank: -2 }));
    expect(ana.steps.map(({ parts }) => parts.map(({ kind }) => kind))).toEqual([['whole', 'leave']]);
  });

  test('takes its old edge as it stood then, though that row has changed since', async () => {
    await createThings(20);
    const cursor = here();
    await write((tx) => tx.update(Thing, IDS[followed - 1]!, { rank: -1 }));
    const ana = back(cursor);
    subscribe(ana, 1, text, hadUpTo(IDS[followed - 1]!));
    ana.pull();
    expect(told(ana)).toMatchObject([{ rows: [followed - 1], left: [] }]);
  });

  test('beyond which nothing lay had all rows of the selection', async () => {
    await createThings(3);
    const cursor = here();
    await write((tx) => tx.update(Thing, IDS[1]!, { rank: 9 }));
    const ana = back(cursor);
    subscribe(ana, 1, text, hadUpTo(null));
    ana.pull();
    expect(told(ana)).toMatchObject([{ rows: [1], left: [], last: true }]);
  });

  test('is answered anew where its edge was no row of it, or it was interrupted', async () => {
    await createThings(20);
    const ana = back(here());
    subscribe(ana, 1, text, hadUpTo(IDS[25]!));
    subscribe(ana, 2, text, { kind: 'held', through: IDS[2]!, edge: null });
    ana.pull();
    for (const subscription of [1, 2]) expect(told(ana, subscription)[0]!.basis).toBe('nothing');
  });
});

describe('what is compacted', () => {
  const compactor = (places: () => readonly FollowerPlace[], turnOperations = 1) =>
    createCompactor({ core: world.node.core, queue: world.node.queue, places, turnOperations });

  test('before a session asks is not missed: it is answered anew', async () => {
    await createThings(6);
    const cursor = here();
    await write((tx) => tx.delete(Thing, IDS[0]!));
    await write((tx) => tx.update(Thing, IDS[1]!, { rank: 9 }));
    const ana = back(cursor);
    expect(ana.session.welcome().resumes).toBe(true);
    expect(await compactor(world.node.feed.places)({ keepMs: 0 })).toMatchObject({ floor: 3, keptFor: null });
    subscribe(ana, 1, "kind = 'red'", ALL);
    subscribe(ana, 2, 'ORDER BY rank LIMIT 2', { kind: 'held', through: null, edge: IDS[1]! });
    ana.session.take({ kind: 'hold', collection: THING, ids: [IDS[1]!, IDS[2]!], had: true });
    ana.pull();
    for (const subscription of [1, 2]) {
      const all = told(ana, subscription);
      expect(all.map(({ basis }) => basis)).toEqual(['nothing', 'nothing']);
      expect(all.flatMap(({ rows }) => rows)).toEqual([1, 2, 3, 4, 5]);
    }
    expect(ana.said('held')).toMatchObject([{ basis: 'held', rows: [{}] }]);
    expect(kindsOf(ana.heard)).not.toContain('denied');
  });

  test('at the cursor itself is not needed, and the session goes on', async () => {
    await createThings(2);
    const cursor = here();
    const ana = back(cursor);
    expect(await compactor(world.node.feed.places)({ keepMs: 0 })).toMatchObject({ floor: cursor.position });
    await write((tx) => tx.delete(Thing, IDS[0]!));
    subscribe(ana, 1, "kind = 'red'", ALL);
    ana.pull();
    expect(told(ana)).toMatchObject([{ left: [0], rows: [], basis: 'held' }]);
  });

  test.each([1, 100])(
    'goes no further than a session needs that begins to catch up meanwhile: %i in a turn',
    async (turn) => {
      await createThings(6);
      await write((tx) => tx.update(Thing, IDS[5]!, { rank: 9 }));
      const cursor = here();
      for (let at = 0; at < 6; at += 1) await write((tx) => tx.delete(Thing, IDS[at]!));
      const ana = back(cursor);
      let hasAsked = false;
      const compact = compactor(() => {
        const places = world.node.feed.places();
        if (!hasAsked) subscribe(ana, 1, "kind = 'red'", ALL);
        hasAsked = true;
        return places;
      }, turn);
      expect(await compact({ keepMs: 0 })).toMatchObject({ floor: cursor.position, keptFor: ana.greeting.node });
      ana.pull();
      const all = told(ana);
      expect(all.map(({ basis }) => basis)).toEqual(['held', 'held']);
      expect(all.flatMap(({ left }) => left)).toEqual([0, 1, 2, 3, 4, 5]);
      expect(await compact({ keepMs: 0 })).toMatchObject({ floor: 8, keptFor: null });
    },
  );
});

describe('ids that were held', () => {
  test('are told those rows that changed, deleted ones included, and are followed from then on', async () => {
    await createThings(3);
    const cursor = here();
    await write((tx) => tx.delete(Thing, IDS[0]!));
    await write((tx) => tx.create(Thing, { kind: 'new' }, { id: IDS[7]! }));
    const ana = back(cursor);
    ana.session.take({ kind: 'hold', collection: THING, ids: [0, 1, 7, 8].map((at) => IDS[at]!), had: true });
    expect(ana.said('held')).toMatchObject([{ basis: 'held', position: 3, rows: [{}, {}], ids: [{}, {}, {}, {}] }]);
    await write((tx) => tx.update(Thing, IDS[1]!, { rank: 5 }));
    expect(ana.steps).toMatchObject([{ parts: [{ kind: 'items', entity: IDS[1] }] }]);
  });
});
