import { describe, expect, test } from 'vitest';
import { MAX_SUBSCRIPTIONS, MAX_WINDOW_LIMIT } from '../../engine/feed/limits.ts';
import { capacityOf } from '../../engine/live/window.ts';
import type { Said } from '../../engine/stream.ts';
import { idFrom } from '../../storage/index.ts';
import { codeOf } from '../storage/fixtures.ts';
import { Thing } from '../support/live-selections.ts';
import { createThingWorld, IDS, THING } from './thing-world.ts';

const world = createThingWorld();
const { write, createThings, stored } = world;

/** What a peer is told names no node as `this` one: it is another for whom reads it. */
const NOT_ITS_OWN = expect.not.stringMatching(/this node/i);

describe('a session', () => {
  test('is welcomed with what it needs to know of the authority', async () => {
    await createThings(1);
    const { system, node: own, log } = world.node.core;
    expect(world.node.follow('ana').session.welcome()).toEqual({
      system,
      node: own,
      epoch: log.epoch(),
      position: 1,
      time: world.node.clock.now(),
      maxId: log.greatestId(),
      author: 'ana',
      resumes: false,
    });
  });

  test('is told which collections the authority has otherwise, or not at all', () => {
    const { canonical, hash } = world.node.core.catalog.named(THING)!.descriptor;
    const ana = world.node.follow();
    ana.session.take({
      kind: 'describe',
      collections: [
        { name: THING, hash },
        { name: 'other', hash },
      ],
    });
    ana.session.take({ kind: 'describe', collections: [{ name: THING, hash: new Uint8Array(16) }] });
    expect(ana.said('described').map(({ differing }) => differing)).toEqual([
      [{ name: 'other', canonical: null }],
      [{ name: THING, canonical }],
    ]);
  });

  test('leaves no entry when it is closed, whatever it followed, and says nothing more', async () => {
    await createThings(10);
    const nothing = world.node.feed.report();
    const ana = world.node.follow();
    ana.subscribe(THING, 'kind = ?', ['red']);
    ana.subscribe(THING, 'rank > 3 ORDER BY rank LIMIT 3');
    ana.subscribe(THING, '');
    ana.pull(2).hold(THING, IDS[1]!, idFrom(THING, 'nobody'));
    expect(world.node.feed.report()).toMatchObject({ sessions: 1, selections: { distinct: 3 }, held: 2, hydrating: 3 });
    const heard = ana.heard.length;
    ana.session.close();
    ana.session.take({ kind: 'hold', collection: THING, ids: [IDS[2]!], had: false });
    await write((tx) => tx.update(Thing, IDS[0]!, { rank: 5 }));
    expect(ana.session.pull()).toBe(false);
    expect(ana.heard).toHaveLength(heard);
    const { work: _, ...rest } = world.node.feed.report();
    const { work: __, ...before } = nothing;
    expect(rest).toEqual(before);
  });

  test('that asks for more while a group is being told is answered after it, and told nothing twice', async () => {
    await createThings(3);
    const heard: Said[] = [];
    const session = world.node.feed.open({
      author: 'ana',
      relays: false,
      greeting: { node: world.node.core.node, cursor: null },
      hasRoom: () => undefined,
      hasMore: () => undefined,
      say: (said) => {
        heard.push(said);
        if (heard.length === 2) session.take({ kind: 'hold', collection: THING, ids: [IDS[2]!], had: false });
      },
    });
    session.take({ kind: 'hold', collection: THING, ids: [IDS[0]!], had: false });
    const group = [
      write((tx) => tx.update(Thing, IDS[0]!, { rank: 7 })),
      write((tx) => tx.update(Thing, IDS[2]!, { rank: 8 })),
    ];
    await Promise.all(group);
    expect(heard).toMatchObject([
      { kind: 'held', position: 1 },
      { kind: 'step', position: 2 },
      { kind: 'held', position: 3 },
    ]);
  });

  test('that asks inside a transaction is answered after its group', async () => {
    await createThings(1);
    const ana = world.node.follow();
    await write((tx) => {
      tx.update(Thing, IDS[0]!, { rank: 7 });
      ana.hold(THING, IDS[0]!);
      expect(ana.heard).toEqual([]);
    });
    await expect(
      write((tx) => {
        tx.update(Thing, IDS[0]!, { rank: 8 });
        ana.hold(THING, IDS[0]!);
        throw new Error('no');
      }),
    ).rejects.toThrow('no');
    expect(ana.said('held').map(({ position }) => position)).toEqual([2, 2]);
    expect(ana.believe().rowsOf(THING).get(IDS[0]!)).toEqual(stored(IDS[0]!));
  });
});

describe('a subscription', () => {
  test('comes in chunks, ascending by id, each at the position at which it is read', async () => {
    await createThings(10);
    const ana = world.node.follow();
    ana.subscribe(THING, 'kind = ?', ['red']);
    expect(ana.heard).toEqual([]);
    ana.pull(1);
    // One row that was said, one that was not, one that comes behind, and one before.
    await write((tx) => tx.update(Thing, IDS[0]!, { rank: 77 }));
    await write((tx) => tx.update(Thing, IDS[9]!, { rank: 99 }));
    await write((tx) => tx.delete(Thing, IDS[8]!));
    await write((tx) => tx.delete(Thing, IDS[1]!));
    ana.pull().believe();
    const chunks = ana.said('chunk');
    expect(chunks.map(({ rows, last, position }) => [rows.length, last, position])).toEqual([
      [4, false, 1],
      [4, false, 5],
      [1, true, 5],
    ]);
    expect(ana.steps.map(({ position, parts }) => [position, parts.map(({ kind }) => kind)])).toEqual([
      [2, ['items']],
      [5, ['leave']],
    ]);
    expect([...ana.rowsOf(THING).keys()].sort()).toEqual([0, 2, 3, 4, 5, 6, 7, 9].map((at) => IDS[at]));
    expect(ana.rowsOf(THING).get(IDS[9]!)).toEqual(stored(IDS[9]!));
  });

  test('of a selection without rows is complete with one empty chunk', () => {
    const ana = world.node.follow();
    ana.subscribe(THING, 'kind = ?', ['red']);
    ana.pull();
    expect(ana.said('chunk')).toMatchObject([{ rows: [], last: true, edge: null, position: 0 }]);
    expect(ana.session.pull()).toBe(false);
  });

  test('says in each of several chunks how many rows there will be, and nothing of that in a single one', async () => {
    await createThings(14);
    const ana = world.node.follow();
    ana.subscribe(THING, 'rank < 10');
    ana.subscribe(THING, 'rank < 4');
    ana.subscribe(THING, 'ORDER BY rank LIMIT 2');
    ana.pull();
    const totals = [1, 2, 3].map((subscription) =>
      ana.said('chunk').flatMap((chunk) => (chunk.subscription === subscription ? [chunk.total] : [])),
    );
    expect(totals).toEqual([[10, 10, 10], [null], [capacityOf(2), capacityOf(2), capacityOf(2)]]);
  });

  test('takes turns with others that are being hydrated', async () => {
    await createThings(10);
    const ana = world.node.follow();
    ana.subscribe(THING, 'kind = ?', ['red']);
    ana.subscribe(THING, '');
    ana.pull();
    expect(ana.said('chunk').map(({ subscription }) => subscription)).toEqual([1, 2, 1, 2, 1, 2]);
  });

  test('of a selection that another session follows shares it, and its number', () => {
    const [ana, ben] = [world.node.follow('ana'), world.node.follow('ben')];
    ana.subscribe(THING, 'kind = ?', ['red']);
    ben.subscribe(THING, "kind = 'red'");
    ben.subscribe(THING, "kind = 'blue'");
    for (const follower of [ana, ben]) follower.pull();
    const numbers = [...ana.said('chunk'), ...ben.said('chunk')].map(({ selection }) => selection);
    expect(numbers).toEqual([1, 1, 2]);
    expect(world.node.feed.report().selections).toEqual({ distinct: 2, shared: 1 });
  });

  test('ended while it is hydrated says nothing more', async () => {
    await createThings(10);
    const ana = world.node.follow();
    const number = ana.subscribe(THING, '');
    ana.pull(1).unsubscribe(number);
    ana.pull();
    expect(ana.heard.map(({ kind }) => kind)).toEqual(['chunk', 'unsubscribed']);
    expect(world.node.feed.report()).toMatchObject({ selections: { distinct: 0 }, hydrating: 0 });
  });

  test.each([
    ['nowhere', '', 'unknown-collection'],
    [THING, 'rank >', 'query-syntax'],
    [THING, 'speed > 3', 'unknown-property'],
    [THING, 'rank > 3 LIMIT 3 OFFSET 1', 'query-unsupported'],
    [THING, 'rank > ?', 'invalid-parameter'],
    [THING, `LIMIT ${MAX_WINDOW_LIMIT + 1}`, 'limit-exceeded'],
  ])('to %s %j is denied with %s', (collection, text, code) => {
    const ana = world.node.follow();
    const number = ana.subscribe(collection, text);
    expect(ana.heard).toMatchObject([{ kind: 'denied', subscription: number, error: { code, problem: NOT_ITS_OWN } }]);
    // It may not have heard of that yet.
    ana.unsubscribe(number);
    expect(ana.said('unsubscribed')).toEqual([{ kind: 'unsubscribed', subscription: number }]);
    expect(world.node.feed.report().selections.distinct).toBe(0);
  });

  test('of the greatest window is let in', () => {
    const ana = world.node.follow();
    ana.subscribe(THING, `LIMIT ${MAX_WINDOW_LIMIT}`);
    expect(ana.pull().said('chunk')).toHaveLength(1);
  });

  test('beyond those that a session may have is denied', () => {
    const ana = world.node.follow();
    for (let at = 0; at < MAX_SUBSCRIPTIONS; at += 1) ana.subscribe(THING, 'rank = ?', [at]);
    ana.pull();
    expect(ana.said('chunk')).toHaveLength(MAX_SUBSCRIPTIONS);
    ana.subscribe(THING, 'kind IS NULL');
    expect(ana.said('denied')).toMatchObject([{ error: { code: 'limit-exceeded' } }]);
    ana.unsubscribe(1);
    ana.subscribe(THING, 'kind IS NULL');
    expect(ana.said('denied')).toHaveLength(1);
  });

  test('under a number used before, or ended under one never used, ends the session', () => {
    const ana = world.node.follow();
    ana.subscribe(THING, '');
    const again = {
      kind: 'subscribe',
      subscription: 1,
      collection: THING,
      text: '',
      parameters: [],
      had: null,
    } as const;
    expect(codeOf(() => ana.session.take(again))).toBe('protocol-violation');
    expect(codeOf(() => ana.session.take({ kind: 'unsubscribe', subscription: 2 }))).toBe('protocol-violation');
  });

  test('whose predicate fails on a row is denied; one that comes to fail ends its session', async () => {
    await write((tx) => tx.create(Thing, { name: '{' }, { id: IDS[0]! }));
    const failing = "abs(CASE WHEN name = '{' THEN -9223372036854775807 - 1 ELSE 1 END) > 0";
    const ana = world.node.follow();
    ana.subscribe(THING, failing);
    ana.pull();
    expect(ana.heard).toMatchObject([{ kind: 'denied', subscription: 1, error: { code: 'storage-failed' } }]);
    await write((tx) => tx.update(Thing, IDS[0]!, { name: 'sound' }));
    ana.subscribe(THING, failing);
    expect(ana.pull().said('chunk')).toHaveLength(1);
    const ben = world.node.follow('ben');
    ben.hold(THING, IDS[0]!);
    await write((tx) => tx.update(Thing, IDS[0]!, { name: '{' }));
    expect(codeOf(() => ana.session.pull())).toBe('storage-failed');
    expect(ben.steps).toHaveLength(1);
    expect(world.node.feed.report()).toMatchObject({ sessions: 1, selections: { distinct: 0 } });
  });
});

describe('a committed transaction', () => {
  test('that concerns nobody says nothing, and is shown to no matcher', async () => {
    await createThings(10);
    const ana = world.node.follow();
    ana.subscribe(THING, 'kind = ?', ['blue']);
    ana.subscribe(THING, 'rank > 100 ORDER BY rank LIMIT 3');
    ana.hold(THING, IDS[9]!);
    ana.pull();
    const heard = ana.heard.length;
    const { work } = world.node.feed.report();
    await write((tx) => tx.update(Thing, IDS[0]!, { rank: 1, name: 'x' }));
    expect(ana.heard).toHaveLength(heard);
    expect(world.node.feed.report().work).toEqual({ ...work, commits: work.commits + 1 });
  });

  test('is one step for all sessions to which it means the same', async () => {
    await createThings(10);
    const followers = Array.from({ length: 100 }, () => world.node.follow());
    for (const follower of followers) follower.subscribe(THING, 'kind = ?', ['red']);
    const other = world.node.follow();
    other.hold(THING, IDS[0]!);
    for (const follower of followers) follower.pull();
    const { work } = world.node.feed.report();
    await write((tx) => {
      tx.update(Thing, IDS[0]!, { rank: 50 });
      tx.update(Thing, IDS[1]!, { kind: 'blue' });
    });
    const [step] = followers[0]!.steps;
    for (const { steps } of followers) {
      expect(steps).toHaveLength(1);
      expect(steps[0]).toBe(step);
    }
    expect(step!.parts.map(({ kind }) => kind)).toEqual(['items', 'leave']);
    expect(other.steps[0]!.parts[0]).toBe(step!.parts[0]);
    const after = world.node.feed.report().work;
    expect(after.steps - work.steps).toBe(2);
    expect(after.parts - work.parts).toBe(2);
    expect(after.said - work.said).toBe(101);
    expect(after.evaluated - work.evaluated).toBe(4);
  });

  test('sends a row whole as it enters, as items while it stays, and takes it back as it leaves', async () => {
    const ana = world.node.follow();
    ana.subscribe(THING, 'kind = ?', ['red']);
    ana.pull();
    await write((tx) => tx.create(Thing, { kind: 'blue', rank: 1 }, { id: IDS[0]! }));
    await write((tx) => tx.update(Thing, IDS[0]!, { kind: 'red' }));
    await write((tx) => tx.update(Thing, IDS[0]!, { rank: 2 }));
    await write((tx) => tx.delete(Thing, IDS[0]!));
    expect(ana.steps.map(({ position, parts }) => [position, parts.map(({ kind }) => kind)])).toEqual([
      [2, ['whole']],
      [3, ['items']],
      [4, ['leave']],
    ]);
  });

  test('that no reader sees is told to those that follow the row, all the same', async () => {
    await createThings(20);
    const edge = IDS[capacityOf(3) - 1]!;
    const [ana, ben, cem] = [world.node.follow('ana'), world.node.follow('ben'), world.node.follow('cem')];
    ana.subscribe(THING, 'kind = ?', ['red']);
    ben.subscribe(THING, 'ORDER BY rank LIMIT 3');
    cem.subscribe(THING, 'kind = ?', ['blue']);
    for (const follower of [ana, ben, cem]) follower.pull().believe();
    await write((tx) => tx.update(Thing, edge, { kind: 'red' }));
    for (const follower of [ana, ben]) {
      expect(follower.steps).toMatchObject([{ parts: [{ kind: 'items' }], edges: [] }]);
      expect(follower.believe().rowsOf(THING).get(edge)).toEqual(stored(edge));
    }
    expect(cem.steps).toEqual([]);
  });
});
