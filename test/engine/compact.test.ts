/** Compaction: what can still be asked is answered as before, and what cannot is refused. */
import { afterEach, describe, expect, test } from 'vitest';
import { createCompactor, FOLLOWER_RETENTION_MS, MAX_COMPACTED_OPERATIONS } from '../../engine/compact.ts';
import { openDurable } from '../../engine/open-durable.ts';
import { type CompactOptions, collection, integer, Node, type NodeOptions, text } from '../../index.ts';
import { sqliteFile } from '../../storage/drivers/index.ts';
import { encodeOperation, isSkeleton, type NodeId, type Position, type StoredRow } from '../../storage/index.ts';
import { type GraphTransaction, randomGraph } from '../support/graphs.ts';
import { createTestClock, createTestRandom } from '../support/ports.ts';
import { createRandom, type Random, runs, seedFor } from '../support/random.ts';

const seed = seedFor('compact');
const Note = collection('note', { title: text().optional(), stars: integer().default(3), body: text().optional() });
const PROPERTIES = [
  { name: 'body', values: [null, 'x', 'y'] },
  { name: 'later', values: ['of a newer schema', 7n] },
  { name: 'stars', values: [0n, 3n, 5n] },
  { name: 'title', values: [null, '', 'a', 'ä'] },
];

const clock = createTestClock();
const opened: { readonly close: () => Promise<void> }[] = [];
afterEach(async () => {
  for (const node of opened.splice(0)) await node.close();
});

async function open(options: Partial<NodeOptions> = {}): Promise<Node> {
  const ports = { clock, random: createTestRandom(seed) };
  const node = await Node.open({ collections: [Note], storage: sqliteFile(':memory:'), ports, ...options });
  opened.push(node);
  return node;
}

async function openParts(options: Partial<NodeOptions> = {}) {
  const ports = { clock, random: createTestRandom(seed) };
  const parts = await openDurable({ collections: [Note], storage: sqliteFile(':memory:'), ports, ...options });
  opened.push({
    close: async () => {
      await parts.queue.drained();
      parts.core.driver.close();
    },
  });
  return parts;
}

type Parts = Awaited<ReturnType<typeof openParts>>;

/** Every row as it is kept but for the position, which is each node's own: heads, versions, deletion and extra too. */
function allOf({ core }: Parts): ReadonlyMap<string, Omit<StoredRow, 'asOf'>> {
  const ids = core.driver.all('SELECT id FROM _note ORDER BY id').map(([id]) => id as never);
  return new Map(
    ids.map((id) => {
      const { asOf: _, ...row } = core.rows.read('note', id)!;
      return [id, row];
    }),
  );
}

/** The same as it stood at a position. */
function allAt({ core }: Parts, position: number): ReadonlyMap<string, StoredRow | null> {
  const ids = core.driver.all('SELECT id FROM _note ORDER BY id').map(([id]) => id as never);
  return new Map(ids.map((id) => [id, core.rowAt(position as Position, 'note', id)]));
}

function logOf(parts: Parts): readonly Uint8Array[] {
  return parts.core.log.since(0 as Position, 1_000_000).map(({ bytes }) => bytes);
}

function graphBytes(random: Random, transactions: number) {
  const options = { collection: 'note', properties: PROPERTIES, authors: 3, entities: 4, transactions };
  return randomGraph(random, options);
}

async function fill(parts: Parts, graph: readonly GraphTransaction[]): Promise<void> {
  for (const { operations } of graph) {
    const { refused } = await parts.ingester.ingest(operations.map(encodeOperation));
    expect(refused).toEqual([]);
  }
}

describe('a compacted log', () => {
  test('gives every row from the floor on as before, and folds to the same rows, byte for byte', async () => {
    const random = createRandom(seed);
    for (let run = 0; run < runs(60); run += 1) {
      const parts = await openParts();
      const graph = graphBytes(random, 30);
      await fill(parts, graph);
      const compact = createCompactor({ ...parts, places: () => [], turnOperations: 1 + random.integer(8) });
      let least = Number.POSITIVE_INFINITY;
      const last = parts.core.log.position();
      let total = 0;
      for (let times = 1 + random.integer(3); times > 0; times -= 1) {
        const keepOperations = random.integer(50);
        const states = new Map<number, unknown>();
        const before = parts.core.log.floor();
        for (let at: number = before; at <= last; at += 1) states.set(at, allAt(parts, at));
        const rows = allOf(parts);
        const { floor, dropped } = await compact({ keepMs: 0, keepOperations });
        least = Math.min(least, keepOperations);
        total += dropped;
        expect(floor).toBe(parts.core.log.floor());
        expect(allOf(parts), `seed ${seed}`).toEqual(rows);
        for (let at = floor; at <= last; at += 1)
          expect(allAt(parts, at), `at ${at}, seed ${seed}`).toEqual(states.get(at));
        if (floor > 0) expect(() => allAt(parts, floor - 1)).toThrow('no longer kept');
        expect(parts.core.log.verifyChain()).toBeNull();
      }
      const bytes = logOf(parts);
      expect(bytes.filter(isSkeleton)).toHaveLength(total);
      const once = await openParts();
      await fill(once, graph);
      await once.compact({ keepMs: 0, keepOperations: least });
      expect(logOf(once), `in one turn or in many, seed ${seed}`).toEqual(bytes);
      const copy = await openParts();
      expect((await copy.ingester.ingest(bytes)).refused).toEqual([]);
      expect(allOf(copy), `seed ${seed}`).toEqual(allOf(parts));
      expect(copy.core.log.verifyChain()).toBeNull();
    }
  });

  test('two nodes that exchange compacted logs converge byte for byte', async () => {
    const random = createRandom(seed + 1);
    for (let run = 0; run < runs(60); run += 1) {
      const graph = graphBytes(random, 30);
      const [ana, ben, whole] = [await openParts(), await openParts(), await openParts()];
      for (const { operations } of graph) await whole.ingester.ingest(operations.map(encodeOperation));
      // Each has a part that respects cause: the other's half comes later.
      const half = random.integer(graph.length);
      for (const [index, { operations }] of graph.entries()) {
        const own = index < half ? [ana, ben] : [random.pick([ana, ben])];
        for (const node of own) await node.ingester.ingest(operations.map(encodeOperation));
        if (random.chance(0.1)) await ana.compact({ keepMs: 0, keepOperations: random.integer(20) });
        if (random.chance(0.1)) await ben.compact({ keepMs: 0, keepOperations: random.integer(20) });
      }
      // What one has parked, the other may have to be told by a third round.
      for (let applied = -1; applied !== 0; ) {
        const [toBen, toAna] = [await ben.ingester.ingest(logOf(ana)), await ana.ingester.ingest(logOf(ben))];
        applied = toBen.applied + toAna.applied;
      }
      expect(allOf(ana), `seed ${seed}`).toEqual(allOf(whole));
      expect(allOf(ben), `seed ${seed}`).toEqual(allOf(whole));
      expect([ana.core.log.verifyChain(), ben.core.log.verifyChain()]).toEqual([null, null]);
    }
  });
});

describe('compact', () => {
  test('keeps what is younger, and the newest operations', async () => {
    const node = await open();
    const id = await node.transact((tx) => tx.create(Note, { title: 'old' }));
    for (let stars = 0; stars < 4; stars += 1) await node.transact((tx) => tx.update(Note, id, { stars }));
    clock.advance(60_000);
    for (let stars = 4; stars < 8; stars += 1) await node.transact((tx) => tx.update(Note, id, { stars }));
    expect(await node.compact()).toEqual({ dropped: 0, floor: 0, keptFor: null, outcomes: 0 });
    expect(await node.compact({ keepMs: 0, keepOperations: 9 })).toMatchObject({ dropped: 0, floor: 0 });
    expect(await node.compact({ keepMs: 0, keepOperations: 8 })).toMatchObject({ dropped: 0, floor: 1 });
    expect(await node.compact({ keepMs: 60_001 })).toMatchObject({ floor: 1 });
    expect(await node.compact({ keepMs: 60_000 })).toMatchObject({ dropped: 3, floor: 5 });
    expect(await node.compact({ keepMs: 0 })).toMatchObject({ dropped: 4, floor: 9 });
    expect(await node.get(Note, id)).toMatchObject({ title: 'old', stars: 7 });
  });

  test('refuses an age or a number that is none', async () => {
    const node = await open();
    await expect(node.compact({ keepMs: -1 })).rejects.toMatchObject({ code: 'invalid-option' });
    for (const wrong of [{ keepOperations: Number.NaN }, { keepOperations: 1.5 }, { keepMS: 0 }, { keepMs: '1' }]) {
      await expect(node.compact(wrong as CompactOptions)).rejects.toMatchObject({ code: 'invalid-option' });
    }
  });

  test('that its node is closed under ends with that, wherever it stands', async () => {
    for (const turns of [0, 1, 2, 3]) {
      const node = await open();
      const id = await node.transact((tx) => tx.create(Note, { title: 'a' }));
      for (let at = 0; at < 3; at += 1) await node.transact((tx) => tx.update(Note, id, { title: `${at}` }));
      const compacting = Promise.allSettled([node.compact({ keepMs: 0 }), node.compact({ keepMs: 0 })]);
      for (let turn = 0; turn < turns; turn += 1) await new Promise(setImmediate);
      await node.close();
      const why = { code: 'closed', problem: 'The node is closed.' };
      const [, second] = await compacting;
      expect(second, `${turns} turns`).toMatchObject({ status: 'rejected', reason: why });
      await expect(node.compact()).rejects.toMatchObject(why);
    }
  });

  test('leaves the history of what was dropped without its edits, and refuses rows below the floor', async () => {
    const node = await open();
    const id = await node.transact((tx) => tx.create(Note, { title: 'a' }));
    await node.transact((tx) => tx.update(Note, id, { title: 'b' }));
    await node.transact((tx) => tx.update(Note, id, { title: 'c' }));
    const before = await node.history(Note, id);
    await node.compact({ keepMs: 0 });
    expect(await node.history(Note, id)).toEqual(
      before.map((entry, at) => (at === 1 ? { ...entry, edits: null } : entry)),
    );
    expect(await node.get(Note, id, { at: 3 })).toMatchObject({ title: 'c' });
    await expect(node.get(Note, id, { at: 2 })).rejects.toMatchObject({ code: 'history-unavailable' });
  });

  test('a transaction that reads below the floor is told so', async () => {
    const node = await open();
    const id = await node.transact((tx) => tx.create(Note, { title: 'a' }));
    const reading = node.transact(async (tx) => {
      await node.transact((other) => other.update(Note, id, { title: 'b' }));
      await node.compact({ keepMs: 0 });
      return tx.get(Note, id);
    });
    await expect(reading).rejects.toMatchObject({ code: 'history-unavailable' });
  });

  test('takes at most 1,000 operations in one turn, and a larger transaction whole', async () => {
    const parts = await openParts();
    const groups: number[] = [];
    const { dropUndo } = parts.core.compaction;
    Object.assign(parts.core.compaction, {
      dropUndo: (after: Position, through: Position) => {
        groups.push(through - after);
        dropUndo(after, through);
      },
    });
    for (let at = 0; at < MAX_COMPACTED_OPERATIONS + 1; at += 1)
      void parts.transactor.transact((tx) => tx.create(Note, {}));
    await parts.queue.drained();
    await parts.transactor.transact((tx) => {
      for (let at = 0; at < MAX_COMPACTED_OPERATIONS + 1; at += 1) tx.create(Note, {});
    });
    await parts.compact({ keepMs: 0 });
    expect(groups).toEqual([MAX_COMPACTED_OPERATIONS, 1, 1]);
  });

  test('one entity that was written more often than a turn takes is read over several', async () => {
    const parts = await openParts();
    const id = await parts.transactor.transact((tx) => tx.create(Note, {}));
    const write = async (count: number) => {
      for (let at = 0; at < count; at += 1)
        void parts.transactor.transact((tx) => tx.update(Note, id, { stars: at % 7 }));
      await parts.queue.drained();
    };
    await write(MAX_COMPACTED_OPERATIONS * 2);
    await parts.compact({ keepMs: 0 });
    await write(1);
    expect(await parts.compact({ keepMs: 0 })).toMatchObject({ dropped: 1 });
    expect(parts.core.log.since(0 as Position, 10_000).filter(({ bytes }) => !isSkeleton(bytes))).toHaveLength(2);
  });

  test('goes no further than a follower needs that was seen within 30 days', async () => {
    const { core, transactor, compact } = await openParts();
    for (let at = 0; at < 5; at += 1) await transactor.transact((tx) => tx.create(Note, {}));
    const [ana, ben] = [core.mint.next() as NodeId, core.mint.next() as NodeId];
    core.followers.note(ana, 4 as Position, clock.now());
    core.followers.note(ben, 2 as Position, clock.now());
    expect(await compact({ keepMs: 0 })).toMatchObject({ floor: 2, keptFor: ben });
    clock.advance(FOLLOWER_RETENTION_MS);
    core.followers.note(ana, 4 as Position, clock.now());
    expect(await compact({ keepMs: 0 })).toMatchObject({ floor: 2, keptFor: ben });
    clock.advance(1);
    expect(await compact({ keepMs: 0 })).toMatchObject({ floor: 4, keptFor: ana });
  });

  test('remembers followers over a restart, from the next transaction on, and no more than fit', async () => {
    const { core } = await openParts();
    const note = (count: number) => {
      for (let at = 0; at < count; at += 1) core.followers.note(core.mint.next() as NodeId, 1 as Position, at);
    };
    note(3);
    expect(core.driver.get("SELECT 1 FROM sqlite_schema WHERE name = 'tendril_follower'")).toBeUndefined();
    core.driver.transaction(() => core.followers.flush());
    const { createFollowers, MAX_FOLLOWERS } = await import('../../storage/followers.ts');
    expect(createFollowers(core.driver).since(1)).toHaveLength(2);
    note(MAX_FOLLOWERS);
    core.driver.transaction(() => core.followers.flush());
    expect(createFollowers(core.driver).since(0)).toHaveLength(MAX_FOLLOWERS);
    expect(createFollowers(core.driver).since(3)).toHaveLength(MAX_FOLLOWERS - 3);
  });
});
