/**
 * Rows version: the rows of a view between two of its change sets, put together only if somebody looks.
 *
 * A view keeps its rows in one array that it alters in place, so what it was can no longer be read from it. Yet a change
 * set, once handed out, must go on giving the rows it led to. While nobody has looked, the version remembers the step
 * that ended it; a late look goes back to it from the rows that came after.
 *
 * Invariant: `rows` is one array for ever, from the first look on.
 */
import { applied, type Differences, inverse } from './change-set.ts';

/** Steps a late look goes back at most; every so many, rows are put together though nobody looks. */
export const MAX_STEPS_BACK = 1_000;

interface Step<Row> {
  readonly differences: Differences<Row>;
  readonly next: RowsVersion<Row>;
}

export class RowsVersion<Row> {
  /** Until looked at or ended: gives the present rows of the view. */
  #present: { readonly presentRows: () => readonly Row[] } | null;
  #rows: readonly Row[] | null = null;
  #step: Step<Row> | null = null;
  #stepsSinceRows = 0;

  constructor(view: { readonly presentRows: () => readonly Row[] }) {
    this.#present = view;
  }

  get rows(): readonly Row[] {
    this.#rows ??= this.#present === null ? this.#rowsFromLater() : this.#present.presentRows();
    this.#present = null;
    this.#step = null;
    return this.#rows;
  }

  get isLookedAt(): boolean {
    return this.#rows !== null;
  }

  /** The view's rows have become those of `next`, by `differences`. Needed only if this version can still be looked at. */
  end(differences: Differences<Row>, next: RowsVersion<Row>): void {
    if (this.#rows !== null) return;
    this.#present = null;
    this.#step = { differences, next };
    next.#stepsSinceRows = this.#stepsSinceRows + 1;
    if (next.#stepsSinceRows >= MAX_STEPS_BACK) void next.rows;
  }

  #rowsFromLater(): readonly Row[] {
    const steps: Step<Row>[] = [];
    let version: RowsVersion<Row> = this;
    while (version.#step !== null) {
      steps.push(version.#step);
      version = version.#step.next;
    }
    return steps.reduceRight((rows, { differences }) => applied(rows, inverse(differences)), version.rows);
  }
}
