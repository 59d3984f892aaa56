/** What SQLite reports, as one of our errors: the same facts whichever package reports it. */
import { TendrilError } from '../../errors.ts';

/** SQLite's primary result codes, by number. */
const CODES = [
  'OK ERROR INTERNAL PERM ABORT BUSY LOCKED NOMEM READONLY INTERRUPT IOERR CORRUPT NOTFOUND FULL CANTOPEN PROTOCOL EMPTY',
  'SCHEMA TOOBIG CONSTRAINT MISMATCH MISUSE NOLFS AUTH FORMAT RANGE NOTADB',
]
  .join(' ')
  .split(' ')
  .map((name) => `SQLITE_${name}`);

const REMEDIES: Readonly<Record<string, string>> = {
  SQLITE_FULL: 'Free space on the disk, then try again.',
  SQLITE_IOERR: 'Check the disk, then open the node again.',
  SQLITE_BUSY: 'Close the program that holds the file, then try again.',
  SQLITE_CANTOPEN: 'Check that the folder exists and that this program may write to it.',
  SQLITE_READONLY: 'Check that this program may write to the file and its folder.',
  SQLITE_PERM: 'Check that this program may write to the file and its folder.',
  SQLITE_CORRUPT: 'Restore the file from a backup.',
  SQLITE_NOTADB: 'Restore the file from a backup.',
  SQLITE_NOMEM: 'Give the program more memory, or store less in memory.',
};

export interface SqliteReason {
  /** A primary code by name, such as SQLITE_FULL. */
  readonly code: string;
  readonly message: string;
}

/** The name of a result code, primary or extended. */
export function codeName(result: number): string {
  return CODES[result & 0xff] ?? 'SQLITE_ERROR';
}

export function sqliteFailure({ code, message }: SqliteReason, statement: string, cause?: unknown): TendrilError {
  return new TendrilError({
    code: DAMAGED.has(code) ? 'storage-damaged' : 'storage-failed',
    problem: `SQLite refused: ${message}.`,
    remedy: REMEDIES[code] ?? 'Correct the statement.',
    facts: { sqlite: message, sqliteCode: code, statement },
    cause,
  });
}

/** What says that the file is wrong, and not what was asked. */
const DAMAGED = new Set(['SQLITE_CORRUPT', 'SQLITE_NOTADB']);
/** SQLite may have rolled back the whole transaction with the statement that failed so. */
const ENDING = new Set(['SQLITE_IOERR', 'SQLITE_FULL', 'SQLITE_NOMEM', 'SQLITE_INTERRUPT']);
/** A COMMIT that failed so was not kept: it never came as far as its last write. */
const DECIDED = new Set(['SQLITE_FULL', 'SQLITE_BUSY', 'SQLITE_CONSTRAINT']);

export function endsTransaction({ facts }: TendrilError): boolean {
  return ENDING.has(String(facts.sqliteCode));
}

/** Whether a COMMIT that failed with `error` may yet be found in the file. */
export function isUndecided(error: unknown): boolean {
  return (
    error instanceof TendrilError && error.code.startsWith('storage-') && !DECIDED.has(String(error.facts.sqliteCode))
  );
}

/** Told to those whose COMMIT it was. */
export function undecidedCommit(cause: unknown): TendrilError {
  return new TendrilError({
    code: 'storage-failed',
    problem: `SQLite could not finish a COMMIT: ${reasonIn(cause)}. Whether it was kept will be known when the file is opened again.`,
    remedy: 'Check the disk, close the node and open it again; then look whether the transaction is there.',
    facts: { ...factsOf(cause), outcome: 'unknown' },
    cause,
  });
}

/** Told to everybody after that. */
export function unusable(cause: unknown): TendrilError {
  return new TendrilError({
    code: 'storage-failed',
    problem: `The storage failed earlier, in a COMMIT or a ROLLBACK: ${reasonIn(cause)}. It is not used any more.`,
    remedy: 'Check the disk, close the node and open it again.',
    facts: factsOf(cause),
    cause,
  });
}

function factsOf(error: unknown): TendrilError['facts'] {
  return error instanceof TendrilError ? error.facts : {};
}

function reasonIn(error: unknown): unknown {
  return factsOf(error).sqlite ?? error;
}

export function notOneStatement(sql: string, problem: string): TendrilError {
  return new TendrilError({
    code: 'query-unsupported',
    problem,
    remedy: 'Give one statement at a time.',
    facts: { statement: sql },
  });
}

export function miscounted(sql: string, wanted: number, given: number): TendrilError {
  return new TendrilError({
    code: 'invalid-parameter',
    problem: `The statement takes ${wanted} parameters, and ${given} were given.`,
    remedy: 'Give one value for each parameter.',
    facts: { statement: sql, wanted, given },
  });
}

export function closedFailure(): TendrilError {
  return new TendrilError({
    code: 'closed',
    problem: 'The storage is closed.',
    remedy: 'Open it again, or keep it open until the last use.',
  });
}
