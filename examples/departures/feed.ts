/** The feed: airports and flights are written into the server's Node, as an airline's systems would. */
import { setTimeout as sleep } from 'node:timers/promises';
import { idFrom, type Node } from '../../index.ts';
import { Airport, Flight } from './collections.ts';
import { nowMs } from './latency.ts';
import { type FlightRecord, readAirports, readFlights } from './source.ts';

/** Flights between two looks at the clock. */
const BURST = 50;

/** Airports' names by code. */
export type Names = ReadonlyMap<string, string>;

/** One transaction; natural keys make it safe to repeat. */
export async function importAirports(node: Node): Promise<Names> {
  const airports = await readAirports();
  await node.transact((tx) => {
    for (const { city, state, ...airport } of airports) {
      const place = { city: city || null, state: state || null };
      tx.create(Airport, { ...airport, ...place }, { id: idFrom('airport', airport.iata), ifAbsent: true });
    }
  });
  return new Map(airports.map(({ iata, name }) => [iata, name]));
}

/**
 * One transaction a flight; a burst at a time shares an fsync, as concurrent requests of a server would.
 *
 * - `intervalAfter`: milliseconds between flight `done` and the next.
 * - `written`: told how many are, after each burst.
 */
export async function feedFlights(
  node: Node,
  names: Names,
  { total, intervalAfter }: { readonly total: number; readonly intervalAfter: (done: number) => number },
  written: (flights: number) => void,
): Promise<void> {
  let dueAt = nowMs();
  let burst: Promise<unknown>[] = [];
  let done = 0;
  for await (const flight of readFlights(total)) {
    burst.push(writeFlight(node, names, flight));
    done++;
    dueAt += intervalAfter(done);
    if (burst.length < BURST && done < total) continue;
    await Promise.all(burst);
    burst = [];
    written(done);
    const aheadMs = dueAt - nowMs();
    if (aheadMs > 0) await sleep(aheadMs);
  }
}

function writeFlight(node: Node, names: Names, flight: FlightRecord): Promise<string> {
  const destinationName = names.get(flight.destination) ?? null;
  const airport = idFrom('airport', flight.origin);
  return node.transact((tx) =>
    tx.create(Flight, { ...flight, destinationName, airport, writtenBy: 'server', writtenAt: nowMs() }),
  );
}
