/** What every file of this folder exports: one bench, which measures one row of the table, or a few that belong together. */
import type { Figure } from './figure.ts';

export interface Bench {
  /** One word or two, for `npm run bench -- <name>`. */
  readonly name: string;
  /** Gives each figure when it is measured; `say` tells what is going on meanwhile. */
  readonly run: (say: (what: string) => void, pace: Pace) => AsyncIterable<Figure>;
}

/** `isShort`: to see that it runs; its figures are rougher. Those that are short anyway make no difference. */
export interface Pace {
  readonly isShort: boolean;
}
