/** Makes an empty file one of Tendril's, so that it may be opened again. Inside the caller's transaction. */
import type { SqliteDriver } from '../../storage/driver.ts';
import { FORMAT_VERSION, SYSTEM_TABLES } from '../../storage/tables.ts';

export function writeFormat(driver: SqliteDriver): void {
  for (const sql of Object.values(SYSTEM_TABLES)) driver.exec(sql);
  driver.exec(`PRAGMA user_version = ${FORMAT_VERSION}`);
}
