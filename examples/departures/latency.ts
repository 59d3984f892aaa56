/** How long news take: from the write, in one process, to the callback that shows it, in another. */
import type { LiveQuery } from '../../index.ts';
import type { Flight } from './collections.ts';

/** What takes longer was not told as it happened, but caught up with after a cut. */
export const MAX_LIVE_MS = 1_000;

/** Milliseconds since 1970 with fractions, the same in all processes of a machine. */
export function nowMs(): number {
  return performance.timeOrigin + performance.now();
}

/** Adds to `latencies` whenever `live` is told of what `self` has not written. A window that refills shows older rows: no news. */
export function measureNews(live: LiveQuery<Flight>, self: string, latencies: number[]): void {
  const newest = { server: nowMs(), desk: nowMs() };
  live.onChange(({ added, updated }) => {
    for (const { row } of [...added, ...updated]) {
      if (row.writtenBy === self || row.writtenAt <= newest[row.writtenBy]) continue;
      newest[row.writtenBy] = row.writtenAt;
      latencies.push(nowMs() - row.writtenAt);
    }
  });
}

/** The duration below which a `share` (0 to 1) of them lies, by nearest rank; NaN when nothing was measured. */
export function percentile(milliseconds: readonly number[], share: number): number {
  const sorted = milliseconds.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}
