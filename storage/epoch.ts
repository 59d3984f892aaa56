/**
 * Epochs: one per opening of a log, so that a position of a log that a backup has since replaced is noticed.
 *
 * Invariants
 *   - an opening's epoch is in the file before anybody is told of it, and before its first transaction; an opening that
 *     neither writes nor is asked writes nothing, so that opening costs no fsync;
 *   - epoch n lies from the position before its first transaction to the one before epoch n+1's first.
 */
import type { SqliteDriver } from './driver.ts';
import { bytesOfId, type EpochId, type Position, readId } from './ids.ts';
import type { Cursor } from './log.ts';

export interface Epochs {
  /** Makes sure that this opening's epoch is in the file; `position` is the log's last. */
  readonly record: (position: Position) => EpochId;
  /** Call after a rollback: the epoch may have gone with it. */
  readonly rewind: () => void;
  readonly covers: (cursor: Cursor, position: Position) => boolean;
}

/** - `mint`: gives this opening's epoch, when it is first needed. */
export function createEpochs(driver: SqliteDriver, mint: () => EpochId): Epochs {
  let minted: EpochId | null = null;
  let recorded = false;
  const epoch = (): EpochId => {
    minted ??= mint();
    return minted;
  };
  const isRecorded = () =>
    driver.get('SELECT 1 FROM tendril_epoch WHERE epoch = ?', [bytesOfId(epoch())]) !== undefined;
  return {
    record: (position) => {
      if (recorded) return epoch();
      driver.run('INSERT INTO tendril_epoch (epoch, first) VALUES (?, ?)', [bytesOfId(epoch()), position + 1]);
      recorded = true;
      return epoch();
    },
    rewind: () => {
      recorded = recorded && isRecorded();
    },
    covers: (cursor, position) => {
      const epochs = driver.all('SELECT epoch, first FROM tendril_epoch ORDER BY ordinal');
      const index = epochs.findIndex(([epoch]) => readId<EpochId>(epoch as Uint8Array, 0) === cursor.epoch);
      if (index < 0) return false;
      const first = epochs[index]![1] as number;
      const next = epochs[index + 1];
      const last = next === undefined ? position : (next[1] as number) - 1;
      return cursor.position >= first - 1 && cursor.position <= last;
    },
  };
}
