/** Makes an empty file one of Tendril's, so that it may be opened again. */
import type { SqliteDriver } from '../../storage/driver.ts';
import { FORMAT_VERSION, SYSTEM_TABLES } from '../../storage/tables.ts';

/** Inside the caller's transaction. */
export function writeFormat(driver: SqliteDriver): void {
  for (const sql of Object.values(SYSTEM_TABLES)) driver.exec(sql);
  driver.exec(`PRAGMA user_version = ${FORMAT_VERSION}`);
}

/** The same, with a table of its own. */
export function makeHeld(driver: SqliteDriver): void {
  driver.transaction(() => {
    writeFormat(driver);
    driver.exec('CREATE TABLE held (n INTEGER PRIMARY KEY, body TEXT)');
  });
}
