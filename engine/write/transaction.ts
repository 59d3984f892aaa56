/**
 * Transaction: what a callback is given. Every method is synchronous and sees the transaction's own writes.
 *
 * `OpenTransaction` is its other side, which the callback never sees: from where it reads, and when it ends.
 */
import { TendrilError } from '../../errors.ts';
import type { SqlParameters, Where } from '../../query/index.ts';
import {
  type Collection,
  type EntityId,
  type InsertOf,
  type Position,
  parseEntityId,
  type RowOf,
  type TransactionId,
  type UpdateOf,
} from '../../storage/index.ts';
import type { CatalogEntry } from '../catalog.ts';
import type { Core } from '../core.ts';
import { notCovered } from '../covers.ts';
import type { ReadOptions } from '../read-options.ts';
import { decodeRows, type Reader } from '../reader.ts';
import type { SqlResult } from '../sql-result.ts';
import { insertAssignments, updateAssignments } from './assignments.ts';
import { atPosition, hide, type Standpoint } from './standpoint.ts';
import type { StatementRunner } from './statement-run.ts';
import { WriteSet } from './write-set.ts';

export interface CreateOptions {
  /** The entity's id, a ULID; minted if not given. See `idFrom` for natural keys. */
  readonly id?: string;
  /** Does nothing where the row, or its tombstone, is known here. */
  readonly ifAbsent?: boolean;
}

export interface Transaction {
  /**
   * Makes an entity and returns its id. Under an id that is known here it is an edit of that entity, and revives a deleted one.
   *
   * @throws {TendrilError} `invalid-value`, `unknown-property`, `limit-exceeded`.
   */
  create<C extends Collection>(collection: C, values: InsertOf<C>, options?: CreateOptions): string;
  /** Changes the properties named, and no other. @throws {TendrilError} `not-found`, and as `create`. */
  update<C extends Collection>(collection: C, id: string, values: UpdateOf<C>): void;
  /** @throws {TendrilError} `not-found`. */
  delete(collection: Collection, id: string): void;
  /** Brings a deleted entity back with all edits made meanwhile; does nothing to a living one. @throws {TendrilError} `not-found`. */
  restore(collection: Collection, id: string): void;
  get<C extends Collection>(collection: C, id: string): RowOf<C> | null;
  /** @throws {TendrilError} `not-covered` on an ephemeral node, as `get` and `sql`; `from: 'local'` reads what is held. */
  query<C extends Collection>(
    collection: C,
    text?: string | Where,
    parameters?: SqlParameters,
    options?: ReadOptions,
  ): readonly RowOf<C>[];
  sql(text: string, parameters?: SqlParameters, options?: ReadOptions): SqlResult;
}

/** What reading and writing by text takes; shared by all transactions of a node. */
export interface TransactionParts {
  readonly core: Core;
  readonly reader: Reader;
  readonly statements: StatementRunner;
  /** Where every transaction begins. */
  readonly inside: Standpoint;
  readonly isDraining: () => boolean;
}

/** A class, for there is one for each transaction: its methods are made once. */
export class OpenTransaction {
  readonly id: TransactionId;
  readonly parts: TransactionParts;
  readonly writes: WriteSet;
  readonly facade: Transaction;
  #standpoint: Standpoint;
  #since: Position | null = null;
  #ended: (() => unknown) | null = null;

  constructor(parts: TransactionParts, id: TransactionId) {
    this.parts = parts;
    this.id = id;
    this.#standpoint = parts.inside;
    this.writes = new WriteSet(parts.inside);
    this.facade = new Facade(this);
  }

  /** Null while it is in its first group, else the position whose rows it reads. */
  get since(): Position | null {
    return this.#since;
  }

  /** From now on it reads the rows committed up to `position`; what it showed itself in the table has been rolled back. */
  leave(position: Position): void {
    this.#since = position;
    this.#standpoint = atPosition(this.parts.core, position);
    this.writes.standpoint = this.#standpoint;
    for (const draft of this.writes.drafts) hide(draft);
  }

  /** From now on every use throws what `reason` gives; the first reason stays. */
  end(reason: () => unknown): void {
    this.#ended ??= reason;
  }

  /** Where it reads from. @throws {TendrilError} if it cannot be used now. */
  use(): Standpoint {
    if (this.#ended !== null) throw this.#ended();
    if (this.#since !== null && this.parts.isDraining()) throw usedElsewhere(this.id);
    return this.#standpoint;
  }
}

class Facade implements Transaction {
  readonly #open: OpenTransaction;

  constructor(open: OpenTransaction) {
    this.#open = open;
  }

  create<C extends Collection>(collection: C, values: InsertOf<C>, options: CreateOptions = {}): string {
    const entry = this.#entry(collection);
    const { writes, parts } = this.#open;
    if (options.id === undefined) {
      const assignments = insertAssignments(entry, values);
      const minted = parts.core.mint.next() as EntityId;
      writes.createNew(entry, minted, assignments);
      return minted;
    }
    const id = parseEntityId(options.id);
    if (options.ifAbsent !== true || !writes.knows(entry, id)) {
      writes.create(entry, id, insertAssignments(entry, values));
    }
    return id;
  }

  update<C extends Collection>(collection: C, id: string, values: UpdateOf<C>): void {
    const entry = this.#entry(collection);
    this.#open.writes.update(entry, parseEntityId(id), updateAssignments(entry, values));
  }

  delete(collection: Collection, id: string): void {
    this.#open.writes.delete(this.#entry(collection), parseEntityId(id));
  }

  restore(collection: Collection, id: string): void {
    this.#open.writes.restore(this.#entry(collection), parseEntityId(id));
  }

  get<C extends Collection>(collection: C, id: string): RowOf<C> | null {
    const entry = this.#entry(collection);
    const row = this.#open.writes.rowOf(entry, parseEntityId(id));
    return row === null ? null : entry.decode(row);
  }

  query<C extends Collection>(
    collection: C,
    text: string | Where = '',
    parameters?: SqlParameters,
    { from }: ReadOptions = {},
  ) {
    const entry = this.#entry(collection);
    const { parts, writes } = this.#open;
    const selection = parts.reader.select(entry, text, parameters);
    const { name } = entry.collection;
    if (from !== 'local' && !parts.core.covers.selection(name, selection)) {
      throw notCovered(`this selection of ${name}`, { collection: name });
    }
    const rows = this.#open.use().look(writes.drafts, [name], () => parts.reader.rows(selection));
    return decodeRows(entry, rows);
  }

  sql(text: string, parameters?: SqlParameters, options?: ReadOptions): SqlResult {
    const { parts, writes } = this.#open;
    return parts.statements.run(text, parameters, writes, this.#open.use(), options);
  }

  #entry<C extends Collection>(collection: C): CatalogEntry<C> {
    this.#open.use();
    return this.#open.parts.core.catalog.entryOf(collection);
  }
}

function usedElsewhere(transaction: TransactionId): TendrilError {
  return new TendrilError({
    code: 'conflict',
    problem: 'An asynchronous transaction was used from inside the synchronous callback of another one.',
    remedy: 'Use each `tx` in its own callback only.',
    facts: { transaction },
  });
}
