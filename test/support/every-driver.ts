/** The drivers of this runtime: what the conformance suite runs over. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DriverName, SqliteDriver } from '../../storage/driver.ts';
import type { FileDriverName } from '../../storage/drivers/choose.ts';
import { memory } from '../../storage/drivers/sql-js.ts';
import { sqliteFile } from '../../storage/drivers/sqlite-file.ts';

const FILE_DRIVERS: readonly FileDriverName[] = ['node:sqlite', 'better-sqlite3', 'node-sqlite3-wasm'];

/** Those that load here, in the order in which `sqliteFile` prefers them. */
export const fileDrivers: readonly FileDriverName[] = await loadable();
export const everyDriver: readonly DriverName[] = [...fileDrivers, 'sql.js'];
export const nativeDrivers = fileDrivers.filter((name) => name !== 'node-sqlite3-wasm');

/** A connection to an empty database in memory. */
export function openInMemory(name: DriverName): Promise<SqliteDriver> {
  return name === 'sql.js' ? memory().open() : sqliteFile(':memory:', { driver: name }).open();
}

/** A new folder, and what takes it away. */
export function makeFolder(): { readonly path: string; readonly remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'tendril-driver-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

async function loadable(): Promise<FileDriverName[]> {
  const found: FileDriverName[] = [];
  for (const driver of FILE_DRIVERS) {
    try {
      (await sqliteFile(':memory:', { driver }).open()).close();
      found.push(driver);
    } catch {
      // Not on this runtime.
    }
  }
  return found;
}
