/**
 * 100,000 rows of a server in another process into a fresh client, until its live query of all of them is ready.
 *
 * By hand: the rows are selected, encoded, sent, decoded, and inserted into an SQLite that has the same tables. Bytes are
 * those given to the socket. Memory is what the whole process of a client grows by to its peak, garbage included; what
 * Node itself and the compiler of TypeScript take before is not a client's, and is told beside it.
 */
import { Node, webSocket } from '../../index.ts';
import type { Bench } from '../bench.ts';
import { atMost, type Figure, noMoreThan } from '../figure.ts';
import { COLLECTIONS, Flight } from '../flights.ts';
import { duel, median } from '../measure.ts';
import { nativeMemory } from '../native.ts';
import { takeSample } from '../sample.ts';
import type { ColdClient } from './cold-client.ts';
import { openHandFollower } from './hand-follower.ts';
import type { HandServer } from './hand-server.ts';
import type { NodeServer } from './node-server.ts';
import { type Program, startProgram } from './program.ts';

const ROWS = 100_000;
const CLIENTS = 3;

export const coldSync: Bench = {
  name: 'net sync',
  run: async function* (say, { isShort }) {
    say('100,000 rows, twice');
    const node = await startProgram<NodeServer>('./node-server.ts', ':memory:', `${ROWS}`);
    const hand = await startProgram<HandServer>('./hand-server.ts', ':memory:', `${ROWS}`);
    const [nodeUrl, handUrl] = [await node.ask('url'), await hand.ask('url')];
    const sample = await takeSample();
    yield await duel({
      ...{ name: 'cold sync of 100,000 rows', unit: 'ms', reach: atMost(2.5) },
      ...{ rounds: isShort ? 3 : 9, warmUp: 2 },
      ours: () => syncNode(nodeUrl),
      limit: () => syncByHand(handUrl, sample),
    });
    yield await bytesPerRow(node, nodeUrl);
    say('memory of a client');
    yield await memoryOfClient(nodeUrl, say);
    await node.end();
    await hand.end();
  },
};

async function syncNode(url: string): Promise<number> {
  const start = performance.now();
  const node = await Node.open({ collections: COLLECTIONS, storage: nativeMemory(), upstream: webSocket(url) });
  const live = node.live(Flight);
  await live.ready;
  const milliseconds = performance.now() - start;
  expectAll(live.rows.length);
  await node.close();
  return milliseconds;
}

async function syncByHand(url: string, sample: Parameters<typeof openHandFollower>[1]): Promise<number> {
  const start = performance.now();
  let rows = 0;
  let end = () => {};
  const whole = new Promise<void>((resolve) => {
    end = resolve;
  });
  const follower = await openHandFollower(url, sample, (flights) => {
    rows += flights;
    if (flights === 0) end();
  });
  follower.all();
  await whole;
  const milliseconds = performance.now() - start;
  expectAll(rows);
  follower.close();
  return milliseconds;
}

async function bytesPerRow(server: Program<NodeServer>, url: string): Promise<Figure> {
  const before = await server.ask('report');
  await syncNode(url);
  const { traffic } = await server.ask('report');
  const ours = (traffic.bytesSent - before.traffic.bytesSent) / ROWS;
  return { name: 'cold sync, a row', unit: 'B', ours, limit: null, score: ours, reach: noMoreThan(130) };
}

async function memoryOfClient(url: string, say: (what: string) => void): Promise<Figure> {
  const growths: number[] = [];
  for (let round = 0; round < CLIENTS; round += 1) {
    const client = await startProgram<ColdClient>('./cold-client.ts');
    const { rows, baseMib, peakMib } = await client.ask('sync', url);
    expectAll(rows);
    say(`a process of ${baseMib.toFixed(0)} MiB grew to ${peakMib.toFixed(0)}`);
    growths.push(peakMib - baseMib);
    await client.end();
  }
  const ours = median(growths);
  return { name: 'cold sync, client', unit: 'MiB', ours, limit: null, score: ours, reach: noMoreThan(200) };
}

function expectAll(rows: number): void {
  if (rows !== ROWS) throw new Error(`${rows} rows instead of ${ROWS}`);
}
