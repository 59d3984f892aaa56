/**
 * Had: what of a selection is here already when a session begins, as the authority is told.
 *
 * Invariant: it is asked for before anything of the session is taken, so that the rows stand where the last one left them.
 */
import { TendrilError } from '../../../errors.ts';
import { exactValues } from '../../../query/index.ts';
import {
  createBuckets,
  createRowScan,
  type EntityId,
  type OperationId,
  type RowScan,
  type SqliteDriver,
} from '../../../storage/index.ts';
import type { Had } from '../../stream.ts';
import { MIN_COMPARED_ROWS, SUMMED_ROWS } from '../limits.ts';
import type { Overlay } from '../overlay/overlay.ts';
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

/** What of a selection is here, summed up in several turns: where it stands is of no use to the authority. */
export class BucketSummary {
  readonly #overlay: Overlay;
  readonly #followed: Followed;
  readonly #scan: RowScan;
  readonly #buckets = createBuckets();
  #rows = 0;
  #through: EntityId | null = null;

  constructor({ overlay, driver }: { readonly overlay: Overlay; readonly driver: SqliteDriver }, followed: Followed) {
    const { asked, entry } = followed;
    this.#overlay = overlay;
    this.#followed = followed;
    this.#scan = createRowScan(driver, entry.descriptor, asked.selection.shape.sql.where, exactValues(asked.selection));
  }

  /**
   * Looks at the next SUMMED_ROWS. True while there are more.
   *
   * What is settled between two turns has another head here than when it was summed up, and at the authority too: its
   * bucket differs, and comes.
   */
  advance(): boolean {
    const { name } = this.#followed.entry.collection;
    let looked = 0;
    for (const { id, row: head } of this.#scan.heads(this.#through, SUMMED_ROWS)) {
      looked += 1;
      this.#through = id;
      // One that is damaged here is left out, so that it comes again.
      if (!(head instanceof TendrilError) && !this.#overlay.hasPending(name, id)) this.#add(id, head);
    }
    if (looked === SUMMED_ROWS) return true;
    for (const id of this.#overlay.idsPending(name)) {
      const row = this.#overlay.confirmed(name, id);
      if (row !== null && row.deleted === null && this.#followed.matches(row.values)) this.#add(id, row.head);
    }
    return false;
  }

  /** Null for few rows: they cost less than their buckets. */
  get had(): Had | null {
    return this.#rows < MIN_COMPARED_ROWS ? null : { kind: 'buckets', hashes: this.#buckets.hashes() };
  }

  #add(id: EntityId, head: readonly OperationId[]): void {
    this.#rows += 1;
    this.#buckets.add(id, head);
  }
}
