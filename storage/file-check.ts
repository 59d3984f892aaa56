/** Whose file this is. Reads the schema and two numbers of the header, and writes nothing. */
import { TendrilError } from '../errors.ts';
import type { Cell } from '../query/index.ts';
import { APPLICATION_ID, FORMAT_VERSION, SYSTEM_TABLES } from './tables.ts';

/** As much of a driver as the check needs. */
export interface FileReader {
  readonly get: (sql: string) => readonly Cell[] | undefined;
  readonly all: (sql: string) => readonly (readonly Cell[])[];
}

/**
 * The names of a file's tables and views if it is ours, null if it is empty.
 *
 * @throws {TendrilError} `storage-foreign`, `storage-newer`, `storage-damaged`.
 */
export function checkFile(reader: FileReader): ReadonlySet<string> | null {
  const names = new Set(
    reader.all("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')").map(([name]) => String(name)),
  );
  const version = numberOf(reader.get('PRAGMA user_version'));
  const missing = Object.keys(SYSTEM_TABLES).filter((name) => !names.has(name));
  if (version === FORMAT_VERSION && missing.length === 0) return names;
  const applicationId = numberOf(reader.get('PRAGMA application_id'));
  // A driver marks a new file before its tables are made; a process may end in between.
  const unmarked = applicationId === 0 || applicationId === APPLICATION_ID;
  if (unmarked && version === 0 && names.size === 0) return null;
  if (applicationId !== APPLICATION_ID) {
    throw new TendrilError({
      code: 'storage-foreign',
      problem: 'The file is a SQLite database that another program made.',
      remedy: 'Choose another path; Tendril keeps its data in a file of its own.',
      facts: { applicationId },
    });
  }
  if (version > FORMAT_VERSION) {
    throw new TendrilError({
      code: 'storage-newer',
      problem: `The file has format ${version}; this version of Tendril reads format ${FORMAT_VERSION}.`,
      remedy: 'Open it with the newer version of Tendril that wrote it.',
      facts: { format: version, supported: FORMAT_VERSION },
    });
  }
  throw damagedFile(version < FORMAT_VERSION ? 'its format' : missing.join(', '));
}

/** It is ours, but not whole. */
export function damagedFile(missing: string): TendrilError {
  return new TendrilError({
    code: 'storage-damaged',
    problem: `The file is marked as Tendril's, but lacks ${missing}.`,
    remedy: 'Restore it from a backup.',
    facts: { missing },
  });
}

/** What a failure of the first reads says of the file: that it is no database at all, or has damaged pages. */
export function fileFailure(error: unknown): unknown {
  if (!(error instanceof TendrilError)) return error;
  const { sqliteCode, sqlite } = error.facts;
  if (sqliteCode === 'SQLITE_NOTADB') {
    return new TendrilError({
      code: 'storage-foreign',
      problem: 'The file is not a SQLite database.',
      remedy: 'Choose another path, or restore the file from a backup if Tendril made it.',
      facts: error.facts,
      cause: error,
    });
  }
  if (sqliteCode !== 'SQLITE_CORRUPT') return error;
  return new TendrilError({
    code: 'storage-damaged',
    problem: `The file is damaged: SQLite says "${sqlite}".`,
    remedy: 'Restore it from a backup, and check the disk.',
    facts: error.facts,
    cause: error,
  });
}

function numberOf(row: readonly Cell[] | undefined): number {
  return Number(row?.[0] ?? 0);
}
