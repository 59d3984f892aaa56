/**
 * Writes to a file: 10,000 creations in one transaction; one creation per transaction, 100 in flight; one at a time.
 *
 * Both sides begin with an empty file of the same tables and pragmas (synchronous=FULL) and grow at the same pace.
 * By hand, the same rows are inserted: 10,000 in one SQLite transaction; 100 transactions of the log, each with its
 * own row and outcome, in one; one in one. At the end the two files must hold the same, table by table.
 */

import { Node } from '../index.ts';
import type { Bench } from './bench.ts';
import { createHandWriter, type HandWriter } from './by-hand.ts';
import { atLeast, type Figure } from './figure.ts';
import { COLLECTIONS, Flight, flights, type NewFlight, take } from './flights.ts';
import { type Duel, duel, millisecondsOf, typicalMilliseconds } from './measure.ts';
import { nativeFile } from './native.ts';
import { requireSameWork } from './same-work.ts';
import { takeSample } from './sample.ts';
import { withFolder } from './temporary.ts';

const BATCH = 10_000;
const IN_FLIGHT = 100;
const GROUPS = 20;
const SINGLES = 200;

export const creates: Bench = {
  name: 'create',
  run: async function* () {
    yield await compare(inOneTransaction);
    yield await compare(inFlight);
    yield await compare(oneAtATime);
  },
};

/** One comparison with two new files. */
async function compare(of: (node: Node, hand: HandWriter) => Duel): Promise<Figure> {
  const sample = await takeSample();
  return withFolder(async (path) => {
    const node = await Node.open({ collections: COLLECTIONS, storage: nativeFile(path('node.db')) });
    const hand = createHandWriter(path('hand.db'), sample);
    const figure = await duel(of(node, hand));
    await node.close();
    hand.database.close();
    requireSameWork(path('node.db'), path('hand.db'));
    return figure;
  });
}

function inOneTransaction(node: Node, hand: HandWriter): Duel {
  const batches = take(batchesOf(BATCH), 8);
  return {
    ...{ name: 'create 10,000 in one transaction', unit: 'ms', reach: atLeast(0.5), rounds: 6, warmUp: 2 },
    ours: (round) =>
      millisecondsOf(() =>
        node.transact((tx) => {
          for (const flight of batches[round]!) tx.create(Flight, flight);
        }),
      ),
    limit: (round) =>
      millisecondsOf(() =>
        hand.commit(() => {
          hand.transaction();
          for (const flight of batches[round]!) hand.create(flight);
        }),
      ),
  };
}

function inFlight(node: Node, hand: HandWriter): Duel {
  const groups = take(batchesOf(IN_FLIGHT), GROUPS);
  const perCreation = 1_000 / IN_FLIGHT;
  const create = (flight: NewFlight) => node.transact((tx) => tx.create(Flight, flight));
  const commit = (group: readonly NewFlight[]) => {
    hand.commit(() => {
      for (const flight of group) createByHand(hand, flight);
    });
  };
  return {
    ...{ name: 'create, 100 in flight', unit: 'µs', reach: atLeast(0.35), rounds: 11, warmUp: 3 },
    ours: async () => perCreation * (await typicalMilliseconds(groups, (group) => Promise.all(group.map(create)))),
    limit: async () => perCreation * (await typicalMilliseconds(groups, commit)),
  };
}

function oneAtATime(node: Node, hand: HandWriter): Duel {
  const singles = take(flights(), SINGLES);
  const create = (flight: NewFlight) => node.transact((tx) => tx.create(Flight, flight));
  const commit = (flight: NewFlight) => hand.commit(() => createByHand(hand, flight));
  return {
    ...{ name: 'create, each awaited, p50', unit: 'µs', reach: atLeast(0.5), rounds: 11, warmUp: 3 },
    ours: async () => 1_000 * (await typicalMilliseconds(singles, create)),
    limit: async () => 1_000 * (await typicalMilliseconds(singles, commit)),
  };
}

function createByHand(hand: HandWriter, flight: NewFlight): void {
  hand.transaction();
  hand.create(flight);
}

function* batchesOf(size: number): Generator<readonly NewFlight[], never> {
  const source = flights();
  for (;;) yield take(source, size);
}
