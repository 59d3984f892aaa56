/**
 * What the first 100 bytes of a file say, read before SQLite opens it: so that a file that is not ours, or is damaged, stays
 * as it is to the byte. They can be trusted without the files beside it, because a new file is marked before it is first
 * switched to WAL (configure.ts); a `-journal` or `-wal` only excuses a file that ends too early.
 *
 * @see https://www.sqlite.org/fileformat2.html#the_database_header
 */
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { TendrilError } from '../../errors.ts';
import { APPLICATION_ID, FORMAT_VERSION } from '../tables.ts';

const MAGIC = 'SQLite format 3\0';
const HEADER_BYTES = 100;

/** Passes an empty file. @throws {TendrilError} `storage-foreign`, `storage-newer`, `storage-damaged`. */
export function inspectHeader(file: string): void {
  const stat = statSync(file);
  if (!stat.isFile()) throw foreign(file, 'is not a file');
  if (stat.size === 0) return;
  const header = readHeader(file);
  const isUnfinished = () => hasContent(`${file}-journal`) || hasContent(`${file}-wal`);
  if (header.toString('latin1', 0, MAGIC.length) !== MAGIC) {
    if (header.every((byte) => byte === 0) && isUnfinished()) return;
    throw foreign(file, 'is not a SQLite database');
  }
  if (header.length < HEADER_BYTES) throw damaged(file, 'it ends within its header');
  requireOurs(file, header.readInt32BE(68), header.readInt32BE(60));
  const pageSize = header.readUInt16BE(16) === 1 ? 65_536 : header.readUInt16BE(16);
  if (pageSize < 512 || (pageSize & (pageSize - 1)) !== 0) throw damaged(file, `its page size is ${pageSize}`);
  const [changes, pages, validFor] = [header.readUInt32BE(24), header.readUInt32BE(28), header.readUInt32BE(92)];
  if (changes !== validFor || stat.size >= pages * pageSize || isUnfinished()) return;
  throw damaged(file, `it has ${stat.size} of ${pages * pageSize} bytes`);
}

function requireOurs(file: string, applicationId: number, format: number): void {
  if (applicationId !== APPLICATION_ID) throw foreign(file, 'is a SQLite database of another program');
  if (format <= FORMAT_VERSION) return;
  throw new TendrilError({
    code: 'storage-newer',
    problem: `${file} has format ${format}; this version of Tendril reads up to ${FORMAT_VERSION}.`,
    remedy: 'Open it with the version of Tendril that wrote it, or a later one.',
    facts: { file, format, supported: FORMAT_VERSION },
  });
}

function damaged(file: string, how: string): TendrilError {
  return new TendrilError({
    code: 'storage-damaged',
    problem: `${file} is damaged: ${how}. It was left as it is.`,
    remedy: 'Restore it from a backup.',
    facts: { file },
  });
}

function foreign(file: string, what: string): TendrilError {
  return new TendrilError({
    code: 'storage-foreign',
    problem: `${file} ${what}. It was left as it is.`,
    remedy: 'Give the path of a file that Tendril made, or of none.',
    facts: { file },
  });
}

function readHeader(file: string): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  const opened = openSync(file, 'r');
  try {
    return header.subarray(0, readSync(opened, header, 0, HEADER_BYTES, 0));
  } finally {
    closeSync(opened);
  }
}

function hasContent(file: string): boolean {
  return (statSync(file, { throwIfNoEntry: false })?.size ?? 0) > 0;
}
