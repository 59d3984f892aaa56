/**
 * One part of an ingest: its transactions are judged, and applied, parked or refused, inside a group.
 *
 * Invariants
 *   - a transaction is applied, parked or refused whole; what is refused changes nothing, here or in parking;
 *   - an operation is applied after its precursors; a transaction that misses one is parked, and is ready when the last
 *     of them comes;
 *   - an operation that is here already is a duplicate if its content is the same, else its transaction is refused;
 *   - operations of a transaction that come after it was applied are applied by themselves: nothing is lost;
 *   - rows cannot be undone past what comes from below another log's floor: the floor rises with it;
 *   - a part applies fewer than MAX_GROUP_OPERATIONS operations, and then one transaction more.
 */
import { TendrilError } from '../../errors.ts';
import {
  MAX_LOGGED_TRANSACTION_OPERATIONS,
  MAX_TRANSACTION_BYTES,
  MAX_TRANSACTION_OPERATIONS,
  type OperationId,
  type StoredRow,
  sameBytes,
  type TransactionId,
} from '../../storage/index.ts';
import type { Commit } from '../change.ts';
import type { Core, Prepared } from '../core.ts';
import { LoggedApplication } from '../write/apply.ts';
import { MAX_GROUP_OPERATIONS } from '../write/commit-queue.ts';
import { byEntity, sizeOf } from '../write/prepared.ts';
import { tooManyBytes, tooManyOperations } from '../write/write-set.ts';
import { checkContent, checkPrecursor, identityClash } from './ingest-check.ts';
import type { Arrival, Parking } from './parking.ts';

/** What came of one transaction. None at all stands for what is parked of it. */
export type Batch = Arrival<Prepared>;

export interface PartResult {
  readonly commits: readonly Commit[];
  readonly applied: number;
  /** Of the operations applied. */
  readonly bytes: number;
  readonly duplicates: number;
  /** Transactions that had to wait, and how many operations the part brought of each. */
  readonly parked: ReadonlyMap<TransactionId, number>;
  readonly dropped: readonly TransactionId[];
  readonly refused: ReadonlyMap<TransactionId, TendrilError>;
  /** Parked transactions that miss nothing any more, for which this part had no room. */
  readonly ready: readonly TransactionId[];
}

export function ingestPart(core: Core, parking: Parking<Prepared>, part: readonly Batch[]): PartResult {
  const work = new PartWork(core, parking);
  const takeAll = () => {
    for (const batch of part) work.take(batch);
  };
  core.rows.together(() => core.log.together(takeAll));
  return work.result;
}

class PartWork {
  readonly #core: Core;
  readonly #parking: Parking<Prepared>;
  readonly #commits: Commit[] = [];
  readonly #parked = new Map<TransactionId, number>();
  readonly #dropped: TransactionId[];
  readonly #refused = new Map<TransactionId, TendrilError>();
  readonly #later: TransactionId[] = [];
  #applied = 0;
  #bytes = 0;
  #duplicates = 0;

  constructor(core: Core, parking: Parking<Prepared>) {
    this.#core = core;
    this.#parking = parking;
    this.#dropped = [...parking.expire(core.clock.now())];
  }

  get result(): PartResult {
    return {
      commits: this.#commits,
      applied: this.#applied,
      bytes: this.#bytes,
      duplicates: this.#duplicates,
      parked: this.#parked,
      dropped: this.#dropped,
      refused: this.#refused,
      ready: this.#later,
    };
  }

  /** With what becomes ready through it, as long as there is room. */
  take(batch: Batch): void {
    const ready = this.#takeOne(batch);
    for (let transaction = ready.shift(); transaction !== undefined; transaction = ready.shift()) {
      if (this.#applied >= MAX_GROUP_OPERATIONS) this.#later.push(transaction);
      else ready.push(...this.#takeOne({ transaction, items: [], bytes: 0 }));
    }
  }

  /** Returns the parked transactions that it made ready. */
  #takeOne({ transaction, items, truncated = false }: Batch): TransactionId[] {
    const parking = this.#parking;
    // What only comes out of parking is not put back when it is refused.
    const checkpoint = items.length > 0 && parking.has(transaction) ? parking.checkpoint() : null;
    const parked = parking.take(transaction);
    const all = parked === null ? items : [...parked.items, ...items];
    const isTruncated = truncated || parked?.truncated === true;
    try {
      const judgement = judge(this.#core, all);
      const { fresh, missing } = judgement;
      this.#duplicates += judgement.duplicates;
      if (missing.length === 0) return fresh.length === 0 ? [] : this.#apply(transaction, judgement, isTruncated);
      this.#park({ transaction, items: fresh, bytes: sizeOf(fresh), truncated: isTruncated }, missing);
      this.#parked.set(transaction, items.length);
    } catch (error) {
      // What the storage reports is a failure of this node, not of what it was given.
      if (!(error instanceof TendrilError) || error.code.startsWith('storage-')) throw error;
      if (checkpoint !== null) parking.restore(checkpoint);
      this.#refused.set(transaction, error);
    }
    return [];
  }

  /** Copies: a view would keep all that it came with for as long as it waits. */
  #park({ items, ...arrival }: Batch, missing: readonly OperationId[]): void {
    const copies = items.map((item) => ({ ...item, bytes: item.bytes.slice() }));
    this.#dropped.push(...this.#parking.park({ ...arrival, items: copies }, missing, this.#core.clock.now()));
  }

  #apply(transaction: TransactionId, { fresh, groups }: Judgement, truncated: boolean): TransactionId[] {
    const commit = applyFresh(this.#core, transaction, groups);
    if (truncated) this.#core.log.raiseFloor(commit.position);
    this.#commits.push(commit);
    this.#applied += fresh.length;
    this.#bytes += sizeOf(fresh);
    return fresh.flatMap(({ operation: { id } }) => {
      this.#core.mint.observe(id);
      return this.#parking.came(id);
    });
  }
}

/** The operations of one entity, and its row without them. */
interface Group {
  readonly before: StoredRow | null;
  readonly operations: readonly Prepared[];
}

interface Judgement {
  /** Not here yet; ascending by id, so that causes come first. */
  readonly fresh: readonly Prepared[];
  /** The same, entity by entity. */
  readonly groups: readonly Group[];
  readonly duplicates: number;
  /** Precursors that are neither here nor in the batch, each once. */
  readonly missing: readonly OperationId[];
}

/** @throws {TendrilError} the reason why the transaction is refused. */
function judge(core: Core, items: readonly Prepared[]): Judgement {
  const own = new Map<OperationId, Prepared>();
  let duplicates = 0;
  for (const item of items) {
    const { operation, digest } = item;
    const held = own.get(operation.id) ?? core.log.identity(operation.id);
    if (held === null) {
      checkContent(core.catalog, operation);
      own.set(operation.id, item);
    } else if (sameBytes(held.digest, digest)) duplicates += 1;
    else throw identityClash(operation);
  }
  const fresh = [...own.values()];
  checkSize(fresh);
  fresh.sort((left, right) => (left.operation.id < right.operation.id ? -1 : 1));
  const missing = new Set<OperationId>();
  const groups: Group[] = [];
  for (const operations of byEntity(fresh)) {
    const { collection, entity } = operations[0]!.operation;
    const before = core.log.isNewEntity(entity) ? null : core.rows.read(collection, entity);
    groups.push({ before, operations });
    for (const { operation } of operations) {
      for (const precursor of operation.precursors) {
        // What stands in the row's head is of this entity.
        if (before?.head.includes(precursor)) continue;
        const found = own.get(precursor)?.operation ?? core.log.identity(precursor);
        if (found === null) missing.add(precursor);
        else checkPrecursor(operation, precursor, found);
      }
    }
  }
  return { fresh, groups, duplicates, missing: [...missing] };
}

/**
 * Of what is new only: what came before, to be parked or applied, may come again whole. What has no edits, by which an
 * authority has narrowed heads, comes on top of what a transaction may have.
 */
function checkSize(items: readonly Prepared[]): void {
  const own = items.filter(({ operation }) => operation.edits.length > 0);
  const isTooMany = items.length > MAX_LOGGED_TRANSACTION_OPERATIONS || own.length > MAX_TRANSACTION_OPERATIONS;
  if (isTooMany) throw tooManyOperations(items.length);
  const bytes = sizeOf(own);
  if (bytes > MAX_TRANSACTION_BYTES) throw tooManyBytes(bytes);
}

/** Entity by entity, each with its operations in the order of their ids. */
function applyFresh(core: Core, transaction: TransactionId, groups: readonly Group[]): Commit {
  const application = new LoggedApplication(core, transaction);
  for (const { before, operations } of groups) {
    const { collection, entity } = operations[0]!.operation;
    application.touch(core.catalog.named(collection)!, entity, before, before, operations);
  }
  return application.end()!;
}
