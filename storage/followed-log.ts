/** Followed log: how far a durable node has followed the log of its upstream, and told it its own. One value of `tendril_meta`. */
import type { SqliteDriver } from './driver.ts';
import { damagedFile } from './file-check.ts';
import { type EpochId, ID_BYTES, type Position, readId, writeId } from './ids.ts';
import type { Cursor } from './log.ts';
import { numberBytes, numberIn, readMeta, writeMeta } from './meta.ts';

export interface FollowedLog {
  /** Everything up to here is in this log, in the upstream's epoch and positions. */
  readonly cursor: Cursor;
  /** Everything up to this position of this log is in the upstream's. */
  readonly offered: Position;
}

const KEY = 'followedLog';
const BYTES = ID_BYTES + 16;

/** null where none was followed yet. @throws {TendrilError} `storage-damaged`. */
export function readFollowedLog(driver: SqliteDriver): FollowedLog | null {
  const bytes = readMeta(driver, KEY);
  if (bytes === null) return null;
  const position = bytes.length === BYTES ? numberIn(bytes.subarray(ID_BYTES, ID_BYTES + 8)) : null;
  const offered = bytes.length === BYTES ? numberIn(bytes.subarray(ID_BYTES + 8)) : null;
  if (position === null || offered === null) throw damagedFile('how far it has followed its upstream');
  const cursor = { epoch: readId<EpochId>(bytes, 0), position: position as Position };
  return { cursor, offered: offered as Position };
}

/** Inside the caller's transaction. */
export function writeFollowedLog(driver: SqliteDriver, { cursor, offered }: FollowedLog): void {
  const bytes = new Uint8Array(BYTES);
  writeId(bytes, 0, cursor.epoch);
  bytes.set(numberBytes(cursor.position), ID_BYTES);
  bytes.set(numberBytes(offered), ID_BYTES + 8);
  writeMeta(driver, KEY, bytes);
}
