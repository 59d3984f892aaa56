/**
 * The bytes that everything stored is made of: unsigned varints, ids, UTF-8 text, tagged values.
 *
 * Invariants
 *   - every value has exactly one encoding, and a reader refuses every other;
 *   - what a writer hands out is never written to again.
 *
 * A varint is little-endian base 128, at most 8 bytes (2^53-1), without a trailing zero byte. Text is a varint count of
 * bytes and well-formed UTF-8 without U+0000, which SQLite's text functions take for an end. A value is a tag byte (0 null,
 * 1 int64, 2 float64, 3 text, 4 blob) and its content: integers and floats as 8 bytes, big-endian, the float neither
 * NaN nor -0; a blob as a varint count and its bytes.
 */
import { TendrilError } from '../errors.ts';
import { type SqlValue, utf8Length } from '../query/index.ts';
import { type AnyId, ID_BYTES, readId, writeId } from './ids.ts';
import { Names } from './names.ts';

const TAG_NULL = 0;
const TAG_INTEGER = 1;
const TAG_REAL = 2;
const TAG_TEXT = 3;
const TAG_BLOB = 4;

/** Bytes allocated at a time. A view that is kept keeps its slab, so this is also the most that one small view can pin. */
const SLAB_BYTES = 16_384;
/** Up to this many UTF-16 units a loop is faster than the platform's encoder. */
const SHORT_TEXT = 48;
/** Up to this many, text may grow by one character at a time: a longer one would be kept in as many pieces. */
const TINY_TEXT = 8;

// With `u`, a surrogate matches only where it stands alone.
const UNSTORABLE = /[\0\p{Cs}]/u;
const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
// Of no consequence to what is read.
const names = new Names();

/**
 * Writes one encoding after the other into slabs and hands each out as a view: a small array of its own would be
 * moved off the JavaScript heap by a native driver, which costs more than the writing.
 */
export class ByteWriter {
  #bytes = new Uint8Array(SLAB_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #start = 0;
  #at = 0;

  /** The bytes written since the last `take`. */
  take(): Uint8Array {
    const taken = this.#bytes.subarray(this.#start, this.#at);
    this.#start = this.#at;
    return taken;
  }

  /** Forgets the bytes written since the last `take`. */
  drop(): void {
    this.#at = this.#start;
  }

  get length(): number {
    return this.#at - this.#start;
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#at++] = value;
  }

  /** A whole number from 0 to 2^53-1. */
  varint(value: number): void {
    this.#reserve(8);
    let rest = value;
    while (rest >= 128) {
      this.#bytes[this.#at++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    this.#bytes[this.#at++] = rest;
  }

  id(id: AnyId): void {
    this.#reserve(ID_BYTES);
    writeId(this.#bytes, this.#at, id);
    this.#at += ID_BYTES;
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** The first `count` bytes that hexadecimal text spells. */
  hex(digits: string, count: number): void {
    this.#reserve(count);
    spellHex(digits, this.#bytes, this.#at, count);
    this.#at += count;
  }

  /** @throws {TendrilError} `invalid-value` for a lone surrogate or U+0000. */
  text(text: string): void {
    if (text.length > SHORT_TEXT || !this.#shortText(text)) this.#longText(text);
  }

  /** @throws {TendrilError} `invalid-value` for NaN, an integer beyond 64 bits, and what `text` refuses. */
  value(value: SqlValue): void {
    if (value === null) this.byte(TAG_NULL);
    else if (typeof value === 'string') {
      this.byte(TAG_TEXT);
      this.text(value);
    } else if (typeof value === 'bigint') {
      if (value !== BigInt.asIntN(64, value)) throw unencodable('an integer beyond 64 bits');
      this.byte(TAG_INTEGER);
      this.#reserve(8);
      this.#view.setBigInt64(this.#at, value);
      this.#at += 8;
    } else if (typeof value === 'number') {
      if (Number.isNaN(value)) throw unencodable('NaN');
      this.byte(TAG_REAL);
      this.#reserve(8);
      this.#view.setFloat64(this.#at, value === 0 ? 0 : value);
      this.#at += 8;
    } else {
      this.byte(TAG_BLOB);
      this.varint(value.length);
      this.raw(value);
    }
  }

  /** One byte per character, or false, with nothing written, where that would not do. */
  #shortText(text: string): boolean {
    this.#reserve(1 + text.length);
    let to = this.#at;
    this.#bytes[to++] = text.length;
    for (let from = 0; from < text.length; from += 1) {
      const code = text.charCodeAt(from);
      if (code > 127 || code === 0) return false;
      this.#bytes[to++] = code;
    }
    this.#at = to;
    return true;
  }

  #longText(text: string): void {
    if (!isStorableText(text)) throw unencodable('text with a lone surrogate or the character U+0000');
    const bytes = encoder.encode(text);
    this.varint(bytes.length);
    this.raw(bytes);
  }

  #reserve(count: number): void {
    if (this.#at + count <= this.#bytes.length) return;
    const written = this.#bytes.subarray(this.#start, this.#at);
    this.#bytes = new Uint8Array(Math.max(SLAB_BYTES, (written.length + count) * 2));
    this.#bytes.set(written);
    this.#view = new DataView(this.#bytes.buffer);
    this.#at = written.length;
    this.#start = 0;
  }
}

/** Why bytes are not an encoding; `offset` counts from their start. Whoever reads turns it into the error of its kind. */
export class Malformed extends Error {
  readonly offset: number;
  constructor(what: string, offset: number) {
    super(what);
    this.offset = offset;
  }
}

/** Reads what a `ByteWriter` wrote. @throws {Malformed} for any other bytes. */
export class ByteReader {
  readonly bytes: Uint8Array;
  #view: DataView | null = null;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get offset(): number {
    return this.#at;
  }

  byte(): number {
    return this.bytes[this.#take(1)]!;
  }

  varint(): number {
    const start = this.#at;
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.byte();
      value += (byte & 127) * scale;
      if (value > Number.MAX_SAFE_INTEGER) throw new Malformed('a number beyond 2^53-1', start);
      if (byte < 128) {
        if (byte === 0 && scale > 1) throw new Malformed('a number that is not in its shortest form', start);
        return value;
      }
    }
  }

  /** A varint that counts something, at most `limit` of it. */
  count(limit: number, what: string): number {
    const start = this.#at;
    const value = this.varint();
    if (value > limit) throw new Malformed(`${value} ${what}, more than ${limit}`, start);
    return value;
  }

  id<Id extends AnyId>(): Id {
    return readId<Id>(this.bytes, this.#take(ID_BYTES));
  }

  /** A view, not a copy. */
  raw(count: number): Uint8Array {
    const start = this.#take(count);
    return this.bytes.subarray(start, start + count);
  }

  text(limit: number): string {
    const length = this.count(limit, 'bytes of text');
    return this.#text(this.#take(length), length);
  }

  /** Text that other encodings have too, mostly: the same as `text`, cheaper. */
  name(limit: number): string {
    const length = this.count(limit, 'bytes of text');
    const start = this.#take(length);
    const known = names.find(this.bytes, start, length);
    if (known !== null) return known;
    const name = this.#text(start, length);
    names.remember(this.bytes, start, length, name);
    return name;
  }

  value(limit: number): SqlValue {
    const start = this.#at;
    switch (this.byte()) {
      case TAG_NULL:
        return null;
      case TAG_INTEGER:
        return this.#words().getBigInt64(this.#take(8));
      case TAG_REAL: {
        const real = this.#words().getFloat64(this.#take(8));
        if (Number.isNaN(real) || Object.is(real, -0)) throw new Malformed('NaN or -0', start);
        return real;
      }
      case TAG_TEXT:
        return this.text(limit);
      case TAG_BLOB:
        return this.raw(this.count(limit, 'bytes of blob')).slice();
      default:
        throw new Malformed('a value of no known kind', start);
    }
  }

  end(): void {
    if (this.#at !== this.bytes.length) throw new Malformed('bytes after the end', this.#at);
  }

  #text(start: number, length: number): string {
    if (length <= SHORT_TEXT) {
      const short = length <= TINY_TEXT ? this.#tinyText(start, length) : this.#shortText(start, length);
      if (short !== null) return short;
    }
    return this.#longText(start, length);
  }

  #tinyText(start: number, length: number): string | null {
    let text = '';
    for (let at = start; at < start + length; at += 1) {
      const code = this.bytes[at]!;
      if (code > 127 || code === 0) return null;
      text += String.fromCharCode(code);
    }
    return text;
  }

  #shortText(start: number, length: number): string | null {
    const codes = new Array<number>(length);
    for (let at = 0; at < length; at += 1) {
      const code = this.bytes[start + at]!;
      if (code > 127 || code === 0) return null;
      codes[at] = code;
    }
    return String.fromCharCode.apply(null, codes);
  }

  #longText(start: number, length: number): string {
    const bytes = this.bytes.subarray(start, start + length);
    if (bytes.includes(0)) throw new Malformed('text with the character U+0000', start);
    try {
      return decoder.decode(bytes);
    } catch {
      throw new Malformed('text that is not UTF-8', start);
    }
  }

  #words(): DataView {
    this.#view ??= new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength);
    return this.#view;
  }

  #take(count: number): number {
    const start = this.#at;
    if (count > this.bytes.length - start) throw new Malformed('an end too early', start);
    this.#at = start + count;
    return start;
  }
}

/** Well-formed and without U+0000. */
export function isStorableText(text: string): boolean {
  return !UNSTORABLE.test(text);
}

export function bytesOfHex(digits: string): Uint8Array {
  const bytes = new Uint8Array(digits.length / 2);
  spellHex(digits, bytes, 0, bytes.length);
  return bytes;
}

function spellHex(digits: string, target: Uint8Array, offset: number, count: number): void {
  for (let at = 0; at < count; at += 1) {
    target[offset + at] = (nibbleOf(digits.charCodeAt(at * 2)) << 4) | nibbleOf(digits.charCodeAt(at * 2 + 1));
  }
}

/** Of one of 0-9 A-F a-f. */
function nibbleOf(code: number): number {
  return (code & 15) + (code >> 6) * 9;
}

/** How many bytes `ByteWriter.value` writes. */
export function sizeOfValue(value: SqlValue): number {
  if (value === null) return 1;
  if (typeof value === 'bigint' || typeof value === 'number') return 9;
  const content = typeof value === 'string' ? utf8Length(value) : value.length;
  return 1 + sizeOfVarint(content) + content;
}

function sizeOfVarint(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) size += 1;
  return size;
}

function unencodable(what: string): TendrilError {
  return new TendrilError({
    code: 'invalid-value',
    problem: `A value is ${what}, which cannot be stored.`,
    remedy: 'Store it another way: text must be well-formed Unicode without U+0000, a number an int64 or a double.',
  });
}
