/**
 * Doubt: what JavaScript throws when it cannot promise SQLite's answer for the values at hand (a REAL printed as text,
 * a text of more digits than a double holds exactly). Whoever evaluates catches it and asks SQLite instead.
 *
 * One frozen object and no Error: it is control flow, never seen outside this folder, and carries no stack to pay for.
 */
import type { Cell, RawRow } from '../value.ts';

export const DOUBT: { readonly doubt: true } = Object.freeze({ doubt: true });

type OfRow<Answer> = (row: RawRow, values: readonly Cell[]) => Answer;

/** What `evaluate` answers, and what `ask` does where it cannot. */
export function unlessDoubtful<Answer>(evaluate: OfRow<Answer>, ask: OfRow<Answer>): OfRow<Answer> {
  return (row, values) => {
    try {
      return evaluate(row, values);
    } catch (problem) {
      if (problem === DOUBT) return ask(row, values);
      throw problem;
    }
  };
}
