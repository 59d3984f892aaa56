/**
 * Judging an upload: what is to become of one transaction that a follower made. Runs inside a group, so that it knows what
 * was accepted before it.
 *
 * Invariants
 *   - one that was applied before is settled again if it is the same, byte for byte, and refused if it is not;
 *   - what a new attempt may cure is a rebase; every other fault is a refusal, which is final, and remembered: the same
 *     operations are refused again by the same error, without being judged anew;
 *   - one that is older than the outcomes that are kept, and of which nothing is known, is refused: it may have been settled.
 */
import { TendrilError } from '../../../errors.ts';
import {
  decodeOperation,
  digestOf,
  fingerprintOf,
  MAX_TRANSACTION_BYTES,
  MAX_TRANSACTION_OPERATIONS,
  type Operation,
  type OperationId,
  type Position,
  sameBytes,
  type TransactionId,
  timeOf,
} from '../../../storage/index.ts';
import type { Core, Prepared } from '../../core.ts';
import { checkContent, checkPrecursor, identityClash } from '../../ingest/ingest-check.ts';
import { sizeOfPieces } from '../../write/prepared.ts';
import { tooManyBytes, tooManyOperations } from '../../write/write-set.ts';
import { MAX_DRIFT_MS } from '../limits.ts';

/** A transaction as it was uploaded, decoded. */
export interface Uploaded {
  readonly transaction: TransactionId;
  /** Ascending by id, each once: causes come first. */
  readonly operations: readonly Prepared[];
}

export type Judgement =
  /** `fresh`: not here yet, in the order of their ids; at least one. */
  | { readonly kind: 'sound'; readonly fresh: readonly Prepared[] }
  | { readonly kind: 'known'; readonly position: Position }
  | { readonly kind: 'rebase'; readonly reason: 'clock-drift' | 'missing-precursor' };

/**
 * - `author`: of all its operations; null where the session may upload what others wrote.
 *
 * @throws {TendrilError} what refuses it whatever is known here: bytes that are no operation, sizes, another author.
 */
export function readUpload(transaction: TransactionId, pieces: readonly Uint8Array[], author: string | null): Uploaded {
  if (pieces.length > MAX_TRANSACTION_OPERATIONS) throw tooManyOperations(pieces.length);
  const size = sizeOfPieces(pieces);
  if (size > MAX_TRANSACTION_BYTES) throw tooManyBytes(size);
  const operations = new Map<OperationId, Prepared>();
  for (const piece of pieces) {
    // A copy: a view would keep the whole frame for as long as the log's bytes are held.
    const bytes = new Uint8Array(piece);
    const operation = decodeOperation(bytes);
    const digest = digestOf(bytes);
    checkOrigin(operation, transaction, author);
    const other = operations.get(operation.id);
    if (other !== undefined && !sameBytes(other.digest, digest)) throw identityClash(operation);
    operations.set(operation.id, { operation, bytes, digest });
  }
  if (operations.size === 0) throw foreign(transaction, 'holds no operation');
  const sorted = [...operations.values()].sort((left, right) => (left.operation.id < right.operation.id ? -1 : 1));
  return { transaction, operations: sorted };
}

/** Why these operations of it were refused before; null if they were not. */
export function refusedBefore(
  { log }: Pick<Core, 'log'>,
  transaction: TransactionId,
  pieces: readonly Uint8Array[],
): TendrilError | null {
  const outcome = log.outcome(transaction);
  return outcome?.kind === 'refused' && outcome.operations === fingerprintOf(pieces) ? outcome.error : null;
}

/** What says something of the operations for ever; not of who uploaded them, nor of what this node has forgotten. */
export function isMemorable({ code }: TendrilError): boolean {
  return code !== 'policy-denied' && code !== 'outcome-unknown';
}

/** @throws {TendrilError} why it is refused. */
export function judgeUpload(core: Core, { transaction, operations }: Uploaded): Judgement {
  const { outcomes } = core.log;
  const outcome = outcomes.of(transaction);
  const applied = outcome?.kind === 'applied' ? outcome.position : null;
  const fresh: Prepared[] = [];
  let position = applied;
  for (const prepared of operations) {
    const held = core.log.identity(prepared.operation.id);
    if (held === null) fresh.push(prepared);
    else if (!sameBytes(held.digest, prepared.digest)) throw identityClash(prepared.operation);
    else position ??= held.position;
  }
  if (applied !== null && fresh.length > 0) throw settledOtherwise(transaction, applied);
  if (fresh.length === 0) return { kind: 'known', position: position! };
  if (position === null && timeOf(transaction) < outcomes.floor()) throw forgotten(transaction, outcomes.floor());
  if (hasDrifted(core, fresh.at(-1)!.operation.id)) return { kind: 'rebase', reason: 'clock-drift' };
  return hasPrecursors(core, fresh) ? { kind: 'sound', fresh } : { kind: 'rebase', reason: 'missing-precursor' };
}

function checkOrigin(operation: Operation, transaction: TransactionId, author: string | null): void {
  if (operation.transaction !== transaction)
    throw foreign(transaction, `holds an operation of ${operation.transaction}`);
  if (author === null || operation.author === author) return;
  throw new TendrilError({
    code: 'policy-denied',
    problem: `Operation ${operation.id} names another author than the one this session writes as.`,
    remedy: 'Write under the author that the authority gave when the session began.',
    facts: { id: operation.id, author },
  });
}

/** Ahead of this clock, and of what is in the log already: an id that high would push every later one. */
export function hasDrifted({ clock, log }: Pick<Core, 'clock' | 'log'>, id: OperationId | TransactionId): boolean {
  const time = timeOf(id);
  if (time <= clock.now() + MAX_DRIFT_MS) return false;
  const held = log.greatestId();
  return held === null || time > timeOf(held);
}

/** Whether all that the operations were built on is here. @throws {TendrilError} what else is wrong with them. */
function hasPrecursors({ log, catalog }: Core, fresh: readonly Prepared[]): boolean {
  const own = new Map(fresh.map(({ operation }) => [operation.id, operation]));
  let isMissing = false;
  for (const { operation } of fresh) {
    checkContent(catalog, operation);
    for (const precursor of operation.precursors) {
      const found = own.get(precursor) ?? log.identity(precursor);
      if (found === null) isMissing = true;
      else checkPrecursor(operation, precursor, found);
    }
  }
  return !isMissing;
}

/** It was made anew after all, for somebody who did not know of that: another copy of this node's file. */
function settledOtherwise(transaction: TransactionId, position: Position): TendrilError {
  return new TendrilError({
    code: 'identity-clash',
    problem: `The transaction ${transaction} was applied here already, at position ${position}, with other operations.`,
    remedy: 'What it wrote then is there: look at that, and discard this attempt rather than retry it.',
    facts: { transaction, position },
  });
}

function forgotten(transaction: TransactionId, floor: number): TendrilError {
  return new TendrilError({
    code: 'outcome-unknown',
    problem: `The transaction ${transaction} was made before ${new Date(floor).toISOString()}, and its outcome is not kept.`,
    remedy: 'Look whether what it wrote is there; if not, write it again.',
    facts: { transaction, floor },
  });
}

function foreign(transaction: TransactionId, what: string): TendrilError {
  return new TendrilError({
    code: 'invalid-operation',
    problem: `The transaction ${transaction} ${what}.`,
    remedy: 'Check the node that made it: its version, and that nothing changes operations on their way.',
    facts: { transaction },
  });
}
