/**
 * Opening a file with 100,000 and with 1,000,000 rows until the first query is answered, and how much the size adds.
 *
 * By hand: opening the same file with the same pragmas, and the same query; nothing is claimed for one owner, looked through
 * for damage, or parsed, which is where the difference goes. The files are made once: a Node makes the
 * tables, the rows and their log are then written by hand, which is quicker. The system's file cache is warm for both.
 */

import { Node } from '../index.ts';
import type { Bench } from './bench.ts';
import { handWriterOver } from './by-hand.ts';
import { atMost, type Figure } from './figure.ts';
import { airport, COLLECTIONS, Flight, flights } from './flights.ts';
import { openByHand } from './hand-database.ts';
import { duel, median } from './measure.ts';
import { nativeFile } from './native.ts';
import { type Sample, takeSample } from './sample.ts';
import { withFolder } from './temporary.ts';

const SIZES = [100_000, 1_000_000] as const;
const OPENINGS = 9;
const ROWS_PER_COMMIT = 10_000;
const SELECTION = 'origin = ? ORDER BY departs DESC LIMIT 20';

export const reopen: Bench = {
  name: 'reopen',
  run: async function* (say) {
    yield* await withFolder(async (path) => {
      const sample = await takeSample();
      const figures: Figure[] = [];
      for (const size of SIZES) {
        say(`a file with ${size.toLocaleString('en')} rows`);
        await build(path(`${size}.db`), size, sample);
        figures.push(await againstHand(path(`${size}.db`), size));
      }
      const [small, large] = SIZES.map((size) => path(`${size}.db`));
      figures.push(await againstSmaller(large!, small!));
      return figures;
    });
  },
};

async function build(file: string, size: number, sample: Sample): Promise<void> {
  const node = await Node.open({ collections: COLLECTIONS, storage: nativeFile(file) });
  await node.close();
  const database = openByHand(file);
  const hand = handWriterOver(database, sample);
  const source = flights();
  for (let rows = 0; rows < size; rows += ROWS_PER_COMMIT) {
    hand.commit(() => {
      hand.transaction();
      for (let index = 0; index < ROWS_PER_COMMIT; index++) hand.create(source.next().value);
    });
  }
  database.close();
}

function againstHand(file: string, size: number): Promise<Figure> {
  return duel({
    ...{ name: `reopen ${size.toLocaleString('en')} rows`, unit: 'ms', reach: atMost(3), rounds: 9, warmUp: 3 },
    ours: opened(openByNode, file),
    limit: opened(openAndAskByHand, file),
  });
}

/** Our side alone: the larger file stands as ours, the smaller one as its limit. */
function againstSmaller(large: string, small: string): Promise<Figure> {
  return duel({
    ...{ name: 'reopen 1,000,000 / 100,000 rows', unit: 'ms', reach: atMost(1.5), rounds: 9, warmUp: 3 },
    ours: opened(openByNode, large),
    limit: opened(openByNode, small),
  });
}

/** Opens the file and asks for 20 rows; gives the milliseconds until they are there, then closes it. */
type Opening = (file: string, origin: string) => number | Promise<number>;

const opened = (open: Opening, file: string) => async (round: number) => {
  const costs: number[] = [];
  for (let index = 0; index < OPENINGS; index++) costs.push(await open(file, airport(round * OPENINGS + index)));
  return median(costs);
};

async function openByNode(file: string, origin: string): Promise<number> {
  const start = performance.now();
  const node = await Node.open({ collections: COLLECTIONS, storage: nativeFile(file) });
  const rows = await node.query(Flight, SELECTION, [origin]);
  const milliseconds = performance.now() - start;
  await node.close();
  expectRows(rows.length);
  return milliseconds;
}

function openAndAskByHand(file: string, origin: string): number {
  const start = performance.now();
  const database = openByHand(file);
  const rows = database.prepare(`SELECT * FROM flight WHERE ${SELECTION}`).all(origin);
  const milliseconds = performance.now() - start;
  database.close();
  expectRows(rows.length);
  return milliseconds;
}

function expectRows(count: number): void {
  if (count !== 20) throw new Error(`${count} rows instead of 20`);
}
