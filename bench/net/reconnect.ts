/**
 * A client with 100,000 rows that was away while 0, 10 and 1,000 of them were changed: from the call of `reconnect()`
 * until its live query of all of them is complete again, and shows them as they are.
 *
 * The limit is the same server's snapshot, told to a fresh client in the same run: the figure says how many times cheaper
 * it is to come back. Bytes are those that the server's sockets were given and took, both ways, with what begins and ends
 * a session.
 */
import { setTimeout } from 'node:timers/promises';
import { type LiveQuery, Node, webSocket } from '../../index.ts';
import type { Bench } from '../bench.ts';
import { atLeast, type Figure, noMoreThan, type Reach } from '../figure.ts';
import { COLLECTIONS, Flight } from '../flights.ts';
import { duel, median } from '../measure.ts';
import { nativeMemory } from '../native.ts';
import { type Gate, openGate } from './gate.ts';
import type { NodeServer } from './node-server.ts';
import { type Program, startProgram } from './program.ts';

const ROWS = 100_000;
const KIB = 1_024;

/** How many changes, how many times cheaper than the snapshot, and how many bytes at most. */
const AWAY: readonly (readonly [changes: number, cheaper: number, bytes: number])[] = [
  [0, 50, 512],
  [10, 50, 10 * KIB],
  [1_000, 5, 200 * KIB],
];
const LOOK_MS = 1;

interface Client {
  readonly gate: Gate;
  readonly node: Node;
  readonly live: LiveQuery<Flight>;
}

export const reconnect: Bench = {
  name: 'net reconnect',
  run: async function* (say, { isShort }) {
    say('100,000 rows');
    const server = await startProgram<NodeServer>('./node-server.ts', ':memory:', `${ROWS}`);
    const url = await server.ask('url');
    const gate = openGate(url);
    const node = await Node.open({ collections: COLLECTIONS, storage: nativeMemory(), upstream: gate.upstream });
    const client = { gate, node, live: node.live(Flight) };
    await client.live.ready;
    for (const [changes, cheaper, mostBytes] of AWAY) {
      say(`${changes.toLocaleString('en')} changes`);
      const bytes: number[] = [];
      yield await duel({
        ...{ name: `reconnect after ${named(changes)}, 100,000 rows`, unit: 'ms', reach: atLeast(cheaper) },
        ...{ rounds: isShort ? 3 : 9, warmUp: 2 },
        ours: async () => {
          const { milliseconds, traffic } = await comeBack(client, server, changes);
          bytes.push(traffic);
          return milliseconds;
        },
        limit: () => tellAll(url),
      });
      yield absolute(`reconnect after ${named(changes)}, both ways`, median(bytes), noMoreThan(mostBytes));
    }
    await node.close();
    await server.end();
  },
};

const named = (changes: number): string => `${changes.toLocaleString('en')} changes`;

function absolute(name: string, ours: number, reach: Reach): Figure {
  return { name, unit: 'B', ours, limit: null, score: ours, reach };
}

/** It goes away, `changes` are made, and it comes back. */
async function comeBack({ gate, node, live }: Client, server: Program<NodeServer>, changes: number) {
  gate.shut();
  while (live.status === 'complete') await setTimeout(LOOK_MS);
  const changed = await server.ask('changeMany', changes);
  gate.open();
  const before = await bytesOf(server);
  const start = performance.now();
  await node.reconnect();
  await isComplete(live);
  const milliseconds = performance.now() - start;
  const distances = new Map(live.rows.map(({ id, distance }) => [id, distance]));
  const wrong = changed.filter(([id, distance]) => distances.get(id) !== distance).length;
  if (wrong > 0 || live.rows.length !== ROWS) throw new Error(`${wrong} rows are wrong of ${live.rows.length}`);
  return { milliseconds, traffic: (await bytesOf(server)) - before };
}

function isComplete(live: LiveQuery<Flight>): Promise<void> {
  if (live.status === 'complete') return Promise.resolve();
  return new Promise((resolve) => {
    const look = () => {
      if (live.status === 'complete') resolve();
      else setImmediate(look);
    };
    look();
  });
}

async function bytesOf(server: Program<NodeServer>): Promise<number> {
  const { traffic } = await server.ask('report');
  return traffic.bytesSent + traffic.bytesTaken;
}

async function tellAll(url: string): Promise<number> {
  const start = performance.now();
  const node = await Node.open({ collections: COLLECTIONS, storage: nativeMemory(), upstream: webSocket(url) });
  const live = node.live(Flight);
  await live.ready;
  const milliseconds = performance.now() - start;
  if (live.rows.length !== ROWS) throw new Error(`${live.rows.length} rows instead of ${ROWS}`);
  await node.close();
  return milliseconds;
}
