/**
 * A node's storage on a simulated disk, under either of the journals that nodes use: the one that node-sqlite3-wasm keeps,
 * and the WAL of the native drivers, which their SQLite writes exactly so (a WAL without shared memory needs the lock).
 */
import { configureFile } from '../../storage/drivers/configure.ts';
import { loadNodeSqlite3Wasm } from '../../storage/drivers/node-sqlite3-wasm.ts';
import type { Storage } from '../../storage/index.ts';
import type { ForgetfulDisk } from '../support/forgetful-disk.ts';
import { FORGETFUL_PATH } from '../support/forgetful-driver.ts';

export type Journal = 'persist' | 'wal';
export const JOURNALS: readonly Journal[] = ['persist', 'wal'];

/** `synchronous`: as a node has it, or less, to see it matter. */
export function diskStorage(
  disk: ForgetfulDisk,
  journal: Journal,
  synchronous: 'FULL' | 'NORMAL' | 'OFF' = 'FULL',
): Storage {
  return {
    open: async () => {
      const driver = (await loadNodeSqlite3Wasm(disk.files)).open(FORGETFUL_PATH, 0);
      try {
        driver.all('PRAGMA locking_mode = EXCLUSIVE');
        configureFile(driver, journal === 'wal');
        if (synchronous !== 'FULL') driver.all(`PRAGMA synchronous = ${synchronous}`);
        return driver;
      } catch (error) {
        driver.close();
        throw error;
      }
    },
  };
}
