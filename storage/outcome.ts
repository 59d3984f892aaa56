/**
 * Outcomes: what became of each transaction, by its id, until it is pruned by the time in that id.
 *
 * Invariants
 *   - `applied` is final; a refusal is of certain operations, and gives way to what becomes of a later attempt;
 *   - refusals do not grow without bound: no more than MAX_REFUSALS are kept, each of MAX_REFUSAL_BYTES at most. Past them those
 *     of the oldest transactions are forgotten: whoever brings such a one again has it judged anew;
 *   - below the floor, a time, outcomes may have been pruned: of a transaction that is older, and of which nothing is
 *     known, it cannot be said that it was never settled.
 */
import { TendrilError } from '../errors.ts';
import { type SqlValue, utf8Length } from '../query/index.ts';
import type { SqliteDriver } from './driver.ts';
import { damagedFile } from './file-check.ts';
import { bytesOfId, leastIdAt, type Position, type TransactionId } from './ids.ts';
import { numberBytes, numberIn, readMeta, writeMeta } from './meta.ts';
import { damaged, encodeIds } from './row-bytes.ts';
import { sha256 } from './sha256.ts';
import { insertAll, insertsSql } from './tables.ts';

/** Refusals that are kept. */
export const MAX_REFUSALS = 10_000;
/** Forgotten together once there is one more, so that not each of the next has to look for the oldest. */
export const REFUSALS_FORGOTTEN = 100;
/** UTF-8 bytes of a refusal as it is kept. One that has more is not kept. */
export const MAX_REFUSAL_BYTES = 4_096;

/** Its key in `tendril_meta`. */
const OUTCOME_FLOOR_KEY = 'outcomeFloor';

export type KnownOutcome =
  | { readonly kind: 'applied'; readonly position: Position }
  /** `operations`: `fingerprintOf` those that were refused. */
  | { readonly kind: 'refused'; readonly operations: string; readonly error: TendrilError };

/** A transaction of the log. */
export interface Applied {
  readonly transaction: TransactionId;
  readonly position: Position;
}

export interface Outcomes {
  readonly of: (transaction: TransactionId) => KnownOutcome | null;
  /** Inside the caller's transaction. */
  readonly applied: (settled: readonly Applied[]) => void;
  /** Ignored where it was applied. Inside the caller's transaction. - `operations`: as they were uploaded. */
  readonly refuse: (transaction: TransactionId, operations: readonly Uint8Array[], error: TendrilError) => void;
  /** Milliseconds since 1970; 0 where nothing was pruned. */
  readonly floor: () => number;
  /** Forgets at most `limit` outcomes of transactions made before this time, ms since 1970. Returns how many. */
  readonly prune: (before: number, limit: number) => number;
  /** Call after a rollback. */
  readonly rewind: () => void;
}

const APPLIED = ` ON CONFLICT (tx) DO UPDATE SET position = excluded.position, refusal = NULL WHERE position IS NULL`;
const APPLY = insertsSql('tendril_outcome', ['tx', 'position'], APPLIED);
const REFUSE = `INSERT INTO tendril_outcome (tx, refusal) VALUES (?, ?)
  ON CONFLICT (tx) DO UPDATE SET refusal = excluded.refusal WHERE position IS NULL`;
/** Made with the first refusal: of all outcomes few are refusals. */
const REFUSALS = 'CREATE INDEX IF NOT EXISTS tendril_outcome_refused ON tendril_outcome (tx) WHERE position IS NULL';
const COUNT = 'SELECT count(*) FROM tendril_outcome WHERE position IS NULL';
const FORGET = `DELETE FROM tendril_outcome
  WHERE tx IN (SELECT tx FROM tendril_outcome WHERE position IS NULL ORDER BY tx LIMIT ?)`;
const PRUNE = `DELETE FROM tendril_outcome
  WHERE tx IN (SELECT tx FROM tendril_outcome WHERE tx < ? ORDER BY tx LIMIT ?)`;

export function createOutcomes(driver: SqliteDriver): Outcomes {
  const readFloor = () => {
    const kept = readMeta(driver, OUTCOME_FLOOR_KEY);
    if (kept === null) return 0;
    return numberIn(kept) ?? missingFloor();
  };
  let floor = readFloor();
  let wasRaised = false;
  const refusals = createRefusals(driver);
  return {
    of: (transaction) => {
      const found = driver.get('SELECT position, refusal FROM tendril_outcome WHERE tx = ?', [bytesOfId(transaction)]);
      if (found === undefined) return null;
      const [position, refusal] = found;
      if (position !== null) return { kind: 'applied', position: position as Position };
      return refusalIn(refusal as string | null);
    },
    applied: (settled) => insertAll(driver, APPLY, settled, addCells),
    refuse: (transaction, operations, error) => {
      const text = refusalText(fingerprintOf(operations), error);
      if (utf8Length(text) <= MAX_REFUSAL_BYTES) refusals.keep(transaction, text);
    },
    floor: () => floor,
    prune: (before, limit) => {
      const { changes } = driver.run(PRUNE, [leastIdAt(before), BigInt(limit)]);
      if (changes > 0 && before > floor) {
        writeMeta(driver, OUTCOME_FLOOR_KEY, numberBytes(before));
        floor = before;
        wasRaised = true;
      }
      return changes;
    },
    rewind: () => {
      if (wasRaised) floor = readFloor();
      refusals.rewind();
    },
  };
}

function addCells({ transaction, position }: Applied, cells: SqlValue[]): void {
  cells.push(encodeIds([transaction]), position);
}

interface Refusals {
  readonly keep: (transaction: TransactionId, text: string) => void;
  readonly rewind: () => void;
}

function createRefusals(driver: SqliteDriver): Refusals {
  /** No fewer than there are: some give way to what becomes of a later attempt. Null: unknown. */
  let atMost: number | null = null;
  const count = () => Number(driver.get(COUNT)![0]);
  return {
    keep: (transaction, text) => {
      if (atMost === null) driver.run(REFUSALS);
      driver.run(REFUSE, [bytesOfId(transaction), text]);
      atMost = atMost === null ? count() : atMost + 1;
      if (atMost <= MAX_REFUSALS) return;
      atMost = count();
      if (atMost <= MAX_REFUSALS) return;
      const excess = atMost - MAX_REFUSALS + REFUSALS_FORGOTTEN;
      driver.run(FORGET, [BigInt(excess)]);
      atMost -= excess;
    },
    rewind: () => {
      atMost = null;
    },
  };
}

/** The same for the same operations in the same order. */
export function fingerprintOf(operations: readonly Uint8Array[]): string {
  const hashes = new Uint8Array(operations.length * 32);
  for (const [index, bytes] of operations.entries()) hashes.set(sha256(bytes), index * 32);
  return [...sha256(hashes)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

function refusalText(operations: string, { code, problem, remedy, facts }: TendrilError): string {
  return JSON.stringify({ operations, code, problem, remedy, facts: plainFacts(facts) });
}

/** Facts are for programs: those that are no JSON are left out. */
function plainFacts(facts: TendrilError['facts']): Record<string, unknown> {
  const kept: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(facts)) {
    try {
      if (JSON.stringify(value) !== undefined) kept[name] = value;
    } catch {
      // A bigint, or a value that holds itself.
    }
  }
  return kept;
}

function refusalIn(text: string | null): KnownOutcome {
  try {
    const { operations, code, problem, remedy, facts } = JSON.parse(text ?? '');
    return { kind: 'refused', operations, error: new TendrilError({ code, problem, remedy, facts }) };
  } catch {
    throw damaged('a refusal');
  }
}

function missingFloor(): never {
  throw damagedFile('the time that it keeps outcomes from');
}
