/**
 * A program: a durable Node with flights, served. Given: its file or `:memory:`, how many flights it begins with, and how
 * many of these are one transaction: 1,000 if it is not said.
 */
import { serve } from '../../bindings/server/index.ts';
import { Node } from '../../index.ts';
import { COLLECTIONS, Flight, flights, take } from '../flights.ts';
import { nativeFile } from '../native.ts';
import { createAll } from '../pair.ts';
import { offer } from './program.ts';

const [storage, rows, size = '1000'] = process.argv.slice(2);
const node = await Node.open({ collections: COLLECTIONS, storage: nativeFile(storage!) });
const ids = await createAll(node, take(flights(), Number(rows)), Number(size));
const server = await serve(node, { port: 0, access: 'open' });
let changes = 0;

/** Edits a flight; gives it and what it is now. */
async function changeOne(id: string): Promise<readonly [id: string, distance: number]> {
  changes += 1;
  const distance = changes;
  await node.transact((tx) => tx.update(Flight, id, { distance }));
  return [id, distance];
}

const offered = {
  url: () => server.url,
  report: () => server.report(),
  /** Edits the first flight. */
  change: () => changeOne(ids[0]!),
  /** Edits so many, spread over all, each in a transaction of its own. */
  changeMany: (count: number) =>
    Promise.all(Array.from({ length: count }, (_, at) => changeOne(ids[Math.floor((at * ids.length) / count)]!))),
};
export type NodeServer = typeof offered;

offer(offered, async () => {
  await server.close();
  await node.close();
});
