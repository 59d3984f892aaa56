/** What a transaction promises, on a node of any role that writes. */
import { beforeEach, describe, expect, test } from 'vitest';
import { idFrom, type Node, type Transaction } from '../../index.ts';
import { Counter, closingAfterEach, type LogOf, Note, type OpenNode, ownLog } from './fixture.ts';

export function describeTransactions(kind: string, openNode: OpenNode, logOf: LogOf = ownLog): void {
  describe(`transactions (${kind})`, () => {
    const open = closingAfterEach(openNode);
    let node: Node;
    beforeEach(async () => {
      node = await open();
    });

    test('the id known in a transaction is the id after commit', async () => {
      let known = '';
      const returned = await node.transact((tx) => {
        known = tx.create(Note, { title: 'hello' });
        return known;
      });
      expect(returned).toBe(known);
      expect(await node.get(Note, known)).toEqual({ id: known, title: 'hello', body: null, stars: 3, status: 'open' });
    });

    test('get of an unknown id is null; updating, deleting or restoring one is not-found', async () => {
      const unknown = idFrom('note', 'unknown');
      expect(await node.get(Note, unknown)).toBeNull();
      const attempts: ((tx: Transaction) => void)[] = [
        (tx) => tx.update(Note, unknown, { title: 'x' }),
        (tx) => tx.delete(Note, unknown),
        (tx) => tx.restore(Note, unknown),
      ];
      for (const attempt of attempts) await expect(node.transact(attempt)).rejects.toMatchObject({ code: 'not-found' });
    });

    test('updating a deleted entity is not-found, and so is deleting it again', async () => {
      const id = await node.transact((tx) => tx.create(Note, { title: 'gone' }));
      await node.transact((tx) => tx.delete(Note, id));
      const update = node.transact((tx) => tx.update(Note, id, { title: 'x' }));
      await expect(update).rejects.toMatchObject({ code: 'not-found' });
      await expect(node.transact((tx) => tx.delete(Note, id))).rejects.toMatchObject({ code: 'not-found' });
    });

    test('a transaction reads its own writes', async () => {
      const kept = await node.transact((tx) => tx.create(Note, { title: 'kept', stars: 1 }));
      await node.transact((tx) => {
        const id = tx.create(Note, { title: 'new', stars: 5 });
        expect(tx.get(Note, id)).toMatchObject({ title: 'new', stars: 5 });
        expect(tx.query(Note, 'stars > 2').map((row) => row.id)).toEqual([id]);
        tx.update(Note, kept, { stars: 4 });
        expect(tx.query(Note, 'stars > 2 ORDER BY stars').map((row) => row.title)).toEqual(['kept', 'new']);
        tx.delete(Note, id);
        expect(tx.get(Note, id)).toBeNull();
        expect(tx.query(Note, 'stars > 2').map((row) => row.id)).toEqual([kept]);
        tx.delete(Note, kept);
        expect(tx.query(Note)).toEqual([]);
        tx.restore(Note, kept);
        expect(tx.query(Note)).toMatchObject([{ title: 'kept', stars: 4 }]);
      });
      expect(await node.query(Note)).toMatchObject([{ title: 'kept', stars: 4 }]);
    });

    test('what a transaction has shown itself is committed once, or not at all', async () => {
      const given = idFrom('note', 'shown');
      await node.transact((tx) => {
        tx.create(Note, { title: 'shown and kept' });
        const id = tx.create(Note, { title: 'shown and given up' }, { id: given });
        expect(tx.query(Note)).toHaveLength(2);
        tx.delete(Note, id);
      });
      expect(await node.query(Note)).toMatchObject([{ title: 'shown and kept' }]);
      await node.transact((tx) => tx.create(Note, { title: 'anew' }, { id: given }));
      expect(await node.get(Note, given)).toMatchObject({ title: 'anew' });
      expect(await (await logOf(node)).history(Note, given)).toHaveLength(1);
    });

    test('a transaction reads its first snapshot, and its own writes over it, while another commits', async () => {
      const id = await node.transact((tx) => tx.create(Note, { title: 'first', stars: 1 }));
      const seen = await node.transact(async (tx) => {
        const own = tx.create(Note, { title: 'own', stars: 2 });
        const other = await node.transact((inner) => {
          inner.update(Note, id, { title: 'second', stars: 9 });
          return inner.create(Note, { title: 'other', stars: 9 });
        });
        expect(await node.get(Note, id)).toMatchObject({ title: 'second' });
        expect([tx.get(Note, id)?.title, tx.get(Note, other), tx.get(Note, own)?.title]).toEqual([
          'first',
          null,
          'own',
        ]);
        tx.update(Note, own, { stars: 7 });
        return tx.query(Note, 'true ORDER BY stars').map((row) => [row.title, row.stars]);
      });
      expect(seen).toEqual([
        ['first', 1],
        ['own', 7],
      ]);
      expect((await node.query(Note, 'true ORDER BY title')).map((row) => row.title)).toEqual([
        'other',
        'own',
        'second',
      ]);
    });

    test('throwing rolls everything back, in a synchronous and in an asynchronous callback', async () => {
      // Settled: an ephemeral node counts what it is told, too.
      const id = await node.transact((tx) => tx.create(Note, { title: 'before' }), { until: 'settled' });
      const { position } = node.report();
      const thrown = new Error('on purpose');
      const write = (tx: Transaction) => {
        tx.update(Note, id, { title: 'after' });
        tx.create(Note, { title: 'more' });
        expect(tx.query(Note)).toHaveLength(2);
      };
      const synchronous = node.transact((tx) => {
        write(tx);
        throw thrown;
      });
      await expect(synchronous).rejects.toBe(thrown);
      const asynchronous = node.transact(async (tx) => {
        write(tx);
        await null;
        expect(tx.query(Note)).toHaveLength(2);
        throw thrown;
      });
      await expect(asynchronous).rejects.toBe(thrown);
      expect(await node.query(Note)).toMatchObject([{ title: 'before' }]);
      expect(node.report().position).toBe(position);
    });

    test('using a transaction after its end is an error', async () => {
      let leaked: Transaction | undefined;
      await node.transact((tx) => {
        leaked = tx;
      });
      const uses = [
        () => leaked?.create(Note, { title: 'late' }),
        () => leaked?.get(Note, idFrom('x')),
        () => leaked?.query(Note),
        () => leaked?.sql('SELECT 1'),
      ];
      for (const use of uses) expect(use).toThrow(expect.objectContaining({ code: 'closed' }));
      await node
        .transact((tx) => {
          leaked = tx;
          throw new Error('on purpose');
        })
        .catch(() => undefined);
      expect(uses[0]).toThrow(expect.objectContaining({ code: 'closed' }));
      await node.transact(async (tx) => {
        leaked = tx;
        await null;
      });
      expect(uses[0]).toThrow(expect.objectContaining({ code: 'closed' }));
    });

    test('one bad write among many stores nothing', async () => {
      const bad: ((tx: Transaction) => unknown)[] = [
        (tx) => tx.create(Note, { title: 7 as never }),
        (tx) => tx.create(Note, {} as never),
        (tx) => tx.create(Note, { title: 'x', status: 'unheard of' as never }),
        (tx) => tx.create(Note, { title: undefined as never }),
        (tx) => tx.create(Note, { title: 'x', stars: Number.NaN }),
        (tx) => tx.create(Note, { title: 'x', stars: 2 ** 53 }),
        (tx) => tx.create(Note, null as never),
      ];
      for (const write of bad) {
        const attempt = node.transact((tx) => {
          tx.create(Note, { title: 'good' });
          write(tx);
          tx.create(Note, { title: 'good too' });
        });
        await expect(attempt).rejects.toMatchObject({ code: 'invalid-value' });
      }
      const unknown = node.transact((tx) => tx.create(Note, { title: 'x', colour: 'red' } as never));
      await expect(unknown).rejects.toMatchObject({ code: 'unknown-property' });
      expect(await node.query(Note)).toEqual([]);
      expect(node.report().position).toBe(0);
    });

    test('an empty transaction makes no operation; many edits of one entity make one', async () => {
      expect(await node.transact(() => 'nothing')).toBe('nothing');
      await node.transact((tx) => tx.delete(Note, tx.create(Note, { title: 'came and went' })));
      expect(await (await logOf(node)).operations()).toEqual([]);
      const id = await node.transact((tx) => {
        const created = tx.create(Note, { title: 'one' });
        tx.update(Note, created, { title: 'two' });
        tx.update(Note, created, { body: 'text' });
        return created;
      });
      await node.transact((tx) => tx.update(Note, id, {}));
      const history = await (await logOf(node)).history(Note, id);
      expect(history).toHaveLength(1);
      expect(history[0]!.edits).toEqual([
        { kind: 'create' },
        { kind: 'set', property: 'body', value: 'text' },
        { kind: 'set', property: 'stars', value: 3 },
        { kind: 'set', property: 'status', value: 'open' },
        { kind: 'set', property: 'title', value: 'two' },
      ]);
    });

    test('two creates with equal content are two entities; two creates with one given id merge', async () => {
      const [left, right] = await node.transact((tx) => [
        tx.create(Note, { title: 'same' }),
        tx.create(Note, { title: 'same' }),
      ]);
      expect(left).not.toBe(right);
      expect(await node.query(Note)).toHaveLength(2);
      const id = idFrom('note', 'natural key');
      await node.transact((tx) => tx.create(Note, { title: 'first', body: 'kept' }, { id }));
      await node.transact((tx) => tx.create(Note, { title: 'second' }, { id }));
      expect(await node.get(Note, id)).toMatchObject({ title: 'second', body: 'kept' });
    });

    test('create with ifAbsent does nothing where the row or its tombstone is known', async () => {
      const id = idFrom('note', 'once');
      const options = { id, ifAbsent: true };
      await node.transact((tx) => tx.create(Note, { title: 'first' }, options));
      expect(await node.transact((tx) => tx.create(Note, { title: 'second' }, options))).toBe(id);
      expect(await node.get(Note, id)).toMatchObject({ title: 'first' });
      await node.transact((tx) => tx.delete(Note, id));
      await node.transact((tx) => tx.create(Note, { title: 'third' }, options));
      expect(await node.get(Note, id)).toBeNull();
      expect(await (await logOf(node)).history(Note, id)).toHaveLength(2);
      await node.transact((tx) => tx.create(Note, { title: 'revived' }, { id }));
      expect(await node.get(Note, id)).toMatchObject({ title: 'revived' });
    });

    test('a deleted entity leaves queries and returns by restore with the values it had', async () => {
      const id = await node.transact((tx) => tx.create(Note, { title: 'back', stars: 5 }));
      await node.transact((tx) => tx.delete(Note, id));
      expect([await node.get(Note, id), await node.query(Note, 'stars = 5')]).toEqual([null, []]);
      await node.transact((tx) => tx.restore(Note, id));
      expect(await node.query(Note, 'stars = 5')).toMatchObject([{ id, title: 'back' }]);
      await node.transact((tx) => tx.restore(Note, id));
      expect(await (await logOf(node)).history(Note, id)).toHaveLength(3);
    });

    test('100 concurrent increments by read-modify-write give 100 or conflict, never a silent loss', async () => {
      const id = await node.transact((tx) => tx.create(Counter, { count: 0 }));
      const increment = async (tx: Transaction) => {
        const count = tx.get(Counter, id)?.count ?? Number.NaN;
        await null;
        tx.update(Counter, id, { count: count + 1 });
      };
      const once = await Promise.allSettled(Array.from({ length: 100 }, () => node.transact(increment)));
      const done = once.filter(({ status }) => status === 'fulfilled').length;
      for (const attempt of once) if (attempt.status === 'rejected') expect(attempt.reason.code).toBe('conflict');
      expect(await node.get(Counter, id)).toMatchObject({ count: done });

      await Promise.all(Array.from({ length: 100 }, () => node.transact(increment, { retries: 100 })));
      expect(await node.get(Counter, id)).toMatchObject({ count: done + 100 });
    });

    test('concurrent synchronous transactions never conflict: each sees the earlier', async () => {
      const id = await node.transact((tx) => tx.create(Counter, { count: 0 }));
      const increment = (tx: Transaction) => tx.update(Counter, id, { count: (tx.get(Counter, id)?.count ?? 0) + 1 });
      await Promise.all(Array.from({ length: 100 }, () => node.transact(increment)));
      expect(await node.get(Counter, id)).toMatchObject({ count: 100 });
    });

    test('results are plain objects of their own', async () => {
      const id = await node.transact((tx) => tx.create(Note, { title: 'mine' }));
      const row = await node.get(Note, id);
      Object.assign(row as object, { title: 'changed by its reader' });
      expect(await node.get(Note, id)).toMatchObject({ title: 'mine' });
      expect(Object.getPrototypeOf(row)).toBe(Object.prototype);
    });
  });
}
