/**
 * 100,000 rows in memory, one window `distance > 500 AND origin = K ORDER BY departs LIMIT 50`: from the write to the
 * callback, and from the call to the first result.
 *
 * Each write is one transaction on a row of the window: a change in place, a move within it, a departure (another row
 * comes up from behind), a return (the last one goes). By hand: the same writes to the same tables, then an array of
 * 100 rows kept in order by binary search, cut at 100 and read again when fewer than 50 are left, and the callback.
 * The first result stands beside the same SELECT, prepared once, answered from the same index.
 */
import type { Bench } from './bench.ts';
import type { HandRow } from './by-hand.ts';
import { atMost, type Figure } from './figure.ts';
import { airport, Flight, flights, type NewFlight, take } from './flights.ts';
import type { HandValue } from './hand-database.ts';
import { createHandWindow } from './hand-window.ts';
import { duel, median, typicalMilliseconds } from './measure.ts';
import { openPair, type Pair, type PairedFlight } from './pair.ts';

const ROWS = 100_000;
/** So that about 1,000 rows share an origin. */
const ORIGINS = 100;
const ORIGIN = airport(42);
const FIRST_RESULTS = 500;
const MIN_DISTANCE = 500;
const LIMIT = 50;
const MEMBERS = 40;
const PASSES = 5;
const DAY_MS = 86_400_000;
const SELECTION = `distance > ? AND origin = ? ORDER BY departs LIMIT ${LIMIT}`;

export const window: Bench = {
  name: 'window',
  run: async function* (say) {
    say('100,000 rows, twice');
    const pair = await openPair(take(flights(ORIGINS), ROWS));
    yield await firstResult(pair);
    yield await writeToCallback(pair);
    await pair.close();
  },
};

function firstResult({ node, hand }: Pair): Promise<Figure> {
  const select = hand.database.prepare(`SELECT * FROM flight WHERE ${SELECTION.replace('departs', 'departs, id')}`);
  const open = async (origin: string) => {
    const live = node.live(Flight, SELECTION, [MIN_DISTANCE, origin]);
    await live.ready;
    expectRows(live.rows.length);
    live.close();
  };
  const origins = Array.from({ length: FIRST_RESULTS }, (_, number) => airport(number % ORIGINS));
  return duel({
    ...{ name: 'window of 50, first result, p50', unit: 'µs', reach: atMost(2), rounds: 11, warmUp: 5 },
    ours: async () => 1_000 * (await typicalMilliseconds(origins, open)),
    limit: async () =>
      1_000 * (await typicalMilliseconds(origins, (origin) => expectRows(select.all(MIN_DISTANCE, origin).length))),
  });
}

function expectRows(count: number): void {
  if (count !== LIMIT) throw new Error(`${count} rows in a window of ${LIMIT}`);
}

async function writeToCallback({ node, hand, rows }: Pair): Promise<Figure> {
  const members = membersOf(rows);
  const writes = Array.from({ length: 2 * PASSES }, (_, pass) => writesOf(members, pass));
  // A move is taken back by the next pass, so every other round begins with it.
  const writesOfRound = (round: number) => (round % 2 === 0 ? writes.slice(0, PASSES) : writes.slice(PASSES)).flat();
  let calledAt = 0;
  const live = node.live(Flight, SELECTION, [MIN_DISTANCE, ORIGIN]);
  await live.ready;
  live.onChange(() => {
    calledAt = performance.now();
  });
  const windowByHand = createHandWindow(
    hand.database,
    { minDistance: MIN_DISTANCE, origin: ORIGIN, limit: LIMIT },
    () => {
      calledAt = performance.now();
    },
  );
  const figure = await duel({
    ...{ name: 'write -> window callback, p50', unit: 'µs', reach: atMost(3), rounds: 15, warmUp: 5 },
    ours: async (round) => {
      const latencies: number[] = [];
      for (const { id, values } of writesOfRound(round)) {
        const start = performance.now();
        await node.transact((tx) => tx.update(Flight, id, values));
        latencies.push(1_000 * (calledAt - start));
      }
      return median(latencies);
    },
    limit: (round) => {
      const latencies: number[] = [];
      for (const { handId, column, stored } of writesOfRound(round)) {
        const start = performance.now();
        let before: HandRow | undefined;
        hand.commit(() => {
          hand.transaction();
          before = hand.update(handId, column, stored);
        });
        windowByHand.apply(before!, { ...before!, [column]: stored });
        latencies.push(1_000 * (calledAt - start));
      }
      return median(latencies);
    },
  });
  requireSameRows(live.rows, windowByHand.rows().slice(0, LIMIT));
  live.close();
  return figure;
}

interface Write extends PairedFlight {
  readonly values: Partial<NewFlight>;
  readonly column: keyof NewFlight;
  readonly stored: HandValue;
}

/** The rows that stand in the window at first, but for the last few, which a move would take out of it. */
function membersOf(rows: readonly PairedFlight[]): readonly PairedFlight[] {
  return rows
    .filter(({ flight }) => flight.origin === ORIGIN && flight.distance > MIN_DISTANCE)
    .sort((a, b) => a.flight.departs.getTime() - b.flight.departs.getTime())
    .slice(0, MEMBERS);
}

/** Four writes for each member, all of which concern the window; a move is taken back in the next pass. */
function writesOf(members: readonly PairedFlight[], pass: number): readonly Write[] {
  const parity = pass % 2;
  return members.flatMap((member) => {
    const { flight } = member;
    const departs = new Date(flight.departs.getTime() + (1 - parity) * DAY_MS);
    const { distance } = flight;
    return [
      { ...member, values: { delay: 1_000 + pass }, column: 'delay', stored: 1_000 + pass },
      { ...member, values: { departs }, column: 'departs', stored: departs.toISOString() },
      { ...member, values: { distance: MIN_DISTANCE }, column: 'distance', stored: MIN_DISTANCE },
      { ...member, values: { distance }, column: 'distance', stored: distance },
    ] as const;
  });
}

function requireSameRows(ours: readonly Flight[], byHand: readonly HandRow[]): void {
  const [left, right] = [ours.map(({ departs }) => departs.toISOString()), byHand.map(({ departs }) => departs)];
  if (left.join() !== right.join()) throw new Error('The window by hand is not the window of the Node.');
}
