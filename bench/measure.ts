/**
 * Measuring two ways of doing the same, side by side.
 *
 * The machine is shared and noisy, so a time means nothing by itself. Both ways run in turn, round by round
 * (each round in the other order), after rounds that do not count; the score is the median of the rounds' own ratios,
 * so that a slow second of the machine spoils one round, not the figure. Garbage made by one way is collected
 * before the other begins.
 */
import { type Figure, type Reach, scoreOf, type Unit } from './figure.ts';

/** Does one round's work and gives its cost per unit of work, in the figure's unit. Set-up is not in it. */
export type Side = (round: number) => number | Promise<number>;

export interface Duel {
  readonly name: string;
  readonly unit: Unit;
  readonly reach: Reach;
  /** Rounds that count, and those before them that do not. */
  readonly rounds: number;
  readonly warmUp: number;
  readonly ours: Side;
  readonly limit: Side;
}

/** The middle value; of an even count, the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The value below which `share` (0..1) of the values lie, interpolated between neighbours. NaN of none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const place = (sorted.length - 1) * share;
  const [below, above] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]];
  if (below === undefined || above === undefined) return Number.NaN;
  return below + (above - below) * (place - Math.floor(place));
}

export async function duel({ name, unit, reach, rounds, warmUp, ours, limit }: Duel): Promise<Figure> {
  const costs = { ours: [] as number[], limit: [] as number[] };
  for (let round = 0; round < warmUp + rounds; round++) {
    const first = round % 2 === 0 ? 'ours' : 'limit';
    for (const side of [first, first === 'ours' ? 'limit' : 'ours'] as const) {
      globalThis.gc?.();
      const cost = await (side === 'ours' ? ours : limit)(round);
      if (round >= warmUp) costs[side].push(cost);
    }
  }
  const scores = costs.ours.map((cost, round) => scoreOf(cost, costs.limit[round]!, reach));
  return { name, unit, reach, ours: median(costs.ours), limit: median(costs.limit), score: median(scores) };
}

/**
 * Milliseconds that `work` takes for one of `items`: the median, since on a machine that others use some are interrupted.
 */
export async function typicalMilliseconds<Item>(items: Iterable<Item>, work: (item: Item) => unknown): Promise<number> {
  const costs: number[] = [];
  for (const item of items) {
    const start = performance.now();
    const done = work(item);
    if (done instanceof Promise) await done;
    costs.push(performance.now() - start);
  }
  return median(costs);
}

/** Milliseconds that `work` took, promises included. */
export async function millisecondsOf(work: () => unknown): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}
