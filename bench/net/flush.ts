/**
 * 10,000 offline writes, one transaction each, from the call of `reconnect()` until all are settled, against the same
 * written online in one go: from the first call until all are settled. So the limit's time has the writing in it, too.
 *
 * The server is durable and in another process. The client keeps its outbox in memory, or in a file with
 * synchronous=FULL, in both ways of the comparison; each round has a fresh one.
 */
import { setTimeout } from 'node:timers/promises';
import { Node } from '../../index.ts';
import type { Storage } from '../../storage/index.ts';
import type { Bench } from '../bench.ts';
import { atLeast, type Figure } from '../figure.ts';
import { COLLECTIONS, Flight, flights, type NewFlight, take } from '../flights.ts';
import { duel } from '../measure.ts';
import { nativeFile, nativeMemory } from '../native.ts';
import { withFolder } from '../temporary.ts';
import { openGate } from './gate.ts';
import type { NodeServer } from './node-server.ts';
import { startProgram } from './program.ts';

const WRITES = 10_000;
const LOOK_MS = 2;

export const flush: Bench = {
  name: 'net flush',
  run: async function* (say, { isShort }) {
    const source = flights();
    const compare = (where: string, storageOf: (path: (name: string) => string, round: string) => Storage) => {
      say(`10,000 writes, ${where}`);
      return withFolder((path) =>
        compareIn(path, `flush 10,000 offline writes, ${where}`, isShort ? 2 : 5, {
          storageOf: (round) => storageOf(path, round),
          batch: () => take(source, WRITES),
        }),
      );
    };
    yield await compare('memory', nativeMemory);
    yield await compare('in a file', (path, round) => nativeFile(path(`client-${round}.db`)));
  },
};

interface Writing {
  readonly storageOf: (round: string) => Storage;
  readonly batch: () => readonly NewFlight[];
}

async function compareIn(
  path: (name: string) => string,
  name: string,
  rounds: number,
  { storageOf, batch }: Writing,
): Promise<Figure> {
  const server = await startProgram<NodeServer>('./node-server.ts', path('server.db'), '0');
  const url = await server.ask('url');
  const figure = await duel({
    ...{ name, unit: 'ms', reach: atLeast(0.5), rounds, warmUp: 1 },
    ours: (round) => flushed(url, storageOf(`offline-${round}`), batch()),
    limit: (round) => online(url, storageOf(`online-${round}`), batch()),
  });
  await server.end();
  return figure;
}

async function flushed(url: string, storage: Storage, batch: readonly NewFlight[]): Promise<number> {
  const gate = openGate(url);
  const node = await openClient(gate.upstream, storage);
  gate.shut();
  while (node.report().upstream!.state === 'connected') await setTimeout(LOOK_MS);
  const settled = writeAll(node, batch);
  while (node.report().upstream!.outbox.transactions < WRITES) await setTimeout(LOOK_MS);
  gate.open();
  const start = performance.now();
  await node.reconnect();
  await settled;
  const milliseconds = performance.now() - start;
  await node.close();
  return milliseconds;
}

async function online(url: string, storage: Storage, batch: readonly NewFlight[]): Promise<number> {
  const node = await openClient(openGate(url).upstream, storage);
  const start = performance.now();
  await writeAll(node, batch);
  const milliseconds = performance.now() - start;
  await node.close();
  return milliseconds;
}

async function openClient(upstream: ReturnType<typeof openGate>['upstream'], storage: Storage): Promise<Node> {
  const node = await Node.open({ collections: COLLECTIONS, storage, upstream });
  await node.live(Flight, 'origin = ? LIMIT 1', ['']).ready;
  return node;
}

/** Resolves when all are settled. */
async function writeAll(node: Node, batch: readonly NewFlight[]): Promise<void> {
  await Promise.all(batch.map((flight) => node.transact((tx) => tx.create(Flight, flight), { until: 'settled' })));
}
