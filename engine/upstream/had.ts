/**
 * Had: what of a selection is here already when a session begins, as the authority is told.
 *
 * Invariant: it is asked for before anything of the session is taken, so that the rows stand where the last one left them.
 */
import { TendrilError } from '../../errors.ts';
import { exactValues } from '../../query/index.ts';
import {
  createBuckets,
  createRowScan,
  type EntityId,
  type OperationId,
  type SqliteDriver,
} from '../../storage/index.ts';
import type { Followed } from './followed.ts';
import { MIN_COMPARED_ROWS } from './limits.ts';
import type { Overlay } from './overlay.ts';
import type { Had } from './stream.ts';

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

/** Where it stands is of no use to the authority. Null for few rows: they cost less than their buckets. */
export function bucketsOf(
  { overlay, driver }: { readonly overlay: Overlay; readonly driver: SqliteDriver },
  { asked, entry, isWindow, hasRows, plan }: Followed,
): Had | null {
  if (isWindow || !hasRows) return null;
  const { name } = entry.collection;
  const { selection } = asked;
  const buckets = createBuckets();
  let rows = 0;
  const add = (id: EntityId, head: readonly OperationId[]) => {
    rows += 1;
    buckets.add(id, head);
  };
  const scan = createRowScan(driver, entry.descriptor, selection.shape.sql.where, exactValues(selection));
  for (const { id, row: head } of scan.heads(null, Number.MAX_SAFE_INTEGER)) {
    // One that is damaged here is left out, so that it comes again.
    if (!(head instanceof TendrilError) && !overlay.hasPending(name, id)) add(id, head);
  }
  for (const id of overlay.idsPending(name)) {
    const row = overlay.confirmed(name, id);
    if (row === null || row.deleted !== null || !plan.matches(row.values, selection.values)) continue;
    add(id, row.head);
  }
  return rows < MIN_COMPARED_ROWS ? null : { kind: 'buckets', hashes: buckets.hashes() };
}
