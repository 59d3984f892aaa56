/** The same flights twice, over the same native SQLite in memory: a Node's, and by hand. No fsync hides anybody's cost. */
import { Node } from '../index.ts';
import { createHandWriter, type HandId, type HandWriter } from './by-hand.ts';
import { COLLECTIONS, Flight, type NewFlight } from './flights.ts';
import { nativeMemory } from './native.ts';
import { takeSample } from './sample.ts';

export interface Pair {
  readonly node: Node;
  readonly hand: HandWriter;
  readonly rows: readonly PairedFlight[];
  readonly close: () => Promise<void>;
}

/** One flight, and its id on either side. */
export interface PairedFlight {
  readonly flight: NewFlight;
  readonly id: string;
  readonly handId: HandId;
}

/** Creations at a time while loading: few, for objects that outlive collections teach V8 to keep their like for long. */
const BATCH = 1_000;

export async function openPair(flights: readonly NewFlight[]): Promise<Pair> {
  const hand = createHandWriter(':memory:', await takeSample());
  const handIds = createByHand(hand, flights);
  const node = await Node.open({ collections: COLLECTIONS, storage: nativeMemory() });
  const ids = await createAll(node, flights);
  return {
    node,
    hand,
    rows: flights.map((flight, index) => ({ flight, id: ids[index]!, handId: handIds[index]! })),
    close: async () => {
      await node.close();
      hand.database.close();
    },
  };
}

/** Gives the ids in the order of the flights. - `size`: creations in one transaction, a divisor of BATCH. */
export async function createAll(node: Node, flights: readonly NewFlight[], size = BATCH): Promise<string[]> {
  const ids: string[] = [];
  for (let start = 0; start < flights.length; start += BATCH) {
    const transactions: Promise<string[]>[] = [];
    for (let at = start; at < Math.min(start + BATCH, flights.length); at += size) {
      const batch = flights.slice(at, at + size);
      transactions.push(node.transact((tx) => batch.map((flight) => tx.create(Flight, flight))));
    }
    ids.push(...(await Promise.all(transactions)).flat());
  }
  return ids;
}

function createByHand(hand: HandWriter, flights: readonly NewFlight[]): HandId[] {
  let ids: HandId[] = [];
  hand.commit(() => {
    hand.transaction();
    ids = flights.map(hand.create);
  });
  return ids;
}
