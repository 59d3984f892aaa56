/**
 * Outcomes: what became of each transaction, by its id, until it is pruned by the time in that id.
 *
 * Invariants
 *   - `applied` is final; a refusal is of certain operations, and gives way to what becomes of a later attempt;
 *   - below the floor, a time, outcomes may have been pruned: of a transaction that is older, and of which nothing is
 *     known, it cannot be said that it was never settled.
 */
import { TendrilError } from '../errors.ts';
import type { SqlValue } from '../query/index.ts';
import type { SqliteDriver } from './driver.ts';
import { damagedFile } from './file-check.ts';
import { bytesOfId, leastIdAt, type Position, type TransactionId } from './ids.ts';
import { numberBytes, numberIn, readMeta, writeMeta } from './meta.ts';
import { damaged } from './row-bytes.ts';
import { sha256 } from './sha256.ts';

/** Its key in `tendril_meta`. */
const OUTCOME_FLOOR_KEY = 'outcomeFloor';

export type KnownOutcome =
  | { readonly kind: 'applied'; readonly position: Position }
  /** `operations`: `fingerprintOf` those that were refused. */
  | { readonly kind: 'refused'; readonly operations: string; readonly error: TendrilError };

export interface Outcomes {
  readonly of: (transaction: TransactionId) => KnownOutcome | null;
  readonly applied: (transaction: TransactionId, position: Position) => void;
  /** Ignored where it was applied. - `operations`: as they were uploaded. */
  readonly refuse: (transaction: TransactionId, operations: readonly Uint8Array[], error: TendrilError) => void;
  /** Milliseconds since 1970; 0 where nothing was pruned. */
  readonly floor: () => number;
  /** Forgets at most `limit` outcomes of transactions made before this time, ms since 1970. Returns how many. */
  readonly prune: (before: number, limit: number) => number;
  /** Call after a rollback. */
  readonly rewind: () => void;
}

const APPLY = `INSERT INTO tendril_outcome (tx, position) VALUES (?, ?)
  ON CONFLICT (tx) DO UPDATE SET position = excluded.position, refusal = NULL WHERE position IS NULL`;
const REFUSE = `INSERT INTO tendril_outcome (tx, refusal) VALUES (?, ?)
  ON CONFLICT (tx) DO UPDATE SET refusal = excluded.refusal WHERE position IS NULL`;
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
  return {
    of: (transaction) => {
      const found = driver.get('SELECT position, refusal FROM tendril_outcome WHERE tx = ?', [bytesOfId(transaction)]);
      if (found === undefined) return null;
      const [position, refusal] = found;
      if (position !== null) return { kind: 'applied', position: position as Position };
      return refusalIn(refusal as string | null);
    },
    applied: (transaction, position) => void driver.run(APPLY, [bytesOfId(transaction), position]),
    refuse: (transaction, operations, error) => {
      const parameters: SqlValue[] = [bytesOfId(transaction), refusalText(fingerprintOf(operations), error)];
      driver.run(REFUSE, parameters);
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
