/**
 * Departures: real flights are written into one durable Node while live boards follow them.
 *
 *     npm run demo                          50,000 flights in about a minute
 *     npm run demo -- --flights 3000000     all of them, as fast as they go
 *
 * Ends by checking every board against the same SQL run fresh; the exit code is 0 only if all are equal.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual, parseArgs } from 'node:util';
import { sqliteFile } from '../../bindings/node/index.ts';
import { idFrom, Node } from '../../index.ts';
import { askAfresh, type Board, drawBoard, openBoards } from './boards.ts';
import { Airport, Flight } from './collections.ts';
import { Latencies } from './latency.ts';
import { Screen } from './screen.ts';
import { type FlightRecord, readAirports, readFlights } from './source.ts';

const DEFAULT_FLIGHTS = 50_000;
/** Flights a second, so that the default run can be watched; 0 is as fast as they go. */
const WATCHABLE_RATE = 1_000;
/** Flights between two looks at the clock and the screen. */
const BURST = 50;

const { values } = parseArgs({
  options: { flights: { type: 'string' }, rate: { type: 'string' }, file: { type: 'string' } },
});
const total = Number(values.flights ?? DEFAULT_FLIGHTS);
const rate = Number(values.rate ?? (values.flights === undefined ? WATCHABLE_RATE : 0));
const screen = new Screen(process.stdout);

const folder = await mkdtemp(join(tmpdir(), 'tendril-departures-'));
const node = await Node.open({
  role: 'durable',
  collections: [Airport, Flight],
  storage: sqliteFile(values.file ?? join(folder, 'departures.db')),
});
try {
  const names = await importAirports();
  const boards = openBoards(node);
  const latencies = new Latencies();
  const lastWrite = followLatency(boards, latencies);
  const seconds = await feed(names, boards, lastWrite);
  for (const board of boards) screen.line(`${drawBoard(board)}\n`);
  reportFigures(seconds, latencies);
  process.exitCode = (await allEqual(boards)) ? 0 : 1;
} finally {
  await node.close();
  await rm(folder, { recursive: true });
}

/** One transaction; natural keys make it safe to repeat. */
async function importAirports(): Promise<ReadonlyMap<string, string>> {
  const airports = await readAirports();
  await node.transact((tx) => {
    for (const { city, state, ...airport } of airports) {
      const place = { city: city || null, state: state || null };
      tx.create(Airport, { ...airport, ...place }, { id: idFrom('airport', airport.iata), ifAbsent: true });
    }
  });
  screen.line(`${airports.length.toLocaleString('en')} airports in one transaction`);
  return new Map(airports.map(({ iata, name }) => [iata, name]));
}

/** Measures from the end of a transaction's callback, before its fsync, to the callback of each board it concerns. */
function followLatency(boards: readonly Board[], latencies: Latencies): { writtenAt: number } {
  const lastWrite = { writtenAt: 0 };
  for (const board of boards) board.live.onChange(() => latencies.add(performance.now() - lastWrite.writtenAt));
  return lastWrite;
}

/** One transaction a flight; a burst at a time shares an fsync, as concurrent requests of a server would. */
async function feed(
  names: ReadonlyMap<string, string>,
  boards: readonly Board[],
  lastWrite: { writtenAt: number },
): Promise<number> {
  const startedAt = performance.now();
  let burst: Promise<unknown>[] = [];
  let done = 0;
  for await (const flight of readFlights(total)) {
    burst.push(writeFlight(flight, names, lastWrite));
    done++;
    if (burst.length < BURST && done < total) continue;
    await Promise.all(burst);
    burst = [];
    const elapsedMs = performance.now() - startedAt;
    const label = `flights, ${Math.round((done * 1_000) / elapsedMs).toLocaleString('en')} a second`;
    screen.progress(done, total, label, () => boards.map(drawBoard).join('\n\n'));
    const aheadMs = rate === 0 ? 0 : (done * 1_000) / rate - elapsedMs;
    if (aheadMs > 0) await new Promise((resume) => setTimeout(resume, aheadMs));
  }
  return (performance.now() - startedAt) / 1_000;
}

function writeFlight(flight: FlightRecord, names: ReadonlyMap<string, string>, lastWrite: { writtenAt: number }) {
  const destinationName = names.get(flight.destination) ?? null;
  const airport = idFrom('airport', flight.origin);
  return node.transact((tx) => {
    tx.create(Flight, { ...flight, destinationName, airport });
    lastWrite.writtenAt = performance.now();
  });
}

function reportFigures(seconds: number, latencies: Latencies): void {
  const { driver } = node.report();
  const [p50, p99] = [latencies.percentile(0.5).toFixed(2), latencies.percentile(0.99).toFixed(2)];
  screen.line(`${total.toLocaleString('en')} flights in ${seconds.toFixed(1)} s on ${driver.name} (${driver.kind})`);
  screen.line(`commit to callback: p50 ${p50} ms, p99 ${p99} ms over ${latencies.count.toLocaleString('en')} changes`);
}

/** Runs every board's SQL afresh and compares, row by row. */
async function allEqual(boards: readonly Board[]): Promise<boolean> {
  let equal = true;
  for (const board of boards) {
    const fresh = await askAfresh(node, board);
    const same = isDeepStrictEqual([...board.live.rows], [...fresh]);
    screen.line(`${same ? 'equal    ' : 'DIFFERENT'}  ${board.title}: ${fresh.length} rows`);
    equal &&= same;
  }
  return equal;
}
