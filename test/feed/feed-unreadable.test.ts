/** One row that cannot be read ends nobody's session: its follower is told so, and of the others as ever. */
import { beforeEach, describe, expect, test } from 'vitest';
import { capacityOf } from '../../engine/live/window.ts';
import type { Had } from '../../engine/stream.ts';
import { BUCKETS_BYTES, decodeRow, type EntityId } from '../../storage/index.ts';
import type { Believer } from '../support/feed-node.ts';
import { Thing } from '../support/live-selections.ts';
import { createThingWorld, IDS, THING } from './thing-world.ts';

const world = createThingWorld();
const { write, createThings } = world;

beforeEach(() => createThings(12));

/** As a wrong bit in the file would. */
function damage(at: number, column = '_versions'): void {
  world.node.core.driver.run(`UPDATE _thing SET ${column} = x'0102' WHERE id = ?`, [IDS[at]!]);
}

function subscribe(follower: Believer, text: string, had: Had | null): void {
  follower.session.take({ kind: 'subscribe', subscription: 1, collection: THING, text, parameters: [], had });
}

function told(follower: Believer): readonly number[] {
  const { descriptor } = world.node.core.catalog.named(THING)!;
  const rows = follower.said('chunk').flatMap((chunk) => chunk.rows);
  return rows.map((bytes) => IDS.indexOf(decodeRow(descriptor, bytes).values[0] as EntityId));
}

function expectUnreadable(follower: Believer, ...places: readonly number[]): void {
  expect(follower.said('unreadable')).toMatchObject(
    places.map((at) => ({ collection: THING, entity: IDS[at], error: { code: 'storage-damaged' } })),
  );
  expect(world.node.feed.report().work.unreadable).toBe(places.length);
  expect(world.node.feed.report().sessions).toBe(1);
}

const places = (...without: readonly number[]) =>
  Array.from({ length: 12 }, (_, at) => at).filter((at) => !without.includes(at));

describe('a row that cannot be read', () => {
  test.each(['', 'ORDER BY rank LIMIT 4'])('is left out of what is asked for by %j', (text) => {
    damage(5);
    const ana = world.node.follow();
    subscribe(ana, text, null);
    ana.pull();
    expect(told(ana)).toEqual(places(5));
    expect(ana.said('chunk').at(-1)!.last).toBe(true);
    expectUnreadable(ana, 5);
  });

  test('with a cell of another type is left out, too', () => {
    world.node.core.driver.run("UPDATE _thing SET due = 'yesterday' WHERE id = ?", [IDS[6]!]);
    const ana = world.node.follow();
    subscribe(ana, '', null);
    ana.pull();
    expect(told(ana)).toEqual(places(6));
    expectUnreadable(ana, 6);
  });

  test('is held by its id, and not said', () => {
    damage(2);
    const ana = world.node.follow();
    ana.hold(THING, IDS[1]!, IDS[2]!, IDS[3]!);
    expect(ana.said('held')).toMatchObject([{ ids: [IDS[1], IDS[2], IDS[3]], rows: [{}, {}] }]);
    expectUnreadable(ana, 2);
    expect(world.node.feed.report().held).toBe(3);
  });

  test('is left out of what changed since a cursor', async () => {
    const cursor = { epoch: world.node.core.log.epoch(), position: world.node.source.position() };
    for (const at of [1, 2]) await write((tx) => tx.update(Thing, IDS[at]!, { rank: 50 }));
    damage(1);
    damage(8);
    const ana = world.back(cursor);
    subscribe(ana, '', { kind: 'held', through: null, edge: null });
    ana.pull();
    expect(told(ana)).toEqual([2]);
    expectUnreadable(ana, 1);
  });

  test('is left out of what is compared, with its bucket', () => {
    damage(3, '_head');
    const ana = world.node.follow();
    subscribe(ana, '', { kind: 'buckets', hashes: new Uint8Array(BUCKETS_BYTES) });
    ana.pull();
    expect(told(ana)).toEqual(places(3));
    expectUnreadable(ana, 3);
  });

  test('and enters a window because others leave it is told to be so, and the step as ever', async () => {
    const limit = 2;
    const next = capacityOf(limit);
    const ana = world.node.follow();
    subscribe(ana, `ORDER BY rank LIMIT ${limit}`, null);
    ana.pull();
    damage(next);
    await write((tx) => tx.delete(Thing, IDS[0]!));
    expect(ana.steps).toMatchObject([{ parts: [{ kind: 'leave', entity: IDS[0] }], edges: [{ entity: IDS[next] }] }]);
    expectUnreadable(ana, next);
    await write((tx) => tx.update(Thing, IDS[1]!, { kind: 'blue' }));
    expect(ana.steps.at(-1)!.parts).toMatchObject([{ kind: 'items', entity: IDS[1] }]);
  });
});
