/** Seeded randomness for tests, and how much of it: a tenth of the full counts unless TENDRIL_FULL=1. */

/** How many cases to run: `full` under `npm run test:full`, a tenth of it (at least 1) under `npm test`. */
export function runs(full: number): number {
  return process.env.TENDRIL_FULL === '1' ? full : Math.max(1, Math.ceil(full / 10));
}

/** TENDRIL_SEED if given, else fresh; printed, so that a failure can be run again. */
export function seedFor(suite: string): number {
  const seed = Number(process.env.TENDRIL_SEED ?? Math.floor(Math.random() * 2 ** 31));
  console.log(`${suite}: TENDRIL_SEED=${seed}`);
  return seed;
}

export interface Random {
  /** In [0, 1). */
  readonly next: () => number;
  /** In 0 .. below - 1. */
  readonly integer: (below: number) => number;
  readonly pick: <Item>(items: readonly Item[]) => Item;
  readonly chance: (probability: number) => boolean;
}

/** A small generator with a period of about 2^32 (the "mulberry32" mixing function by Tommy Ettinger, public domain). */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const integer = (below: number) => Math.floor(next() * below);
  return {
    next,
    integer,
    pick: (items) => items[integer(items.length)] as (typeof items)[number],
    chance: (probability) => next() < probability,
  };
}
