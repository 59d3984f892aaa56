/**
 * The id mint: ULIDs that sort, as plain strings, in the order of cause.
 *
 * Invariants
 *   - an id is greater than every id minted or observed before it, so an operation's id is above its precursors';
 *   - its milliseconds are the greater of the clock's and the last id's, so that a chain of causes never pushes the
 *     clock forward; only where the random part overflows are they one more;
 *   - two nodes that observed the same id mint different ones: the step upwards is random, 1 .. 2^48, and fresh
 *     random parts start below 2^79, so that a chain of 2^31 steps fits above them.
 * The first two survive a restart because the engine observes the greatest id of the log when it opens.
 *
 * The random part is two whole numbers of 40 bits (8 characters each), because a double holds 53 exactly.
 */
import { decodeTime, encodeTime } from 'ulid';
import { TendrilError } from '../../errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';

export interface Mint {
  /** @throws {TendrilError} `limit-exceeded` if there is no id above the greatest observed. */
  readonly next: () => string;
  /** From now on ids are greater than `id`, which must be a well-formed ULID. */
  readonly observe: (id: string) => void;
  /** From now on ids are greater than `id` only, where it is null than none: those minted before were given up. */
  readonly reset: (id: string | null) => void;
}

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
/** 2^40: the range of one half of the random part. */
const HALF = 2 ** 40;
const GREATEST_MS = 2 ** 48 - 1;
const LEAST = '0'.repeat(26);
const CODES = Uint8Array.from(ALPHABET, (letter) => letter.charCodeAt(0));

export function createMint(clock: Clock, random: Random): Mint {
  let ms = -1;
  let time = '';
  let high = 0;
  let low = 0;
  let greatest = '';

  const begin = (id: string) => {
    greatest = id;
    ms = decodeTime(id);
    time = id.slice(0, 10);
    high = read(id, 10);
    low = read(id, 18);
  };
  const startAt = (newMs: number) => {
    if (newMs > GREATEST_MS) throw exhausted(greatest);
    ms = newMs;
    time = encodeTime(newMs);
    high = random.bits48() % (HALF / 2);
    low = random.bits48() % HALF;
  };
  const step = () => {
    const sum = low + random.bits48() + 1;
    const carried = high + Math.floor(sum / HALF);
    if (carried >= HALF) return startAt(ms + 1);
    high = carried;
    low = sum % HALF;
  };
  return {
    next: () => {
      const now = clock.now();
      if (now > ms) startAt(now);
      else step();
      greatest = time + spell(high, low);
      return greatest;
    },
    observe: (id) => {
      if (id > greatest) begin(id);
    },
    reset: (id) => begin(id ?? LEAST),
  };
}

/** In one piece, because concatenated pieces would be copied together by whoever looks at them first. */
function spell(high: number, low: number): string {
  // 8 characters of 5 bits: bitwise operators reach over 32 bits, so 20 at a time.
  const a = Math.floor(high / 2 ** 20);
  const b = high % 2 ** 20;
  const c = Math.floor(low / 2 ** 20);
  const d = low % 2 ** 20;
  return String.fromCharCode(
    CODES[a >> 15]!,
    CODES[(a >> 10) & 31]!,
    CODES[(a >> 5) & 31]!,
    CODES[a & 31]!,
    CODES[b >> 15]!,
    CODES[(b >> 10) & 31]!,
    CODES[(b >> 5) & 31]!,
    CODES[b & 31]!,
    CODES[c >> 15]!,
    CODES[(c >> 10) & 31]!,
    CODES[(c >> 5) & 31]!,
    CODES[c & 31]!,
    CODES[d >> 15]!,
    CODES[(d >> 10) & 31]!,
    CODES[(d >> 5) & 31]!,
    CODES[d & 31]!,
  );
}

function read(id: string, start: number): number {
  let half = 0;
  for (let at = start; at < start + 8; at += 1) half = half * 32 + ALPHABET.indexOf(id[at]!);
  return half;
}

function exhausted(greatest: string): TendrilError {
  return new TendrilError({
    code: 'limit-exceeded',
    problem: `No identifier is greater than ${greatest}, the greatest this node has seen.`,
    remedy: 'An operation with an impossible time was taken in; restore the node from a backup made before it.',
    facts: { greatest },
  });
}
