/**
 * From a commit on A to the callback on B, both following one server in another process; and 10,000 writes of A, one
 * transaction each, until B has them all.
 *
 * By hand: A inserts the row into its SQLite and sends it; the server writes the same rows and log that a Node writes,
 * commits, and sends it on; B inserts it into its SQLite and is called. What the server takes in one turn is one group
 * and one message there, too. One at a time, the next begins when A has heard that the one before is settled. A and B keep their rows in memory on both sides; the server in memory, or in a file with
 * synchronous=FULL, which then must hold the same as a Node's.
 */
import { type LiveQuery, Node, webSocket } from '../../index.ts';
import type { Bench } from '../bench.ts';
import { countedIds } from '../by-hand.ts';
import { atLeast, atMost, type Figure } from '../figure.ts';
import { COLLECTIONS, Flight, flights, type NewFlight, take } from '../flights.ts';
import { type Duel, duel, median, millisecondsOf } from '../measure.ts';
import { nativeMemory } from '../native.ts';
import { requireSameWork } from '../same-work.ts';
import { takeSample } from '../sample.ts';
import { withFolder } from '../temporary.ts';
import { openHandFollower } from './hand-follower.ts';
import type { HandServer } from './hand-server.ts';
import type { NodeServer } from './node-server.ts';
import { startProgram } from './program.ts';

const SINGLES = 300;
const WRITES = 10_000;

export const relay: Bench = {
  name: 'net relay',
  run: async function* (say, { isShort }) {
    const rounds = isShort ? 5 : 15;
    say('one at a time, memory');
    yield await compare(':memory:', (sides) => oneAtATime(sides, 'A -> callback on B, memory, p50', rounds));
    say('one at a time, durable');
    yield await inFiles((sides) => oneAtATime(sides, 'A -> callback on B, durable, p50', rounds));
    say('10,000 in flight, durable');
    yield await inFiles((sides) => inFlight(sides, isShort ? 2 : 5));
  },
};

/** A writes, B is told. */
interface Side {
  /** Resolves when B has been called for as many flights as were written. */
  readonly passOn: (flights: readonly NewFlight[]) => Promise<void>;
  /** Resolves when A knows that all of it is settled. Not timed. */
  readonly settled: () => Promise<void>;
  readonly close: () => Promise<void>;
}

interface Sides {
  readonly ours: Side;
  readonly limit: Side;
}

function inFiles(of: (sides: Sides) => Duel): Promise<Figure> {
  return withFolder(async (path) => {
    const [ours, byHand] = [path('node.db'), path('hand.db')];
    const figure = await compare(ours, of, byHand);
    requireSameWork(ours, byHand);
    return figure;
  });
}

async function compare(storage: string, of: (sides: Sides) => Duel, handStorage = storage): Promise<Figure> {
  const sides = { ours: await openOurs(storage), limit: await openByHand(handStorage) };
  const figure = await duel(of(sides));
  await sides.ours.close();
  await sides.limit.close();
  return figure;
}

function oneAtATime({ ours, limit }: Sides, name: string, rounds: number): Duel {
  const source = flights();
  const timed = (side: Side) => async () => {
    const costs: number[] = [];
    for (const flight of take(source, SINGLES)) {
      costs.push(await millisecondsOf(() => side.passOn([flight])));
      await side.settled();
    }
    return 1_000 * median(costs);
  };
  return { name, unit: 'µs', reach: atMost(2.5), rounds, warmUp: 10, ours: timed(ours), limit: timed(limit) };
}

function inFlight({ ours, limit }: Sides, rounds: number): Duel {
  const source = flights();
  const timed = (side: Side) => async () => {
    const batch = take(source, WRITES);
    const milliseconds = await millisecondsOf(() => side.passOn(batch));
    await side.settled();
    return milliseconds;
  };
  const name = '10,000 writes on A until B has all, durable';
  return { name, unit: 'ms', reach: atLeast(0.5), rounds, warmUp: 2, ours: timed(ours), limit: timed(limit) };
}

/** Calls back when as many have come as were awaited. */
class Arrivals {
  #missing = 0;
  #resolve = () => {};

  /** Called before they can come. */
  expect(count: number): Promise<void> {
    this.#missing += count;
    return new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  readonly came = (count: number): void => {
    this.#missing -= count;
    if (this.#missing === 0) this.#resolve();
  };
}

async function openOurs(storage: string): Promise<Side> {
  const server = await startProgram<NodeServer>('./node-server.ts', storage, '0');
  const url = await server.ask('url');
  const open = () => Node.open({ collections: COLLECTIONS, storage: nativeMemory(), upstream: webSocket(url) });
  const [a, b] = [await open(), await open()];
  const arrivals = new Arrivals();
  let settled: Promise<unknown> = Promise.resolve();
  const live: LiveQuery<Flight> = b.live(Flight);
  await live.ready;
  live.onChange(({ added }) => arrivals.came(added.length));
  return {
    passOn: async (batch) => {
      const all = arrivals.expect(batch.length);
      for (const flight of batch) settled = a.transact((tx) => tx.create(Flight, flight), { until: 'settled' });
      await all;
    },
    settled: async () => {
      await settled;
    },
    close: async () => {
      await a.close();
      await b.close();
      await server.end();
    },
  };
}

async function openByHand(storage: string): Promise<Side> {
  const server = await startProgram<HandServer>('./hand-server.ts', storage, '0');
  const url = await server.ask('url');
  const sample = await takeSample();
  const arrivals = new Arrivals();
  const settlements = new Arrivals();
  let settled: Promise<void> = Promise.resolve();
  const a = await openHandFollower(url, sample, () => {}, settlements.came);
  const b = await openHandFollower(url, sample, arrivals.came);
  const ids = countedIds();
  return {
    passOn: async (batch) => {
      const all = arrivals.expect(batch.length);
      settled = settlements.expect(batch.length);
      for (const flight of batch) a.write(ids.next(), flight);
      await all;
    },
    settled: () => settled,
    close: async () => {
      a.close();
      b.close();
      await server.end();
    },
  };
}
