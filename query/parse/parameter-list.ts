/**
 * The parameters a text is written with, numbered as SQLite numbers them.
 *
 * Invariants
 *   - `?` is one more than the greatest position before it, `?3` is the third, `:name` is itself at all its places;
 *   - positions and names do not mix.
 */
import { MAX_PARAMETERS } from '../limits.ts';
import { queryError } from '../query-error.ts';

/** Which parameters a text has: `count` positions (the greatest N of `?N`), or names. */
export type ParameterList =
  | { readonly kind: 'positions'; readonly count: number }
  | { readonly kind: 'names'; readonly names: readonly string[] };

export class WrittenParameters {
  private readonly names = new Set<string>();
  private greatest = 0;

  get list(): ParameterList {
    if (this.names.size > 0) return { kind: 'names', names: [...this.names] };
    return { kind: 'positions', count: this.greatest };
  }

  /** The position (from 1) or name of the parameter at `start` to `end` of `text`. */
  read(text: string, start: number, end: number): number | string {
    const written = text.slice(start, end);
    const refuse = (problem: string, remedy: string) =>
      queryError({ code: 'query-syntax', text, at: start, problem, remedy });
    const isName = written.startsWith(':');
    if (isName ? this.greatest > 0 : this.names.size > 0) {
      throw refuse('Positions and names do not mix.', 'Use ? for all, or :name for all.');
    }
    if (isName) {
      this.names.add(written.slice(1));
      return written.slice(1);
    }
    const number = written === '?' ? this.greatest + 1 : Number(written.slice(1));
    if (number < 1) throw refuse('Parameters are numbered from 1.', 'Write ?1 for the first.');
    if (number > MAX_PARAMETERS) {
      const [problem, remedy] = [`A text has at most ${MAX_PARAMETERS} parameters.`, 'Pass a JSON array, or split it.'];
      const facts = { limit: MAX_PARAMETERS };
      throw queryError({ code: 'limit-exceeded', text, at: start, problem, remedy, facts });
    }
    this.greatest = Math.max(this.greatest, number);
    return number;
  }
}
