/**
 * Seeded randomness: the same numbers from the same seed, everywhere.
 *
 * Each part of a world draws from a generator of its own, so that a draw more in one place changes no other.
 */
import type { Random } from '../../engine/index.ts';

export interface Seeded {
  /** In [0, 1). */
  readonly next: () => number;
  /** 0 to 2^32 - 1. */
  readonly bits32: () => number;
  /** In 0 .. below - 1. */
  readonly integer: (below: number) => number;
  /** In [low, high). */
  readonly between: (low: number, high: number) => number;
  readonly pick: <Item>(items: readonly Item[]) => Item;
  readonly chance: (probability: number) => boolean;
}

/** Draws thrown away, until the seed has reached every bit. */
const WARM_UP = 12;

/** The "sfc32" generator: 128 bits of state, its period at least 2^32. `label` keeps apart what shares a seed. */
export function seeded(seed: number, label: string): Seeded {
  let a = seed >>> 0;
  let b = Math.floor(seed / 2 ** 32) >>> 0;
  let c = hashOfText(label);
  let counter = 1;
  const bits32 = (): number => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    return sum >>> 0;
  };
  for (let drawn = 0; drawn < WARM_UP; drawn += 1) bits32();
  const next = () => bits32() / 2 ** 32;
  const integer = (below: number) => Math.floor(next() * below);
  return {
    next,
    bits32,
    integer,
    between: (low, high) => low + next() * (high - low),
    pick: (items) => items[integer(items.length)] as (typeof items)[number],
    chance: (probability) => next() < probability,
  };
}

/** The port of a node. */
export function seededPort({ bits32 }: Seeded): Random {
  return {
    bits48: () => (bits32() >>> 16) * 2 ** 32 + bits32(),
    bytes: (count) => Uint8Array.from({ length: count }, () => bits32() & 255),
  };
}

/** FNV-1a. */
function hashOfText(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}

export function hashOfBytes(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < bytes.length; at += 1) hash = Math.imul(hash ^ bytes[at]!, 0x01000193);
  return hash >>> 0;
}
