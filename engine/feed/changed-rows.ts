/**
 * Changed rows: the rows of one collection that may not be as a session has them, for all that it catches up on.
 *
 * Invariants
 *   - ids ascend, whatever the order in which they were noted;
 *   - of at most MAX_KEPT_CHANGES rows the images are kept; one that is noted again is read again.
 */
import type { TendrilError } from '../../errors.ts';
import type { RawRow } from '../../query/index.ts';
import type { EntityId, StoredRow } from '../../storage/index.ts';
import { MAX_KEPT_CHANGES } from './limits.ts';

export interface ChangedParts {
  readonly readNow: (id: EntityId) => StoredRow | TendrilError | null;
  /** As it stood at the session's cursor. */
  readonly readBefore: (id: EntityId) => StoredRow | null;
}

interface Images {
  /** Undefined until it is read. */
  before: RawRow | null | undefined;
  now: StoredRow | TendrilError | null | undefined;
}

export class ChangedRows {
  readonly #parts: ChangedParts;
  readonly #ids = new Set<EntityId>();
  readonly #images = new Map<EntityId, Images>();
  readonly #list: EntityId[] = [];
  #isSorted = true;

  constructor(parts: ChangedParts) {
    this.#parts = parts;
  }

  get size(): number {
    return this.#ids.size;
  }

  has(id: EntityId): boolean {
    return this.#ids.has(id);
  }

  /** It has changed, or has been told to have left. */
  note(id: EntityId): void {
    const images = this.#images.get(id);
    if (images !== undefined) images.now = undefined;
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

  now(id: EntityId): StoredRow | TendrilError | null {
    const images = this.#imagesOf(id);
    if (images.now === undefined) images.now = this.#parts.readNow(id);
    return images.now;
  }

  /** What a selection saw of it at the session's cursor: null where it did not exist, or was deleted. */
  before(id: EntityId): RawRow | null {
    const images = this.#imagesOf(id);
    if (images.before === undefined) {
      const row = this.#parts.readBefore(id);
      images.before = row === null || row.deleted !== null ? null : row.values;
    }
    return images.before;
  }

  #imagesOf(id: EntityId): Images {
    const known = this.#images.get(id);
    if (known !== undefined) return known;
    const images: Images = { before: undefined, now: undefined };
    if (this.#images.size < MAX_KEPT_CHANGES) this.#images.set(id, images);
    return images;
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
