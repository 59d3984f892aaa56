/**
 * A log of 100,000 rows into a fresh durable Node, from opening it with the upstream until it has all: in transactions of
 * 1,000 rows, and of one row.
 *
 * By hand: the server's file is copied, the copy synced, and the same rows, tables and log are written into a new file,
 * ROWS_PER_COMMIT to a COMMIT, so that nothing is sent, read, hashed or checked. The server is a process of its own, as
 * everywhere here. Both files are on the disk with synchronous=FULL, and hold the same in the end.
 */
import { closeSync, copyFileSync, fsyncSync, openSync, rmSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { Node, webSocket } from '../../index.ts';
import type { Bench } from '../bench.ts';
import { createHandWriter } from '../by-hand.ts';
import { atLeast, type Figure } from '../figure.ts';
import { COLLECTIONS, Flight, flights, type NewFlight, take } from '../flights.ts';
import { duel, millisecondsOf } from '../measure.ts';
import { nativeFile } from '../native.ts';
import { requireSameWork } from '../same-work.ts';
import { type Sample, takeSample } from '../sample.ts';
import { withFolder } from '../temporary.ts';
import type { NodeServer } from './node-server.ts';
import { startProgram } from './program.ts';

const ROWS = 100_000;
/** Of one transaction of the log. */
const SIZES = [1_000, 1] as const;
const ROWS_PER_COMMIT = 10_000;
const LOOK_MS = 2;

export const fullCopy: Bench = {
  name: 'net copy',
  run: async function* (say, { isShort }) {
    const sample = await takeSample();
    const source = take(flights(), ROWS);
    for (const size of SIZES) {
      say(`100,000 rows, ${size.toLocaleString('en')} to a transaction`);
      yield await withFolder((path) => compare(path, source, size, sample, isShort ? 2 : 5));
    }
  },
};

async function compare(
  path: (name: string) => string,
  source: readonly NewFlight[],
  size: number,
  sample: Sample,
  rounds: number,
): Promise<Figure> {
  const [served, ours, copied, byHand] = [path('served.db'), path('ours.db'), path('copied.db'), path('hand.db')];
  const server = await startProgram<NodeServer>('./node-server.ts', served, `${ROWS}`, `${size}`);
  const url = await server.ask('url');
  const position = ROWS / size;
  const figure = await duel({
    ...{ name: `full copy, 100,000 rows by ${size.toLocaleString('en')}`, unit: 'ms', reach: atLeast(0.4) },
    ...{ rounds, warmUp: 1 },
    ours: () => copyByNode(fresh(ours), url, position),
    limit: () => copyByHand(served, fresh(copied)) + insertByHand(fresh(byHand), source, size, sample),
  });
  requireSameWork(ours, byHand);
  await server.end();
  return figure;
}

/** The path, with no file there. */
function fresh(file: string): string {
  for (const each of [file, `${file}-wal`, `${file}-shm`]) rmSync(each, { force: true });
  return file;
}

async function copyByNode(file: string, url: string, position: number): Promise<number> {
  const storage = nativeFile(file);
  let node: Node | undefined;
  const milliseconds = await millisecondsOf(async () => {
    node = await Node.open({ role: 'durable', collections: COLLECTIONS, storage, upstream: webSocket(url) });
    while (node.report().upstream!.cursor?.position !== position) await setTimeout(LOOK_MS);
  });
  expectAll((await node!.query(Flight)).length);
  await node!.close();
  return milliseconds;
}

function copyByHand(from: string, to: string): number {
  const start = performance.now();
  for (const part of ['', '-wal']) {
    copyFileSync(from + part, to + part);
    const file = openSync(to + part, 'r');
    fsyncSync(file);
    closeSync(file);
  }
  return performance.now() - start;
}

function insertByHand(file: string, source: readonly NewFlight[], size: number, sample: Sample): number {
  const start = performance.now();
  const hand = createHandWriter(file, sample);
  for (let at = 0; at < ROWS; at += ROWS_PER_COMMIT) {
    hand.commit(() => {
      for (let row = at; row < at + ROWS_PER_COMMIT; row += 1) {
        if (row % size === 0) hand.transaction();
        hand.create(source[row]!);
      }
    });
  }
  const milliseconds = performance.now() - start;
  hand.database.close();
  return milliseconds;
}

function expectAll(rows: number): void {
  if (rows !== ROWS) throw new Error(`${rows} rows instead of ${ROWS}`);
}
