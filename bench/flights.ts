/** Synthetic flights: the same for the same seed, nothing downloaded. */
import { collection, integer, type RowOf, text, timestamp } from '../index.ts';
import { createRandom } from '../test/support/random.ts';

export const Flight = collection(
  'flight',
  { origin: text(), destination: text(), departs: timestamp(), distance: integer(), delay: integer().optional() },
  { indexes: [['origin', 'departs']] },
);
export type Flight = RowOf<typeof Flight>;
export const COLLECTIONS = [Flight];

/** What `create` takes, nothing left out. */
export type NewFlight = Omit<Flight, 'id'>;

export const AIRPORTS = 1_000;
const SEED = 2001;
const FIRST_DEPARTURE = Date.UTC(2001, 0, 1);
const MINUTE_MS = 60_000;
const MINUTES_PER_YEAR = 365 * 24 * 60;

/** Three letters for 0 .. 17,575; the first is AAA. */
export function airport(number: number): string {
  const letter = (place: number) => String.fromCharCode(65 + (Math.floor(number / 26 ** place) % 26));
  return letter(2) + letter(1) + letter(0);
}

/** An endless supply: origins evenly over `airports`, departures over one year, one delay in ten unknown. */
export function* flights(airports = AIRPORTS, seed = SEED): Generator<NewFlight, never> {
  const random = createRandom(seed);
  for (;;) {
    yield {
      origin: airport(random.integer(airports)),
      destination: airport(random.integer(airports)),
      departs: new Date(FIRST_DEPARTURE + random.integer(MINUTES_PER_YEAR) * MINUTE_MS),
      distance: 100 + random.integer(2_900),
      delay: random.chance(0.1) ? null : random.integer(240) - 20,
    };
  }
}

export function take<Item>(source: Iterator<Item, unknown>, count: number): Item[] {
  return Array.from({ length: count }, () => source.next().value as Item);
}
