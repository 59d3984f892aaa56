/** Every SQLite of this runtime, in memory, through Tendril's own drivers. */

import { memory } from '../../storage/drivers/sql-js.ts';
import { sqliteFile } from '../../storage/drivers/sqlite-file.ts';
import type { SqliteDriver } from '../../storage/index.ts';

/** The native ones that load here first; then the two that are WebAssembly, which need neither a compiler nor a newer Node. */
export async function openEveryDriver(): Promise<readonly SqliteDriver[]> {
  const native = await Promise.all([openNative('better-sqlite3'), openNative('node:sqlite')]);
  const wasm = sqliteFile(':memory:', { driver: 'node-sqlite3-wasm' });
  return [...native.filter((driver) => driver !== null), await memory().open(), await wasm.open()];
}

function openNative(driver: 'better-sqlite3' | 'node:sqlite'): Promise<SqliteDriver | null> {
  return sqliteFile(':memory:', { driver })
    .open()
    .catch(() => null);
}
