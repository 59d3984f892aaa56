/** A copy of a node's data in a new file, taken while the node runs. */
import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { TendrilError } from '../../errors.ts';
import type { SqliteDriver } from '../driver.ts';
import { realFiles, syncFolder } from './wasm-files.ts';

/**
 * Writes what is committed to a new file at `path`, compacted; it is whole and synced, or not there, even if the process
 * is killed meanwhile: until then it is called `<path>-unfinished`.
 * A synchronous call, of about a second for each 500 MB; nothing else runs meanwhile.
 *
 * @throws {TendrilError} `storage-failed` where the path is taken or cannot be written, or inside a transaction;
 *   `storage-unsupported` for sql.js, which has no files.
 */
export function backup(driver: SqliteDriver, path: string): void {
  const file = resolve(path);
  if (driver.name === 'sql.js') throw withoutFiles();
  if (existsSync(file)) throw taken(file);
  const unfinished = `${file}-unfinished`;
  try {
    rmSync(unfinished, { force: true });
    driver.run('VACUUM INTO ?', [unfinished]);
    const copy = openSync(unfinished, 'r+');
    try {
      fsyncSync(copy);
    } finally {
      closeSync(copy);
    }
    renameSync(unfinished, file);
    syncFolder(realFiles, dirname(file));
  } catch (error) {
    rmSync(unfinished, { force: true });
    throw error instanceof TendrilError ? error : unsynced(file, error);
  }
}

function taken(file: string): TendrilError {
  return new TendrilError({
    code: 'storage-failed',
    problem: `${file} exists already.`,
    remedy: 'Give the path of a file that does not exist; a backup never replaces one.',
    facts: { file },
  });
}

function withoutFiles(): TendrilError {
  return new TendrilError({
    code: 'storage-unsupported',
    problem: 'A node in the memory of sql.js cannot write files.',
    remedy: 'Open the node on a file, or on `:memory:` of a native driver, with `sqliteFile`.',
  });
}

function unsynced(file: string, cause: unknown): TendrilError {
  return new TendrilError({
    code: 'storage-failed',
    problem: `The backup ${file} could not be synced: ${cause instanceof Error ? cause.message : String(cause)}.`,
    remedy: 'Check the disk, then try again.',
    facts: { file },
    cause,
  });
}
