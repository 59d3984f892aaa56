/**
 * Selection index: which selections of one collection a changed row may concern, by lookup instead of asking each.
 *
 * Invariants
 *   - a target is found for a change if its keys meet the old row or the new one, once, in whatever ways it is met;
 *   - nothing is kept for what was removed: no key, no column, nor the target itself, which the last change may have found.
 *
 * Cost of a change: per (column, fold) that anything registered under, one lookup of each kind for each different value;
 * then the targets found, and all of the fallback list.
 */
import { type Column, type Fold, type IndexKey, type RawRow, type RowKey, rowKey } from '../../query/index.ts';
import { type Bucket, sizeOf, withItem, withoutItem } from './bucket.ts';
import { IntervalIndex } from './interval-index.ts';
import { PrefixIndex, prefixBetween } from './prefix-index.ts';

/** What is registered. The mark belongs to the index: it tells who was found already. */
export interface Target {
  mark: number;
}

type ColumnKey = Exclude<IndexKey, { readonly kind: 'every' }>;

/** What is registered under one column, its text compared in one way. */
class ColumnIndex<T extends Target> {
  readonly column: Column;
  readonly fold: Fold;
  readonly equal = new Map<RowKey, Bucket<T>>();
  readonly intervals = new IntervalIndex<T>();
  readonly prefixes = new PrefixIndex<T>();
  nulls: Bucket<T> = undefined;

  constructor(column: Column, fold: Fold) {
    this.column = column;
    this.fold = fold;
  }

  get isEmpty(): boolean {
    return this.equal.size === 0 && this.intervals.size === 0 && this.prefixes.size === 0 && this.nulls === undefined;
  }
}

/** How many registrations of each kind there are; all zero when nothing is open. */
export interface IndexSizes {
  readonly columns: number;
  readonly equal: number;
  readonly intervals: number;
  readonly prefixes: number;
  readonly nulls: number;
  /** The fallback list: what every change of the collection is shown to. */
  readonly every: number;
}

export class SelectionIndex<T extends Target> {
  readonly #columns: ColumnIndex<T>[] = [];
  readonly #every = new Set<T>();
  #found: T[] = [];
  readonly #hits: Bucket<T>[] = [];
  #mark = 0;

  add(keys: readonly IndexKey[], target: T): void {
    for (const key of keys) {
      if (key.kind === 'every') this.#every.add(target);
      else register(this.#columnFor(key), key, target);
    }
  }

  /** `keys`: those it was added with. */
  remove(keys: readonly IndexKey[], target: T): void {
    // Whoever was given the array may be walking through it.
    if (this.#found.length > 0) this.#found = [];
    for (const key of keys) {
      if (key.kind === 'every') this.#every.delete(target);
      else {
        const index = this.#columnFor(key);
        unregister(index, key, target);
        if (index.isEmpty) this.#columns.splice(this.#columns.indexOf(index), 1);
      }
    }
  }

  /** Each target that the change of a row may concern. The array is good until the next call. */
  concerned(before: RawRow | null, after: RawRow | null): readonly T[] {
    this.#mark += 1;
    this.#found.length = 0;
    for (const index of this.#columns) {
      const at = index.column.index;
      const cell = after === null ? undefined : after[at]!;
      const cellBefore = before === null ? undefined : before[at]!;
      if (cell !== undefined) this.#look(index, rowKey(index.column, cell, index.fold));
      if (cellBefore !== undefined && cellBefore !== cell) {
        this.#look(index, rowKey(index.column, cellBefore, index.fold));
      }
    }
    for (const target of this.#every) this.#meet(target);
    return this.#found;
  }

  sizes(): IndexSizes {
    const sum = (sizeOfColumn: (index: ColumnIndex<T>) => number) =>
      this.#columns.reduce((total, index) => total + sizeOfColumn(index), 0);
    return {
      columns: this.#columns.length,
      equal: sum((index) => index.equal.size),
      intervals: sum((index) => index.intervals.size),
      prefixes: sum((index) => index.prefixes.size),
      nulls: sum((index) => sizeOf(index.nulls)),
      every: this.#every.size,
    };
  }

  #columnFor(key: ColumnKey): ColumnIndex<T> {
    const fold = key.kind === 'null' ? 'none' : key.fold;
    const known = this.#columns.find((index) => index.column.index === key.column.index && index.fold === fold);
    if (known !== undefined) return known;
    const index = new ColumnIndex<T>(key.column, fold);
    this.#columns.push(index);
    return index;
  }

  #look(index: ColumnIndex<T>, key: RowKey | null): void {
    if (key === null) {
      this.#meetAll(index.nulls);
      return;
    }
    if (index.equal.size > 0) this.#meetAll(index.equal.get(key));
    if (index.intervals.size === 0 && index.prefixes.size === 0) return;
    index.intervals.stab(key, this.#hits);
    if (typeof key === 'string') index.prefixes.find(key, this.#hits);
    for (const bucket of this.#hits) this.#meetAll(bucket);
    this.#hits.length = 0;
  }

  #meetAll(bucket: Bucket<T>): void {
    if (bucket === undefined) return;
    if (bucket instanceof Set) for (const target of bucket) this.#meet(target);
    else this.#meet(bucket);
  }

  #meet(target: T): void {
    if (target.mark === this.#mark) return;
    target.mark = this.#mark;
    this.#found.push(target);
  }
}

function register<T extends Target>(index: ColumnIndex<T>, key: ColumnKey, target: T): void {
  switch (key.kind) {
    case 'equal':
      index.equal.set(key.key, withItem(index.equal.get(key.key), target));
      return;
    case 'range': {
      const prefix = prefixBetween(key.low, key.high);
      if (prefix === null) index.intervals.add(key.low, key.high, target);
      else index.prefixes.add(prefix, target);
      return;
    }
    case 'null':
      index.nulls = withItem(index.nulls, target);
  }
}

function unregister<T extends Target>(index: ColumnIndex<T>, key: ColumnKey, target: T): void {
  switch (key.kind) {
    case 'equal': {
      const bucket = withoutItem(index.equal.get(key.key), target);
      if (bucket === undefined) index.equal.delete(key.key);
      else index.equal.set(key.key, bucket);
      return;
    }
    case 'range': {
      const prefix = prefixBetween(key.low, key.high);
      if (prefix === null) index.intervals.remove(key.low, key.high, target);
      else index.prefixes.remove(prefix, target);
      return;
    }
    case 'null':
      index.nulls = withoutItem(index.nulls, target);
  }
}
