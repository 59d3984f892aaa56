/** Durations, and the share of them below which a reader finds 50 or 99 of 100. */
export class Latencies {
  readonly #milliseconds: number[] = [];

  add(milliseconds: number): void {
    this.#milliseconds.push(milliseconds);
  }

  /** `share` in 0..1, by nearest rank; NaN when nothing was measured. */
  percentile(share: number): number {
    const sorted = this.#milliseconds.toSorted((a, b) => a - b);
    return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
  }

  get count(): number {
    return this.#milliseconds.length;
  }
}
