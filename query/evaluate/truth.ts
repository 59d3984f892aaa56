/**
 * SQL's three truth values as small integers, and what AND, OR and NOT make of them.
 *
 * A `Test` answers for one row and one selection's constants; it is compiled once per shape and holds neither.
 */
import type { Cell, RawRow } from '../value.ts';

export type Truth = 0 | 1 | 2;
export const FALSE = 0;
export const TRUE = 1;
export const UNKNOWN = 2;

export type Test = (row: RawRow, values: readonly Cell[]) => Truth;

export function not(truth: Truth): Truth {
  return truth === UNKNOWN ? UNKNOWN : truth === TRUE ? FALSE : TRUE;
}

/** False as soon as one is; unknown if none is false and one is unknown. */
export function allOf(tests: readonly Test[]): Test {
  if (tests.length === 2) return both(tests[0]!, tests[1]!);
  return (row, values) => {
    let all: Truth = TRUE;
    for (const test of tests) {
      const truth = test(row, values);
      if (truth === FALSE) return FALSE;
      if (truth === UNKNOWN) all = UNKNOWN;
    }
    return all;
  };
}

function both(first: Test, second: Test): Test {
  return (row, values) => {
    const left = first(row, values);
    if (left === FALSE) return FALSE;
    const right = second(row, values);
    return right === TRUE ? left : right;
  };
}

/** True as soon as one is; unknown if none is true and one is unknown. */
export function anyOf(tests: readonly Test[]): Test {
  if (tests.length === 2) return either(tests[0]!, tests[1]!);
  return (row, values) => {
    let any: Truth = FALSE;
    for (const test of tests) {
      const truth = test(row, values);
      if (truth === TRUE) return TRUE;
      if (truth === UNKNOWN) any = UNKNOWN;
    }
    return any;
  };
}

function either(first: Test, second: Test): Test {
  return (row, values) => {
    const left = first(row, values);
    if (left === TRUE) return TRUE;
    const right = second(row, values);
    return right === FALSE ? left : right;
  };
}

export function notOf(test: Test): Test {
  return (row, values) => not(test(row, values));
}
