/**
 * Bucket: none, one or many of something, for places where one is by far the commonest and a Set each would be most of
 * the memory. Holds an item at most once, in the order of arrival.
 */
export type Bucket<Item extends object> = Item | Set<Item> | undefined;

export function withItem<Item extends object>(bucket: Bucket<Item>, item: Item): Bucket<Item> {
  if (bucket === undefined || bucket === item) return item;
  if (bucket instanceof Set) return bucket.add(item);
  return new Set([bucket, item]);
}

/** Undefined when `item` was the last. */
export function withoutItem<Item extends object>(bucket: Bucket<Item>, item: Item): Bucket<Item> {
  if (bucket instanceof Set) {
    bucket.delete(item);
    return bucket.size > 0 ? bucket : undefined;
  }
  return bucket === item ? undefined : bucket;
}

export function sizeOf(bucket: Bucket<object>): number {
  if (bucket === undefined) return 0;
  return bucket instanceof Set ? bucket.size : 1;
}

/** A copy: what happens to the bucket meanwhile does not disturb whoever walks through it. */
export function itemsOf<Item extends object>(bucket: Bucket<Item>): readonly Item[] {
  if (bucket === undefined) return [];
  return bucket instanceof Set ? [...bucket] : [bucket];
}
