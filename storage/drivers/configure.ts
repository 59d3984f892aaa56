/**
 * How a connection is set up, and read back: a file is not opened on a promise that its SQLite does not keep.
 *
 * A native driver runs WAL: one sync per commit, and other programs may read. node-sqlite3-wasm has no shared memory and
 * no locks that other programs see, so that any of them would take its WAL for an abandoned one, and delete it: it runs a
 * rollback journal instead, kept between commits. Both sync before a commit returns.
 */
import { TendrilError } from '../../errors.ts';
import type { SqliteDriver } from '../driver.ts';
import { checkFile } from '../file-check.ts';
import { APPLICATION_ID } from '../tables.ts';

/** Pages in memory, in KiB. */
const CACHE_KIB = 65_536;
/** Pages of the WAL at which it is copied into the file. */
const AUTOCHECKPOINT_PAGES = 4_000;
/** Bytes that the WAL, or the journal, keeps when a large transaction is over. */
const MAX_IDLE_WAL_BYTES = 1 << 26;
const MAX_IDLE_JOURNAL_BYTES = 1 << 20;

const FULL = 2;
/** Set before anything is written, and again once the journal is chosen: entering WAL may put back the package's choice. */
const SYNC = 'synchronous = FULL';

const COMMON = ['trusted_schema = OFF', 'cell_size_check = ON', SYNC, `cache_size = -${CACHE_KIB}`];

const WAL = [
  SYNC,
  `wal_autocheckpoint = ${AUTOCHECKPOINT_PAGES}`,
  `journal_size_limit = ${MAX_IDLE_WAL_BYTES}`,
  // Where a savepoint keeps the pages it may put back: as a file for each member of a group that costs more than the member.
  'temp_store = MEMORY',
  // On macOS a plain sync stops at the disk's cache.
  'fullfsync = ON',
  'checkpoint_fullfsync = ON',
];

/** For a connection just opened. @throws {TendrilError} what `checkFile` throws, or `storage-unsupported`. */
export function configureFile(driver: SqliteDriver, native: boolean): void {
  set(driver, COMMON);
  // Marked before it can have a WAL, so that its first page always says whose it is (header.ts).
  if (checkFile(driver) === null) pragma(driver, `application_id = ${APPLICATION_ID}`);
  if (native) configureWal(driver);
  else configureJournal(driver);
  expect(driver, 'synchronous', FULL);
  expect(driver, 'trusted_schema', 0);
}

/** Before a configured connection closes: takes away the journal that it kept. */
export function tidy(driver: SqliteDriver, native: boolean): void {
  if (!native) pragma(driver, 'journal_mode = DELETE');
}

/** For a connection to `:memory:`. */
export function configureMemory(driver: SqliteDriver): void {
  pragma(driver, 'trusted_schema = OFF');
}

function configureWal(driver: SqliteDriver): void {
  expect(driver, 'journal_mode = WAL', 'wal');
  set(driver, WAL);
}

function configureJournal(driver: SqliteDriver): void {
  expect(driver, 'journal_mode = PERSIST', 'persist');
  set(driver, [SYNC, `journal_size_limit = ${MAX_IDLE_JOURNAL_BYTES}`]);
}

/** In one call: each by itself would cost several times as much. */
function set(driver: SqliteDriver, settings: readonly string[]): void {
  driver.exec(settings.map((setting) => `PRAGMA ${setting}`).join('; '));
}

function expect(driver: SqliteDriver, statement: string, wanted: string | number): void {
  const got = pragma(driver, statement);
  if (got === wanted) return;
  throw new TendrilError({
    code: 'storage-unsupported',
    problem: `${driver.name} answers PRAGMA ${statement} with ${String(got)}, not ${wanted}.`,
    remedy: 'Keep the file on a local disk that SQLite can lock and sync.',
    facts: { driver: driver.name, pragma: statement, wanted, got },
  });
}

function pragma(driver: SqliteDriver, statement: string): unknown {
  // To its end, where a change of the journal is committed, and may fail: `get` would stop at the row before that.
  return driver.all(`PRAGMA ${statement}`)[0]?.[0];
}
