/**
 * Shelf: where this node's refused transactions lie until they are retried or discarded. They block nothing.
 *
 * Invariants
 *   - a transaction comes here in the group that takes it back, and leaves in the group that writes it again;
 *   - at most MAX_SHELF_TRANSACTIONS and MAX_SHELF_BYTES: past them the oldest are dropped, which onError is told;
 *   - what changes inside a group is recorded in the journal, and taken back with it.
 * The rows are an ordinary table's (refused.ts), kept as long as the storage; in memory is only how large each is.
 */
import { TendrilError } from '../../../errors.ts';
import { quoteName, type RawRow, utf8Length } from '../../../query/index.ts';
import type { EntityId, OperationId, Position, SqliteDriver, TransactionId } from '../../../storage/index.ts';
import type { Change } from '../../change.ts';
import type { CoreBase } from '../../core.ts';
import type { Journal } from '../../write/journal.ts';
import { MAX_SHELF_BYTES, MAX_SHELF_TRANSACTIONS } from '../limits.ts';
import type { Pending } from '../outbox/outbox.ts';
import { reasonOf } from '../outbox/settlements.ts';
import type { OverlayStep } from '../overlay/overlay-step.ts';
import { Refused, refusedRow } from './refused.ts';

const { name: NAME, table } = Refused;
/** UTF-8 bytes of a row's texts, as `sizeOf` counts them. */
const SIZE = table.columns.map(({ name }) => `ifnull(octet_length(${quoteName(name)}), 0)`).join(' + ');
const OLDEST = `SELECT id, ${SIZE} FROM ${quoteName(NAME)} ORDER BY refusedAt, id`;

/** A transaction on its way onto the shelf. */
interface Coming {
  readonly id: EntityId;
  readonly row: RawRow;
  readonly bytes: number;
}

export class ShelfRows {
  readonly #base: CoreBase;
  readonly #journal: Journal;
  readonly #onError: (error: unknown) => void;
  #held: Held;

  constructor(base: CoreBase, journal: Journal, onError: (error: unknown) => void) {
    this.#base = base;
    this.#journal = journal;
    this.#onError = onError;
    this.#held = readHeld(base.driver);
  }

  report(): Held {
    return this.#held;
  }

  /** Null where no such transaction lies here. */
  read(id: EntityId): RawRow | null {
    return this.#base.rows.read(NAME, id)?.values ?? null;
  }

  /**
   * Inside a group, which must commit before what this returns is called: it tells of those that had to go.
   *
   * - `refused`: by one refusal, which was that of `cause`; the others stood on it.
   */
  put(step: OverlayStep, refused: readonly Pending[], cause: TransactionId, error: TendrilError): () => void {
    const { rows, catalog, clock } = this.#base;
    const now = clock.now();
    const coming = refused.map((pending): Coming => {
      const { transaction } = pending;
      const reason = reasonOf(transaction, cause, error);
      const row = refusedRow(catalog, pending, reason, transaction === cause ? null : cause, now);
      return { id: row[0] as EntityId, row, bytes: sizeOf(row) };
    });
    const staying = lastThatFit(coming);
    const leaving = coming.slice(0, coming.length - staying.length).map(({ id }) => id);
    // What lies here is older than what comes.
    const older = this.#oldest(leaving.length > 0 ? null : staying);
    for (const id of older) step.add(this.take(id));
    for (const { id, row, bytes } of staying) {
      rows.write(NAME, id, null, storedRow(row));
      this.#count(1, bytes);
      step.add({ collection: NAME, id, before: null, after: row });
    }
    return () => {
      for (const id of [...older, ...leaving]) this.#onError(full(id));
    };
  }

  /** Inside a group: it lies here no longer. @throws {TendrilError} `not-found`. */
  take(id: EntityId): Change {
    const before = this.read(id);
    if (before === null) throw notOnShelf(id);
    this.#base.rows.erase(NAME, id);
    this.#count(-1, -sizeOf(before));
    return { collection: NAME, id, before, after: null };
  }

  /** As many as must go before these come; all, if not even of those is there room for more. */
  #oldest(coming: readonly Coming[] | null): readonly EntityId[] {
    let { transactions, bytes } = this.#held;
    for (const each of coming ?? []) {
      transactions += 1;
      bytes += each.bytes;
    }
    const isFull = () => coming === null || transactions > MAX_SHELF_TRANSACTIONS || bytes > MAX_SHELF_BYTES;
    if (transactions === 0 || !isFull()) return [];
    const oldest: EntityId[] = [];
    for (const [id, size] of this.#base.driver.all(OLDEST)) {
      if (!isFull()) break;
      transactions -= 1;
      bytes -= Number(size);
      oldest.push(id as EntityId);
    }
    return oldest;
  }

  #count(transactions: number, bytes: number): void {
    const before = this.#held;
    this.#journal.record(() => {
      this.#held = before;
    });
    this.#held = { transactions: before.transactions + transactions, bytes: before.bytes + bytes };
  }
}

/** How much lies on the shelf. */
export interface Held {
  readonly transactions: number;
  readonly bytes: number;
}

/** The latest of them, as many as there is room for; one at least. */
function lastThatFit(coming: readonly Coming[]): readonly Coming[] {
  let bytes = 0;
  let from = coming.length;
  while (from > 0 && coming.length - from < MAX_SHELF_TRANSACTIONS) {
    bytes += coming[from - 1]!.bytes;
    if (bytes > MAX_SHELF_BYTES && from < coming.length) break;
    from -= 1;
  }
  return coming.slice(from);
}

/** UTF-8 bytes of its texts. */
function sizeOf(row: RawRow): number {
  return row.reduce<number>((sum, cell) => sum + (typeof cell === 'string' ? utf8Length(cell) : 0), 0);
}

function readHeld(driver: SqliteDriver): Held {
  const [transactions, bytes] = driver.get(`SELECT count(*), ifnull(sum(${SIZE}), 0) FROM ${quoteName(NAME)}`, [])!;
  return { transactions: Number(transactions), bytes: Number(bytes) };
}

/** Nobody asks a local row's versions or head: nothing is ever merged into it. */
function storedRow(values: RawRow) {
  const base = values[0] as OperationId;
  return { values, head: [], versions: { base, listed: [] }, deleted: null, asOf: 0 as Position, extra: [] };
}

export function notOnShelf(id: string): TendrilError {
  return new TendrilError({
    code: 'not-found',
    problem: `No refused transaction ${id} lies on the shelf.`,
    remedy: 'Look at node.refused.query(): it may have been retried or discarded, or the oldest had to go.',
    facts: { id },
  });
}

function full(id: EntityId): TendrilError {
  return new TendrilError({
    code: 'limit-exceeded',
    problem: `The refused transaction ${id} was dropped: more than ${MAX_SHELF_TRANSACTIONS}, or ${MAX_SHELF_BYTES} bytes of them, lie on the shelf.`,
    remedy: 'Retry or discard what node.refused shows; it is kept until somebody does.',
    facts: { transaction: id, limit: MAX_SHELF_TRANSACTIONS, limitBytes: MAX_SHELF_BYTES },
  });
}
