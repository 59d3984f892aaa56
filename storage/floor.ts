/**
 * A log's floor: the earliest position that its rows can be undone to. Up to it, content may have been compacted away.
 *
 * Invariants
 *   - it only rises, in the commit that takes away what stood below it, or brings in a skeleton;
 *   - a rollback takes it back: `rewind` reads it again.
 */
import { TendrilError } from '../errors.ts';
import type { SqliteDriver } from './driver.ts';
import { damagedFile } from './file-check.ts';
import type { Position } from './ids.ts';
import { numberBytes, numberIn, readMeta, writeMeta } from './meta.ts';

/** Its key in `tendril_meta`. */
export const FLOOR_KEY = 'floor';

export interface Floor {
  readonly position: () => Position;
  /** Ignored where it is that high already. Inside the caller's transaction. */
  readonly raise: (position: Position) => void;
  /** Call after a rollback. */
  readonly rewind: () => void;
}

/** From what `tendril_meta` keeps; 0 where it keeps none: everything can be undone. @throws {TendrilError} `storage-damaged`. */
export function floorOf(kept: Uint8Array | null): Position {
  if (kept === null) return 0 as Position;
  const position = numberIn(kept);
  if (position === null) throw damagedFile('the position that it can be undone to');
  return position as Position;
}

export function createFloor(driver: SqliteDriver): Floor {
  const read = () => floorOf(readMeta(driver, FLOOR_KEY));
  let floor = read();
  let wasRaised = false;
  return {
    position: () => floor,
    raise: (position) => {
      if (position <= floor) return;
      writeMeta(driver, FLOOR_KEY, numberBytes(position));
      floor = position;
      wasRaised = true;
    },
    rewind: () => {
      if (wasRaised) floor = read();
    },
  };
}

export function belowFloor(position: Position, floor: Position): TendrilError {
  return new TendrilError({
    code: 'history-unavailable',
    problem: `Rows as they stood at position ${position} are no longer kept; the earliest is ${floor}.`,
    remedy: `Ask for position ${floor} or a later one.`,
    facts: { position, floor },
  });
}
