/** The row at any earlier position of a random run equals the state recorded then, by every way that leads to it. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openDurable } from '../../engine/open-durable.ts';
import { MAX_OPERATIONS_TOGETHER } from '../../engine/write/commit-queue.ts';
import { collection, integer, Node, type RowOf, type Transaction, text } from '../../index.ts';
import { type EntityId, MAX_UNDO_ROWS, type Position } from '../../storage/index.ts';
import { createRandom, type Random, runs, seedFor } from '../support/random.ts';

const seed = seedFor('undo');
const Note = collection('note', { title: text().optional(), stars: integer().default(3) }, { indexes: [['stars']] });
type Note = RowOf<typeof Note>;
const TITLES = [null, '', 'a', 'b', 'ä'];

let node: Node;
beforeEach(async () => {
  node = await Node.open({ collections: [Note] });
});
afterEach(() => node.close());

/** Writes something to some of the entities, and adds the new ones to `ids`. */
function writeAny(tx: Transaction, ids: string[], random: Random): void {
  const older = [...ids];
  for (let count = 1 + random.integer(4); count > 0; count -= 1) {
    const values = { title: random.pick(TITLES), ...(random.chance(0.5) ? { stars: random.integer(6) } : {}) };
    const id = older.length === 0 ? undefined : random.pick(older);
    const alive = id !== undefined && tx.get(Note, id) !== null;
    if (id === undefined || random.chance(0.2)) ids.push(tx.create(Note, values));
    else if (!alive) tx.restore(Note, id);
    else if (random.integer(5) === 0) tx.delete(Note, id);
    else tx.update(Note, id, values);
  }
}

/** All rows, by id, at the position they were read. */
type State = ReadonlyMap<string, Note>;
const stateOf = (rows: readonly Note[]): State => new Map(rows.map((row) => [row.id, row]));

describe('undo', () => {
  test('get at any earlier position is the row as it stood then', async () => {
    const random = createRandom(seed);
    for (let run = 0; run < runs(50); run += 1) {
      const ids: string[] = [];
      const first = node.report().position;
      const states: State[] = [stateOf(await node.query(Note))];
      for (let step = 0; step < 30; step += 1) {
        await node.transact((tx) => writeAny(tx, ids, random));
        states.push(stateOf(await node.query(Note)));
      }
      for (const [step, state] of states.entries()) {
        for (const id of ids) {
          expect(await node.get(Note, id, { at: first + step }), `seed ${seed}`).toEqual(state.get(id) ?? null);
        }
      }
    }
  });

  test('a transaction of its own reads its snapshot however much is committed meanwhile', async () => {
    const random = createRandom(seed + 1);
    const ids: string[] = [];
    await node.transact((tx) => writeAny(tx, ids, random));
    const open: { readonly state: State; readonly end: () => void; readonly ended: Promise<void> }[] = [];
    for (let step = 0; step < runs(400); step += 1) {
      if (random.chance(0.3)) open.push(await openReader(ids, random));
      await node.transact((tx) => writeAny(tx, ids, random));
      if (random.chance(0.25)) await closeReader(open.shift());
    }
    while (open.length > 0) await closeReader(open.shift());

    /** Begins now, reads when it is told to end. */
    async function openReader(known: readonly string[], randomly: Random) {
      const state = stateOf(await node.query(Note));
      let end = () => {};
      const told = new Promise<void>((resolve) => {
        end = resolve;
      });
      const ownStars = 100 + randomly.integer(100);
      const ended = node.transact(async (tx) => {
        const own = tx.create(Note, { title: 'own', stars: ownStars });
        await told;
        for (const id of known) expect(tx.get(Note, id)).toEqual(state.get(id) ?? null);
        const expected = [...state.values(), tx.get(Note, own) as Note];
        expect(stateOf(tx.query(Note)), `seed ${seed}`).toEqual(stateOf(expected));
        expect(tx.query(Note, 'stars >= 100 AND id = ?', [own])).toHaveLength(1);
        tx.delete(Note, own);
        expect(tx.query(Note, 'stars > 2')).toEqual(
          [...state.values()].filter(({ stars }) => stars > 2).sort((left, right) => (left.id < right.id ? -1 : 1)),
        );
      });
      await node.transact(() => undefined);
      return { state, end, ended };
    }
    async function closeReader(reader: (typeof open)[number] | undefined) {
      reader?.end();
      await reader?.ended;
    }
  });

  test('a position that this log never had is history-unavailable', async () => {
    const id = await node.transact((tx) => tx.create(Note, {}));
    expect(await node.get(Note, id, { at: 0 })).toBeNull();
    expect(await node.get(Note, id, { at: 1 })).toMatchObject({ stars: 3 });
    for (const at of [2, -1, 0.5, Number.NaN]) {
      await expect(node.get(Note, id, { at })).rejects.toMatchObject({ code: 'history-unavailable' });
    }
  });

  test(`a transaction may read over ${MAX_UNDO_ROWS} operations committed since, and over no more`, async () => {
    const id = await node.transact((tx) => tx.create(Note, { title: 'first' }));
    let go = () => {};
    const told = new Promise<void>((resolve) => {
      go = resolve;
    });
    const read = async (tx: Transaction) => {
      tx.get(Note, id);
      await told;
      return tx.query(Note, "title = 'first'").length;
    };
    const atLimit = node.transact(read);
    await node.transact((tx) => {
      for (let count = 0; count < MAX_UNDO_ROWS; count += 1) tx.create(Note, { stars: count });
    });
    go();
    expect(await atLimit).toBe(1);

    let goOn = () => {};
    const toldAgain = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const past = node.transact(async (tx) => {
      await toldAgain;
      return tx.query(Note);
    });
    await node.transact((tx) => {
      for (let count = 0; count < MAX_UNDO_ROWS; count += 1) tx.create(Note, { stars: count });
    });
    await node.transact((tx) => tx.update(Note, id, { title: 'later' }));
    goOn();
    await expect(past).rejects.toMatchObject({ code: 'limit-exceeded' });
  });
});

describe('a read at an earlier position', () => {
  test(`for a live query reaches back over all of a group: ${MAX_OPERATIONS_TOGETHER} operations`, async () => {
    const { core, source, transactor } = await openDurable({ collections: [Note] });
    const create = (count: number) =>
      transactor.transact((tx) => {
        for (let created = 0; created < count; created += 1) tx.create(Note, { stars: created });
      });
    for (const count of [1, 10_000, 10_000, 10_000, 10_000]) await create(count);
    const count = (at: number) => source.select('SELECT count(*) FROM note', [], at as Position);
    expect([count(1), count(2), count(5)]).toEqual([[[1]], [[10_001]], [[40_001]]]);
    expect(() => count(0)).toThrow(expect.objectContaining({ code: 'limit-exceeded' }));
    core.driver.close();
  });

  test('through the source of live queries gives the rows of that position', async () => {
    const { core, source, transactor } = await openDurable({ collections: [Note] });
    const random = createRandom(seed + 2);
    const ids: string[] = [];
    const states: (readonly unknown[])[] = [[]];
    const select = 'SELECT id, title, stars FROM note ORDER BY id';
    for (let step = 0; step < 40; step += 1) {
      await transactor.transact((tx) => writeAny(tx, ids, random));
      states.push(source.select(select, []));
    }
    for (const [position, state] of states.entries()) {
      expect(source.select(select, [], position as Position)).toEqual(state);
    }
    expect(source.select(select, [])).toEqual(states.at(-1));
    expect(core.rowAt(1 as Position, 'note', ids.at(-1) as EntityId)).toBeNull();
    core.driver.close();
  });
});
