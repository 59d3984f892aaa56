/**
 * The port for randomness, and the only file that asks the system for it.
 *
 * Salts and ids are guessed by nobody only if this is cryptographically strong, so `Math.random` does not serve.
 */
export interface Random {
  /** Uniform in 0 .. 2^48 - 1. */
  readonly bits48: () => number;
  /** `count` random bytes, at most 64, that nobody else is given. */
  readonly bytes: (count: number) => Uint8Array;
}

/** Bytes asked of the system at once: one call costs more than a thousand bytes do. */
const POOL_BYTES = 4_096;

/** `fill` overwrites the array it is given with random bytes. */
export function createRandomFrom(fill: (pool: Uint8Array<ArrayBuffer>) => void): Random {
  let pool = new Uint8Array(0);
  let view = new DataView(pool.buffer);
  let used = 0;

  const take = (count: number): number => {
    if (used + count > pool.length) {
      // A new one, because what was handed out are views of the old.
      pool = new Uint8Array(POOL_BYTES);
      view = new DataView(pool.buffer);
      fill(pool);
      used = 0;
    }
    used += count;
    return used - count;
  };
  return {
    bits48: () => {
      const start = take(6);
      return view.getUint16(start) * 2 ** 32 + view.getUint32(start + 2);
    },
    bytes: (count) => {
      const start = take(count);
      return pool.subarray(start, start + count);
    },
  };
}

/** A pool of its own, so that two nodes in one process share no state. */
export function createSystemRandom(): Random {
  return createRandomFrom((pool) => crypto.getRandomValues(pool));
}
