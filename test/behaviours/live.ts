/** What live queries promise, on a node of any role. */
import { beforeEach, describe, expect, test } from 'vitest';
import { applied } from '../../engine/live/change-set.ts';
import { type ChangeSet, idFrom, type LiveQuery, type Node, type RowOf, where } from '../../index.ts';
import { closingAfterEach, Note, replicate } from './fixture.ts';

type Row = RowOf<typeof Note>;

/** Opens one node of the kind under test, over the fixture's collections. */
export type OpenLiveNode = (options?: { readonly onError: (error: unknown) => void }) => Promise<Node>;

/** - `ingests`: whether it takes in another's log, which an ephemeral node has no use for. */
export function describeLive(kind: string, openNode: OpenLiveNode, ingests = true): void {
  describe(`live queries (${kind})`, () => {
    const open = closingAfterEach(openNode);
    let node: Node;
    /** Live queries that were open before the test. */
    let openBefore: number;
    beforeEach(async () => {
      node = await open();
      openBefore = node.report().liveQueries;
    });

    const create = (title: string, stars = 3) => node.transact((tx) => tx.create(Note, { title, stars }));
    const rate = (id: string, stars: number) => node.transact((tx) => tx.update(Note, id, { stars }));
    const remove = (id: string) => node.transact((tx) => tx.delete(Note, id));
    const opened = async (text: string, parameters?: readonly (string | number)[]) => {
      const live = node.live(Note, text, parameters);
      await live.ready;
      return { live, changes: changesOf(live) };
    };

    test('a live query is complete when it is ready, and shows what is there', async () => {
      const id = await create('first');
      const { live } = await opened('stars = ?', [3]);
      expect(live.status).toBe('complete');
      expect(live.error).toBeNull();
      expect(live.rows).toEqual([{ id, title: 'first', body: null, stars: 3, status: 'open' }]);
    });

    test('without ORDER BY the order is by id', async () => {
      const { live } = await opened('');
      const ids = ['c', 'a', 'b'].map((name) => idFrom('note', name));
      await node.transact((tx) => {
        for (const id of ids) tx.create(Note, { title: 'x' }, { id });
      });
      expect(live.rows.map(({ id }) => id)).toEqual([...ids].sort());
    });

    test('a row entering, changing, leaving gives added, updated, removed without a refetch', async () => {
      const { live, changes } = await opened('stars > 3 ORDER BY stars');
      const id = await create('plain', 1);
      expect(changes).toEqual([]);
      await rate(id, 4);
      await rate(id, 5);
      await rate(id, 2);
      const row = (stars: number) => ({ id, title: 'plain', body: null, stars, status: 'open' });
      expect(changes.map(({ removed, added, updated }) => ({ removed, added, updated }))).toEqual([
        { removed: [], added: [{ row: row(4), index: 0 }], updated: [] },
        { removed: [], added: [], updated: [{ row: row(5), before: row(4), index: 0, from: 0 }] },
        { removed: [{ row: row(5), index: 0 }], added: [], updated: [] },
      ]);
      expect(live.rows).toEqual([]);
    });

    test('a deleted entity leaves, and returns by restore', async () => {
      const id = await create('kept');
      const { live, changes } = await opened('');
      await remove(id);
      expect(live.rows).toEqual([]);
      await node.transact((tx) => tx.restore(Note, id));
      expect(live.rows.map((row) => row.id)).toEqual([id]);
      expect(changes.map(({ removed, added }) => [removed.length, added.length])).toEqual([
        [1, 0],
        [0, 1],
      ]);
    });

    test('one change set per transaction and query, consistent across queries', async () => {
      const [all, good] = [await opened(''), await opened('stars > 3')];
      const seen: (readonly number[])[] = [];
      for (const { live } of [all, good]) {
        live.onChange(() => seen.push([all.live.rows.length, good.live.rows.length]));
      }
      const group = [
        node.transact((tx) => ['a', 'b', 'c'].map((title) => tx.create(Note, { title, stars: 5 }))),
        node.transact((tx) => tx.create(Note, { title: 'd', stars: 5 })),
      ];
      await Promise.all(group);
      expect(all.changes.map(({ added }) => added.length)).toEqual([3, 1]);
      expect(good.changes.map(({ added }) => added.length)).toEqual([3, 1]);
      expect(seen).toEqual([3, 3, 4, 4].map((count) => [count, count]));
    });

    test('many edits of one row in one transaction are one update; none, if it is as it was', async () => {
      const id = await create('once', 1);
      const { changes } = await opened('');
      await node.transact((tx) => {
        for (const stars of [2, 3, 4]) tx.update(Note, id, { stars });
      });
      await node.transact((tx) => {
        tx.update(Note, id, { stars: 9 });
        tx.update(Note, id, { stars: 4 });
      });
      expect(changes).toHaveLength(1);
      expect(changes[0]?.updated).toMatchObject([{ before: { stars: 1 }, row: { stars: 4 } }]);
    });

    test('a transaction that fails, or does nothing, changes nothing', async () => {
      const { live, changes } = await opened('');
      const { rows } = live;
      const failed = node.transact((tx) => {
        tx.create(Note, { title: 'x' });
        throw new Error('no');
      });
      await expect(failed).rejects.toThrow('no');
      await node.transact(() => {});
      expect(changes).toEqual([]);
      expect(live.rows).toBe(rows);
    });

    test('a member leaving a full window is replaced in the same change set', async () => {
      const ids = await Promise.all([1, 2, 3, 4, 5].map((stars) => create('x', stars)));
      const { live, changes } = await opened('ORDER BY stars LIMIT 3');
      await remove(ids[1]!);
      expect(changes).toHaveLength(1);
      expect(changes[0]).toMatchObject({
        removed: [{ row: { stars: 2 }, index: 1 }],
        added: [{ row: { stars: 4 }, index: 2 }],
        updated: [],
      });
      expect(live.rows.map(({ stars }) => stars)).toEqual([1, 3, 4]);
    });

    test('so is one after the other, also long after the first ones read have run out', async () => {
      const ids = await node.transact((tx) =>
        Array.from({ length: 100 }, (_, at) => tx.create(Note, { title: 'x', stars: at + 1 })),
      );
      const { live, changes } = await opened('ORDER BY stars LIMIT 3');
      for (const [gone, id] of ids.entries()) {
        // What comes to fill the window comes from whoever has it.
        await node.transact((tx) => tx.delete(Note, id), { until: 'settled' });
        expect(live.rows.map(({ stars }) => stars)).toEqual(
          [2, 3, 4].map((next) => gone + next).filter((stars) => stars <= 100),
        );
      }
      expect(changes).toHaveLength(100);
    });

    test('one whose key moves, moves: within the window, out of it, and back in', async () => {
      const ids = await Promise.all([1, 2, 3, 4, 5].map((stars) => create('x', stars)));
      const { live, changes } = await opened('ORDER BY stars LIMIT 3');
      await rate(ids[0]!, 3);
      await rate(ids[0]!, 90);
      await rate(ids[0]!, 0);
      expect(changes.map(({ removed, added, updated }) => [removed.length, added.length, updated.length])).toEqual([
        [0, 0, 1],
        [1, 1, 0],
        [1, 1, 0],
      ]);
      expect(changes[0]?.updated).toMatchObject([{ from: 0, before: { stars: 1 }, row: { stars: 3 } }]);
      expect(live.rows.map(({ stars }) => stars)).toEqual([0, 2, 3]);
    });

    test('LIMIT 0 shows nothing, ever; a negative LIMIT is none', async () => {
      const [none, all] = [await opened('LIMIT 0'), await opened('LIMIT -1')];
      await create('x');
      expect(none.live.rows).toEqual([]);
      expect(none.changes).toEqual([]);
      expect(all.live.rows).toHaveLength(1);
    });

    test('reselect gives exactly the differences, and listeners stay', async () => {
      await Promise.all([1, 2, 3].map((stars) => create(`${stars}`, stars)));
      const { live, changes } = await opened('stars <= ? ORDER BY stars', [2]);
      await live.reselect('stars >= ? ORDER BY stars', [2]);
      expect(changes).toHaveLength(1);
      expect(changes[0]).toMatchObject({
        removed: [{ row: { stars: 1 }, index: 0 }],
        added: [{ row: { stars: 3 }, index: 1 }],
        updated: [],
      });
      await live.reselect(where`stars >= ${2} ORDER BY stars`);
      expect(changes).toHaveLength(1);
      await create('4', 4);
      expect(live.rows.map(({ stars }) => stars)).toEqual([2, 3, 4]);
      expect(changes).toHaveLength(2);
    });

    test('a commit racing with opening a query is seen once', async () => {
      const committing = Array.from({ length: 20 }, (_, at) => create(`${at}`));
      const inside = node.transact((tx) => {
        tx.create(Note, { title: 'inside' });
        return node.live(Note, '');
      });
      const between = node.live(Note, '');
      const changes = changesOf(between);
      const [during] = await Promise.all([inside, ...committing]);
      await during.ready;
      const { live: after } = await opened('');
      expect(after.rows).toHaveLength(21);
      expect(between.rows).toEqual(after.rows);
      expect(during.rows).toEqual(after.rows);
      expect(changes.flatMap(({ added }) => added)).toHaveLength(21);
    });

    test('a live query opened inside a transaction shows it when it is committed, and nothing of one that is not', async () => {
      const inside: LiveQuery<Row>[] = [];
      await node.transact((tx) => {
        tx.create(Note, { title: 'kept' });
        inside.push(node.live(Note, ''));
        expect(inside[0]?.rows).toEqual([]);
      });
      const failed = node.transact((tx) => {
        tx.create(Note, { title: 'dropped' });
        inside.push(node.live(Note, "title = 'dropped'"));
        throw new Error('no');
      });
      await expect(failed).rejects.toThrow('no');
      for (const live of inside) await live.ready;
      expect(inside.map(({ rows }) => rows.length)).toEqual([1, 0]);
    });

    test('of selections asked for before the first could be read, the last is shown', async () => {
      const { live: trigger } = await opened('');
      const done: Promise<LiveQuery<Row>>[] = [];
      await node.transact((tx) => {
        tx.create(Note, { title: 'kept', stars: 1 });
        const live = node.live(Note, 'stars = 1');
        // Called when the transaction is committed, before what it opened is read.
        const stop = trigger.onChange(() => {
          stop();
          done.push(live.reselect('stars = 2').then(() => live));
        });
      });
      const [live] = await Promise.all(done);
      await live?.ready;
      expect(live?.rows).toEqual([]);
      await create('later', 2);
      expect(live?.rows.map(({ title }) => title)).toEqual(['later']);
    });

    test('a closed query stops at once and leaves no entry', async () => {
      const { live, changes } = await opened('');
      const stream = live[Symbol.asyncIterator]();
      const next = stream.next();
      expect(node.report().liveQueries).toBe(openBefore + 1);
      const { rows } = live;
      live.close();
      await create('x');
      expect(changes).toEqual([]);
      expect(live.rows).toBe(rows);
      expect(await next).toEqual({ value: undefined, done: true });
      expect(node.report().liveQueries).toBe(openBefore);
    });

    test('a query closed by an earlier callback of the same delivery is not told of it', async () => {
      const [first, second] = [await opened('stars > 1'), await opened('stars > 0')];
      first.live.onChange(() => second.live.close());
      await create('x');
      expect(first.changes).toHaveLength(1);
      expect(second.changes).toEqual([]);
    });

    test('a callback may read, write, open, close', async () => {
      const { live } = await opened('stars > 3');
      const done: Promise<unknown>[] = [];
      const stop = live.onChange(({ added }) => {
        stop();
        const { row } = added[0]!;
        const other = node.live(Note, 'stars < 3');
        done.push(
          (async () => {
            expect(await node.get(Note, row.id)).toEqual(row);
            expect(await node.query(Note, 'stars = 5')).toEqual([row]);
            await rate(row.id, 1);
            await other.ready;
            expect(other.rows).toHaveLength(1);
            other.close();
          })(),
        );
      });
      await create('x', 5);
      await Promise.all(done);
      expect(done).toHaveLength(1);
      expect(live.rows).toEqual([]);
      expect(node.report().liveQueries).toBe(openBefore + 1);
    });

    test('rows are one array until they change, and unchanged rows stay the same objects', async () => {
      const [a, b] = [await create('a', 1), await create('b', 2)];
      const { live } = await opened('stars < 9 ORDER BY stars');
      const { rows } = live;
      await create('elsewhere', 10);
      expect(live.rows).toBe(rows);
      await rate(b, 5);
      expect(live.rows).not.toBe(rows);
      expect(live.rows[0]).toBe(rows[0]);
      expect(rows.map(({ stars }) => stars)).toEqual([1, 2]);
      expect(live.rows[0]?.id).toBe(a);
    });

    test('subscribe calls at once, then after each change; stopped, no more', async () => {
      const { live } = await opened('');
      const lengths: number[] = [];
      const stop = live.subscribe((rows) => lengths.push(rows.length));
      await create('a');
      stop();
      await create('b');
      expect(lengths).toEqual([0, 1]);
    });

    test('iteration gives a slow reader what it missed as one change set', async () => {
      const { live } = await opened('ORDER BY stars');
      const stream = live[Symbol.asyncIterator]();
      const before = live.rows;
      const id = await create('a', 1);
      await create('b', 2);
      await rate(id, 3);
      const { value } = await stream.next();
      const change: ChangeSet<Row> = value;
      expect(change.updated).toEqual([]);
      expect(change.added.map(({ row, index }) => [row.title, index])).toEqual([
        ['b', 0],
        ['a', 1],
      ]);
      expect(applied(before, change)).toEqual(live.rows);
      expect(change.rows).toBe(live.rows);
    });

    test.runIf(ingests)('what another node wrote is told like what was written here', async () => {
      const other = await open();
      const { live, changes } = await opened('stars > 3');
      const id = await other.transact((tx) => tx.create(Note, { title: 'far', stars: 4 }));
      await replicate(other, node);
      expect(live.rows.map((row) => row.id)).toEqual([id]);
      await replicate(other, node);
      expect(changes).toHaveLength(1);
    });

    test('a text that is refused opens nothing', async () => {
      expect(() => node.live(Note, 'starz = 3')).toThrow(expect.objectContaining({ code: 'unknown-property' }));
      expect(() => node.live(Note, 'stars =')).toThrow(expect.objectContaining({ code: 'query-syntax' }));
      expect(() => node.live(Note, 'stars = ?', [])).toThrow(expect.objectContaining({ code: 'invalid-parameter' }));
      expect(() => node.live(Note, 'LIMIT 1 OFFSET 1')).toThrow(expect.objectContaining({ code: 'query-unsupported' }));
      expect(node.report().liveQueries).toBe(openBefore);
    });

    test('closing the node closes its live queries', async () => {
      const { live } = await opened('');
      const next = live[Symbol.asyncIterator]().next();
      await node.close();
      expect(await next).toEqual({ value: undefined, done: true });
      expect(() => node.live(Note, '')).toThrow(expect.objectContaining({ code: 'closed' }));
    });
  });

  describe(`callbacks that throw (${kind})`, () => {
    test('harm no other, and are told to onError', async () => {
      const errors: unknown[] = [];
      const node = await openNode({ onError: (error) => errors.push(error) });
      const live = node.live(Note, '');
      live.onChange(() => {
        throw new Error('mine');
      });
      const changes = changesOf(live);
      const id = await node.transact((tx) => tx.create(Note, { title: 'x' }));
      expect(changes).toHaveLength(1);
      expect(errors).toEqual([new Error('mine')]);
      expect(await node.get(Note, id)).not.toBeNull();
      await node.close();
    });
  });
}

function changesOf(live: LiveQuery<Row>): ChangeSet<Row>[] {
  const changes: ChangeSet<Row>[] = [];
  live.onChange((change) => changes.push(change));
  return changes;
}
