/**
 * Relayed window: the rows of a selection with LIMIT that a relay passes on: those that its upstream follows for it.
 *
 * Invariant: the rows followed are those that the relay has of the selection, up to the edge that its upstream last said:
 * beyond that it has rows only by chance. Where no edge was said, it has all.
 */
import type { RawRow } from '../../query/index.ts';
import type { EntityId } from '../../storage/index.ts';
import type { FollowedRows } from '../feed/followed/followed-selection.ts';
import type { Moves } from '../feed/followed/followed-window.ts';
import { type Item, isBeyond, itemOf, type WindowParts } from '../feed/followed/window-parts.ts';
import { type Place, rowsAt } from '../live/place.ts';

/** A changed row, as it is now; null if it is not of the selection. */
interface Met {
  readonly id: EntityId;
  readonly after: Item | null;
}

export class RelayedWindow implements FollowedRows {
  readonly limit: number;
  readonly #parts: WindowParts;
  readonly #met: Met[] = [];
  #rows: Map<EntityId, Item>;
  /** Null where nothing lies beyond. */
  #edge: Item | null;

  /** - `edge`: as the upstream said last. */
  constructor(parts: WindowParts, limit: number, edge: RawRow | null) {
    this.#parts = parts;
    this.limit = limit;
    this.#edge = edge === null ? null : itemOf(this.#parts, edge);
    this.#rows = this.#within(limit === 0 ? [] : parts.read(limit));
  }

  get edge(): EntityId | null {
    return this.#edge === null ? null : idOf(this.#edge.raw);
  }

  get size(): number {
    return this.#rows.size;
  }

  get followed(): number {
    return this.#rows.size;
  }

  follows(id: EntityId): boolean {
    return this.#rows.has(id);
  }

  idsAfter(after: EntityId | null): readonly EntityId[] {
    return [...this.#rows.keys()].filter((id) => after === null || id > after).sort();
  }

  isBeyond(row: RawRow, other: RawRow): boolean {
    return isBeyond(this.#parts, row, other);
  }

  idsBeyond(row: RawRow): readonly EntityId[] {
    const item = itemOf(this.#parts, row);
    const beyond = [...this.#rows].filter(([, each]) => this.#parts.plan.compare(each, item) > 0);
    return beyond.map(([id]) => id).sort();
  }

  meet(before: RawRow | null, after: RawRow | null): boolean {
    const { matches } = this.#parts;
    const is = after !== null && matches(after);
    const id = idOf((before ?? after)!);
    if (!is && !this.#rows.has(id)) return false;
    this.#met.push({ id, after: is ? itemOf(this.#parts, after) : null });
    return true;
  }

  maintain(place: Place): Moves {
    const met = this.#met.splice(0);
    const { collection, selection } = this.#parts;
    const bound = place.commits[place.at]!.bounds?.find(
      (each) => each.key === selection.key && each.collection === collection,
    );
    if (bound === undefined) return { ...this.#move(met), hasNewEdge: false };
    const before = this.#rows;
    this.#edge = bound.row === null ? null : itemOf(this.#parts, bound.row);
    this.#rows = this.#within(this.#readAt(place));
    return {
      entered: [...this.#rows.keys()].filter((id) => !before.has(id)),
      left: [...before.keys()].filter((id) => !this.#rows.has(id)),
      hasNewEdge: true,
    };
  }

  #move(met: readonly Met[]): Omit<Moves, 'hasNewEdge'> {
    const [entered, left]: [EntityId[], EntityId[]] = [[], []];
    for (const { id, after } of met) {
      const was = this.#rows.delete(id);
      const is = after !== null && this.#isWithin(after);
      if (is) this.#rows.set(id, after);
      if (is && !was) entered.push(id);
      else if (was && !is) left.push(id);
    }
    return { entered, left };
  }

  #within(rows: readonly RawRow[]): Map<EntityId, Item> {
    const items = rows.map((raw) => itemOf(this.#parts, raw)).filter((item) => this.#isWithin(item));
    return new Map(items.map((item) => [idOf(item.raw), item]));
  }

  #isWithin(item: Item): boolean {
    return this.#edge === null || this.#parts.plan.compare(item, this.#edge) <= 0;
  }

  /** The first rows as they were at the place, though later transactions are in the tables already. */
  #readAt(place: Place): readonly RawRow[] {
    const { collection, matches, read, onRefill } = this.#parts;
    // It has no edge, and yet all rows lie beyond it.
    if (this.limit === 0) return [];
    onRefill();
    const then = rowsAt(place, collection);
    const now = read(this.limit + then.size).filter((raw) => !then.has(raw[0] as string));
    const earlier = [...then.values()].filter((raw) => raw !== null && matches(raw)) as RawRow[];
    return [...now, ...earlier];
  }
}

function idOf(raw: RawRow): EntityId {
  return raw[0] as EntityId;
}
