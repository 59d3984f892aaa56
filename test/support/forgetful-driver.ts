/** A node's storage on a disk that forgets what was not synced: node-sqlite3-wasm, set up exactly as `sqliteFile` sets it up. */
import type { SqliteDriver, Storage } from '../../storage/driver.ts';
import { configureFile } from '../../storage/drivers/configure.ts';
import { loadNodeSqlite3Wasm } from '../../storage/drivers/node-sqlite3-wasm.ts';
import type { ForgetfulDisk } from './forgetful-disk.ts';

/** Where the file is on the disk; its journal is beside it. */
export const FORGETFUL_PATH = '/disk/node.db';

/** Opens the file on `disk`; nobody else may have it open. `carelessly` turns synchronous off, to see it matter. */
export function forgetfulStorage(disk: ForgetfulDisk, { carelessly = false } = {}): Storage {
  return {
    open: async (): Promise<SqliteDriver> => {
      const driver = (await loadNodeSqlite3Wasm(disk.files)).open(FORGETFUL_PATH, 0);
      configureFile(driver, false);
      if (carelessly) driver.exec('PRAGMA synchronous = OFF');
      return driver;
    },
  };
}
