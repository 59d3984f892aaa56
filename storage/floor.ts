/** A log's floor: the earliest position that its rows can be undone to. Up to it, content may have been compacted away. */
import { damagedFile } from './file-check.ts';
import type { Position } from './ids.ts';

/** Its key in `tendril_meta`. */
export const FLOOR_KEY = 'floor';
const FLOOR_BYTES = 8;

/** From what `tendril_meta` keeps; 0 where it keeps none: everything can be undone. @throws {TendrilError} `storage-damaged`. */
export function floorOf(kept: Uint8Array | undefined): Position {
  if (kept === undefined) return 0 as Position;
  if (kept.length !== FLOOR_BYTES) throw damagedFile('the position that it can be undone to');
  return Number(new DataView(kept.buffer, kept.byteOffset).getBigUint64(0)) as Position;
}
