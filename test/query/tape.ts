/**
 * Choices read from a tape of numbers: how fast-check drives a generator written as plain code.
 *
 * An exhausted tape always chooses the first, so generators list what is simplest first, and a shorter or smaller tape
 * (which is what shrinking makes) gives a simpler outcome.
 */
import fc from 'fast-check';
import type { Random } from '../support/random.ts';

const STEPS = 2 ** 20;

/** Tapes of `length` choices. */
export function tapes(length: number): fc.Arbitrary<readonly number[]> {
  return fc.array(fc.nat({ max: STEPS - 1 }), { minLength: 0, maxLength: length, size: 'max' });
}

export function readTape(tape: readonly number[]): Random {
  let at = 0;
  const next = () => (tape[at++] ?? 0) / STEPS;
  const integer = (below: number) => Math.floor(next() * below);
  return {
    next,
    integer,
    pick: (items) => items[integer(items.length)] as (typeof items)[number],
    // An exhausted tape says no.
    chance: (probability) => next() > 1 - probability,
  };
}
