/** Bounds of what a follower is told and of what is taken from it: at the limit, and one past it. */
import { describe, expect, test } from 'vitest';
import {
  MAX_CATCH_UP_OPERATIONS,
  MAX_CATCH_UP_TURN,
  MAX_DEPARTURES,
  MAX_SILENT_POSITIONS,
  MAX_WAITING_UPLOADS,
} from '../../engine/feed/limits.ts';
import { CatchUp, canResume } from '../../engine/feed/past/catch-up.ts';
import { SharedPast } from '../../engine/feed/past/shared-past.ts';
import { Silence } from '../../engine/feed/silence.ts';
import type { Said } from '../../engine/stream.ts';
import {
  type EntityId,
  encodeOperation,
  idFrom,
  type Log,
  type OperationId,
  type Position,
  type TransactionId,
} from '../../storage/index.ts';
import { codeOf } from '../storage/fixtures.ts';
import { Thing } from '../support/live-selections.ts';
import { createTestScheduler } from '../support/ports.ts';
import { createThingWorld, THING } from './thing-world.ts';

const FIRST = idFrom(THING, 0);

const world = createThingWorld();
const { write, here } = world;

const pastOver = (log: Pick<Log, 'changedSince'>) =>
  new SharedPast({ log, rowAt: world.node.core.rowAt, rows: { read: () => null }, scheduler: createTestScheduler() });

describe('a session resumes', () => {
  test('from the floor of the log on, and not from below it', () => {
    const floor = 5 as Position;
    const log = { ...world.node.core.log, covers: () => true, floor: () => floor, countSince: () => 0 };
    const cursor = (position: number) => ({ epoch: here().epoch, position: position as Position });
    expect(canResume({ log }, cursor(5))).toBe(true);
    expect(canResume({ log }, cursor(4))).toBe(false);
  });

  test('after MAX_CATCH_UP_OPERATIONS operations, and not after one more; it counts no further', () => {
    const asked: number[] = [];
    const after = (count: number) => {
      const countSince = (_: Position, limit: number) => {
        asked.push(limit);
        return Math.min(count, limit);
      };
      return { log: { ...world.node.core.log, countSince } };
    };
    const later = (positions: number) => {
      const position = () => (here().position + positions) as Position;
      return { log: { ...world.node.core.log, position, countSince: () => expect.fail('counted') } };
    };
    expect(canResume(after(MAX_CATCH_UP_OPERATIONS), here())).toBe(true);
    expect(canResume(after(MAX_CATCH_UP_OPERATIONS + 1), here())).toBe(false);
    expect(Math.max(...asked)).toBe(MAX_CATCH_UP_OPERATIONS + 1);
    expect(canResume(later(MAX_CATCH_UP_OPERATIONS + 1), here())).toBe(false);
  });
});

describe('a session', () => {
  test('rows that leave while a session catches up are remembered up to MAX_DEPARTURES; one more ends it', () => {
    const { log } = world.node.core;
    const catchUp = new CatchUp({ log, past: pastOver(log) }, here().position);
    const idOf = (at: number) => `0${String(at).padStart(25, '0')}` as EntityId;
    catchUp.begin();
    for (let at = 0; at < MAX_DEPARTURES; at += 1) catchUp.left(THING, idOf(at));
    catchUp.left(THING, idOf(0));
    expect(codeOf(() => catchUp.left(THING, idOf(MAX_DEPARTURES)))).toBe('limit-exceeded');
    catchUp.end();
    expect(catchUp.isOver).toBe(true);
  });

  test('a log that runs away from a session that catches up ends it', () => {
    let made = 0;
    const limit = 2 * MAX_CATCH_UP_OPERATIONS;
    const log = {
      ...world.node.core.log,
      position: () => (made + 1) as Position,
      changedSince: (_: Position, most: number) =>
        Array.from({ length: most }, () => {
          made += 1;
          const entity = `0${String(made).padStart(25, '0')}` as EntityId;
          return { position: made as Position, collection: THING, entity };
        }),
    };
    const catchUp = new CatchUp({ log, past: pastOver(log) }, 0 as Position);
    catchUp.begin();
    while (made < limit) expect(catchUp.bring()).toBe(false);
    expect(made / MAX_CATCH_UP_TURN).toBe(limit / MAX_CATCH_UP_TURN);
    expect(codeOf(() => catchUp.bring())).toBe('limit-exceeded');
  });

  test('a session that is told nothing hears after MAX_SILENT_POSITIONS positions that they have passed', () => {
    const heard: [string, Said][] = [];
    const silence = new Silence<{ readonly say: (said: Said) => void }>();
    const session = (name: string) => ({ say: (said: Said) => void heard.push([name, said]) });
    const [ana, ben, cem] = [session('ana'), session('ben'), session('cem')];
    for (const each of [ana, ben, cem]) silence.told(each, 0 as Position);
    silence.told(ana, 7 as Position);
    silence.forget(cem);
    silence.end((MAX_SILENT_POSITIONS - 1) as Position);
    expect(heard).toEqual([]);
    silence.end(MAX_SILENT_POSITIONS as Position);
    expect(heard).toEqual([['ben', { kind: 'at', position: MAX_SILENT_POSITIONS }]]);
    silence.end((MAX_SILENT_POSITIONS + 7) as Position);
    expect(heard.map(([name]) => name)).toEqual(['ben', 'ana']);
  });

  test('a node tells silent sessions where it stands, after what the others are told', async () => {
    await write((tx) => void tx.create(Thing, {}, { id: FIRST }));
    const [ana, ben] = [world.node.follow(), world.node.follow()];
    ana.hold(THING, FIRST);
    for (let count = 0; count < MAX_SILENT_POSITIONS; count += 1)
      await write((tx) => tx.update(Thing, FIRST, { rank: count }));
    expect(ben.heard).toEqual([{ kind: 'at', position: MAX_SILENT_POSITIONS + 1 }]);
    expect(ana.said('at')).toEqual([]);
  });

  test('a session is asked to pause past half of its room for uploads, and goes on at a quarter', async () => {
    const rooms: number[] = [];
    const ana = world.node.follow();
    const session = world.node.feed.open({
      author: 'ana',
      relays: false,
      greeting: { node: world.node.core.node, cursor: null },
      say: () => undefined,
      hasMore: () => undefined,
      hasRoom: () => void rooms.push(world.node.feed.report().waitingUploads),
    });
    const takes = Array.from({ length: MAX_WAITING_UPLOADS / 2 + 1 }, () => {
      const [id, transaction, entity] = [0, 0, 0].map(() => world.node.core.mint.next());
      const operation = encodeOperation({
        id: id as OperationId,
        transaction: transaction as TransactionId,
        collection: THING,
        entity: entity as EntityId,
        precursors: [],
        edits: [{ kind: 'create', property: '' }],
        author: 'ana',
        salt: new Uint8Array(8),
      });
      return session.take({
        kind: 'upload',
        transaction: transaction as TransactionId,
        attempt: 1,
        operations: [operation],
      });
    });
    expect(takes.indexOf(false)).toBe(MAX_WAITING_UPLOADS / 2);
    expect(session.take({ kind: 'release', collection: THING, ids: [] })).toBe(false);
    await world.node.queue.drained();
    expect(rooms).toEqual([MAX_WAITING_UPLOADS / 4]);
    expect(session.take({ kind: 'release', collection: THING, ids: [] })).toBe(true);
    ana.session.close();
  });
});
