/** Followed log: how far a durable node has followed the log of its upstream, and told it its own. One value of `tendril_meta`. */
import type { SqliteDriver } from './driver.ts';
import { damagedFile } from './file-check.ts';
import { type EpochId, ID_BYTES, type Position, readId, writeId } from './ids.ts';
import type { Cursor } from './log.ts';
import { numberBytes, numberIn, readMeta, writeMeta } from './meta.ts';

export interface FollowedLog {
  /** Everything up to here is in this log, in the upstream's epoch and positions. */
  readonly cursor: Cursor;
  /** Everything up to this position of this log is in the upstream's, but for `refused`. */
  readonly offered: Position;
  /** Ascending. */
  readonly refused: readonly Position[];
}

const KEY = 'followedLog';
/** Of a position. */
const NUMBER_BYTES = 8;
const BYTES = ID_BYTES + 2 * NUMBER_BYTES;

/** null where none was followed yet. @throws {TendrilError} `storage-damaged`. */
export function readFollowedLog(driver: SqliteDriver): FollowedLog | null {
  const bytes = readMeta(driver, KEY);
  if (bytes === null) return null;
  const positions: Position[] = [];
  for (let at = ID_BYTES; at < bytes.length; at += NUMBER_BYTES) {
    const position = numberIn(bytes.subarray(at, at + NUMBER_BYTES));
    if (position === null) throw damagedFile('how far it has followed its upstream');
    positions.push(position as Position);
  }
  const [position, offered, ...refused] = positions;
  if (position === undefined || offered === undefined) throw damagedFile('how far it has followed its upstream');
  const cursor = { epoch: readId<EpochId>(bytes, 0), position };
  return { cursor, offered, refused };
}

/** Inside the caller's transaction. */
export function writeFollowedLog(driver: SqliteDriver, { cursor, offered, refused }: FollowedLog): void {
  const bytes = new Uint8Array(BYTES + refused.length * NUMBER_BYTES);
  writeId(bytes, 0, cursor.epoch);
  for (const [at, position] of [cursor.position, offered, ...refused].entries()) {
    bytes.set(numberBytes(position), ID_BYTES + at * NUMBER_BYTES);
  }
  writeMeta(driver, KEY, bytes);
}
