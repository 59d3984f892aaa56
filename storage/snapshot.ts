/**
 * Rows as they stood at an earlier position, by undoing what came since inside a savepoint that is always rolled back.
 *
 * Invariants
 *   - while `read` runs, every row of the collections named equals what it was: values, versions, head, deletion, asOf;
 *   - afterwards the file is as before, whether `read` returned or threw.
 * Bounded by MAX_UNDO_ROWS operations; cost: two statements for each entity written since.
 */
import { TendrilError } from '../errors.ts';
import type { Descriptor } from './descriptor.ts';
import type { SqliteDriver } from './driver.ts';
import type { EntityId, Position } from './ids.ts';
import type { Log, UndoEntry } from './log.ts';
import { undoRow } from './registers.ts';
import type { Rows, StoredRow } from './rows.ts';

/** Operations undone for one read. */
export const MAX_UNDO_ROWS = 10_000;

export interface Snapshots {
  /**
   * What `read` returns while the rows of `collections` stand as they did at `position`. It must be synchronous and only read.
   *
   * @throws {TendrilError} `limit-exceeded` past `limit` operations (MAX_UNDO_ROWS), `history-unavailable` below the floor.
   */
  readonly readAt: <Result>(
    position: Position,
    collections: readonly string[],
    read: () => Result,
    limit?: number,
  ) => Result;
  /** One row as it stood, without touching the file; null if it did not exist. @throws {TendrilError} as `readAt`. */
  readonly rowAt: (position: Position, collection: string, entity: EntityId, limit?: number) => StoredRow | null;
}

export function createSnapshots(
  driver: SqliteDriver,
  rows: Rows,
  log: Log,
  descriptors: ReadonlyMap<string, Descriptor>,
): Snapshots {
  const undone = (collection: string, row: StoredRow | null, entries: readonly UndoEntry[]): StoredRow | null => {
    let before = row;
    for (const { undo } of entries)
      before = before === null ? null : undoRow(descriptors.get(collection)!, before, undo);
    return before;
  };
  const undoCollection = (collection: string, entries: readonly UndoEntry[]): void => {
    for (const [entity, own] of byEntity(entries)) {
      const now = rows.read(collection, entity);
      const then = undone(collection, now, own);
      if (then === null) rows.erase(collection, entity);
      else rows.write(collection, entity, now, then);
    }
  };
  const restore = () => {
    driver.run('ROLLBACK TO tendril_snapshot');
    driver.run('RELEASE tendril_snapshot');
  };
  const restoreQuietly = () => {
    try {
      restore();
    } catch {
      // SQLite has rolled back by itself, as it does when the disk fails: the caller hears of that.
    }
  };
  return {
    readAt: (position, collections, read, limit = MAX_UNDO_ROWS) => {
      if (position >= log.position()) return read();
      const entries = collections.map((collection) => log.undoSince(position, { collection }, limit));
      checkBound(
        position,
        entries.reduce((count, { length }) => count + length, 0),
        limit,
      );
      driver.run('SAVEPOINT tendril_snapshot');
      let result: ReturnType<typeof read>;
      try {
        for (const [index, collection] of collections.entries()) undoCollection(collection, entries[index]!);
        result = read();
      } catch (error) {
        restoreQuietly();
        throw error;
      }
      restore();
      return result;
    },
    rowAt: (position, collection, entity, limit = MAX_UNDO_ROWS) => {
      const entries = log.undoSince(position, { collection, entity }, limit);
      checkBound(position, entries.length, limit);
      return undone(collection, rows.read(collection, entity), entries);
    },
  };
}

function byEntity(entries: readonly UndoEntry[]): ReadonlyMap<EntityId, readonly UndoEntry[]> {
  const groups = new Map<EntityId, UndoEntry[]>();
  for (const entry of entries) {
    const group = groups.get(entry.entity);
    if (group === undefined) groups.set(entry.entity, [entry]);
    else group.push(entry);
  }
  return groups;
}

function checkBound(position: Position, operations: number, limit: number): void {
  if (operations <= limit) return;
  throw new TendrilError({
    code: 'limit-exceeded',
    problem: `More than ${limit} operations came after position ${position}, too many to be undone for one read.`,
    remedy: 'Read at a later position, or do less between the begin of a transaction and its reads.',
    facts: { position, limit },
  });
}
