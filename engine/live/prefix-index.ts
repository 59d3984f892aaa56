/**
 * Prefix index: which of many prefixes a text starts with, by hash: one lookup for each length that prefixes have.
 *
 * A prefix longer than MAX_PREFIX_LENGTH is held by its beginning. So a lookup costs that many at most, and may find what
 * does not start the text after all; the matcher has the last word anyway.
 */
import { type Bucket, withItem, withoutItem } from './bucket.ts';
import type { Bound } from './interval-index.ts';

/** In UTF-16 units. */
export const MAX_PREFIX_LENGTH = 24;

export class PrefixIndex<Item extends object> {
  readonly #byLength = new Map<number, Map<string, Bucket<Item>>>();
  #size = 0;

  /** How many different prefixes hold something. */
  get size(): number {
    return this.#size;
  }

  add(prefix: string, item: Item): void {
    const held = prefix.slice(0, MAX_PREFIX_LENGTH);
    const prefixes = this.#byLength.get(held.length) ?? new Map<string, Bucket<Item>>();
    this.#byLength.set(held.length, prefixes);
    const bucket = prefixes.get(held);
    if (bucket === undefined) this.#size += 1;
    prefixes.set(held, withItem(bucket, item));
  }

  remove(prefix: string, item: Item): void {
    const held = prefix.slice(0, MAX_PREFIX_LENGTH);
    const prefixes = this.#byLength.get(held.length);
    const bucket = prefixes?.get(held);
    if (prefixes === undefined || bucket === undefined) return;
    const rest = withoutItem(bucket, item);
    if (rest !== undefined) {
      prefixes.set(held, rest);
      return;
    }
    prefixes.delete(held);
    this.#size -= 1;
    if (prefixes.size === 0) this.#byLength.delete(held.length);
  }

  /** Appends to `hits` the bucket of each prefix that `text` starts with. */
  find(text: string, hits: Bucket<Item>[]): void {
    for (const [length, prefixes] of this.#byLength) {
      if (length > text.length) continue;
      const bucket = prefixes.get(text.slice(0, length));
      if (bucket !== undefined) hits.push(bucket);
    }
  }
}

/** The prefix of exactly the texts that lie between the bounds; null if there is none. */
export function prefixBetween(low: Bound, high: Bound): string | null {
  if (low === null || high === null || !low.inclusive || high.inclusive) return null;
  const [from, to] = [low.key, high.key];
  if (typeof from !== 'string' || typeof to !== 'string' || from === '' || from.length !== to.length) return null;
  const last = from.length - 1;
  const unit = from.charCodeAt(last);
  const isNext = to.charCodeAt(last) === unit + 1 && unit < LAST_BEFORE_SURROGATES;
  return isNext && to.startsWith(from.slice(0, last)) ? from : null;
}

/** Up to here the next unit is the next character. */
const LAST_BEFORE_SURROGATES = 0xd7ff;
