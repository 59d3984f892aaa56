/**
 * Apply: one transaction's operations, known to be sound, become log rows and table rows.
 *
 * Runs inside the driver transaction of a group. What it returns is true only once that group has been committed.
 */
import { assert } from '../../errors.ts';
import type { RawRow } from '../../query/index.ts';
import {
  type EntityId,
  type LogEntry,
  living,
  type Position,
  type StoredRow,
  sameCell,
  type TransactionId,
} from '../../storage/index.ts';
import type { CatalogEntry } from '../catalog.ts';
import type { Change, Commit, Touched } from '../change.ts';
import type { Application, Core, Prepared } from '../core.ts';
import { mergeOperation } from './merge.ts';

/** Applies one transaction to the log and the rows of a durable node. */
export class LoggedApplication implements Application {
  readonly #core: Pick<Core, 'log' | 'rows'>;
  readonly #transaction: TransactionId;
  readonly #position: Position;
  readonly #entries: LogEntry[] = [];
  readonly #changes: Change[] = [];
  readonly #touched: Touched[] = [];
  /** Rows that are not in their tables yet, by collection: many together cost less. */
  readonly #created = new Map<string, StoredRow[]>();

  constructor(core: Pick<Core, 'log' | 'rows'>, transaction: TransactionId) {
    this.#core = core;
    this.#transaction = transaction;
    this.#position = (core.log.position() + 1) as Position;
  }

  touch(
    entry: CatalogEntry,
    id: EntityId,
    before: StoredRow | null,
    shown: StoredRow | null,
    operations: readonly Prepared[],
  ): void {
    let row = before;
    for (const { operation, bytes, digest } of operations) {
      const { after, undo } = mergeOperation(entry.descriptor, row, operation, this.#position);
      this.#entries.push({ operation, bytes, digest, undo });
      row = after;
    }
    assert(row !== null, `${entry.collection.name} ${id} was touched by no operation`);
    const { name: collection } = entry.collection;
    if (shown === null) this.#create(collection, row);
    else this.#core.rows.write(collection, id, shown, row);
    const change = changeOf(collection, id, before, row);
    if (change !== null) this.#changes.push(change);
    this.#touched.push({ collection, id, before, after: row, operations: operations.map((each) => each.operation) });
  }

  end(): Commit | null {
    if (this.#entries.length === 0) return null;
    for (const [collection, rows] of this.#created) this.#core.rows.writeNew(collection, rows);
    const position = this.#core.log.append(this.#transaction, this.#entries);
    assert(position === this.#position, 'the log counts otherwise than its reader');
    return { transaction: this.#transaction, position, changes: this.#changes, touched: this.#touched };
  }

  #create(collection: string, row: StoredRow): void {
    const rows = this.#created.get(collection);
    if (rows === undefined) this.#created.set(collection, [row]);
    else rows.push(row);
  }
}

/** Null where no reader sees a difference. */
export function changeOf(
  collection: string,
  id: EntityId,
  from: StoredRow | null,
  to: StoredRow | null,
): Change | null {
  const before = living(from);
  const after = living(to);
  if (before === null ? after === null : after !== null && sameRow(before, after)) return null;
  return { collection, id, before, after };
}

function sameRow(left: RawRow, right: RawRow): boolean {
  return left === right || left.every((cell, column) => sameCell(cell, right[column]!));
}
