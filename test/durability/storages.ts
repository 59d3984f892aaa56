/** The storages that keep files in this runtime: one native SQLite, if there is one, and the one without a compiler. */
import { createRequire } from 'node:module';
import type { FileDriverName } from '../../storage/drivers/choose.ts';
import { sqliteFile } from '../../storage/drivers/sqlite-file.ts';
import { memory, type Storage } from '../../storage/index.ts';

const require = createRequire(import.meta.url);

export const NATIVE_DRIVER: FileDriverName | null =
  process.getBuiltinModule('node:sqlite') !== undefined
    ? 'node:sqlite'
    : resolves('better-sqlite3')
      ? 'better-sqlite3'
      : null;

export const FILE_DRIVERS: readonly FileDriverName[] =
  NATIVE_DRIVER === null ? ['node-sqlite3-wasm'] : [NATIVE_DRIVER, 'node-sqlite3-wasm'];

export function fileStorage(driver: FileDriverName, file: string): Storage {
  return sqliteFile(file, { driver });
}

/** The quickest one. */
export function memoryStorage(): Storage {
  return NATIVE_DRIVER === null ? memory() : sqliteFile(':memory:', { driver: NATIVE_DRIVER });
}

function resolves(name: string): boolean {
  try {
    require(name);
    return true;
  } catch {
    return false;
  }
}
