/**
 * Had: what of a selection is here already when a session begins, as the authority is told.
 *
 * Invariant: it is asked for before anything of the session is taken, so that the rows stand where the last one left them.
 */
import { exactValues } from '../../../query/index.ts';
import { createBuckets, type EntityId } from '../../../storage/index.ts';
import type { Had } from '../../stream.ts';
import { MIN_COMPARED_ROWS, SUMMED_ROWS } from '../limits.ts';
import { type HeldRows, HeldSelection } from '../overlay/held-rows.ts';
import type { Followed } from './followed.ts';

/**
 * Where all that is here stands at the cursor of the greeting.
 *
 * - `onStage`: what the last session had said is here, beside what is in the tables.
 */
export function hadOf({ isHeld, through, edge, isWindow, hasRows, shownEdge }: Followed, onStage: boolean): Had | null {
  if (!onStage) return hasRows ? { kind: 'held', through: null, edge: shownEdge } : null;
  if (isHeld) return { kind: 'held', through: null, edge };
  return through === null || isWindow ? null : { kind: 'held', through, edge: null };
}

/** What is held of a selection without LIMIT. */
export function heldOf(held: HeldRows, followed: Followed): HeldSelection {
  const { entry, asked } = followed;
  return new HeldSelection(held, {
    entry,
    where: asked.selection.shape.sql.where,
    parameters: exactValues(asked.selection),
    matches: (row) => followed.matches(row),
  });
}

/** What of a selection is here, summed up in several turns: where it stands is of no use to the authority. */
export class BucketSummary {
  readonly #held: HeldSelection;
  readonly #buckets = createBuckets();
  #through: EntityId | null = null;
  /** That were summed up. */
  rows = 0;

  constructor(held: HeldSelection) {
    this.#held = held;
  }

  /**
   * Looks at the next SUMMED_ROWS. True while there are more.
   *
   * What is settled between two turns has another head here than when it was summed up, and at the authority too: its
   * bucket differs, and comes. So does one of which a row is damaged here: that is left out.
   */
  advance(): boolean {
    const { rows, through } = this.#held.next(this.#through, null, SUMMED_ROWS);
    for (const { id, head } of rows) if (head !== null) this.#buckets.add(id, head);
    this.rows += rows.length;
    this.#through = through;
    return through !== null;
  }

  /** Null for few rows: they cost less than their buckets. */
  get had(): Had | null {
    return this.rows < MIN_COMPARED_ROWS ? null : { kind: 'buckets', hashes: this.#buckets.hashes() };
  }
}
