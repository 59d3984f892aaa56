/**
 * Identifiers: branded ULIDs that sort, as plain strings and as bytes, by time and then by chance; and branded numbers.
 *
 * Invariants
 *   - a branded id is 26 upper-case Crockford characters, the first 0-7: nothing else passes a parser;
 *   - text and its 16 big-endian bytes are one to one and sort alike.
 */
import { TendrilError } from '../errors.ts';

declare const brand: unique symbol;
type BrandedUlid<Name extends string> = string & { readonly [brand]: Name };

export type OperationId = BrandedUlid<'OperationId'>;
export type EntityId = BrandedUlid<'EntityId'>;
export type TransactionId = BrandedUlid<'TransactionId'>;
export type NodeId = BrandedUlid<'NodeId'>;
export type SystemId = BrandedUlid<'SystemId'>;
export type EpochId = BrandedUlid<'EpochId'>;
export type AnyId = OperationId | EntityId | TransactionId | NodeId | SystemId | EpochId;

/** Arrival number of a transaction in one log: 1, 2, 3, ...; 0 is "before the first". Never compared with an id. */
export type Position = number & { readonly [brand]: 'Position' };

/** Bytes of one id. */
export const ID_BYTES = 16;

const STRICT_ULID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const CODES = Uint8Array.from(ALPHABET, (letter) => letter.charCodeAt(0));
const DIGITS = new Uint8Array(128);
for (let digit = 0; digit < 32; digit += 1) DIGITS[CODES[digit]!] = digit;

export function isUlid(text: unknown): text is AnyId {
  return typeof text === 'string' && STRICT_ULID.test(text);
}

/** @throws {TendrilError} `invalid-value` */
export function parseEntityId(text: unknown): EntityId {
  return parse(text, 'entity') as EntityId;
}

/** Milliseconds since 1970 of the id's first ten characters; 0 for one made by `idFrom`. */
export function timeOf(id: AnyId): number {
  let ms = 0;
  for (let at = 0; at < 10; at += 1) ms = ms * 32 + DIGITS[id.charCodeAt(at)]!;
  return ms;
}

/** The 16 bytes of the least id of this time, ms since 1970. */
export function leastIdAt(ms: number): Uint8Array {
  const bytes = new Uint8Array(ID_BYTES);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(Math.max(0, Math.floor(ms))) << 16n);
  return bytes;
}

/** Writes the 16 bytes of `id`. The first byte takes two characters, then each 8 characters make 5 bytes. */
export function writeId(target: Uint8Array, offset: number, id: AnyId): void {
  target[offset] = (DIGITS[id.charCodeAt(0)]! << 5) | DIGITS[id.charCodeAt(1)]!;
  for (let group = 0; group < 3; group += 1) {
    const from = 2 + group * 8;
    const to = offset + 1 + group * 5;
    const b = DIGITS[id.charCodeAt(from + 1)]!;
    const d = DIGITS[id.charCodeAt(from + 3)]!;
    const e = DIGITS[id.charCodeAt(from + 4)]!;
    const g = DIGITS[id.charCodeAt(from + 6)]!;
    target[to] = (DIGITS[id.charCodeAt(from)]! << 3) | (b >> 2);
    target[to + 1] = (b << 6) | (DIGITS[id.charCodeAt(from + 2)]! << 1) | (d >> 4);
    target[to + 2] = (d << 4) | (e >> 1);
    target[to + 3] = (e << 7) | (DIGITS[id.charCodeAt(from + 5)]! << 2) | (g >> 3);
    target[to + 4] = (g << 5) | DIGITS[id.charCodeAt(from + 7)]!;
  }
}

/**
 * The id whose 16 bytes stand at `offset`: any 16 bytes are some id, so the caller names which kind it reads.
 *
 * Made in one call: a text put together from parts keeps them, at three times the memory.
 */
export function readId<Id extends AnyId>(source: Uint8Array, offset: number): Id {
  const first = source[offset]!;
  const a = source[offset + 1]!;
  const b = source[offset + 2]!;
  const c = source[offset + 3]!;
  const d = source[offset + 4]!;
  const e = source[offset + 5]!;
  const f = source[offset + 6]!;
  const g = source[offset + 7]!;
  const h = source[offset + 8]!;
  const i = source[offset + 9]!;
  const j = source[offset + 10]!;
  const k = source[offset + 11]!;
  const l = source[offset + 12]!;
  const m = source[offset + 13]!;
  const n = source[offset + 14]!;
  const o = source[offset + 15]!;
  // Five bytes are eight letters.
  return String.fromCharCode(
    CODES[first >> 5]!,
    CODES[first & 31]!,
    CODES[a >> 3]!,
    CODES[((a << 2) | (b >> 6)) & 31]!,
    CODES[(b >> 1) & 31]!,
    CODES[((b << 4) | (c >> 4)) & 31]!,
    CODES[((c << 1) | (d >> 7)) & 31]!,
    CODES[(d >> 2) & 31]!,
    CODES[((d << 3) | (e >> 5)) & 31]!,
    CODES[e & 31]!,
    CODES[f >> 3]!,
    CODES[((f << 2) | (g >> 6)) & 31]!,
    CODES[(g >> 1) & 31]!,
    CODES[((g << 4) | (h >> 4)) & 31]!,
    CODES[((h << 1) | (i >> 7)) & 31]!,
    CODES[(i >> 2) & 31]!,
    CODES[((i << 3) | (j >> 5)) & 31]!,
    CODES[j & 31]!,
    CODES[k >> 3]!,
    CODES[((k << 2) | (l >> 6)) & 31]!,
    CODES[(l >> 1) & 31]!,
    CODES[((l << 4) | (m >> 4)) & 31]!,
    CODES[((m << 1) | (n >> 7)) & 31]!,
    CODES[(n >> 2) & 31]!,
    CODES[((n << 3) | (o >> 5)) & 31]!,
    CODES[o & 31]!,
  ) as Id;
}

export function bytesOfId(id: AnyId): Uint8Array {
  const bytes = new Uint8Array(ID_BYTES);
  writeId(bytes, 0, id);
  return bytes;
}

function parse(text: unknown, what: string): AnyId {
  if (isUlid(text)) return text;
  const shown = typeof text === 'string' ? JSON.stringify(text.slice(0, 64)) : `a value of type ${typeof text}`;
  throw new TendrilError({
    code: 'invalid-value',
    problem: `${shown} is not an ${what} id.`.replace('an transaction', 'a transaction'),
    remedy: 'Pass a ULID: 26 characters of 0-9 and A-Z without I, L, O, U, in upper case, the first 0-7.',
    facts: { what },
  });
}
