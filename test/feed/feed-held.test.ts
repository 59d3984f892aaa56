import { describe, expect, test } from 'vitest';
import { MAX_HELD_IDS, MAX_OPEN_HOLDS } from '../../engine/feed/limits.ts';
import { capacityOf } from '../../engine/live/window.ts';
import { type EntityId, memory, type Position, type SqliteDriver, type Storage } from '../../storage/index.ts';
import { codeOf } from '../storage/fixtures.ts';
import { openFeedNode } from '../support/feed-node.ts';
import { Thing } from '../support/live-selections.ts';
import { createThingWorld, IDS, THING } from './thing-world.ts';

const world = createThingWorld();
const { write, createThings, stored } = world;

describe('a held id', () => {
  test('is answered with its row if there is one, deleted or not, and followed from then on', async () => {
    await createThings(2);
    await write((tx) => tx.delete(Thing, IDS[1]!));
    const ana = world.node.follow();
    ana.hold(THING, IDS[0]!, IDS[1]!, IDS[2]!);
    expect(ana.said('held')).toMatchObject([{ ids: [IDS[0], IDS[1], IDS[2]], rows: [{}, {}], position: 2 }]);
    await write((tx) => tx.restore(Thing, IDS[1]!));
    await write((tx) => tx.delete(Thing, IDS[0]!));
    await write((tx) => tx.create(Thing, { kind: 'new' }, { id: IDS[2]! }));
    expect(ana.steps.map(({ parts }) => parts.map(({ kind }) => kind))).toEqual([['items'], ['items'], ['whole']]);
    ana.believe();
    for (const at of [0, 1, 2]) expect(ana.rowsOf(THING).get(IDS[at]!)).toEqual(stored(IDS[at]!));
    ana.release(THING, IDS[0]!, IDS[1]!, IDS[2]!, IDS[3]!);
    expect(ana.said('released')).toHaveLength(1);
    await write((tx) => tx.update(Thing, IDS[1]!, { rank: 3 }));
    expect(ana.steps).toHaveLength(3);
    expect(world.node.feed.report().held).toBe(0);
  });

  test('of a collection that the authority has not is answered with nothing', () => {
    const ana = world.node.follow();
    ana.session.take({ kind: 'hold', collection: 'nowhere', ids: [IDS[0]!], had: false });
    ana.session.take({ kind: 'release', collection: 'nowhere', ids: [IDS[0]!] });
    expect(ana.heard).toMatchObject([{ kind: 'held', rows: [], ids: [IDS[0]] }, { kind: 'released' }]);
    expect(world.node.feed.report().held).toBe(0);
  });

  test('beyond those that a session may hold ends it; the same id again does not', () => {
    const ana = world.node.follow();
    const ids = Array.from({ length: MAX_HELD_IDS }, (_, at) => `0${String(at).padStart(25, '0')}` as EntityId);
    ana.hold(THING, ...ids.slice(0, 1_000));
    ana.session.take({ kind: 'hold', collection: THING, ids, had: false });
    ana.session.take({ kind: 'hold', collection: THING, ids: [ids[0]!], had: false });
    const more = { kind: 'hold', collection: THING, ids: [IDS[0]!], had: false } as const;
    expect(codeOf(() => ana.session.take(more))).toBe('limit-exceeded');
    ana.pull();
    expect(world.node.feed.report().held).toBe(MAX_HELD_IDS);
  });

  test('of many is said in portions; before its portion nothing is told of it, and released before, nothing at all', async () => {
    await createThings(8);
    const ana = world.node.follow();
    ana.hold(THING, ...IDS.slice(0, 8));
    expect(ana.said('held').map(({ ids }) => ids.length)).toEqual([4]);
    await write((tx) => tx.update(Thing, IDS[7]!, { rank: 70 }));
    await write((tx) => tx.update(Thing, IDS[3]!, { rank: 30 }));
    expect(ana.steps.map(({ parts }) => parts.length)).toEqual([1]);
    ana.release(THING, IDS[0]!, IDS[6]!);
    ana.pull();
    expect(ana.said('held').at(-1)!.ids).toEqual([IDS[4], IDS[5], IDS[7]]);
    await write((tx) => tx.update(Thing, IDS[6]!, { rank: 60 }));
    await write((tx) => tx.update(Thing, IDS[7]!, { rank: 71 }));
    expect(ana.steps.map(({ parts }) => parts.length)).toEqual([1, 1]);
    ana.believe();
    for (const at of [1, 2, 3, 4, 5, 7]) expect(ana.rowsOf(THING).get(IDS[at]!)).toEqual(stored(IDS[at]!));
    expect(world.node.feed.report().held).toBe(6);
  });

  test('is asked for by MAX_OPEN_HOLDS requests at a time that have not been answered to the end; one more ends the session', async () => {
    const ana = world.node.follow();
    for (let request = 0; request < MAX_OPEN_HOLDS; request += 1) ana.hold(THING, ...IDS.slice(0, 5));
    expect(codeOf(() => ana.hold(THING, ...IDS.slice(0, 5)))).toBe('limit-exceeded');
    ana.pull();
    ana.hold(THING, ...IDS.slice(0, 5));
    ana.session.close();
    expect(world.node.feed.report().held).toBe(0);
  });
});

describe('a followed window', () => {
  const limit = 2;
  const followed = capacityOf(limit);

  test('is its first rows and their slack, and its edge the last of them', async () => {
    await createThings(30);
    const ana = world.node.follow();
    ana.subscribe(THING, `ORDER BY rank LIMIT ${limit}`);
    ana.pull().believe();
    expect(ana.rowsOf(THING).size).toBe(followed);
    expect(ana.said('chunk').map(({ edge, last }) => [edge, last])).toEqual([
      [null, false],
      [null, false],
      [IDS[followed - 1], true],
    ]);
  });

  test('lets go what is pushed out, takes in what follows, and tells of its edge', async () => {
    await createThings(followed + 2);
    const ana = world.node.follow();
    ana.subscribe(THING, `ORDER BY rank LIMIT ${limit}`);
    ana.pull();
    await write((tx) => tx.create(Thing, { rank: -5 }, { id: IDS[29]! }));
    await write((tx) => tx.delete(Thing, IDS[29]!));
    await write((tx) => tx.update(Thing, IDS[followed - 1]!, { name: 'other' }));
    await write((tx) => tx.update(Thing, IDS[0]!, { name: 'other' }));
    await write((tx) => {
      tx.delete(Thing, IDS[0]!);
      tx.delete(Thing, IDS[1]!);
    });
    const edge = (at: number | null) => [{ selection: 1, entity: at === null ? null : IDS[at] }];
    expect(ana.steps.map(({ parts, edges }) => [parts.map(({ kind }) => kind), edges])).toEqual([
      [['whole', 'leave'], edge(followed - 2)],
      [['leave', 'whole'], edge(followed - 1)],
      [['items'], edge(followed - 1)],
      [['items'], []],
      [['leave', 'leave', 'whole', 'whole'], edge(null)],
    ]);
    ana.believe();
    expect(ana.rowsOf(THING).size).toBe(followed);
    for (const [entity, row] of ana.rowsOf(THING)) expect(row).toEqual(stored(entity));
  });

  test('tells a session that is still being hydrated of its edge with the last chunk only', async () => {
    await createThings(20);
    const ana = world.node.follow();
    ana.subscribe(THING, `ORDER BY rank LIMIT ${limit}`);
    ana.pull(1);
    await write((tx) => tx.create(Thing, { rank: -5 }, { id: IDS[29]! }));
    ana.pull();
    expect(ana.steps.flatMap(({ edges }) => edges)).toEqual([]);
    expect(ana.said('chunk').at(-1)).toMatchObject({ last: true, edge: IDS[followed - 2] });
  });

  test('is filled with rows as they were then, though later transactions of the group changed them', async () => {
    await createThings(29);
    const ana = world.node.follow();
    ana.subscribe(THING, `ORDER BY rank LIMIT ${limit}`);
    ana.pull();
    await Promise.all([
      write((tx) => {
        for (const entity of IDS.slice(0, followed)) tx.delete(Thing, entity);
      }),
      write((tx) => {
        tx.delete(Thing, IDS[followed]!);
        tx.update(Thing, IDS[followed + 1]!, { rank: 1_000 });
        tx.create(Thing, { rank: -1 }, { id: IDS[29]! });
      }),
    ]);
    for (const position of [2, 3] as Position[]) {
      ana.believe(position);
      world.node.core.readAt(position, [THING], () => {
        const rows = world.node.reader.rows(
          world.node.reader.select(world.node.core.catalog.named(THING)!, `ORDER BY rank LIMIT ${followed}`),
        );
        expect([...ana.rowsOf(THING).keys()].sort()).toEqual(rows.map(([entity]) => entity).sort());
        for (const [entity, row] of ana.rowsOf(THING)) expect(row).toEqual(stored(entity));
      });
    }
  });

  test('that cannot be read again ends the sessions that follow it, and no other', async () => {
    let failure: Error | null = null;
    const storage: Storage = {
      open: async () => {
        const driver = await memory().open();
        const all: SqliteDriver['all'] = (sql, parameters) => {
          if (failure !== null && sql.startsWith('SELECT')) throw failure;
          return driver.all(sql, parameters);
        };
        return { ...driver, all };
      },
    };
    world.node.core.driver.close();
    world.node = await openFeedNode([Thing], { storage });
    await createThings(followed + 10);
    const [ana, ben] = [world.node.follow('ana'), world.node.follow('ben')];
    ana.subscribe(THING, `ORDER BY rank LIMIT ${limit}`);
    ben.subscribe(THING, '');
    for (const follower of [ana, ben]) follower.pull();
    failure = new Error('the disk is gone');
    await write((tx) => {
      for (const entity of IDS.slice(0, followed)) tx.delete(Thing, entity);
    });
    failure = null;
    expect(() => ana.session.pull()).toThrow('the disk is gone');
    expect(ana.steps).toEqual([]);
    expect(ben.steps).toMatchObject([{ parts: { length: followed } }]);
    expect(world.node.feed.report()).toMatchObject({ sessions: 1, selections: { distinct: 1 } });
  });

  test('of no rows follows nothing', async () => {
    await createThings(3);
    const ana = world.node.follow();
    ana.subscribe(THING, 'LIMIT 0');
    ana.pull();
    await write((tx) => tx.update(Thing, IDS[0]!, { rank: 9 }));
    expect(ana.heard).toMatchObject([{ kind: 'chunk', rows: [], last: true, edge: null }]);
  });
});
