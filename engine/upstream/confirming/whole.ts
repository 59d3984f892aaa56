/**
 * Whole: all that a session began with has come, and becomes visible in one step.
 *
 * Invariants
 *   - a session that does not resume replaces what was held before: what it did not say goes, but for rows of equal buckets,
 *     whose positions were those of another log and are forgotten. Under something pending it stays as its base, until it is
 *     known what became of it (incoming/first-upload.ts); where it was asked about by its id, that is known: there is no such row;
 *   - one that resumes changes what it said, and lets go what it did not say and nothing stands for any more (untold.ts).
 */
import { quoteName } from '../../../query/index.ts';
import type { EntityId, Position } from '../../../storage/index.ts';
import type { CatalogEntry } from '../../catalog.ts';
import type { Commit } from '../../change.ts';
import type { Core } from '../../core.ts';
import { type RowKey, rowKey } from '../../row-key.ts';
import type { Following } from '../following/following.ts';
import type { HeldIds } from '../following/held-ids.ts';
import type { Overlay } from '../overlay/overlay.ts';
import { OverlayStep } from '../overlay/overlay-step.ts';
import type { Served } from '../served.ts';
import type { Collections } from '../session/collections.ts';
import type { SessionStage, Stage } from './stages.ts';
import { letGoUntold } from './untold.ts';

export interface WholeParts {
  readonly core: Core;
  readonly collections: Collections;
  readonly overlay: Overlay;
  readonly following: Following;
  readonly heldIds: HeldIds;
  /** Whether there is any view, be it of a collection or of a statement. */
  readonly isWatched: () => boolean;
  /** Null while nobody follows this node. */
  readonly served: () => Served | null;
  /** The authority does not have these rows, over which something is pending. */
  readonly lacking: (step: OverlayStep, rows: readonly RowKey[]) => void;
}

/** Inside a group. Null where nobody sees a difference. */
export function becomeWhole(parts: WholeParts, session: SessionStage): Commit | null {
  const { stage, replaces } = session;
  const { overlay, following, isWatched } = parts;
  letGoUntold(parts, session);
  const step = new OverlayStep(overlay);
  const entering = replaces ? replace(parts, step, session) : amend(parts, step, stage);
  step.enterAll(stage.rows((entry, id) => !entering(entry, id)));
  for (const followed of following.all()) {
    if (followed.isHeld) following.show(followed);
    // One that was passed over has none any more.
    else if (followed.state === 'denied') following.show(followed, false);
  }
  const windows = () => [...following.all()].filter(({ isWindow }) => isWindow);
  const boundsOf = () => windows().map((followed) => following.asBound(followed));
  const commit = step.end(boundsOf, isWatched());
  parts.served()?.becameWhole(step.confirmedChanges, boundsOf());
  return commit;
}

/** Which rows of the stage enter: those that the tables do not have. */
type Entering = (entry: CatalogEntry, id: EntityId) => boolean;

function replace(parts: WholeParts, step: OverlayStep, { stage }: SessionStage): Entering {
  const { core, overlay, following, heldIds } = parts;
  const held = new Map<CatalogEntry, Set<EntityId>>();
  const lacking: RowKey[] = [];
  for (const entry of core.catalog.entries) {
    const { name } = entry.collection;
    const ids = new Set<EntityId>();
    const compares = following.subscriptions.comparesOf(name);
    for (const id of idsOf(core, entry)) {
      ids.add(id);
      const row = stage.get(entry, id);
      if (row !== null) step.confirm(entry, id, row);
      else if (!compares || stage.hasLeft(entry, id) || !keepIfEqual(parts, step, entry, id)) {
        letGo(parts, step, entry, id);
        const key = rowKey(name, id);
        if (overlay.baseOf(key)?.row && heldIds.isHere(key)) lacking.push(key);
      }
    }
    // Those that are confirmed now are written after this.
    if (compares) core.driver.run(`UPDATE ${quoteName(`_${name}`)} SET _asOf = 0`);
    held.set(entry, ids);
  }
  parts.lacking(step, lacking);
  return (entry, id) => held.get(entry)?.has(id) !== true;
}

/** What is pending over it keeps it, but not its position, which is one of another log. */
function letGo({ overlay }: WholeParts, step: OverlayStep, entry: CatalogEntry, id: EntityId): void {
  const { name } = entry.collection;
  const row = overlay.hasPending(name, id) ? overlay.confirmed(name, id) : null;
  if (row !== null) step.confirm(entry, id, { ...row, asOf: 0 as Position });
  step.leave(entry, id);
}

function idsOf({ driver }: Core, { collection: { name } }: CatalogEntry): readonly EntityId[] {
  return driver.all(`SELECT id FROM ${quoteName(`_${name}`)}`).map(([id]) => id as EntityId);
}

/** False where the authority has it otherwise, or not at all. */
function keepIfEqual(
  { overlay, following }: WholeParts,
  step: OverlayStep,
  entry: CatalogEntry,
  id: EntityId,
): boolean {
  const { name } = entry.collection;
  const row = overlay.confirmed(name, id);
  // What had left under something pending was not summed up: an equal bucket says nothing of it.
  const hasLeft = overlay.baseOf(rowKey(name, id))?.hasLeft === true;
  if (row === null || hasLeft || !following.subscriptions.keeps(name, row)) return false;
  if (overlay.hasPending(name, id)) step.confirm(entry, id, { ...row, asOf: 0 as Position });
  return true;
}

function amend(parts: WholeParts, step: OverlayStep, stage: Stage): Entering {
  const { core, collections } = parts;
  const entering = new Map<CatalogEntry, Set<EntityId>>();
  for (const [entry, id] of stage.ids()) {
    if (step.holds(entry, id)) {
      const row = stage.get(entry, id);
      if (row === null) step.leave(entry, id);
      else step.confirm(entry, id, row);
      continue;
    }
    const ids = entering.get(entry);
    if (ids === undefined) entering.set(entry, new Set([id]));
    else ids.add(id);
  }
  for (const [entry, id] of stage.left()) step.leave(entry, id);
  for (const entry of core.catalog.entries) {
    if (collections.refusalOf(entry.collection.name) === null) continue;
    for (const id of idsOf(core, entry)) step.leave(entry, id);
  }
  return (entry, id) => entering.get(entry)?.has(id) === true;
}
