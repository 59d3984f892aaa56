/**
 * The selection index by itself, 100,000 selections registered: from a change to the one selection it concerns.
 *
 * Beside it stands a bare hash lookup for the same change: one `Map.get` of its origin among 100,000. Changes come in
 * random order, and their texts are new to both sides, as those of rows just read are.
 */
import { SelectionIndex } from '../engine/live/selection-index.ts';
import { indexKeysOf, type RawRow, type Selector } from '../query/index.ts';
import { createRandom } from '../test/support/random.ts';
import type { Bench } from './bench.ts';
import { atLeast } from './figure.ts';
import { FORMS, type Form, Leg, legFor } from './forms.ts';
import { duel, median } from './measure.ts';
import { openSelector } from './selector.ts';

const OPEN = 100_000;
/** Few at a time, because a change that comes is warm in the processor's cache; many times, because few are quick. */
const CHANGES = 500;
const PASSES = 100;
const NS_PER_MS = 1e6;

interface Change {
  readonly before: RawRow;
  readonly after: RawRow;
}

export const indexAlone: Bench = {
  name: 'index',
  run: async function* (say) {
    const byOrigin = new Map(Array.from({ length: OPEN }, (_, number) => [legFor(number).origin, { number }]));
    const { select } = await openSelector(Leg);
    for (const form of FORMS) {
      say(`${form.name}, 100,000 registered`);
      const index = indexOf(form, select);
      yield await duel({
        ...{ name: `index alone, 100,000, ${form.name}`, unit: 'ns', reach: atLeast(0.1), rounds: 9, warmUp: 3 },
        ours: (round) => timeOf(form, round, ({ before, after }) => index.concerned(before, after).length),
        limit: (round) => timeOf(form, round, ({ after }) => (byOrigin.get(after[1] as string) === undefined ? 0 : 1)),
      });
    }
  },
};

function indexOf(form: Form, select: Selector): SelectionIndex<{ mark: number }> {
  const index = new SelectionIndex<{ mark: number }>();
  for (let number = 0; number < OPEN; number++) {
    const [text, parameters] = form.selection(number);
    index.add(indexKeysOf(select(text, parameters)), { mark: 0 });
  }
  return index;
}

/** A change of a property that no selection reads, in rows that one selection each selects. */
function changesOf(form: Form, seed: number): readonly Change[] {
  const random = createRandom(seed);
  return Array.from({ length: CHANGES }, () => {
    const number = form.name === 'IS NULL' ? 0 : random.integer(OPEN);
    const { origin, distance, delay, gate } = legFor(number);
    const departs = '1970-01-01T00:00:00.000Z';
    const row = (destination: string) => ['', origin, destination, departs, distance, delay, gate];
    return { before: row('JFK'), after: row('LAX') };
  });
}

/** Nanoseconds per change: the median of the passes. */
function timeOf(form: Form, round: number, concerned: (change: Change) => number): number {
  const costs: number[] = [];
  for (let pass = 0; pass < PASSES; pass++) {
    const changes = changesOf(form, round * PASSES + pass);
    let found = 0;
    const start = performance.now();
    for (const change of changes) found += concerned(change);
    costs.push((NS_PER_MS * (performance.now() - start)) / CHANGES);
    if (found !== CHANGES) throw new Error(`${found} selections found for ${CHANGES} changes`);
  }
  return median(costs);
}
