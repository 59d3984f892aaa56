/**
 * 100,000 rows in memory, 1,000 live queries `origin = K` that cover them all; a flight moves from one origin to
 * another, and both queries' callbacks are called.
 *
 * By hand: the same writes to the same tables, then a Map from origin to an array of rows ordered by id, from which the
 * row is taken and into which it is put, in place, and the two callbacks.
 */
import type { Bench } from './bench.ts';
import type { HandRow } from './by-hand.ts';
import { atMost } from './figure.ts';
import { AIRPORTS, airport, Flight, flights, take } from './flights.ts';
import { duel, typicalMilliseconds } from './measure.ts';
import { openPair, type Pair, type PairedFlight } from './pair.ts';

const ROWS = 100_000;
const UPDATES = 1_000;

export const dispatch: Bench = {
  name: 'dispatch',
  run: async function* (say) {
    say('100,000 rows, twice');
    const pair = await openPair(take(flights(), ROWS));
    const called = { ours: 0, byHand: 0 };
    say('1,000 live queries, twice');
    await openLive(pair, () => {
      called.ours += 1;
    });
    const dispatchByHand = createDispatch(pair, () => {
      called.byHand += 1;
    });
    const moves = movesOf(pair);
    let round = 0;
    const moveByNode = ({ id, to }: Move) =>
      pair.node.transact((tx) => tx.update(Flight, id, { origin: to[round % 2]! }));
    const moveByHand = ({ handId, to }: Move) => {
      const origin = to[round % 2]!;
      let before: HandRow | undefined;
      pair.hand.commit(() => {
        pair.hand.transaction();
        before = pair.hand.update(handId, 'origin', origin);
      });
      dispatchByHand(before!, { ...before!, origin });
    };
    const timed = (move: (move: Move) => unknown) => async (now: number) => {
      round = now;
      return 1_000 * (await typicalMilliseconds(moves, move));
    };
    yield await duel({
      ...{ name: 'update -> both callbacks, p50', unit: 'µs', reach: atMost(3), rounds: 11, warmUp: 5 },
      ours: timed(moveByNode),
      limit: timed(moveByHand),
    });
    if (called.ours !== called.byHand) throw new Error(`${called.ours} callbacks of ours, ${called.byHand} by hand`);
    await pair.close();
  },
};

async function openLive({ node }: Pair, callback: () => void): Promise<void> {
  for (let number = 0; number < AIRPORTS; number++) {
    const live = node.live(Flight, 'origin = ?', [airport(number)]);
    await live.ready;
    live.onChange(callback);
  }
}

interface Move extends PairedFlight {
  readonly to: readonly [inEvenRounds: string, inOddRounds: string];
}

/** Each flight goes to another airport, and back in the next round. */
function movesOf({ rows }: Pair): readonly Move[] {
  return rows.slice(0, UPDATES).map((row, index) => {
    const other = airport(index) === row.flight.origin ? airport(index + 1) : airport(index);
    return { ...row, to: [other, row.flight.origin] };
  });
}

/** What one would write for this one purpose. */
function createDispatch({ hand }: Pair, callback: () => void): (before: HandRow, after: HandRow) => void {
  const byOrigin = new Map<string, HandRow[]>();
  for (const row of hand.database.prepare('SELECT * FROM _flight ORDER BY id').all() as HandRow[]) {
    const rows = byOrigin.get(row.origin);
    if (rows) rows.push(row);
    else byOrigin.set(row.origin, [row]);
  }
  return (before, after) => {
    const left = byOrigin.get(before.origin)!;
    left.splice(placeOf(before.id, left), 1);
    callback();
    const entered = byOrigin.get(after.origin)!;
    entered.splice(placeOf(after.id, entered), 0, after);
    callback();
  };
}

/** The first place whose id is not below `id`. */
function placeOf(id: string, rows: readonly HandRow[]): number {
  let [from, to] = [0, rows.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (rows[middle]!.id < id) from = middle + 1;
    else to = middle;
  }
  return from;
}
