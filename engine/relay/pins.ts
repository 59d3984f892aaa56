/** Pins: the entities that followers of a relay hold by their ids, each counted: this node does not let go of them meanwhile. */
import type { RowKey } from '../row-key.ts';

export class Pins {
  readonly #counts = new Map<RowKey, number>();

  get size(): number {
    return this.#counts.size;
  }

  has(key: RowKey): boolean {
    return this.#counts.has(key);
  }

  add(key: RowKey): void {
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }

  remove(key: RowKey): void {
    const count = this.#counts.get(key) ?? 0;
    if (count > 1) this.#counts.set(key, count - 1);
    else this.#counts.delete(key);
  }
}
