/** What reading promises, on a node of any role. */
import { beforeEach, describe, expect, test } from 'vitest';
import { type Node, where } from '../../index.ts';
import { createRandom, runs, seedFor } from '../support/random.ts';
import { closingAfterEach, Note, type OpenNode } from './fixture.ts';

const seed = seedFor('reads');
const HOSTILE = [
  "' OR 1=1 --",
  "'; DROP TABLE note; --",
  '" OR ""="',
  '%',
  '_',
  '\\',
  "''",
  '/*',
  '?',
  ':x',
  'NULL',
  '1) OR (1=1',
  'ä',
  '💥',
];

export function describeReads(kind: string, openNode: OpenNode): void {
  describe(`reading (${kind})`, () => {
    const open = closingAfterEach(openNode);
    let node: Node;
    beforeEach(async () => {
      node = await open();
    });

    test('without ORDER BY the order is by id', async () => {
      const ids = await node.transact((tx) =>
        Array.from({ length: 50 }, (_, stars) => tx.create(Note, { title: 'x', stars: -stars })),
      );
      await node.transact((tx) => tx.update(Note, ids[20]!, { title: 'x', stars: 99 }));
      expect((await node.query(Note, "title = 'x'")).map(({ id }) => id)).toEqual([...ids].sort());
      const byStars = await node.query(Note, "title = 'x' ORDER BY stars LIMIT 3");
      expect(byStars.map(({ stars }) => stars)).toEqual([-49, -48, -47]);
    });

    test('parameters by position, by number, by name, and by `where` say the same', async () => {
      await node.transact((tx) => {
        for (let stars = 0; stars < 6; stars += 1) tx.create(Note, { title: `${stars % 2}`, stars });
      });
      const expected = await node.query(Note, "title = '1' AND stars > 1");
      expect(expected).toHaveLength(2);
      expect(await node.query(Note, 'title = ? AND stars > ?', ['1', 1])).toEqual(expected);
      expect(await node.query(Note, 'title = ?2 AND stars > ?1', [1, '1'])).toEqual(expected);
      expect(await node.query(Note, 'title = :title AND stars > :stars', { title: '1', stars: 1 })).toEqual(expected);
      expect(await node.query(Note, where`title = ${'1'} AND stars > ${1}`)).toEqual(expected);
      expect(await node.transact((tx) => tx.query(Note, where`title = ${'1'} AND stars > ${1}`))).toEqual(expected);
    });

    test('a parameter can never change a predicate', async () => {
      const random = createRandom(seed);
      const hostile = Array.from(
        { length: runs(1_000) },
        () => `${random.pick(HOSTILE)}${random.pick(HOSTILE)}${random.integer(99)}`,
      );
      await node.transact((tx) => {
        for (const title of new Set(hostile)) tx.create(Note, { title, body: title });
      });
      const all = (await node.query(Note)).length;
      for (const text of hostile) {
        const found = await node.query(Note, 'title = ? AND body IN (?, ?) AND ? = body', [text, text, '', text]);
        expect(found.map(({ title }) => title)).toEqual([text]);
        expect(await node.sql('SELECT title FROM note WHERE body = :text', { text })).toEqual([{ title: text }]);
        expect(await node.query(Note, where`title = ${text} LIMIT ${5}`)).toEqual(found);
      }
      expect(await node.query(Note)).toHaveLength(all);
    });

    test('`sql` decodes plain properties and leaves expressions as SQLite gives them', async () => {
      const id = await node.transact((tx) => tx.create(Note, { title: 'plain', stars: 4 }));
      const rows = await node.sql(
        'SELECT id, stars, stars / 3 AS third, stars > 3 AS many, count(*) OVER () AS n FROM note',
      );
      expect(rows).toEqual([{ id, stars: 4, third: 1, many: 1, n: 1 }]);
      expect(rows.changes).toBe(0);
    });

    test('a text that cannot be honoured is refused at its token, and nothing is read', async () => {
      const refused: readonly (readonly [string, string, number])[] = [
        ['stars >', 'query-syntax', 7],
        ['nothing = 1', 'unknown-property', 0],
        ['stars = (SELECT 1)', 'query-unsupported', 9],
        ['count(*) > 1', 'query-unsupported', 0],
        ['random() > 0', 'query-unsupported', 0],
      ];
      for (const [text, code, offset] of refused) {
        await expect(node.query(Note, text), text).rejects.toMatchObject({ code, facts: { offset } });
      }
      await expect(node.query(Note, 'stars = ?', [])).rejects.toMatchObject({ code: 'invalid-parameter' });
      await expect(node.query(Note, 'stars = ?', [undefined as never])).rejects.toMatchObject({
        code: 'invalid-parameter',
      });
    });
  });
}
