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
import { type RowKey, rowKey } from './outbox.ts';

export interface StagedRow {
  readonly entry: CatalogEntry;
  readonly id: EntityId;
  readonly row: StoredRow;
}

export class Stage {
  readonly rows = new Map<RowKey, StagedRow>();

  set(entry: CatalogEntry, id: EntityId, row: StoredRow): void {
    this.rows.set(rowKey(entry.collection.name, id), { entry, id, row });
  }
}

export class Stages {
  /** Of the whole session, until what was asked for at its begin has come; null afterwards. */
  #session: { readonly stage: Stage; readonly outstanding: Set<unknown> } | null = null;
  readonly #ofSelections = new Map<Followed, Stage>();
  #whenWhole: (() => void)[] = [];

  /** A session begins. - `outstanding`: what must be whole before anything of it is seen. */
  begin(outstanding: Iterable<unknown>): void {
    this.#ofSelections.clear();
    this.#whenWhole = [];
    this.#session = { stage: new Stage(), outstanding: new Set(outstanding) };
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
      stage = new Stage();
      this.#ofSelections.set(followed, stage);
    }
    return stage;
  }

  /** All that hold this row. */
  holding(key: RowKey): readonly Stage[] {
    const stages = this.#session === null ? [...this.#ofSelections.values()] : [this.#session.stage];
    return stages.filter(({ rows }) => rows.has(key));
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

  /** Something of the session's begin is whole, or denied. Returns the session's stage when it was the last. */
  arrived(what: unknown): Stage | null {
    if (this.#session === null) return null;
    this.#session.outstanding.delete(what);
    if (this.#session.outstanding.size > 0) return null;
    const { stage } = this.#session;
    this.#session = null;
    return stage;
  }
}
