/**
 * Stages: rows that the authority has sent but that are not to be seen yet, because what they belong to is not whole.
 *
 * Invariants
 *   - the rows of a selection become visible together, when its last chunk has come;
 *   - after a new session began, nothing of it is visible until all that was asked for at its begin is whole: then it
 *     amends what was held before, or replaces it where the session does not resume, in one step;
 *   - a staged row is kept current like any other; a stage outlives its session, as long as the next one resumes there.
 */
import type { EntityId, StoredRow } from '../../../storage/index.ts';
import type { CatalogEntry } from '../../catalog.ts';
import type { Followed } from '../following/followed.ts';

/** Makes a row of the bytes in which it came; null where they cannot be read. */
export type ReadRow = (entry: CatalogEntry, bytes: Uint8Array) => StoredRow | null;

export class Stage {
  readonly #read: ReadRow;
  /** As they came, until somebody looks at one: a hundred thousand rows take a fifth of the memory so. Null: it left. */
  readonly #rows = new Map<CatalogEntry, Map<EntityId, StoredRow | Uint8Array | null>>();
  /** What the present session has said; null where it has said all that is here. */
  #told: Map<CatalogEntry, Set<EntityId>> | null = null;

  constructor(read: ReadRow) {
    this.#read = read;
  }

  /** Whether it holds such a row. */
  has(entry: CatalogEntry, id: EntityId): boolean {
    return (this.#rows.get(entry)?.get(id) ?? null) !== null;
  }

  /** Whether it knows that such a row left. */
  hasLeft(entry: CatalogEntry, id: EntityId): boolean {
    return this.#rows.get(entry)?.get(id) === null;
  }

  /** Null where it holds no such row. */
  get(entry: CatalogEntry, id: EntityId): StoredRow | null {
    const held = this.#rows.get(entry)?.get(id) ?? null;
    return held === null ? null : this.#made(entry, held);
  }

  set(entry: CatalogEntry, id: EntityId, row: StoredRow | Uint8Array): void {
    this.#put(entry, id, row);
    if (this.#told === null) return;
    const told = this.#told.get(entry);
    if (told === undefined) this.#told.set(entry, new Set([id]));
    else told.add(id);
  }

  /** Makes rows of all bytes of one collection, while it is known how. What cannot be read has left. */
  make(entry: CatalogEntry, read: (bytes: Uint8Array) => StoredRow | null): void {
    const rows = this.#rows.get(entry) ?? new Map<EntityId, StoredRow | Uint8Array | null>();
    for (const [id, held] of rows) if (held instanceof Uint8Array) rows.set(id, read(held));
  }

  /** Another session goes on with it: what is here now is of the ones before. */
  goOn(): void {
    this.#told = new Map();
  }

  /** Whether the present session has said this row, and it has not left since. */
  isTold(entry: CatalogEntry, id: EntityId): boolean {
    return this.has(entry, id) && (this.#told === null || this.#told.get(entry)?.has(id) === true);
  }

  /** Of each row of one collection that is of the sessions before. */
  untold(entry: CatalogEntry): readonly EntityId[] {
    if (this.#told === null) return [];
    return [...(this.#rows.get(entry)?.keys() ?? [])].filter((id) => this.has(entry, id) && !this.isTold(entry, id));
  }

  leave(entry: CatalogEntry, id: EntityId): void {
    this.#put(entry, id, null);
  }

  /** Of each row. */
  *ids(): Generator<readonly [entry: CatalogEntry, id: EntityId]> {
    for (const [entry, rows] of this.#rows) for (const [id, held] of rows) if (held !== null) yield [entry, id];
  }

  /** Each that left. */
  *left(): Generator<readonly [entry: CatalogEntry, id: EntityId]> {
    for (const [entry, rows] of this.#rows) for (const [id, held] of rows) if (held === null) yield [entry, id];
  }

  /** Each row, but those of `without`. */
  *rows(
    without: (entry: CatalogEntry, id: EntityId) => boolean = () => false,
  ): Generator<readonly [entry: CatalogEntry, id: EntityId, row: StoredRow]> {
    for (const [entry, rows] of this.#rows) {
      for (const [id, held] of rows) {
        if (held === null || without(entry, id)) continue;
        const row = this.#made(entry, held);
        if (row !== null) yield [entry, id, row];
      }
    }
  }

  /** Takes the rows of another in. What left that one may have come elsewhere since. */
  absorb(other: Stage): void {
    for (const [entry, rows] of other.#rows) {
      for (const [id, held] of rows) if (held !== null) this.#put(entry, id, held);
    }
  }

  #put(entry: CatalogEntry, id: EntityId, held: StoredRow | Uint8Array | null): void {
    const rows = this.#rows.get(entry);
    if (rows === undefined) this.#rows.set(entry, new Map([[id, held]]));
    else rows.set(id, held);
  }

  #made(entry: CatalogEntry, held: StoredRow | Uint8Array): StoredRow | null {
    return held instanceof Uint8Array ? this.#read(entry, held) : held;
  }
}

/** Of a session, until all that was asked for at its begin has come. */
export interface SessionStage {
  readonly stage: Stage;
  /** What is held of before and is not on the stage goes, but for what lies in equal buckets; else it stays. */
  readonly replaces: boolean;
}

export class Stages {
  readonly #read: ReadRow;
  #session: (SessionStage & { readonly outstanding: Set<unknown> }) | null = null;
  readonly #ofSelections = new Map<Followed, Stage>();
  #whenWhole: (() => void)[] = [];

  constructor(read: ReadRow) {
    this.#read = read;
  }

  /** A session begins. - `outstanding`: what must be whole before anything of it is seen. */
  begin(outstanding: Iterable<unknown>, resumes: boolean): void {
    if (!resumes) this.drop();
    const before = this.#session;
    const { stage, replaces } = before ?? { stage: new Stage(this.#read), replaces: !resumes };
    const asked = new Set(outstanding);
    // Of what is not asked for, or from its begin, they are of no use.
    for (const [followed, other] of this.#ofSelections) {
      if (asked.has(followed) && followed.had !== null) stage.absorb(other);
    }
    if (before !== null || this.#ofSelections.size > 0) stage.goOn();
    this.#ofSelections.clear();
    this.#whenWhole = [];
    this.#session = { stage, replaces, outstanding: asked };
  }

  /** What was on its way when the session ended is of no use. */
  drop(): void {
    this.#session = null;
    this.#ofSelections.clear();
  }

  /** Null when it is whole. */
  get present(): SessionStage | null {
    return this.#session;
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
  arrived(whole: Iterable<unknown>): SessionStage | null {
    if (this.#session === null) return null;
    for (const what of whole) this.#session.outstanding.delete(what);
    if (this.#session.outstanding.size > 0) return null;
    const present = this.#session;
    this.#session = null;
    return present;
  }
}
