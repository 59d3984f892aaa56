/**
 * Followers' places: up to where each node that follows this one has been told, so that what it needs is not compacted.
 *
 * Invariants
 *   - what is noted is in memory at once, and in the file with the next transaction of the log: a follower that comes and
 *     goes costs no commit of its own;
 *   - at most MAX_FOLLOWERS are remembered; past it the one that was silent longest is forgotten.
 */
import type { SqliteDriver } from './driver.ts';
import { bytesOfId, type NodeId, type Position, readId } from './ids.ts';

/** Followers whose places are remembered. */
export const MAX_FOLLOWERS = 10_000;

/** Made when there is a first follower. Its meaning is written down in docs/format.md. */
const TABLE = `CREATE TABLE IF NOT EXISTS tendril_follower (node BLOB NOT NULL PRIMARY KEY, position INTEGER NOT NULL,
  seen INTEGER NOT NULL) STRICT, WITHOUT ROWID`;
const EXISTS = "SELECT 1 FROM sqlite_schema WHERE name = 'tendril_follower'";
const PUT = `INSERT INTO tendril_follower (node, position, seen) VALUES (?, ?, ?)
  ON CONFLICT (node) DO UPDATE SET position = excluded.position, seen = excluded.seen`;
const TRIM = `DELETE FROM tendril_follower WHERE node IN
  (SELECT node FROM tendril_follower ORDER BY seen DESC, node LIMIT -1 OFFSET ?)`;

export interface FollowerPlace {
  readonly node: NodeId;
  readonly position: Position;
}

export interface Followers {
  /** - `seen`: milliseconds since 1970. */
  readonly note: (node: NodeId, position: Position, seen: number) => void;
  /** Those that were seen since. */
  readonly since: (seen: number) => readonly FollowerPlace[];
  /** Forgets those that were not seen since. Inside the caller's transaction. */
  readonly forget: (seen: number) => void;
  /** Writes what was noted. Inside the caller's transaction. */
  readonly flush: () => void;
  /** Call after a rollback. */
  readonly rewind: () => void;
}

interface Noted {
  readonly position: Position;
  readonly seen: number;
}

export function createFollowers(driver: SqliteDriver): Followers {
  /** What the file does not say yet, in the order in which they were seen. */
  const noted = new Map<NodeId, Noted>();
  /** What was written since the last rollback: writing the same again does no harm. */
  let written = new Map<NodeId, Noted>();
  const exists = () => driver.get(EXISTS) !== undefined;
  return {
    note: (node, position, seen) => {
      noted.delete(node);
      noted.set(node, { position, seen });
      if (noted.size > MAX_FOLLOWERS) noted.delete(noted.keys().next().value!);
    },
    since: (seen) => {
      const places = new Map<NodeId, Position>();
      const rows = exists() ? driver.all('SELECT node, position FROM tendril_follower WHERE seen >= ?', [seen]) : [];
      for (const [node, position] of rows) places.set(readId<NodeId>(node as Uint8Array, 0), position as Position);
      for (const [node, entry] of noted) if (entry.seen >= seen) places.set(node, entry.position);
      return [...places].map(([node, position]) => ({ node, position }));
    },
    forget: (seen) => {
      if (exists()) driver.run('DELETE FROM tendril_follower WHERE seen < ?', [seen]);
    },
    flush: () => {
      if (noted.size === 0) return;
      driver.run(TABLE);
      for (const [node, { position, seen }] of noted) driver.run(PUT, [bytesOfId(node), position, seen]);
      driver.run(TRIM, [MAX_FOLLOWERS]);
      written = new Map(noted);
      noted.clear();
    },
    rewind: () => {
      for (const [node, entry] of written) if (!noted.has(node)) noted.set(node, entry);
      written = new Map();
    },
  };
}
