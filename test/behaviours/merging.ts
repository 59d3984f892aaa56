/** What two durable nodes promise when they hand each other their operations. */
import { beforeEach, describe, expect, test } from 'vitest';
import { idFrom, type Node } from '../../index.ts';
import { closingAfterEach, headOf, Note, type OpenNode, operationsOf, replicate } from './fixture.ts';

export function describeMerging(kind: string, openNode: OpenNode): void {
  describe(`merging (${kind})`, () => {
    const open = closingAfterEach(openNode);
    let ana: Node;
    let ben: Node;
    beforeEach(async () => {
      ana = await open();
      ben = await open();
    });

    async function sharedNote(): Promise<string> {
      const id = await ana.transact((tx) => tx.create(Note, { title: 'shared' }));
      await replicate(ana, ben);
      return id;
    }
    async function exchange(): Promise<void> {
      await replicate(ana, ben);
      await replicate(ben, ana);
    }

    test('what one node commits, the other reads', async () => {
      const id = await sharedNote();
      expect(await ben.get(Note, id)).toEqual(await ana.get(Note, id));
      expect(await ben.history(Note, id)).toEqual(await ana.history(Note, id));
    });

    test('two creates with one given id merge', async () => {
      const id = idFrom('note', 'natural key');
      await ana.transact((tx) => tx.create(Note, { title: 'from ana', body: 'body of ana' }, { id }));
      await ben.transact((tx) => tx.create(Note, { title: 'from ben' }, { id }));
      await exchange();
      const row = await ana.get(Note, id);
      const history = await ana.history(Note, id);
      const last = history.reduce((left, right) => (left.id > right.id ? left : right));
      const title = last.edits?.find((edit) => edit.kind === 'set' && edit.property === 'title');
      expect(row).toMatchObject({ title: title?.kind === 'set' && title.value, body: 'body of ana' });
      expect(await ben.get(Note, id)).toEqual(row);
      expect(headOf(history)).toHaveLength(2);
    });

    test('a deleted entity stays deleted under a concurrent edit, and returns by restore with the merged edits', async () => {
      const id = await sharedNote();
      await ana.transact((tx) => tx.delete(Note, id));
      await ben.transact((tx) => tx.update(Note, id, { body: 'written meanwhile' }));
      await exchange();
      for (const node of [ana, ben]) {
        expect(await node.get(Note, id)).toBeNull();
        expect(await node.query(Note)).toEqual([]);
      }
      await ben.transact((tx) => tx.restore(Note, id));
      await exchange();
      expect(await ana.get(Note, id)).toMatchObject({ title: 'shared', body: 'written meanwhile' });
    });

    test('redelivery changes nothing', async () => {
      const id = await sharedNote();
      await ana.transact((tx) => tx.update(Note, id, { stars: 1 }));
      await replicate(ana, ben);
      const { position } = ben.report();
      const row = await ben.get(Note, id);
      const operations = await operationsOf(ana);
      const again = await ben.ingest([...operations, ...operations].reverse());
      expect(again).toMatchObject({ applied: 0, duplicates: 4, parked: 0, refused: [], dropped: [] });
      expect([ben.report().position, await ben.get(Note, id)]).toEqual([position, row]);
    });

    test('a child before its parent is invisible until the parent comes', async () => {
      const id = await ana.transact((tx) => tx.create(Note, { title: 'parent' }));
      await ana.transact((tx) => {
        tx.update(Note, id, { title: 'child' });
        tx.create(Note, { title: 'in the same transaction' });
      });
      const [parent, ...children] = await operationsOf(ana);
      expect(await ben.ingest(children)).toMatchObject({ applied: 0, parked: 2 });
      expect(await ben.query(Note)).toEqual([]);
      expect(ben.report()).toMatchObject({ position: 0, parked: { transactions: 1 } });
      expect(await ben.ingest([parent!])).toMatchObject({ applied: 3, parked: 0 });
      expect(await ben.query(Note, 'true ORDER BY title')).toMatchObject([
        { title: 'child' },
        { title: 'in the same transaction' },
      ]);
      expect(ben.report()).toMatchObject({ position: 2, parked: { transactions: 0, bytes: 0 } });
    });

    test('edits of different properties both survive, and an edit on two tips leaves one head', async () => {
      const id = await sharedNote();
      await ana.transact((tx) => tx.update(Note, id, { title: 'by ana' }));
      await ben.transact((tx) => tx.update(Note, id, { body: 'by ben' }));
      await exchange();
      expect(await ana.get(Note, id)).toMatchObject({ title: 'by ana', body: 'by ben' });
      expect(headOf(await ana.history(Note, id))).toHaveLength(2);
      await ana.transact((tx) => tx.update(Note, id, { stars: 5 }));
      await exchange();
      expect(headOf(await ben.history(Note, id))).toHaveLength(1);
      expect(await ben.get(Note, id)).toEqual(await ana.get(Note, id));
    });

    test('the causally later edit of one property wins, whoever made it', async () => {
      const id = await sharedNote();
      for (const [index, node] of [ben, ana, ben, ana].entries()) {
        await node.transact((tx) => tx.update(Note, id, { title: `edit ${index}` }));
        await exchange();
        for (const reader of [ana, ben]) expect(await reader.get(Note, id)).toMatchObject({ title: `edit ${index}` });
      }
    });

    test('a head past 8 is narrowed when the next edit is accepted, and merges the same elsewhere', async () => {
      const id = await sharedNote();
      const authors = await Promise.all(Array.from({ length: 20 }, () => open()));
      for (const [index, author] of authors.entries()) {
        await replicate(ana, author);
        await author.transact((tx) => tx.update(Note, id, { body: `by author ${index}` }));
      }
      for (const author of authors) await replicate(author, ana);
      expect(headOf(await ana.history(Note, id))).toHaveLength(20);
      await ana.transact((tx) => tx.update(Note, id, { stars: 1 }));
      const history = await ana.history(Note, id);
      expect(headOf(history)).toHaveLength(1);
      expect(Math.max(...history.map(({ precursors }) => precursors.length))).toBe(8);
      expect(history.filter(({ edits }) => edits?.length === 0)).toHaveLength(2);
      await replicate(ana, ben);
      expect(await ben.get(Note, id)).toEqual(await ana.get(Note, id));
    });

    test('the same id with another content is refused and changes nothing', async () => {
      const id = await sharedNote();
      const [bytes] = await operationsOf(ana);
      const altered = bytes!.slice();
      altered[altered.length - 1]! ^= 1;
      const { applied, refused } = await ben.ingest([altered]);
      expect([applied, refused.map(({ code }) => code)]).toEqual([0, ['identity-clash']]);
      expect(await operationsOf(ben)).toEqual([bytes]);
      expect(await ben.get(Note, id)).toMatchObject({ title: 'shared' });
    });
  });
}
