/**
 * The files under node-sqlite3-wasm: what its SQLite asks of `node:fs`, and what we change in it.
 *
 *   - It marks a locked file with a directory `<file>.lock`, which outlives a killed process and then locks the file for
 *     ever. Tendril's own claim on the file (ownership.ts) is the lock, so these directories are never made, nor looked for.
 *   - It syncs a new file but not the folder that names it, so that a power cut could take a journal away from the
 *     transaction it protects. Here the folder is synced whenever a file was created.
 */
import * as fs from 'node:fs';
import { dirname } from 'node:path';

/** All that node-sqlite3-wasm calls. Tests put a disk that forgets in its place. */
export type FileSystem = Pick<
  typeof fs,
  | 'accessSync'
  | 'closeSync'
  | 'constants'
  | 'existsSync'
  | 'fstatSync'
  | 'fsyncSync'
  | 'ftruncateSync'
  | 'openSync'
  | 'readSync'
  | 'unlinkSync'
  | 'writeSync'
>;

export const realFiles: FileSystem = fs;

/** What takes the place of `require('node:fs')` for the package. */
export function filesForSqlite(files: FileSystem): Partial<typeof fs> {
  const openSync = (path: string, flags: number, mode?: number): number => {
    const creates = (flags & files.constants.O_CREAT) !== 0 && !files.existsSync(path);
    const file = files.openSync(path, flags, mode);
    if (creates) syncName(files, path, file);
    return file;
  };
  const accessSync = (path: string, mode?: number): void => {
    if (path.endsWith('.lock')) throw new RangeError(`${path} is never made`);
    files.accessSync(path, mode);
  };
  return { ...files, openSync, accessSync, mkdirSync: () => undefined, rmdirSync: () => {} } as Partial<typeof fs>;
}

/** A name that could not be synced is taken back, or the next opening would take the file for one that is safely there. */
function syncName(files: FileSystem, path: string, file: number): void {
  try {
    syncFolder(files, dirname(path));
  } catch (error) {
    files.closeSync(file);
    files.unlinkSync(path);
    throw error;
  }
}

/** Makes the names in a folder durable. Windows has no such call, and needs none. */
export function syncFolder(files: Pick<FileSystem, 'openSync' | 'fsyncSync' | 'closeSync'>, folder: string): void {
  if (process.platform === 'win32') return;
  const opened = files.openSync(folder, 'r');
  try {
    files.fsyncSync(opened);
  } finally {
    files.closeSync(opened);
  }
}
