/**
 * Confirmed steps: what a relay's upstream said, as commits of confirmed rows for the feed, which tells them to followers.
 *
 * Invariants
 *   - a step is one commit, at its own position; what comes while the upstream's session is not whole is one, as that ends,
 *     but for what it changes in the tables already: that is told at once, at the position where they stand;
 *   - a transaction of a follower has a commit even if it changes no row here: its author waits for that; what settled it
 *     counts until it has that, or its session ends: the log of the next one may not have it;
 *   - a row that left because it cannot be read is told to be so;
 *   - what a group noted that fails is forgotten with it.
 */
import { TendrilError } from '../../errors.ts';
import {
  decodeItems,
  type EntityId,
  idOfRow,
  type Position,
  type StoredRow,
  type TransactionId,
} from '../../storage/index.ts';
import type { Bound, Change, Commit, Touched, TouchedOperation } from '../change.ts';
import type { Prepared } from '../core.ts';
import { type RowKey, rowKey } from '../row-key.ts';
import type { Part } from '../stream.ts';
import type { ConfirmedChange } from '../upstream/overlay/overlay.ts';
import type { TakenStep } from '../upstream/served.ts';
import { changeOf } from '../write/apply.ts';
import type { Journal } from '../write/journal.ts';

/** A transaction that is settled by a step. */
interface Settled {
  readonly position: Position;
  readonly transaction: TransactionId;
  readonly operations: readonly Prepared[];
}

export interface ConfirmedStepsParts {
  readonly journal: Journal;
  readonly confirmed: (collection: string, id: EntityId) => StoredRow | null;
  /** Why it cannot be read; null where it can. */
  readonly reasonOf: (collection: string, id: EntityId) => TendrilError | null;
  /** Where the tables stand. */
  readonly position: () => Position;
}

type Operations = Map<RowKey, { readonly known: TouchedOperation[]; isWhole: boolean }>;

export class ConfirmedSteps {
  readonly #parts: ConfirmedStepsParts;
  readonly #noted: Commit[] = [];
  /** Settled while the session is not whole. */
  readonly #waiting: Settled[] = [];
  #greatest = 0 as Position;

  constructor(parts: ConfirmedStepsParts) {
    this.#parts = parts;
  }

  /** Inside a group. */
  took({ step, operations, changes, bounds, isWhole }: TakenStep): void {
    const { position, settled: transaction } = step;
    const settled = transaction === null ? null : { transaction, operations, position };
    this.#greatest = position > this.#greatest ? position : this.#greatest;
    if (isWhole) {
      this.#note(position, settled, changes, operationsOf(step.parts, operations), bounds);
      return;
    }
    // The tables are ahead of where they stand, by what was settled: whoever hydrates now sees it, and so must the others.
    if (changes.length > 0) this.#note(this.#parts.position(), null, changes, new Map(), []);
    if (settled === null) return;
    this.#parts.journal.record(() => this.#waiting.pop());
    this.#waiting.push(settled);
  }

  /** Inside a group: what cannot be read. - `position`: where the session stands. */
  leftOut(position: Position, changes: readonly ConfirmedChange[]): void {
    if (changes.length > 0) this.#note(position, null, changes, new Map(), []);
  }

  /** Inside a group. - `position`: at least so far the session has come. */
  becameWhole(position: Position, changes: readonly ConfirmedChange[], bounds: readonly Bound[]): void {
    const settled = this.#takeWaiting();
    // First, so that their authors hold what they are of; at their own positions, where the authority merged them.
    for (const each of settled) this.#note(each.position, each, [], operationsOf([], each.operations), []);
    const at = position > this.#greatest ? position : this.#greatest;
    this.#note(at, null, changes, new Map(), bounds);
  }

  /** After the COMMIT: what is to be told, in order. */
  take(): readonly Commit[] {
    return this.#noted.splice(0);
  }

  /** After the COMMIT: in place of `becameWhole`, where nobody is to be told. Returns what was settled meanwhile. */
  drop(): readonly TransactionId[] {
    return this.#waiting.splice(0).map(({ transaction }) => transaction);
  }

  /** The session has ended. - `isOffered`: the next one is offered it again, and says what becomes of it. */
  lost(isOffered: (transaction: TransactionId) => boolean): void {
    for (const each of this.#waiting.splice(0)) if (!isOffered(each.transaction)) this.#waiting.push(each);
  }

  #takeWaiting(): readonly Settled[] {
    const settled = this.#waiting.splice(0);
    this.#parts.journal.record(() => this.#waiting.push(...settled));
    return settled;
  }

  #note(
    position: Position,
    settled: Settled | null,
    rows: readonly ConfirmedChange[],
    operations: Operations,
    bounds: readonly Bound[],
  ): void {
    const touched = rows.map((row) => this.#readable(touchedOf(row, operations)));
    if (settled !== null) touched.push(...this.#unchanged(settled, rows, operations));
    const { length } = this.#noted;
    this.#parts.journal.record(() => {
      this.#noted.length = length;
    });
    const changes = touched.flatMap((each): readonly Change[] => {
      const change = changeOf(each.collection, each.id, each.before, each.after);
      return change === null ? [] : [change];
    });
    this.#noted.push({ transaction: settled?.transaction ?? null, position, changes, touched, bounds });
  }

  #readable(touched: Touched): Touched {
    const { collection, id, after } = touched;
    const unreadable = after === null ? this.#parts.reasonOf(collection, id) : null;
    return unreadable === null ? touched : { ...touched, unreadable };
  }

  /** What a transaction is of and did not change here: it was known already. */
  #unchanged({ operations }: Settled, rows: readonly ConfirmedChange[], known: Operations): readonly Touched[] {
    const met = new Set(rows.map(({ collection, id }) => rowKey(collection, id)));
    const touched: Touched[] = [];
    for (const { operation } of operations) {
      const { collection, entity: id } = operation;
      const key = rowKey(collection, id);
      const row = met.has(key) ? null : this.#parts.confirmed(collection, id);
      met.add(key);
      if (row !== null) touched.push(touchedOf({ collection, id, before: row, after: row }, known));
    }
    return touched;
  }
}

function touchedOf({ collection, id, before, after }: ConfirmedChange, operations: Operations): Touched {
  const { known, isWhole } = operations.get(rowKey(collection, id)) ?? { known: [], isWhole: true };
  return { collection, id, before, after, operations: known, isWhole };
}

/** What is known of what was done to each row: what the transaction holds, and what was said beside. */
function operationsOf(parts: readonly Part[], operations: readonly Prepared[]): Operations {
  const byRow: Operations = new Map();
  const of = (collection: string, id: EntityId) => {
    const key = rowKey(collection, id);
    const known = byRow.get(key) ?? { known: [], isWhole: false };
    byRow.set(key, known);
    return known;
  };
  for (const { operation } of operations) {
    of(operation.collection, operation.entity).known.push(operation);
  }
  for (const part of parts) {
    if (part.kind === 'items') {
      const items = readable(part.items);
      const row = of(part.collection, part.entity);
      row.known.push(...(items ?? []));
      row.isWhole ||= items === null;
    } else if (part.kind === 'whole') of(part.collection, idOfRow(part.row)).isWhole = true;
  }
  for (const { known } of byRow.values()) known.sort((left, right) => (left.id < right.id ? -1 : 1));
  return byRow;
}

/** Null where they cannot be read: their row is left out. */
function readable(items: Uint8Array): readonly TouchedOperation[] | null {
  try {
    return decodeItems(items);
  } catch (error) {
    if (!(error instanceof TendrilError)) throw error;
    return null;
  }
}
