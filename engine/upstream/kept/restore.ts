/**
 * Restore: what the file kept of an earlier process comes back into memory, before anything else happens.
 *
 * Invariants
 *   - what was pending is pending, in its order and on what it stood; what was followed is followed, and lingers until
 *     somebody uses it;
 *   - a transaction that cannot be read stays in the file and is told of, with those that cannot be without it; their rows are
 *     as if they had not been;
 *   - of anything else that cannot be read nobody knows what the tables lack: it is told of and forgotten, and what they hold
 *     stands nowhere, so that the next session replaces it.
 */
import { TendrilError } from '../../../errors.ts';
import { quoteName } from '../../../query/index.ts';
import type {
  Cursor,
  Damage,
  EntityId,
  KeptBase,
  KeptReplica,
  KeptSelection,
  TransactionId,
} from '../../../storage/index.ts';
import type { Core } from '../../core.ts';
import type { Reader } from '../../reader.ts';
import { partsOf, type RowKey, rowKey } from '../../row-key.ts';
import { rowKeyOf } from '../../write/prepared.ts';
import type { Following } from '../following/following.ts';
import type { HeldIds } from '../following/held-ids.ts';
import type { Outbox, Pending } from '../outbox/outbox.ts';
import { merged } from '../overlay/merged.ts';
import type { Overlay } from '../overlay/overlay.ts';
import type { Kept } from './kept.ts';

export interface RestoreParts {
  readonly core: Pick<Core, 'catalog' | 'driver' | 'mint' | 'replica' | 'rows'>;
  readonly reader: Reader;
  readonly outbox: Outbox;
  readonly overlay: Overlay;
  readonly following: Following;
  readonly heldIds: HeldIds;
  readonly kept: Kept;
  readonly onError: (error: unknown) => void;
}

/** Returns where the tables stand. */
export function restore(parts: RestoreParts, found: KeptReplica): Cursor | null {
  const { core, outbox, kept, onError } = parts;
  const damages = [...found.damages];
  const bases = new Bases(parts, found);
  const { standing, baseless } = divide(found.transactions, bases);
  outbox.restore(standing, found.greatestPlace);
  if (found.greatestId !== null) core.mint.observe(found.greatestId);
  for (const [number, selection] of found.selections) {
    const damage = restoreSelection(parts, number, selection);
    if (damage !== null) damages.push(damage);
  }
  restoreIds(parts, found, standing);
  const standsNowhere = damages.some(({ what }) => what !== 'transaction');
  const isWhole = damages.length + bases.taken.length + baseless.length === 0;
  const keys = isWhole
    ? [...bases.all()].filter((key) => isAmiss(parts, bases, key))
    : everyKey(parts, standing, bases);
  if (!isWhole || keys.length > 0) {
    core.driver.transaction(() => {
      for (const { forget } of damages) forget?.();
      if (standsNowhere) core.replica.setCursor(null);
      for (const base of bases.taken) core.replica.putBase(base);
      for (const key of keys) mend(parts, bases, key);
    });
  }
  restoreBases(parts, standing, bases);
  for (const damage of damages) onError(told(damage));
  for (const { transaction } of baseless) onError(withoutBase(transaction));
  const cursor = standsNowhere ? null : found.cursor;
  kept.restoredAt(cursor);
  return cursor;
}

/** What pending operations stand on, by row. */
class Bases {
  readonly #core: RestoreParts['core'];
  readonly #byRow: Map<RowKey, KeptBase>;
  readonly #isDamaged: boolean;
  /** Those that were not in the file. */
  readonly taken: KeptBase[] = [];

  constructor({ core }: RestoreParts, { bases, damages }: KeptReplica) {
    this.#core = core;
    this.#byRow = new Map(bases.map((base) => [rowKey(base.collection, base.id), base]));
    this.#isDamaged = damages.some(({ what }) => what === 'base');
  }

  get(key: RowKey): KeptBase | undefined {
    return this.#byRow.get(key);
  }

  all(): Iterable<RowKey> {
    return this.#byRow.keys();
  }

  /**
   * False where an update would stand on nothing. One that lacks its base stands on the row as the table has it, if nothing is
   * pending over that, or if there was a base that cannot be read: that is the best guess until the next session.
   */
  has(key: RowKey): boolean {
    const held = this.#byRow.get(key);
    if (held !== undefined) return held.row !== null;
    const { collection, id } = partsOf(key);
    const row = this.#core.rows.read(collection, id);
    if (row === null || (!this.#isDamaged && this.#isMarked(collection, id))) return false;
    const base = { collection, id, row, hasLeft: false, isMixed: false };
    this.#byRow.set(key, base);
    this.taken.push(base);
    return true;
  }

  #isMarked(collection: string, id: EntityId): boolean {
    const sql = `SELECT 1 FROM ${quoteName(`_${collection}`)} WHERE id = ? AND _pending IS NOT NULL`;
    return this.#core.driver.get(sql, [id]) !== undefined;
  }
}

/** Those that have something to stand on, and those that have not, because what made it cannot be read. */
function divide(
  transactions: readonly Pending[],
  bases: Bases,
): { readonly standing: readonly Pending[]; readonly baseless: readonly Pending[] } {
  const standing: Pending[] = [];
  const baseless: Pending[] = [];
  const made = new Set<RowKey>();
  for (const pending of transactions) {
    const stands = pending.operations.every((each) => {
      const key = rowKeyOf(each);
      return made.has(key) || each.operation.edits[0]?.kind === 'create' || bases.has(key);
    });
    if (stands) for (const key of pending.operations.map(rowKeyOf)) made.add(key);
    (stands ? standing : baseless).push(pending);
  }
  return { standing, baseless };
}

function restoreSelection(
  { core, reader, following, kept }: RestoreParts,
  number: number,
  { collection, text, parameters, edge }: KeptSelection,
): Damage | null {
  try {
    const entry = core.catalog.named(collection)!;
    const selection = reader.select(entry, text, parameters);
    kept.restored(following.restore(entry, { selection, text, parameters }, edge), number);
    return null;
  } catch (error) {
    if (error instanceof TendrilError && error.code === 'storage-failed') throw error;
    return { what: 'selection', error, forget: () => core.replica.removeSelection(number) };
  }
}

function restoreIds({ heldIds }: RestoreParts, { ids }: KeptReplica, standing: readonly Pending[]): void {
  for (const [collection, id] of ids) heldIds.restore(collection, id);
  for (const { operations } of standing) {
    for (const { operation } of operations) heldIds.wrote(operation.collection, operation.entity);
  }
}

/** Something was shown over it that is not pending any more, because its session ended with the process. */
function isAmiss({ outbox }: RestoreParts, bases: Bases, key: RowKey): boolean {
  return bases.get(key)!.isMixed || outbox.operationsOf(key).length === 0;
}

/** Of each row that is, or is said to be, pending. */
function everyKey({ core }: RestoreParts, standing: readonly Pending[], bases: Bases): readonly RowKey[] {
  const keys = new Set([...bases.all(), ...standing.flatMap(({ operations }) => operations.map(rowKeyOf))]);
  for (const { collection } of core.catalog.entries) {
    const marked = core.driver.all(`SELECT id FROM ${quoteName(`_${collection.name}`)} WHERE _pending IS NOT NULL`);
    for (const [id] of marked) keys.add(rowKey(collection.name, id as EntityId));
  }
  return [...keys];
}

/** The row as what is pending here, and could be read, makes it. */
function mend({ core, outbox }: RestoreParts, bases: Bases, key: RowKey): void {
  const { collection, id } = partsOf(key);
  const pending = outbox.operationsOf(key);
  const base = bases.get(key);
  const confirmed = base === undefined || (pending.length === 0 && base.hasLeft) ? null : base.row;
  const row = merged(core.catalog.named(collection)!, confirmed, pending);
  const before = core.rows.read(collection, id);
  if (row !== null) core.rows.write(collection, id, before, row, pending.length > 0);
  else if (before !== null) core.rows.erase(collection, id);
  if (pending.length === 0) core.replica.removeBase(collection, id);
}

function restoreBases({ core, overlay }: RestoreParts, standing: readonly Pending[], bases: Bases): void {
  for (const key of new Set(standing.flatMap(({ operations }) => operations.map(rowKeyOf)))) {
    const { collection, id } = partsOf(key);
    const kept = bases.get(key);
    const { row, hasLeft } = kept ?? { row: null, hasLeft: false };
    overlay.restore(key, { row, hasLeft, shown: core.rows.read(collection, id)! }, kept);
  }
}

const LEFT_OUT: Readonly<Record<Damage['what'], string>> = {
  transaction: 'A transaction that waits for the upstream cannot be read. It stays in the file, and is not offered.',
  base: 'The confirmed row under a pending change cannot be read. The next session brings it.',
  selection: 'What was followed cannot be read. The next session replaces what is held.',
  id: 'The id of what was followed cannot be read. The next session replaces what is held.',
  cursor: 'Where what is held stands cannot be read. The next session replaces it.',
};

function told({ what, error }: Damage): TendrilError {
  return new TendrilError({
    code: 'storage-damaged',
    problem: LEFT_OUT[what],
    remedy: 'All else of the file was read. Check the disk; a copy of the file tells what is missing.',
    facts: { what },
    cause: error,
  });
}

function withoutBase(transaction: TransactionId): TendrilError {
  return new TendrilError({
    code: 'storage-damaged',
    problem: `Transaction ${transaction} changes what a transaction that cannot be read was to create. It stays in the file, and is not offered.`,
    remedy: 'All else of the file was read. Check the disk; a copy of the file tells what is missing.',
    facts: { what: 'transaction', transaction },
  });
}
