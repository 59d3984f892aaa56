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
import type { ConfirmedRow, Followed } from '../following/followed.ts';
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
 * one would not know any more that it was not said, nor would the authority know that it is here.
 */
export function letGoUntoldAtEnd(parts: UntoldParts, { stage, replaces }: SessionStage): void {
  letGoUntoldStaged(parts, stage);
  if (replaces) return;
  for (const followed of parts.following.all()) letGoInTables(parts, stage, followed, followed.pushedOut);
}

/** Those that nothing speaks for leave the stage, and with it the tables. */
export function letGoUntold(parts: UntoldParts, { stage, replaces }: SessionStage): void {
  const { following } = parts;
  letGoUntoldStaged(parts, stage);
  const orphans = following.takeOrphans();
  if (replaces) return;
  const letGoAll = (followed: Followed) => {
    letGoInTables(parts, stage, followed, idsIn(parts, followed, Number.POSITIVE_INFINITY));
  };
  for (const orphan of orphans) letGoAll(orphan);
  for (const followed of following.all()) {
    const { state, basis, had, hasRows } = followed;
    const isAnew = basis === 'nothing' && (had !== null || hasRows);
    if (state === 'denied' || isAnew) letGoAll(followed);
    else letGoInTables(parts, stage, followed, followed.pushedOut);
  }
}

/**
 * Of a window that was resumed, when its last chunk has come: rows that others pushed out. Nobody has named those, and the
 * edge may move on past where they stand here, while they change unsaid.
 */
export function pushedOutOf(parts: UntoldParts, session: SessionStage, followed: Followed): ReadonlySet<EntityId> {
  const { stage, replaces } = session;
  const { basis, isWindow, limit, entry, edge } = followed;
  const pushedOut = new Set<EntityId>();
  if (replaces || basis !== 'held' || !isWindow) return pushedOut;
  const confirmed = confirmedOver(parts, stage, entry);
  const bound = followed.rowAt(confirmed, edge);
  const isWithin = ({ values, deleted }: StoredRow) =>
    deleted === null && followed.matches(values) && (bound === null || followed.compare(values, bound) <= 0);
  for (const id of idsIn(parts, followed, 2 * capacityOf(limit))) {
    if (stage.has(entry, id) || stage.hasLeft(entry, id)) continue;
    const row = confirmed(entry.collection.name, id);
    if (row !== null && !isWithin(row)) pushedOut.add(id);
  }
  return pushedOut;
}

function letGoUntoldStaged(parts: UntoldParts, stage: Stage): void {
  // Some came for an id that nobody asks for any more.
  for (const entry of parts.core.catalog.entries) {
    for (const id of stage.untold(entry)) letGo(parts, stage, entry, id, stage.get(entry, id));
  }
}

function letGoInTables(parts: UntoldParts, stage: Stage, { entry }: Followed, ids: Iterable<EntityId>): void {
  for (const id of ids) {
    if (stage.has(entry, id) || stage.hasLeft(entry, id)) continue;
    letGo(parts, stage, entry, id, parts.overlay.confirmed(entry.collection.name, id));
  }
}

/** Unless something speaks for it. */
function letGo(parts: UntoldParts, stage: Stage, entry: CatalogEntry, id: EntityId, row: StoredRow | null): void {
  if (row !== null && !isSpokenFor(parts, stage, entry, row)) stage.leave(entry, id);
}

/** The first rows of a selection as the tables have them, and all that may not match as they are shown. */
function idsIn(parts: UntoldParts, followed: Followed, rows: number): ReadonlySet<EntityId> {
  const { name } = followed.entry.collection;
  const inTables = found(parts, followed, rows).map(([id]) => id as EntityId);
  return new Set([...inTables, ...parts.overlay.idsPending(name)]);
}

function found({ core: { driver } }: UntoldParts, { entry, plan, asked, error }: Followed, rows: number) {
  // It was denied: its predicate may fail on any of them.
  if (error !== null) return driver.all(`SELECT id FROM ${quoteName(`_${entry.collection.name}`)}`);
  return driver.all(plan.sql, parametersOf(plan, asked.selection, rows));
}

function isSpokenFor(parts: UntoldParts, stage: Stage, entry: CatalogEntry, row: StoredRow): boolean {
  const { following, heldIds } = parts;
  const { name } = entry.collection;
  const id = row.values[0] as EntityId;
  if (heldIds.isHere(rowKey(name, id))) return true;
  if (row.deleted !== null) return false;
  const speaks = ({ state, basis, had, pushedOut }: Followed) => {
    if (state === 'denied' || basis !== 'held' || had?.kind !== 'held' || pushedOut.has(id)) return false;
    return had.through === null || id <= had.through;
  };
  return following.subscriptions.covers(name, row.values, confirmedOver(parts, stage, entry), speaks);
}

/** Rows of one collection as the stage has them, over the tables. */
function confirmedOver({ overlay }: UntoldParts, stage: Stage, entry: CatalogEntry): ConfirmedRow {
  return (collection, id) =>
    stage.get(entry, id) ?? (stage.hasLeft(entry, id) ? null : overlay.confirmed(collection, id));
}
