/**
 * A node's data in one SQLite file, by the best driver that loads here.
 *
 * Invariants
 *   - a file that cannot be opened is left as it was, to the byte;
 *   - nothing reads or writes the file before it is claimed, and nothing does after its claims are given back.
 */
import { closeSync, existsSync, openSync, realpathSync, rmSync, statSync } from 'node:fs';
import { TendrilError } from '../../errors.ts';
import type { SqliteDriver, Storage } from '../driver.ts';
import { fileFailure } from '../file-check.ts';
import { backup } from './backup.ts';
import { createChooser, type FileDriverName } from './choose.ts';
import { configureFile, configureMemory, tidy } from './configure.ts';
import type { SqlitePackage } from './connection.ts';
import { inspectHeader } from './header.ts';
import { type Claim, claimByOpening, claimInode, claimWithSqlite, signOwner } from './ownership.ts';

export interface SqliteFileOptions {
  /** Uses this driver or none. Without it: node:sqlite, better-sqlite3, node-sqlite3-wasm, the first that loads. */
  readonly driver?: FileDriverName;
}

/** How long SQLite waits for another program that reads the file, in milliseconds. It waits synchronously. */
const BUSY_TIMEOUT_MS = 100;

const choose = createChooser();

/**
 * Keeps a node's data in the file at `path`, which is made if it does not exist; `:memory:` keeps it in a native SQLite's memory.
 *
 * A file has one owner at a time. Beside it stand `-wal` and `-shm` (or `-journal`) while it is open, and `-lock`.
 *
 * @throws {TendrilError} from `open`: `storage-busy` (with the owner's `pid`) while the file is open, here or elsewhere;
 *   `storage-foreign`, `storage-newer`, `storage-damaged`, leaving the file as it is; `storage-unsupported` where no
 *   driver loads, or none is new enough; `storage-failed` for what the system or SQLite reports.
 */
export function sqliteFile(path: string, options: SqliteFileOptions = {}): Storage {
  return {
    kind: path === ':memory:' ? 'memory' : 'file',
    open: async () => {
      const sqlite = await choose(options.driver);
      if (path !== ':memory:') return openFile(path, sqlite);
      const driver = sqlite.open(path, 0);
      configureMemory(driver);
      return { ...driver, backup: (to) => backup(driver, to) };
    },
  };
}

async function openFile(path: string, sqlite: SqlitePackage): Promise<SqliteDriver> {
  const { file, created } = locate(path);
  const lock = absent([`${file}-lock`]);
  const claims = await claim(file, sqlite);
  // Looked for only now: until the file was claimed another owner may have come, filled them, and gone.
  const empty = created && statSync(file).size === 0 ? [file] : [];
  const madeHere = [...empty, ...lock, ...absent([`${file}-wal`, `${file}-shm`, `${file}-journal`])];
  const release = () => {
    for (const { release } of claims.splice(0).reverse()) release();
  };
  try {
    inspectHeader(file);
    const driver = openConfigured(file, sqlite);
    let closed = false;
    const close = () => {
      if (closed) return;
      closed = true;
      try {
        closeTidily(driver, sqlite.native);
      } finally {
        release();
      }
    };
    return { ...driver, backup: (to) => backup(driver, to), close };
  } catch (error) {
    removeAll(madeHere);
    release();
    throw fileFailure(error);
  }
}

/** All claims on a file, or none. */
async function claim(file: string, sqlite: SqlitePackage): Promise<Claim[]> {
  const claims: Claim[] = [];
  try {
    try {
      claims.push(await claimInode(file));
    } catch (error) {
      // A native driver has its other claim, where a system forbids sockets.
      const optional = sqlite.native && error instanceof TendrilError && error.code !== 'storage-busy';
      if (!optional) throw error;
    }
    claims.push(sqlite.native ? claimWithSqlite(file, sqlite) : claimByOpening(file), signOwner(file));
    return claims;
  } catch (error) {
    for (const { release } of claims) release();
    throw error;
  }
}

function absent(files: readonly string[]): readonly string[] {
  return files.filter((file) => !existsSync(file));
}

function removeAll(files: readonly string[]): void {
  for (const file of files) {
    try {
      rmSync(file, { force: true });
    } catch {
      // Windows does not remove what is open; an empty file beside the refused one does no harm.
    }
  }
}

function openConfigured(file: string, sqlite: SqlitePackage): SqliteDriver {
  const driver = sqlite.open(file, BUSY_TIMEOUT_MS);
  try {
    configureFile(driver, sqlite.native);
    return driver;
  } catch (error) {
    driver.close();
    throw error;
  }
}

function closeTidily(driver: SqliteDriver, native: boolean): void {
  try {
    tidy(driver, native);
  } finally {
    driver.close();
  }
}

interface Location {
  /** Without links, so that a file has one name. */
  readonly file: string;
  readonly created: boolean;
}

/** Makes the file, empty, if it does not exist: a claim needs its inode. */
function locate(path: string): Location {
  try {
    try {
      return { file: realpathSync.native(path), created: false };
    } catch (error) {
      if ((error as { readonly code?: unknown }).code !== 'ENOENT') throw error;
      closeSync(openSync(path, 'a'));
      return { file: realpathSync.native(path), created: true };
    }
  } catch (error) {
    throw new TendrilError({
      code: 'storage-failed',
      problem: `${path} cannot be opened: ${error instanceof Error ? error.message : String(error)}.`,
      remedy: 'Check that its folder exists and that this program may write to it.',
      facts: { path },
      cause: error,
    });
  }
}
