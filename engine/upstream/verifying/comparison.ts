/**
 * Comparison: the chunks of a selection without LIMIT, in order, beside what is held of it.
 *
 * Invariant: a chunk speaks of the ids from the last row of the one before to its own last row, and the last one to the end.
 */
import { bucketOf, type EntityId, idOfRow } from '../../../storage/index.ts';
import type { SaidOf } from '../../stream.ts';
import type { BucketSummary } from '../following/had.ts';
import type { HeldSelection } from '../overlay/held-rows.ts';
import type { Findings } from './findings.ts';

export interface ComparisonParts {
  readonly held: HeldSelection;
  /** As the authority was told of it. */
  readonly summary: BucketSummary;
  readonly findings: Findings;
}

export class Comparison {
  readonly #parts: ComparisonParts;
  /** Of these buckets all rows come; null: of all. */
  #differing: ReadonlySet<number> | null = null;
  #through: EntityId | null = null;
  #isFirst = true;

  constructor(parts: ComparisonParts) {
    this.#parts = parts;
  }

  /** Living rows that are held and did not come, of those that this chunk speaks of. */
  lacking({ rows, basis, differing, last }: SaidOf<'chunk'>): readonly EntityId[] {
    const { held, summary, findings } = this.#parts;
    if (this.#isFirst && basis === 'buckets') {
      this.#differing = new Set(differing);
      findings.rows += summary.rows;
    }
    this.#isFirst = false;
    const lastRow = rows.at(-1);
    if (!last && lastRow === undefined) return [];
    const from = this.#through;
    const through = last ? null : idOfRow(lastRow!);
    this.#through = through;
    if (this.#differing?.size === 0) return [];
    const { rows: here } = held.next(from, through, Number.MAX_SAFE_INTEGER);
    if (this.#differing === null) findings.rows += here.length;
    const came = new Set(rows.map(idOfRow));
    return here.flatMap(({ id }) => (came.has(id) || this.#differing?.has(bucketOf(id)) === false ? [] : [id]));
  }
}
