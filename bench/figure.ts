/**
 * A figure: one measured number of ours beside its limit, and what it has to reach.
 *
 * Invariants
 *   - `ours` and `limit` are costs (less is better) in `unit`, both measured in the same run;
 *   - `score` is what the reach judges: the speed of ours over the limit's (`at least`), the cost of ours over the
 *     limit's (`at most`), or, where there is no limit to stand beside, the cost itself (`no more than`).
 */
export type Unit = 'ns' | 'µs' | 'ms' | 's' | 'B' | 'KiB' | 'MiB' | 'queries' | 'clients';

export interface Reach {
  readonly kind: 'at least' | 'at most' | 'no more than';
  readonly bound: number;
}

export interface Figure {
  readonly name: string;
  readonly unit: Unit;
  readonly ours: number;
  readonly limit: number | null;
  readonly score: number;
  readonly reach: Reach;
}

export const atLeast = (bound: number): Reach => ({ kind: 'at least', bound });
export const atMost = (bound: number): Reach => ({ kind: 'at most', bound });
export const noMoreThan = (bound: number): Reach => ({ kind: 'no more than', bound });

export function isReached(figure: Figure): boolean {
  return figure.reach.kind === 'at least' ? figure.score >= figure.reach.bound : figure.score <= figure.reach.bound;
}

/** One number of `ours` against one of the limit, by the reach's own direction. */
export function scoreOf(ours: number, limit: number, reach: Reach): number {
  switch (reach.kind) {
    case 'at least':
      return limit / ours;
    case 'at most':
      return ours / limit;
    case 'no more than':
      return ours;
  }
}
