/** A map bounded by number and by weight, that forgets what was used least recently. The last one set always stays. */
export class Recent<Key, Value> {
  private readonly entries = new Map<Key, { readonly value: Value; readonly weight: number }>();
  private readonly limit: number;
  private readonly maxWeight: number;
  private weight = 0;

  /** At most `limit` entries, and of `maxWeight` together. */
  constructor(limit: number, maxWeight = Number.POSITIVE_INFINITY) {
    this.limit = limit;
    this.maxWeight = maxWeight;
  }

  get size(): number {
    return this.entries.size;
  }

  get(key: Key): Value | undefined {
    const entry = this.entries.get(key);
    if (entry === undefined) return undefined;
    // A Map keeps the order of insertion: the newest stands last.
    this.entries.delete(key);
    this.entries.set(key, entry);
    return entry.value;
  }

  set(key: Key, value: Value, weight = 1): void {
    this.forget(key);
    this.entries.set(key, { value, weight });
    this.weight += weight;
    for (const oldest of this.entries.keys()) {
      const fits = this.entries.size <= this.limit && this.weight <= this.maxWeight;
      if (fits || this.entries.size === 1) return;
      this.forget(oldest);
    }
  }

  private forget(key: Key): void {
    this.weight -= this.entries.get(key)?.weight ?? 0;
    this.entries.delete(key);
  }
}
