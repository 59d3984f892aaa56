/**
 * Stages: rows that the authority has sent but that are not to be seen yet, because what they belong to is not whole.
 *
 * Invariants
 *   - the rows of a selection become visible together, when its last chunk has come;
 *   - after a new session began, nothing of it is visible until all that was asked for at its begin is whole: then it
 *     replaces what was held before, in one step;
 *   - a staged row is kept current like any other.
 */
import type { EntityId, StoredRow } from '../../storage/index.ts';
import type { CatalogEntry } from '../catalog.ts';
import type { Followed } from './following.ts';
import type { EnteringRow } from './overlay.ts';

/** Makes a row of the bytes in which it came. */
export type ReadRow = (entry: CatalogEntry, bytes: Uint8Array) => StoredRow;

const NONE: ReadonlyMap<CatalogEntry, ReadonlySet<EntityId>> = new Map([]);

export class Stage {
  readonly #read: ReadRow;
  /** As they came, until somebody looks at one: a hundred thousand rows take a fifth of the memory so. */
  readonly #rows = new Map<CatalogEntry, Map<EntityId, StoredRow | Uint8Array>>();

  constructor(read: ReadRow) {
    this.#read = read;
  }

  has(entry: CatalogEntry, id: EntityId): boolean {
    return this.#rows.get(entry)?.has(id) === true;
  }

  /** Null where it holds no such row. */
  get(entry: CatalogEntry, id: EntityId): StoredRow | null {
    const held = this.#rows.get(entry)?.get(id);
    return held === undefined ? null : this.#made(entry, held);
  }

  set(entry: CatalogEntry, id: EntityId, row: StoredRow | Uint8Array): void {
    const rows = this.#rows.get(entry);
    if (rows === undefined) this.#rows.set(entry, new Map([[id, row]]));
    else rows.set(id, row);
  }

  delete(entry: CatalogEntry, id: EntityId): void {
    this.#rows.get(entry)?.delete(id);
  }

  /** Each row, but those of `without`. */
  *rows(without: ReadonlyMap<CatalogEntry, ReadonlySet<EntityId>> = NONE): Generator<EnteringRow> {
    for (const [entry, rows] of this.#rows) {
      const left = without.get(entry);
      for (const [id, held] of rows) if (left?.has(id) !== true) yield [entry, id, this.#made(entry, held)];
    }
  }

  #made(entry: CatalogEntry, held: StoredRow | Uint8Array): StoredRow {
    return held instanceof Uint8Array ? this.#read(entry, held) : held;
  }
}

export class Stages {
  readonly #read: ReadRow;
  /** Of the whole session, until what was asked for at its begin has come; null afterwards. */
  #session: { readonly stage: Stage; readonly outstanding: Set<unknown> } | null = null;
  readonly #ofSelections = new Map<Followed, Stage>();
  #whenWhole: (() => void)[] = [];

  constructor(read: ReadRow) {
    this.#read = read;
  }

  /** A session begins. - `outstanding`: what must be whole before anything of it is seen. */
  begin(outstanding: Iterable<unknown>): void {
    this.#ofSelections.clear();
    this.#whenWhole = [];
    this.#session = { stage: new Stage(this.#read), outstanding: new Set(outstanding) };
  }

  /** Where a row goes that is followed from now on; null: at once into the tables. */
  get session(): Stage | null {
    return this.#session?.stage ?? null;
  }

  get isWhole(): boolean {
    return this.#session === null;
  }

  /** Where the rows of a selection go until it is whole. */
  of(followed: Followed): Stage {
    if (this.#session !== null) return this.#session.stage;
    let stage = this.#ofSelections.get(followed);
    if (stage === undefined) {
      stage = new Stage(this.#read);
      this.#ofSelections.set(followed, stage);
    }
    return stage;
  }

  /** All that hold this row. */
  holding(entry: CatalogEntry, id: EntityId): readonly Stage[] {
    const stages = this.#session === null ? [...this.#ofSelections.values()] : [this.#session.stage];
    return stages.filter((stage) => stage.has(entry, id));
  }

  /** A selection is whole, or given up: its own stage, no longer kept here; null while the session's is not whole. */
  take(followed: Followed): Stage | null {
    const stage = this.#ofSelections.get(followed) ?? null;
    this.#ofSelections.delete(followed);
    return stage;
  }

  /** For what may be told only when the session's rows are seen. */
  whenWhole(task: () => void): void {
    this.#whenWhole.push(task);
  }

  /** Once, when they are. */
  takeTasks(): readonly (() => void)[] {
    return this.#whenWhole.splice(0);
  }

  /** These of the session's begin are whole, or denied. Returns the session's stage when they were the last. */
  arrived(whole: Iterable<unknown>): Stage | null {
    if (this.#session === null) return null;
    for (const what of whole) this.#session.outstanding.delete(what);
    if (this.#session.outstanding.size > 0) return null;
    const { stage } = this.#session;
    this.#session = null;
    return stage;
  }
}
