/** What sessions that had the same are told once for all of them, and what must be found anew. */
import { describe, expect, test } from 'vitest';
import type { FollowedSelection } from '../../engine/feed/followed/followed-selection.ts';
import { MAX_SHARED_ANSWER_BYTES } from '../../engine/feed/limits.ts';
import { type Portion, SharedAnswers } from '../../engine/feed/past/shared-answers.ts';
import type { Cursor, EntityId, Position } from '../../storage/index.ts';
import type { Believer } from '../support/feed-node.ts';
import { randomThing, SELECTIONS, Thing } from '../support/live-selections.ts';
import { createRandom, runs, seedFor } from '../support/random.ts';
import { ReturningFollower } from '../support/returning-follower.ts';
import { createThingWorld, IDS, THING } from './thing-world.ts';

const seed = seedFor('shared answers');

const world = createThingWorld();
const { write } = world;

async function create(count: number): Promise<Cursor> {
  const random = createRandom(1);
  await write((tx) => {
    for (const id of IDS.slice(0, count)) tx.create(Thing, { ...randomThing(random), kind: 'red', rank: 1 }, { id });
  });
  return world.here();
}

function back(cursor: Cursor, text = "kind = 'red'"): Believer {
  const follower = world.back(cursor);
  const had = { kind: 'held', through: null, edge: null } as const;
  follower.session.take({ kind: 'subscribe', subscription: 1, collection: THING, text, parameters: [], had });
  return follower;
}

/** Whether each chunk of one is the very one of the other. */
function areSame(one: Believer, other: Believer): readonly boolean[] {
  const chunks = other.said('chunk');
  expect(one.said('chunk')).toHaveLength(chunks.length);
  return one.said('chunk').map((chunk, at) => chunk === chunks[at]);
}

describe('of sessions that come back to what they had', () => {
  test('those with the same cursor are told the very same chunks, and rows are looked at once', async () => {
    const cursor = await create(9);
    await write((tx) => {
      for (const id of IDS.slice(0, 9)) tx.update(Thing, id, { rank: 2 });
    });
    const ana = back(cursor).pull();
    const { evaluated } = world.node.feed.report().work;
    const ben = back(cursor).pull();
    expect(areSame(ana, ben)).toEqual([true, true, true]);
    expect(world.node.feed.report().work.evaluated).toBe(evaluated);
  });

  test('those of a window are too, if they had it up to the same edge', async () => {
    const cursor = await create(9);
    await write((tx) => tx.update(Thing, IDS[3]!, { rank: 2 }));
    const [ana, ben] = ['ana', 'ben'].map(() => back(cursor, "kind = 'red' ORDER BY rank LIMIT 20").pull());
    expect(areSame(ana!, ben!)).toEqual([true]);
  });

  test('one with another cursor is told what it missed', async () => {
    const cursor = await create(3);
    await write((tx) => tx.update(Thing, IDS[0]!, { rank: 2 }));
    const later = { ...cursor, position: world.node.source.position() };
    await write((tx) => tx.update(Thing, IDS[1]!, { rank: 2 }));
    const [ana, ben] = [back(cursor).pull(), back(later).pull()];
    expect([ana, ben].map((each) => each.said('chunk')[0]!.rows.length)).toEqual([2, 1]);
  });

  test('after a change that concerns them the next is told of it; after another change what the first was told holds', async () => {
    const cursor = await create(3);
    await write((tx) => tx.update(Thing, IDS[0]!, { rank: 2 }));
    const ana = back(cursor).pull();
    await write((tx) => tx.create(Thing, { kind: 'green' }, { id: IDS[20]! }));
    const ben = back(cursor).pull();
    expect(ben.said('chunk')[0]!.rows).toBe(ana.said('chunk')[0]!.rows);
    expect(ben.said('chunk')[0]!.position).toBe(3);
    await write((tx) => tx.update(Thing, IDS[1]!, { kind: 'green' }));
    const cem = back(cursor).pull();
    expect(cem.said('chunk')[0]!.left).toEqual([IDS[1]]);
  });

  test('one that was told of rows that left while it caught up is told by itself', async () => {
    const cursor = await create(9);
    const isRed = "kind = 'red' ORDER BY rank LIMIT 20";
    await write((tx) => {
      for (const id of IDS.slice(0, 9)) tx.update(Thing, id, { rank: 2 });
    });
    const ana = back(cursor);
    ana.session.take({
      ...{ kind: 'subscribe', subscription: 2, collection: THING, text: isRed, parameters: [] },
      had: { kind: 'held', through: null, edge: null },
    });
    ana.pull(1);
    await write((tx) => tx.update(Thing, IDS[0]!, { kind: 'green' }));
    const ben = back(cursor).pull();
    ana.pull();
    const rowsOf = (follower: Believer) => follower.said('chunk').filter(({ subscription }) => subscription === 1);
    expect(rowsOf(ana).at(-1)).not.toBe(rowsOf(ben).at(-1));
  });

  test('two that come back together are told right, whatever is written between their chunks', async () => {
    const random = createRandom(seed);
    let shared = 0;
    for (let run = 0; run < runs(20); run += 1) {
      const both = [new ReturningFollower(world.node, THING), new ReturningFollower(world.node, THING)] as const;
      const selections = Array.from({ length: 4 }, () => random.pick(SELECTIONS));
      for (const follower of both) {
        follower.connect();
        for (const { text, parameters } of selections) follower.follow(text, parameters);
      }
      for (let round = 0; round < 4; round += 1) {
        for (const follower of both) {
          follower.pull();
          follower.cut();
        }
        for (let count = random.integer(6); count > 0; count -= 1) await writeRandom(random);
        const before = both.map(({ said }) => said.length);
        for (const follower of both) follower.connect();
        for (let turn = 0; turn < 12; turn += 1) {
          random.pick(both).pull(1);
          if (random.chance(0.3)) await writeRandom(random);
        }
        for (const follower of both) {
          follower.pull();
          follower.take();
          expectFresh(follower);
        }
        const [one, other] = both.map(({ said }, at) => said.slice(before[at]));
        const told = new Set(other!.map((said) => (said.kind === 'chunk' ? said.rows : null)));
        shared += one!.filter((said) => said.kind === 'chunk' && told.has(said.rows)).length;
      }
      for (const follower of both) follower.cut();
    }
    expect(shared).toBeGreaterThan(runs(20));
  }, 60_000);
});

async function writeRandom(random: ReturnType<typeof createRandom>): Promise<void> {
  await write((tx) => {
    const id = random.pick(IDS);
    if (tx.get(Thing, id) === null) tx.create(Thing, randomThing(random), { id });
    else if (random.chance(0.2)) tx.delete(Thing, id);
    else tx.update(Thing, id, randomThing(random));
  });
}

function expectFresh(follower: ReturningFollower): void {
  const fresh = world.node.follow();
  for (const { text, parameters } of follower.members) fresh.subscribe(THING, text, parameters);
  fresh.pull().believe();
  const sorted = (rows: ReadonlyMap<EntityId, unknown>) => [...rows].sort(([left], [right]) => (left < right ? -1 : 1));
  expect(sorted(follower.rows)).toEqual(sorted(fresh.rowsOf(THING)));
  fresh.session.close();
}

describe('the bounds of shared answers', () => {
  const had = (cursor: number) => ({ cursor: cursor as Position, edge: null, after: null, most: 4 });
  const portion = (bytes: number, isWhole = true): Portion => ({
    ...{ rows: [new Uint8Array(bytes)], left: [], through: null, isLast: true, isWhole, said: null },
  });
  const selection = () => ({ version: 0 }) as FollowedSelection;
  /** Of a part with one row, beside it. */
  const BESIDE = 128;

  test(`${MAX_SHARED_ANSWER_BYTES} bytes are kept; more, and all are forgotten`, () => {
    for (const [more, kept] of [
      [0, true],
      [1, false],
    ] as const) {
      const answers = new SharedAnswers();
      const followed = selection();
      const first = portion(1_000);
      answers.keep(followed, had(1), first);
      answers.keep(followed, had(2), portion((MAX_SHARED_ANSWER_BYTES - answers.size - BESIDE) / 2 + more));
      expect(answers.known(followed, had(1))).toBe(kept ? first : null);
      expect(answers.size).toBe(kept ? MAX_SHARED_ANSWER_BYTES : 0);
    }
  });

  test('what is kept is for the same cursor, edge, last id and size of a part, and until a change concerns the selection', () => {
    const answers = new SharedAnswers();
    const followed = selection();
    const kept = portion(1);
    answers.keep(followed, had(1), kept);
    const others = [{ cursor: 2 as Position }, { edge: IDS[0]! }, { after: IDS[0]! }, { most: 5 }];
    for (const other of others) expect(answers.known(followed, { ...had(1), ...other })).toBe(null);
    expect(answers.known(selection(), had(1))).toBe(null);
    expect(answers.known(followed, had(1))).toBe(kept);
    followed.version += 1;
    expect(answers.known(followed, had(1))).toBe(null);
  });

  test('what leaves out a row that could not be read is told nobody else', () => {
    const answers = new SharedAnswers();
    const followed = selection();
    answers.keep(followed, had(1), portion(1, false));
    expect(answers.known(followed, had(1))).toBe(null);
  });
});
