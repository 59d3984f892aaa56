/**
 * One owner per file: whoever holds a file's claims, and nobody else, until it closes the file or its process ends.
 *
 * Two claims, both kept by the kernel and gone with the process, however it ends
 *   - on Linux, for every driver: an abstract socket named after the file's device and inode. It knows the file by any path,
 *     link or driver, and this process as well as another; it does not reach across network namespaces (containers);
 *   - for native drivers, everywhere: an empty database `<file>-lock` kept in BEGIN IMMEDIATE by the same SQLite, whose locks
 *     reach whatever shares the disk. Without a native driver, outside Linux: `<file>-lock` opened exclusively.
 * The claims are taken before the file itself is opened. `<file>-pid` says who owns it: for people, never for a decision.
 */
import { closeSync, constants, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { TendrilError } from '../../errors.ts';
import type { SqlitePackage } from './connection.ts';

export interface Claim {
  readonly release: () => void;
}

/** The abstract name is made as long as it can be (107 bytes), because versions of Node differ in how they end a shorter one. */
const ABSTRACT_NAME_BYTES = 107;

/** Flags that make `open` take the file for itself, or fail: BSD's O_EXLOCK with O_NONBLOCK, and libuv's flag on Windows. */
const EXCLUSIVE_OPEN: Readonly<Record<string, number>> = {
  darwin: 0x20 | 0x4,
  freebsd: 0x20 | 0x4,
  openbsd: 0x20 | 0x4,
  win32: 0x10000000,
};

const NOTHING: Claim = { release: () => {} };

/** The claim by inode. @throws {TendrilError} `storage-busy`. */
export async function claimInode(file: string): Promise<Claim> {
  if (process.platform !== 'linux') return NOTHING;
  const { dev, ino } = statSync(file, { bigint: true });
  const path = `\0${`tendril:${dev}:${ino}:`.padEnd(ABSTRACT_NAME_BYTES, '.')}`;
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.on('error', (error) => reject(hasCode(error, 'EADDRINUSE') ? busy(file) : unclaimable(file, error)));
    // Not shared with the other workers of a cluster.
    server.listen({ path, exclusive: true }, resolve);
  });
  server.unref();
  return { release: () => server.close() };
}

/** The claim of a native driver, with its own SQLite. @throws {TendrilError} `storage-busy`. */
export function claimWithSqlite(file: string, { open }: SqlitePackage): Claim {
  const lock = open(`${file}-lock`, 0);
  try {
    lock.exec('PRAGMA journal_mode = MEMORY; BEGIN IMMEDIATE');
  } catch (error) {
    lock.close();
    throw error instanceof TendrilError && error.facts.sqliteCode === 'SQLITE_BUSY' ? busy(file) : error;
  }
  return { release: () => lock.close() };
}

/** The claim where no native driver is, beside `claimInode`. @throws {TendrilError} `storage-busy`. */
export function claimByOpening(file: string): Claim {
  if (process.platform === 'linux') return NOTHING;
  const flags = EXCLUSIVE_OPEN[process.platform];
  if (flags === undefined) throw unclaimable(file, new Error(`no exclusive open on ${process.platform}`));
  try {
    const lock = openSync(`${file}-lock`, constants.O_RDWR | constants.O_CREAT | flags);
    return { release: () => closeSync(lock) };
  } catch (error) {
    throw hasCode(error, 'EAGAIN') || hasCode(error, 'EBUSY') ? busy(file) : unclaimable(file, error);
  }
}

/** Leaves word of who owns the file, for the message of the next opener. */
export function signOwner(file: string): Claim {
  const path = `${file}-pid`;
  try {
    writeFileSync(path, `${process.pid}\n`);
  } catch {
    // The next opener is told that the file is open, not by whom.
  }
  return { release: () => rmSync(path, { force: true }) };
}

function ownerOf(file: string): number | null {
  try {
    return Number.parseInt(readFileSync(`${file}-pid`, 'utf8'), 10) || null;
  } catch {
    return null;
  }
}

function busy(file: string): TendrilError {
  const pid = ownerOf(file);
  const owner = pid === null ? 'another process' : pid === process.pid ? 'this process' : `process ${pid}`;
  return new TendrilError({
    code: 'storage-busy',
    problem: `${file} is open in ${owner}.`,
    remedy: 'Close it there first; a file has one owner at a time.',
    facts: { file, pid },
  });
}

function unclaimable(file: string, cause: unknown): TendrilError {
  return new TendrilError({
    code: 'storage-failed',
    problem: `${file} could not be claimed: ${cause instanceof Error ? cause.message : String(cause)}.`,
    remedy: 'Keep the file on a local disk, or install a native driver (better-sqlite3, or Node 22.16 or later).',
    facts: { file },
    cause,
  });
}

function hasCode(error: unknown, code: string): boolean {
  return (error as { readonly code?: unknown }).code === code;
}
