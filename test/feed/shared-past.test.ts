/** What sessions that catch up at the same time read once for all of them: never anything but what each would read alone. */
import { describe, expect, test } from 'vitest';
import {
  MAX_CATCH_UP_TURN,
  MAX_SHARED_BYTES,
  MAX_SHARED_CHANGES,
  MAX_SHARED_IMAGES,
  SHARED_PAST_MS,
} from '../../engine/feed/limits.ts';
import { SharedPast } from '../../engine/feed/past/shared-past.ts';
import { TendrilError } from '../../errors.ts';
import { collection, text } from '../../index.ts';
import { describeCollection } from '../../storage/descriptor.ts';
import type { ChangedEntity, EntityId, OperationId, Position, StoredRow } from '../../storage/index.ts';
import { createTestScheduler } from '../support/ports.ts';
import { createRandom, runs, seedFor } from '../support/random.ts';

const seed = seedFor('shared-past');
const THING = 'thing';
const idOf = (number: number) => `0${String(number).padStart(25, '0')}` as EntityId;
const at = (position: number) => position as Position;

/** A log of positions 1, 2, 3, ...: each changes some rows; and how often it and its rows were read. */
class World {
  readonly changes: ChangedEntity[] = [];
  readonly versions = new Map<EntityId, StoredRow[]>();
  readonly reads = { log: 0, now: 0, before: 0 };
  readonly scheduler = createTestScheduler();
  readonly past = new SharedPast({
    scheduler: this.scheduler,
    log: { changedSince: (position, limit) => this.since(position, limit) },
    rows: {
      read: (_, id) => {
        this.reads.now += 1;
        return this.now(id);
      },
    },
    rowAt: (position, _, id) => {
      this.reads.before += 1;
      return this.before(id, position);
    },
  });
  #position = 0;

  get position(): Position {
    return at(this.#position);
  }

  commit(ids: readonly EntityId[], title = '', deleted = false): void {
    this.#position += 1;
    for (const entity of ids) {
      this.changes.push({ position: this.position, collection: THING, entity });
      const versions = this.versions.get(entity) ?? [];
      this.versions.set(entity, [...versions, this.#version(entity, title, deleted)]);
      this.past.changed(THING, entity);
    }
  }

  #version(entity: EntityId, title: string, deleted: boolean): StoredRow {
    const id = entity as unknown as OperationId;
    const versions = { base: id, listed: [] };
    const values = [entity, `${title}${this.position}`];
    return { values, head: [id], versions, deleted: deleted ? id : null, asOf: this.position, extra: [] };
  }

  now = (id: EntityId): StoredRow | null => this.versions.get(id)?.at(-1) ?? null;

  before = (id: EntityId, position: Position): StoredRow | null =>
    this.versions.get(id)?.findLast(({ asOf }) => asOf <= position) ?? null;

  /** As the log tells it: whole transactions, at least one. */
  since(position: Position, limit: number): readonly ChangedEntity[] {
    this.reads.log += 1;
    const found = this.changes.filter((change) => change.position > position);
    if (found.length <= limit) return found;
    const cut = found[limit]!.position;
    const whole = found.slice(0, limit).filter((change) => change.position !== cut);
    return whole.length > 0 ? whole : found.filter((change) => change.position === cut);
  }
}

const descriptor = describeCollection(collection(THING, { title: text() }));

/** Told in several turns, perhaps. */
function all(world: World, position: Position): readonly ChangedEntity[] {
  const told: ChangedEntity[] = [];
  while ((told.at(-1)?.position ?? position) < world.position)
    told.push(...world.past.changedSince(told.at(-1)?.position ?? position));
  return told;
}

describe('the shared past', () => {
  test('tells of every row and every stretch what the log and the tables say, whoever asked before', () => {
    for (let run = 0; run < runs(20); run += 1) {
      const random = createRandom(seed + run);
      const world = new World();
      world.past.begin();
      for (let step = 0; step < 300; step += 1) {
        const ids = Array.from({ length: 1 + random.integer(3) }, () => idOf(random.integer(12)));
        if (random.chance(0.4)) world.commit([...new Set(ids)], '', random.chance(0.2));
        const [id, position] = [idOf(random.integer(12)), at(random.integer(world.position + 1))];
        expect(world.past.now(THING, id)).toEqual(world.now(id));
        const before = world.before(id, position);
        const seen = before === null || before.deleted !== null ? null : before.values;
        expect(world.past.before(position, THING, id)).toEqual(seen);
        expect(all(world, position)).toEqual(world.since(position, MAX_CATCH_UP_TURN));
      }
      world.past.end();
    }
  });

  test('reads once what two sessions with different cursors ask for', () => {
    const world = new World();
    for (let number = 0; number < 10; number += 1) world.commit([idOf(number)]);
    for (let number = 0; number < 10; number += 1) world.commit([idOf(number)]);
    for (const cursor of [at(15), at(12), at(14)]) {
      world.past.begin();
      let through = cursor;
      while (through < world.position) through = world.past.changedSince(through).at(-1)!.position;
      for (let number = 5; number < 10; number += 1) {
        world.past.now(THING, idOf(number));
        world.past.before(cursor, THING, idOf(number));
      }
    }
    // The second begins earlier, and reads the log anew; what the third asks for lies within.
    expect(world.reads).toEqual({ log: 2, now: 5, before: 5 });
  });

  test('reads a row once as it stood between two of its changes, in whatever order cursors are asked for', () => {
    const world = new World();
    // Position 1, and then every tenth.
    for (let number = 0; number < 40; number += 1) world.commit([idOf(number % 10)]);
    world.past.begin();
    all(world, at(5));
    for (const cursor of [12, 10, 19, 14, 20, 11, 18]) {
      const before = world.past.before(at(cursor), THING, idOf(0));
      expect(before).toEqual(world.before(idOf(0), at(cursor))!.values);
    }
    // From 1 to 10, and from 11 to 20.
    expect(world.reads.before).toBe(2);
    expect(world.past.before(at(21), THING, idOf(0))).toEqual(world.before(idOf(0), at(21))!.values);
    expect(world.reads.before).toBe(3);
  });

  test('knows of a stretch that begins earlier where a row changed in it, not where it changed in the one before', () => {
    const world = new World();
    for (const number of [0, 1, 0, 1, 0]) world.commit([idOf(number)]);
    world.past.begin();
    for (const from of [4, 0]) all(world, at(from));
    for (const cursor of [1, 3]) {
      expect(world.past.before(at(cursor), THING, idOf(0))).toEqual(world.before(idOf(0), at(cursor))!.values);
    }
  });

  test('encodes a row as it is once, and again when it has changed', () => {
    const world = new World();
    world.past.begin();
    const encoded = () => world.past.encode(descriptor, world.past.now(THING, idOf(0)) as StoredRow);
    world.commit([idOf(0)]);
    const first = encoded();
    expect(encoded()).toBe(first);
    world.commit([idOf(0)]);
    expect(encoded()).not.toEqual(first);
  });

  test('looks again at a row that could not be read', () => {
    let reads = 0;
    const damage = new TendrilError({ code: 'storage-damaged', problem: '', remedy: '' });
    const read = () => {
      reads += 1;
      return damage;
    };
    const past = new SharedPast({
      log: { changedSince: () => [] },
      rows: { read },
      rowAt: () => null,
      scheduler: createTestScheduler(),
    });
    past.begin();
    expect([past.now(THING, idOf(0)), past.now(THING, idOf(0))]).toEqual([damage, damage]);
    expect(reads).toBe(2);
  });

  test('divides no transaction between two turns, be it longer than one', () => {
    const world = new World();
    const ids = (count: number) => Array.from({ length: count }, (_, number) => idOf(number));
    world.past.begin();
    for (const count of [1, MAX_CATCH_UP_TURN - 1, 1, MAX_CATCH_UP_TURN + 1, 1]) world.commit(ids(count));
    const lengths = () => {
      const found: number[] = [];
      for (let through = at(0); through < world.position; ) {
        const turn = world.past.changedSince(through);
        found.push(turn.length);
        through = turn.at(-1)!.position;
      }
      return found;
    };
    const alone = lengths();
    expect(alone).toEqual([MAX_CATCH_UP_TURN, 1, MAX_CATCH_UP_TURN + 1, 1]);
    expect(world.reads.log).toBe(4);
    expect(lengths()).toEqual(alone);
    expect(world.reads.log).toBe(4);
  });

  test('keeps for 10 s after the last session has caught up what the next may ask for, and nothing for one that does not', () => {
    const world = new World();
    world.commit([idOf(0)]);
    const read = () => {
      world.past.now(THING, idOf(0));
      world.past.before(at(0), THING, idOf(0));
      world.past.changedSince(at(0));
    };
    world.past.begin();
    world.past.begin();
    read();
    world.past.end();
    expect(world.past.sizes).toEqual({ images: 2, changes: 1 });
    world.past.end();
    world.scheduler.pass(SHARED_PAST_MS - 1);
    world.past.begin();
    world.scheduler.pass(1);
    read();
    expect(world.reads).toEqual({ log: 1, now: 1, before: 1 });
    world.past.end();
    world.scheduler.pass(SHARED_PAST_MS - 1);
    expect(world.past.sizes).toEqual({ images: 2, changes: 1 });
    world.scheduler.pass(1);
    expect(world.past.sizes).toEqual({ images: 0, changes: 0 });
    read();
    expect(world.past.sizes).toEqual({ images: 0, changes: 0 });
  });
});

describe('the bounds of the shared past', () => {
  test(`${MAX_SHARED_IMAGES} rows are kept; one more, and all are forgotten`, () => {
    const world = new World();
    world.past.begin();
    for (let number = 0; number < MAX_SHARED_IMAGES; number += 1) world.past.now(THING, idOf(number));
    expect(world.past.sizes.images).toBe(MAX_SHARED_IMAGES);
    world.past.now(THING, idOf(MAX_SHARED_IMAGES));
    expect(world.past.sizes.images).toBe(0);
    world.past.now(THING, idOf(0));
    expect(world.reads.now).toBe(MAX_SHARED_IMAGES + 2);
  });

  test(`rows of ${MAX_SHARED_BYTES} bytes are kept; one byte more, and all are forgotten`, () => {
    for (const [more, kept] of [
      [0, 2],
      [1, 0],
    ] as const) {
      const world = new World();
      world.past.begin();
      world.commit([idOf(0)], 'x'.repeat(MAX_SHARED_BYTES / 2 - idOf(0).length - 1));
      world.commit([idOf(1)], 'x'.repeat(MAX_SHARED_BYTES / 2 - idOf(0).length - 1 + more));
      for (const number of [0, 1]) world.past.now(THING, idOf(number));
      expect(world.past.sizes.images).toBe(kept);
    }
  });

  test(`${MAX_SHARED_CHANGES} operations are kept; with one more a new stretch begins`, () => {
    const ids = Array.from({ length: MAX_CATCH_UP_TURN }, (_, number) => idOf(number));
    const world = new World();
    world.past.begin();
    for (let operations = 0; operations < MAX_SHARED_CHANGES; operations += MAX_CATCH_UP_TURN) world.commit(ids);
    for (let through = at(0); through < world.position; through = at(through + 1)) world.past.changedSince(through);
    expect(world.past.sizes.changes).toBe(MAX_SHARED_CHANGES);
    world.commit([idOf(0)]);
    world.past.changedSince(at(world.position - 1));
    expect(world.past.sizes.changes).toBe(1);
  });
});
