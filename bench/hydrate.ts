/**
 * Hydration over 100,000 rows in a file: one live query of them all, and 1,000 of about 100 each, rows read.
 *
 * By hand: `SELECT *`, and 1,000 selects through the same index with one prepared statement, as rows of the driver's
 * own making (dates stay text, and the order is the index's).
 */

import { Node } from '../index.ts';
import type { Bench } from './bench.ts';
import { atLeast, atMost, type Figure } from './figure.ts';
import { AIRPORTS, airport, COLLECTIONS, Flight, flights, take } from './flights.ts';
import { type HandDatabase, openByHand } from './hand-database.ts';
import { duel, millisecondsOf } from './measure.ts';
import { nativeFile } from './native.ts';
import { createAll } from './pair.ts';
import { withFolder } from './temporary.ts';

const ROWS = 100_000;

export const hydrate: Bench = {
  name: 'hydrate',
  run: async function* (say) {
    yield* await withFolder(async (path) => {
      say('100,000 rows');
      const node = await Node.open({ collections: COLLECTIONS, storage: nativeFile(path('node.db')) });
      await createAll(node, take(flights(), ROWS));
      // Read-only company is allowed beside the file's owner.
      const hand = openByHand(path('node.db'));
      const figures = [await all(node, hand), await byOrigin(node, hand)];
      hand.close();
      await node.close();
      return figures;
    });
  },
};

function all(node: Node, hand: HandDatabase): Promise<Figure> {
  const select = hand.prepare('SELECT * FROM flight');
  return duel({
    ...{ name: 'hydrate 100,000 rows', unit: 'ms', reach: atLeast(0.4), rounds: 7, warmUp: 2 },
    ours: async () => {
      let live: ReturnType<typeof node.live<typeof Flight>> | undefined;
      const milliseconds = await millisecondsOf(async () => {
        live = node.live(Flight, 'TRUE');
        await live.ready;
        expectRows(live.rows.length);
      });
      live?.close();
      return milliseconds;
    },
    limit: () => millisecondsOf(() => expectRows(select.all().length)),
  });
}

function byOrigin(node: Node, hand: HandDatabase): Promise<Figure> {
  const select = hand.prepare('SELECT * FROM flight WHERE origin = ?');
  return duel({
    ...{ name: 'open 1,000 live queries', unit: 'ms', reach: atMost(5), rounds: 7, warmUp: 2 },
    ours: async () => {
      const open: { close: () => void }[] = [];
      const milliseconds = await millisecondsOf(async () => {
        let rows = 0;
        for (let number = 0; number < AIRPORTS; number++) {
          const live = node.live(Flight, 'origin = ?', [airport(number)]);
          await live.ready;
          rows += live.rows.length;
          open.push(live);
        }
        expectRows(rows);
      });
      for (const live of open) live.close();
      return milliseconds;
    },
    limit: () =>
      millisecondsOf(() => {
        let rows = 0;
        for (let number = 0; number < AIRPORTS; number++) rows += select.all(airport(number)).length;
        expectRows(rows);
      }),
  });
}

function expectRows(count: number): void {
  if (count !== ROWS) throw new Error(`${count} rows of ${ROWS}`);
}
