/**
 * Where sql.js keeps the values bound to a statement: an array of equal slots, the value in the first 8 bytes of each,
 * its address at a fixed distance from the statement's. Both are found by looking for two reals bound on purpose, and then
 * the other way round: what an earlier search left in memory does not change with them.
 */
import { TendrilError } from '../../errors.ts';
import type { Heap } from './heap.ts';
import type { SqliteFunctions } from './wasm-connection.ts';

/** Bytes of a statement, and of a slot, that are searched. */
const MAX_DISTANCE = 512;
const MAX_SLOT = 128;

const FIRST = 1.234567890123e45;
const SECOND = -6.789012345678e-45;

/** The address of the 8 bytes of parameter `index` (from 1) of `statement`. */
export type ParameterAddress = (statement: number, index: number) => number;

/** Where the array's address stands in a statement, and how far its slots are apart. */
interface Place {
  readonly distance: number;
  readonly slot: number;
}

/**
 * - `statements`: several, all alive, each with two parameters. In a single one a stale pointer, left in its memory by one
 *   that was there before, may lead to the values, too; in all of them at the same distance it does not.
 */
export function findParameters(heap: Heap, sqlite: SqliteFunctions, statements: readonly number[]): ParameterAddress {
  const places = statements.flatMap((statement) => [
    placesOf(heap, sqlite, statement, [FIRST, SECOND]),
    placesOf(heap, sqlite, statement, [SECOND, FIRST]),
  ]);
  const isIn = (place: Place, others: readonly Place[]) =>
    others.some(({ distance, slot }) => distance === place.distance && slot === place.slot);
  const place = places[0]?.find((each) => places.every((others) => isIn(each, others)));
  if (place !== undefined) {
    const { distance, slot } = place;
    return (of, index) => heap.view().getUint32(of + distance, true) + (index - 1) * slot;
  }
  throw new TendrilError({
    code: 'storage-unsupported',
    problem: 'This build of sql.js keeps parameters otherwise than expected, so 64-bit integers cannot be bound.',
    remedy: 'Install the version of sql.js that Tendril asks for.',
  });
}

/** Where the values are found, once they are bound to the statement. */
function placesOf(
  heap: Heap,
  sqlite: SqliteFunctions,
  statement: number,
  [first, second]: readonly [number, number],
): readonly Place[] {
  sqlite.bind_double(statement, 1, first);
  sqlite.bind_double(statement, 2, second);
  const view = heap.view();
  const holds = (address: number, value: number): boolean =>
    address % 8 === 0 && address + 8 <= view.byteLength && view.getFloat64(address, true) === value;
  const places: Place[] = [];
  for (let distance = 0; distance < MAX_DISTANCE; distance += 4) {
    const slots = view.getUint32(statement + distance, true);
    if (!holds(slots, first)) continue;
    for (let slot = 16; slot <= MAX_SLOT; slot += 8) if (holds(slots + slot, second)) places.push({ distance, slot });
  }
  return places;
}
