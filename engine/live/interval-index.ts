/**
 * Interval index: which of many intervals contain a key.
 *
 * A B+tree over half-open intervals [low, high), in the order of low, then high. Each entry also knows how far what lies
 * below it reaches, and how far it and all entries before it reach: a lookup goes to the last entry that begins early
 * enough, walks back from there, and stops where nothing before reaches the key.
 *
 * Invariants
 *   - a node holds at most FANOUT entries, ascending, no two equal; no node but the root is empty;
 *   - an entry of a branch has the low and high of the first entry of its child, and the greatest end below it;
 *   - nodes that empty are dropped, others never merged: live queries come and go about a size.
 *
 * Cost: O(log n) to add, to remove and to find the first hit; at most that for each further one.
 */
import { compareKeys, type RowKey } from '../../query/index.ts';
import { type Bucket, withItem, withoutItem } from './bucket.ts';

/** A side of an interval as a predicate states it; null is open. */
export type Bound = { readonly key: RowKey; readonly inclusive: boolean } | null;

/** A side of a half-open interval; null lies before every key as a low, after every key as an end. */
type Side = RowKey | null;

/** Few levels: each costs a look at entries that begin early enough and yet do not reach the key. */
const FANOUT = 64;

/** One node as parallel arrays: a lookup compares many sides and follows few entries. */
class TreeNode<Item extends object> {
  readonly lows: Side[] = [];
  readonly highs: Side[] = [];
  /** How far entry i reaches: its high in a leaf, the greatest end of its child in a branch. */
  readonly ends: Side[] = [];
  /** How far entries 0..i reach. */
  readonly reach: Side[] = [];
  readonly children: TreeNode<Item>[] | null;
  readonly buckets: Bucket<Item>[] | null;

  constructor(kind: 'leaf' | 'branch') {
    this.children = kind === 'branch' ? [] : null;
    this.buckets = kind === 'leaf' ? [] : null;
  }
}

export class IntervalIndex<Item extends object> {
  #root = new TreeNode<Item>('leaf');
  #size = 0;

  /** How many different intervals hold something. */
  get size(): number {
    return this.#size;
  }

  add(low: Bound, high: Bound, item: Item): void {
    const span = halfOpen(low, high);
    if (span === null) return;
    const sibling = this.#addBelow(this.#root, span.low, span.end, item);
    if (sibling === null) return;
    const root = new TreeNode<Item>('branch');
    setChild(root, 0, 0, this.#root);
    setChild(root, 1, 0, sibling);
    measureReach(root);
    this.#root = root;
  }

  remove(low: Bound, high: Bound, item: Item): void {
    const span = halfOpen(low, high);
    if (span === null) return;
    this.#removeBelow(this.#root, span.low, span.end, item);
    while (this.#root.children?.length === 1) this.#root = this.#root.children[0]!;
    if (this.#root.lows.length === 0) this.#root = new TreeNode<Item>('leaf');
  }

  /** Appends to `hits` the bucket of each interval that contains `key`. */
  stab(key: RowKey, hits: Bucket<Item>[]): void {
    if (this.#size > 0) stab(this.#root, sortable(key), hits);
  }

  /** Gives the right half of a `node` that grew too large; whoever holds `node` adopts it. */
  #addBelow(node: TreeNode<Item>, low: Side, high: Side, item: Item): TreeNode<Item> | null {
    const at = lastUpTo(node, low, high);
    if (node.children !== null) {
      const place = Math.max(at, 0); // What comes before all entries goes below the first.
      const child = node.children[place]!;
      const sibling = this.#addBelow(child, low, high, item);
      setChild(node, place, 1, child);
      if (sibling !== null) setChild(node, place + 1, 0, sibling);
    } else if (node.buckets !== null) {
      if (at >= 0 && compareSpans(node, at, low, high) === 0) {
        node.buckets[at] = withItem(node.buckets[at], item);
        return null;
      }
      setEntry(node, at + 1, 0, low, high, high);
      node.buckets.splice(at + 1, 0, item);
      this.#size += 1;
    }
    const sibling = node.lows.length > FANOUT ? splitOff(node) : null;
    measureReach(node);
    return sibling;
  }

  #removeBelow(node: TreeNode<Item>, low: Side, high: Side, item: Item): void {
    const at = lastUpTo(node, low, high);
    if (at < 0) return;
    const child = node.children?.[at];
    if (child !== undefined) {
      this.#removeBelow(child, low, high, item);
      if (child.lows.length > 0) setChild(node, at, 1, child);
      else dropEntry(node, at);
    } else if (node.buckets !== null && compareSpans(node, at, low, high) === 0) {
      node.buckets[at] = withoutItem(node.buckets[at], item);
      if (node.buckets[at] !== undefined) return;
      dropEntry(node, at);
      this.#size -= 1;
    }
    measureReach(node);
  }
}

function stab<Item extends object>(node: TreeNode<Item>, key: RowKey, hits: Bucket<Item>[]): void {
  const { ends, reach, children, buckets } = node;
  for (let at = lastBegun(node, key); at >= 0 && reaches(reach[at]!, key); at -= 1) {
    if (!reaches(ends[at]!, key)) continue;
    if (children !== null) stab(children[at]!, key, hits);
    else if (buckets !== null) hits.push(buckets[at]);
  }
}

function reaches(end: Side, key: RowKey): boolean {
  return end === null || key < end;
}

/** The last entry that begins at or before `key`; -1 if none does. */
function lastBegun(node: TreeNode<object>, key: RowKey): number {
  let from = 0;
  let to = node.lows.length;
  while (from < to) {
    const middle = (from + to) >>> 1;
    const low = node.lows[middle]!;
    if (low === null || low <= key) from = middle + 1;
    else to = middle;
  }
  return from - 1;
}

/** The last entry at or before (low, high) in the order of the tree; -1 if none is. */
function lastUpTo(node: TreeNode<object>, low: Side, high: Side): number {
  let from = 0;
  let to = node.lows.length;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (compareSpans(node, middle, low, high) <= 0) from = middle + 1;
    else to = middle;
  }
  return from - 1;
}

function compareSpans(node: TreeNode<object>, at: number, low: Side, high: Side): number {
  return compareLows(node.lows[at]!, low) || compareEnds(node.highs[at]!, high);
}

function compareLows(left: Side, right: Side): number {
  if (left === null || right === null) return left === right ? 0 : left === null ? -1 : 1;
  return left < right ? -1 : left > right ? 1 : 0;
}

function compareEnds(left: Side, right: Side): number {
  if (left === null || right === null) return left === right ? 0 : left === null ? 1 : -1;
  return left < right ? -1 : left > right ? 1 : 0;
}

/** Puts an entry at `at` in place of `replaced` (0 or 1) others. */
function setEntry(node: TreeNode<object>, at: number, replaced: number, low: Side, high: Side, end: Side): void {
  node.lows.splice(at, replaced, low);
  node.highs.splice(at, replaced, high);
  node.ends.splice(at, replaced, end);
}

function setChild<Item extends object>(
  node: TreeNode<Item>,
  at: number,
  replaced: number,
  child: TreeNode<Item>,
): void {
  setEntry(node, at, replaced, child.lows[0]!, child.highs[0]!, child.reach.at(-1)!);
  node.children?.splice(at, replaced, child);
}

function dropEntry(node: TreeNode<object>, at: number): void {
  for (const part of [node.lows, node.highs, node.ends, node.children, node.buckets]) part?.splice(at, 1);
}

function splitOff<Item extends object>(node: TreeNode<Item>): TreeNode<Item> {
  const middle = node.lows.length >>> 1;
  const right = new TreeNode<Item>(node.children === null ? 'leaf' : 'branch');
  right.lows.push(...node.lows.splice(middle));
  right.highs.push(...node.highs.splice(middle));
  right.ends.push(...node.ends.splice(middle));
  right.children?.push(...(node.children?.splice(middle) ?? []));
  right.buckets?.push(...(node.buckets?.splice(middle) ?? []));
  measureReach(right);
  return right;
}

function measureReach({ ends, reach }: TreeNode<object>): void {
  reach.length = ends.length;
  let furthest = 0;
  for (let at = 0; at < ends.length; at += 1) {
    if (compareEnds(ends[at]!, ends[furthest]!) > 0) furthest = at;
    reach[at] = ends[furthest]!;
  }
}

/** Null for an interval that no key can lie in. */
function halfOpen(low: Bound, high: Bound): { readonly low: Side; readonly end: Side } | null {
  const first = low === null || low.inclusive ? (low?.key ?? null) : nextKey(low.key);
  const end = high === null || !high.inclusive ? (high?.key ?? null) : nextKey(high.key);
  if (low !== null && first === null) return null;
  if (first !== null && end !== null && compareKeys(first, end) >= 0) return null;
  return { low: first === null ? null : flat(sortable(first)), end: end === null ? null : flat(sortable(end)) };
}

/** The least key above `key`; null above Infinity. */
function nextKey(key: RowKey): RowKey | null {
  if (typeof key === 'string') return `${key}\0`;
  if (typeof key === 'bigint') return key + 1n;
  if (key === Number.POSITIVE_INFINITY) return null;
  if (key === 0) return Number.MIN_VALUE;
  if (key === Number.NEGATIVE_INFINITY) return -Number.MAX_VALUE;
  const bits = new DataView(new ArrayBuffer(8));
  bits.setFloat64(0, key);
  bits.setBigInt64(0, bits.getBigInt64(0) + (key > 0 ? 1n : -1n));
  return bits.getFloat64(0);
}

/**
 * Text spelled so that JavaScript's own `<`, the fastest there is, orders it by code points as SQLite does: surrogates,
 * which stand for the greatest code points, change places with the units above them.
 */
function sortable(key: RowKey): RowKey {
  if (typeof key !== 'string' || !HIGH_UNIT.test(key)) return key;
  let spelled = '';
  for (let at = 0; at < key.length; at += 1) {
    const unit = key.charCodeAt(at);
    spelled += String.fromCharCode(unit < 0xd800 ? unit : unit < 0xe000 ? unit + 0x2000 : unit - 0x800);
  }
  return spelled;
}

const HIGH_UNIT = /[\ud800-\uffff]/;

/** Text that was put together, or cut out, refers to its parts, which slows every comparison: this copies it whole. */
function flat(key: RowKey): RowKey {
  return typeof key === 'string' ? Array.from(key).join('') : key;
}
