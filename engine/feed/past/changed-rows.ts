/**
 * Changed rows: the rows of one collection that may not be as a session has them, for all that it catches up on.
 *
 * Invariant: ids ascend, whatever the order in which they were noted.
 */
import type { TendrilError } from '../../../errors.ts';
import type { RawRow } from '../../../query/index.ts';
import type { EntityId, StoredRow } from '../../../storage/index.ts';

export interface ChangedParts {
  readonly now: (id: EntityId) => StoredRow | TendrilError | null;
  /** What a selection saw of it at the session's cursor: null where it did not exist, or was deleted. */
  readonly before: (id: EntityId) => RawRow | null;
}

export class ChangedRows {
  readonly now: ChangedParts['now'];
  readonly before: ChangedParts['before'];
  readonly #ids = new Set<EntityId>();
  readonly #list: EntityId[] = [];
  #isSorted = true;

  constructor({ now, before }: ChangedParts) {
    this.now = now;
    this.before = before;
  }

  get size(): number {
    return this.#ids.size;
  }

  has(id: EntityId): boolean {
    return this.#ids.has(id);
  }

  /** It has changed, or has been told to have left. */
  note(id: EntityId): void {
    if (this.#ids.has(id)) return;
    this.#ids.add(id);
    this.#list.push(id);
    this.#isSorted = false;
  }

  /** The next ones, ascending, at most `count`. */
  after(id: EntityId | null, count: number): readonly EntityId[] {
    // Most are in order already: sorting again costs little more than going through them.
    if (!this.#isSorted) this.#list.sort();
    this.#isSorted = true;
    const from = id === null ? 0 : firstAfter(this.#list, id);
    return this.#list.slice(from, from + count);
  }
}

/** The place of the first id after `id` in a list that ascends. */
function firstAfter(ids: readonly EntityId[], id: EntityId): number {
  let [low, high] = [0, ids.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ids[middle]! > id) high = middle;
    else low = middle + 1;
  }
  return low;
}
