/**
 * Standpoint: from where a transaction reads what it did not write itself.
 *
 * Invariants
 *   - inside a group it is the table as the earlier members left it; outside, the committed rows at one position;
 *   - `look` shows tables in which the drafts stand over those rows. Inside, drafts are written into the table as they
 *     come (the group's commit overwrites them with the true rows, a rollback takes them back); outside, they are
 *     written under a savepoint that is always rolled back, so that no lock outlives the read.
 */
import type { Position } from '../../storage/index.ts';
import type { Core } from '../core.ts';
import { checkKnown } from '../covers.ts';
import { type Draft, type RowSource, shownRow } from './write-set.ts';

export interface Standpoint extends RowSource {
  /** What `read` returns while the tables of `collections` show the drafts. It must be synchronous and only read. */
  readonly look: <Result>(drafts: readonly Draft[], collections: readonly string[], read: () => Result) => Result;
}

export function insideGroup(core: Core): Standpoint {
  return {
    row: (entry, id) => core.rows.read(entry.collection.name, id),
    checkKnown: (entry, id) => checkKnown(core.covers, entry, id),
    look: (drafts, _collections, read) => {
      for (const draft of drafts) if (draft.stale) show(core, draft);
      return read();
    },
  };
}

/** @throws {TendrilError} from each read: `limit-exceeded` where more has been committed since than can be undone. */
export function atPosition(core: Core, position: Position): Standpoint {
  const { driver, rows } = core;
  const withDrafts = <Result>(drafts: readonly Draft[], read: () => Result): Result => {
    if (drafts.length === 0) return read();
    driver.run('SAVEPOINT tendril_drafts');
    try {
      for (const draft of drafts) show(core, draft);
      return read();
    } finally {
      for (const draft of drafts) hide(draft);
      driver.run('ROLLBACK TO tendril_drafts');
      driver.run('RELEASE tendril_drafts');
    }
  };
  return {
    row: (entry, id) => {
      const { name } = entry.collection;
      return position >= core.position() ? rows.read(name, id) : core.rowAt(position, name, id);
    },
    checkKnown: (entry, id) => checkKnown(core.covers, entry, id),
    look: (drafts, collections, read) => {
      const concerned = drafts.filter((draft) => collections.includes(draft.entry.collection.name));
      return core.readAt(position, collections, () => withDrafts(concerned, read));
    },
  };
}

/** What a rollback did to a draft that was shown. */
export function hide(draft: Draft): void {
  draft.shown = draft.before;
  draft.stale = true;
}

function show({ rows }: Core, draft: Draft): void {
  const { name } = draft.entry.collection;
  const row = shownRow(draft);
  if (row !== null) rows.write(name, draft.id, draft.shown, row);
  else if (draft.shown !== null) rows.erase(name, draft.id);
  draft.shown = row;
  draft.stale = false;
}
