/**
 * Followed window: the first rows of a selection with LIMIT, as many as its followers hold: what they show and their slack.
 *
 * Invariants
 *   - the rows followed are the first `limit` of the selection at the last transaction taken;
 *   - whether a row lies beyond them is known: at least one more is held, if there is one.
 */
import type { RawRow } from '../../../query/index.ts';
import type { EntityId } from '../../../storage/index.ts';
import { type Place, rowsAt } from '../../live/place.ts';
import { capacityOf, maintain, Window } from '../../live/window.ts';
import { type Item, isBeyond, itemOf, type WindowParts } from './window-parts.ts';

/** What a transaction did to the rows followed. */
export interface Moves {
  readonly entered: readonly EntityId[];
  readonly left: readonly EntityId[];
  readonly hasNewEdge: boolean;
}

export class FollowedWindow {
  readonly limit: number;
  readonly #parts: WindowParts;
  readonly #window: Window<Item>;
  readonly #ids: Set<EntityId>;
  #left: Item[] = [];
  #came: Item[] = [];

  constructor(parts: WindowParts, limit: number) {
    this.#parts = parts;
    this.limit = limit;
    const asked = capacityOf(limit);
    const items = asked === 0 ? [] : parts.read(asked).map((raw) => itemOf(parts, raw));
    this.#window = new Window(items, limit, asked);
    this.#ids = new Set(items.slice(0, limit).map(idOf));
  }

  /** The last row followed; null if none lies beyond it. */
  get edge(): EntityId | null {
    const last = this.#last();
    return last === null ? null : idOf(last);
  }

  get size(): number {
    return this.#window.items.length;
  }

  /** Rows followed. */
  get followed(): number {
    return this.#ids.size;
  }

  follows(id: EntityId): boolean {
    return this.#ids.has(id);
  }

  /** Ascending, those after `after`. */
  idsAfter(after: EntityId | null): readonly EntityId[] {
    return [...this.#ids].filter((id) => after === null || id > after).sort();
  }

  /** Whether a row lies after another one in the selection's order. */
  isBeyond(row: RawRow, other: RawRow): boolean {
    return isBeyond(this.#parts, row, other);
  }

  /** Of the rows followed, those after this one in the selection's order; by id, ascending. */
  idsBeyond(row: RawRow): readonly EntityId[] {
    const item = itemOf(this.#parts, row);
    const { items } = this.#window;
    let from = Math.min(items.length, this.limit);
    while (from > 0 && this.#parts.plan.compare(items[from - 1]!, item) > 0) from -= 1;
    return items.slice(from, this.limit).map(idOf).sort();
  }

  /** Takes in one changed row, as it was and as it is. False if it concerns the window in neither. */
  meet(before: RawRow | null, after: RawRow | null): boolean {
    const was = before !== null && this.#parts.matches(before);
    const is = after !== null && this.#parts.matches(after);
    if (was) this.#left.push(itemOf(this.#parts, before));
    if (is) this.#came.push(itemOf(this.#parts, after));
    return was || is;
  }

  /** Brings the rows to the end of the transaction whose rows were met. */
  maintain(place: Place): Moves {
    const lastBefore = this.#last();
    const [left, came] = [this.#left, this.#came];
    this.#left = [];
    this.#came = [];
    const readAgain = () => this.#readAt(place);
    const differences = maintain(this.#window, this.#parts.plan, left, came, readAgain);
    this.#lookBeyond(readAgain);
    const moves = {
      entered: (differences?.added ?? []).map(({ row }) => idOf(row)),
      left: (differences?.removed ?? []).map(({ row }) => idOf(row)),
    };
    for (const id of moves.left) this.#ids.delete(id);
    for (const id of moves.entered) this.#ids.add(id);
    return { ...moves, hasNewEdge: this.#last() !== lastBefore };
  }

  #last(): Item | null {
    const { items } = this.#window;
    return items.length > this.limit ? (items[this.limit - 1] ?? null) : null;
  }

  /** `maintain` reads again when rows shown are missing; here the first row beyond them must be known too. */
  #lookBeyond(readAgain: () => readonly Item[]): void {
    const window = this.#window;
    const { items } = window;
    if (items.length > this.limit || window.edge === null) return;
    items.push(...readAgain().slice(items.length));
    window.edge = items.length < capacityOf(this.limit) ? null : (items.at(-1) ?? null);
  }

  /** The first rows as they were at the place, though later transactions are in the table already. */
  #readAt(place: Place): readonly Item[] {
    const { collection, matches, read, plan, onRefill } = this.#parts;
    onRefill();
    const rows = capacityOf(this.limit);
    const then = rowsAt(place, collection);
    const now = read(rows + then.size).filter((raw) => !then.has(raw[0] as string));
    const earlier = [...then.values()].filter((raw) => raw !== null && matches(raw)) as RawRow[];
    const items = [...now, ...earlier].map((raw) => itemOf(this.#parts, raw));
    return (earlier.length === 0 ? items : items.sort(plan.compare)).slice(0, rows);
  }
}

function idOf({ raw }: Item): EntityId {
  return raw[0] as EntityId;
}
