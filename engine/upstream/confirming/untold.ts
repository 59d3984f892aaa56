/**
 * Untold: rows of before of which a session that goes on with them has said nothing.
 *
 * Invariant: such a row stands only because something that was asked for, and answered on what was had, speaks for it: it
 * would have been told otherwise. What was answered from nothing has told all of its rows, what was denied or given up tells
 * none, and of a snapshot that was interrupted nothing was had beyond where it stopped.
 *
 * The work is proportional to the rows of such selections; of a window that was resumed, to the window; of one that is
 * denied, to the rows of its collection that are here.
 */
import { quoteName } from '../../../query/index.ts';
import type { EntityId, StoredRow } from '../../../storage/index.ts';
import type { CatalogEntry } from '../../catalog.ts';
import type { Core } from '../../core.ts';
import { parametersOf } from '../../live/plan.ts';
import { capacityOf } from '../../live/window.ts';
import { rowKey } from '../../row-key.ts';
import type { Followed } from '../following/followed.ts';
import type { Following } from '../following/following.ts';
import type { HeldIds } from '../following/held-ids.ts';
import type { Overlay } from '../overlay/overlay.ts';
import type { SessionStage, Stage } from './stages.ts';

export interface UntoldParts {
  readonly core: Core;
  readonly overlay: Overlay;
  readonly following: Following;
  readonly heldIds: HeldIds;
}

/**
 * A session has ended, and another one may go on with its stage: of what it did not say, and nothing spoke for, the next
 * one would not know any more that it was not said.
 */
export function letGoUntoldStaged(parts: UntoldParts, stage: Stage): void {
  // Some came for an id that nobody asks for any more.
  for (const entry of parts.core.catalog.entries) {
    for (const id of stage.untold(entry)) {
      const row = stage.get(entry, id);
      if (row !== null && !isSpokenFor(parts, stage, entry, row)) stage.leave(entry, id);
    }
  }
}

/** Those that nothing speaks for leave the stage, and with it the tables. */
export function letGoUntold(parts: UntoldParts, { stage, replaces }: SessionStage): void {
  const { overlay, following } = parts;
  const look = (entry: CatalogEntry, id: EntityId, row: StoredRow | null) => {
    if (row !== null && !isSpokenFor(parts, stage, entry, row)) stage.leave(entry, id);
  };
  letGoUntoldStaged(parts, stage);
  const orphans = following.takeOrphans();
  if (replaces) return;
  const lookInTables = (followed: Followed, rows: number) => {
    const { entry } = followed;
    for (const id of new Set(idsIn(parts, followed, rows))) {
      if (stage.has(entry, id) || stage.hasLeft(entry, id)) continue;
      look(entry, id, overlay.confirmed(entry.collection.name, id));
    }
  };
  for (const orphan of orphans) lookInTables(orphan, Number.POSITIVE_INFINITY);
  for (const followed of following.all()) {
    const { state, basis, had, hasRows, isWindow, limit } = followed;
    const isAnew = basis === 'nothing' && (had !== null || hasRows);
    if (state === 'denied' || isAnew) lookInTables(followed, Number.POSITIVE_INFINITY);
    // Those that were pushed out, and have not changed, have not been named.
    else if (basis === 'held' && isWindow) lookInTables(followed, 2 * capacityOf(limit));
  }
}

/** The first rows of a selection as the tables have them, and all that may not match as they are shown. */
function idsIn(parts: UntoldParts, followed: Followed, rows: number): readonly EntityId[] {
  const { name } = followed.entry.collection;
  return [...found(parts, followed, rows).map(([id]) => id as EntityId), ...parts.overlay.idsPending(name)];
}

function found({ core: { driver } }: UntoldParts, { entry, plan, asked, error }: Followed, rows: number) {
  // It was denied: its predicate may fail on any of them.
  if (error !== null) return driver.all(`SELECT id FROM ${quoteName(`_${entry.collection.name}`)}`);
  return driver.all(plan.sql, parametersOf(plan, asked.selection, rows));
}

function isSpokenFor({ overlay, following, heldIds }: UntoldParts, stage: Stage, entry: CatalogEntry, row: StoredRow) {
  const { name } = entry.collection;
  const id = row.values[0] as EntityId;
  if (heldIds.isHere(rowKey(name, id))) return true;
  if (row.deleted !== null) return false;
  const confirmed = (collection: string, other: EntityId) =>
    stage.get(entry, other) ?? (stage.hasLeft(entry, other) ? null : overlay.confirmed(collection, other));
  const speaks = ({ state, basis, had }: Followed) =>
    state !== 'denied' && basis === 'held' && had?.kind === 'held' && (had.through === null || id <= had.through);
  return following.subscriptions.covers(name, row.values, confirmed, speaks);
}
