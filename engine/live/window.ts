/**
 * Window: the rows of a selection in their order, as many as its LIMIT shows and some more to fall back on.
 *
 * Invariants
 *   - `items` are the first rows of the selection, ascending, at most `capacity` of them; the first `limit` are shown;
 *   - `edge` is null if no row of the selection lies after `items`. Else everything up to the edge is held and nothing
 *     beyond it: what comes to lie before it is inserted, what passes it is let go;
 *   - when fewer than `limit` are left and there is an edge, the first rows are read again;
 *   - where the node holds a selection only up to some row (a followed window of an ephemeral node), that row is the
 *     `bound`, and nothing beyond it is ever admitted.
 *
 * A selection without LIMIT is the window whose limit is Infinity: it never has an edge. Pure but for the array that it
 * alters in place. Cost: O(log rows) compares for each row of a change, and moving places of the array.
 */
import { type Added, type Differences, isEmpty, paired, type Removed, rearrange, shift } from './change-set.ts';

/** What is kept beyond the limit, so that reading again stays rare. */
export const MIN_SLACK_ROWS = 8;
export const MAX_SLACK_ROWS = 256;

export function capacityOf(limit: number): number {
  return limit === 0 ? 0 : limit + Math.min(MAX_SLACK_ROWS, Math.max(MIN_SLACK_ROWS, Math.ceil(limit / 4)));
}

export interface WindowRules<Item> {
  /** Negative, 0 or positive; 0 only for the same row with the same sort keys. */
  readonly compare: (left: Item, right: Item) => number;
  readonly identityOf: (item: Item) => unknown;
}

export class Window<Item> {
  readonly items: Item[];
  readonly limit: number;
  edge: Item | null;
  readonly bound: Item | null;

  /**
   * - `items`: the first `asked` rows, ascending, or all if there are fewer. They become the window's own.
   * - `asked`: from `limit` (a short first read; the slack comes with the first rows that leave) to `capacityOf(limit)`.
   */
  constructor(items: Item[], limit: number, asked: number, bound: Item | null = null) {
    this.items = items;
    this.limit = limit;
    this.bound = bound;
    this.edge = items.length < asked ? null : (items.at(-1) ?? null);
  }
}

/**
 * Brings the window to the next transaction, and gives what that did to the rows shown; null if nothing.
 *
 * - `left`: rows of the selection as they were; `came`: as they are now. A row that changed and stayed is in both.
 * - `readAgain`: gives the first `capacityOf(limit)` rows as they are now.
 */
export function maintain<Item>(
  window: Window<Item>,
  { compare, identityOf }: WindowRules<Item>,
  left: readonly Item[],
  came: readonly Item[],
  readAgain: () => readonly Item[],
): Differences<Item> | null {
  const { items, limit } = window;
  const capacity = capacityOf(limit);
  const taken = placesOf(window, compare, left);
  const placed = admitted(window, compare, came, taken);
  if (taken.length === 0 && placed.length === 0) return null;
  const { removed, added } = shownDifferences(window, taken, placed);
  rearrange(items, taken, placed);
  if (items.length > capacity) {
    items.length = capacity;
    window.edge = items.at(-1) ?? null;
  }
  if (items.length < limit && window.edge !== null) {
    for (const item of readAgain().slice(items.length)) {
      if (items.length < limit) added.push({ row: item, index: items.length });
      items.push(item);
    }
    window.edge = items.length < capacity ? null : (items.at(-1) ?? null);
  }
  const differences = paired(removed, added, [], identityOf);
  return isEmpty(differences) ? null : differences;
}

/** Where the rows that left are held, ascending. Those that lay beyond the edge are not held. */
function placesOf<Item>({ items }: Window<Item>, compare: Compare<Item>, left: readonly Item[]): number[] {
  const places: number[] = [];
  for (const item of left) {
    const at = firstNotBefore(items, item, compare);
    if (at < items.length && compare(items[at]!, item) === 0) places.push(at);
  }
  return places.sort(ascending);
}

/** The rows that came to lie within the edge, each with the index it will have. */
function admitted<Item>(
  { items, edge, bound }: Window<Item>,
  compare: Compare<Item>,
  came: readonly Item[],
  taken: readonly number[],
): readonly Added<Item>[] {
  const within = cut(edge === null ? [...came] : came.filter((item) => compare(item, edge) <= 0), bound, compare);
  let out = 0;
  return within.sort(compare).map((row, before) => {
    const at = firstNotBefore(items, row, compare);
    while (out < taken.length && taken[out]! < at) out += 1;
    return { row, index: at - out + before };
  });
}

/**
 * What is shown no more, and what is shown newly: what was taken or placed before the limit, and what stays in the window
 * but is pushed or pulled across the limit. Those that stay keep their order, so that counting them tells which.
 */
function shownDifferences<Item>(
  { items, limit }: Window<Item>,
  taken: readonly number[],
  placed: readonly Added<Item>[],
): { readonly removed: Removed<Item>[]; readonly added: Added<Item>[] } {
  const removed: Removed<Item>[] = [];
  for (const index of taken) if (index < limit) removed.push({ row: items[index]!, index });
  const added = placed.filter(({ index }) => index < limit);
  const stayedShown = Math.min(limit, items.length) - removed.length;
  const stayShown = Math.min(limit, items.length - taken.length + placed.length) - added.length;
  const oldIndex = shift([], taken);
  for (let nth = stayShown; nth < stayedShown; nth += 1) {
    const index = oldIndex(nth);
    removed.push({ row: items[index]!, index });
  }
  const places = placed.map(({ index }) => index);
  const newIndex = shift([], places);
  for (let nth = stayedShown; nth < stayShown; nth += 1) {
    added.push({ row: items[oldIndex(nth)]!, index: newIndex(nth) });
  }
  return { removed, added };
}

/** Without what lies beyond the bound. */
export function cut<Item>(items: Item[], bound: Item | null, compare: Compare<Item>): Item[] {
  return bound === null ? items : items.filter((item) => compare(item, bound) <= 0);
}

type Compare<Item> = WindowRules<Item>['compare'];

function firstNotBefore<Item>(items: readonly Item[], item: Item, compare: Compare<Item>): number {
  let from = 0;
  let to = items.length;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (compare(items[middle]!, item) < 0) from = middle + 1;
    else to = middle;
  }
  return from;
}

function ascending(left: number, right: number): number {
  return left - right;
}
