/**
 * Wire reader: reads the part of MessagePack that messages are made of, and nothing else of it.
 *
 * Invariants
 *   - it reads what its caller asks for next or throws `WireProblem`: the bytes never choose what is made of them, so they
 *     cannot nest deeper than a message's fields do, nor bring anything that no field has (a record, an extension);
 *   - it never makes more than one thing of each byte that is there;
 *   - its only state is its place: nothing of one frame is left for the next.
 *
 * msgpackr writes the messages but does not read them: whatever its options, bytes may define its records and call its
 * extensions, its place and tables belong to its module, and without its native part it loses a U+FEFF that begins a text.
 */
import { type Cell, cellOf } from '../../query/index.ts';
import { type AnyId, readId } from '../../storage/index.ts';

/** Bytes of one id. */
export const ID_BYTES = 16;

/** What is wrong with a field. `path` leads there, from the outermost field to the innermost. */
export class WireProblem extends Error {
  readonly path: (string | number)[] = [];
}

/** A limit that something passes. */
export class WireLimit extends WireProblem {}

const NIL = 0xc0;
const FALSE = 0xc2;
const TRUE = 0xc3;
const BIN_8 = 0xc4;
const BIN_32 = 0xc6;
const FLOAT_32 = 0xca;
const FLOAT_64 = 0xcb;
const UNSIGNED_8 = 0xcc;
const UNSIGNED_16 = 0xcd;
const UNSIGNED_32 = 0xce;
const UNSIGNED_64 = 0xcf;
const SIGNED_8 = 0xd0;
const SIGNED_16 = 0xd1;
const SIGNED_32 = 0xd2;
const SIGNED_64 = 0xd3;
const TEXT_8 = 0xd9;
const TEXT_32 = 0xdb;
const ARRAY_16 = 0xdc;
const ARRAY_32 = 0xdd;
const MAP_16 = 0xde;
const MAP_32 = 0xdf;

/** Of the tokens that hold a small number themselves: the greatest integer, and the first of each other family. */
const GREATEST_SMALL = 0x7f;
const SMALL_MAP = 0x80;
const SMALL_ARRAY = 0x90;
const SMALL_TEXT = 0xa0;
const SMALL_NEGATIVE = 0xe0;

const GREATEST_ASCII = 0x7f;
/** Up to this many bytes, text is read by a loop. */
const SHORT_TEXT_BYTES = 12;
const GREATEST_INTEGER = 2n ** 63n - 1n;

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export class WireReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    // A Buffer would make Buffers of its parts.
    this.#bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get offset(): number {
    return this.#at;
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** Takes all that is left, whatever it is. */
  skipRest(): void {
    this.#at = this.#bytes.length;
  }

  /** Takes the null that stands next; false, and nothing taken, if something else does. */
  takesNull(): boolean {
    if (this.#bytes[this.#at] !== NIL) return false;
    this.#at += 1;
    return true;
  }

  boolean(): boolean {
    const token = this.#token();
    if (token !== TRUE && token !== FALSE) throw this.#unlike('true or false');
    return token === TRUE;
  }

  integer(least: number, greatest: number): number {
    const value = this.#number(this.#token());
    if (value === null) throw this.#unlike('an integer');
    const integer = Number(value);
    if (!Number.isSafeInteger(integer)) throw new WireProblem('is not an integer within ±(2^53-1)');
    if (integer < least || integer > greatest)
      throw new WireProblem(`is ${integer}, not within ${least} to ${greatest}`);
    // -0 is 0.
    return integer + 0;
  }

  text(maxBytes: number): string {
    const length = this.#textLength(this.#token());
    if (length === null) throw this.#unlike('text');
    return this.#decode(length, maxBytes);
  }

  /** A view of the message. */
  bytes(maxBytes: number): Uint8Array {
    const length = this.#binLength(this.#token());
    if (length === null) throw this.#unlike('bytes');
    return this.#take(length, maxBytes);
  }

  id<Id extends AnyId>(): Id {
    const length = this.#binLength(this.#token());
    if (length === null) throw this.#unlike('an id');
    if (length !== ID_BYTES) throw new WireProblem(`is an id of ${length} bytes, not ${ID_BYTES}`);
    return readId<Id>(this.#bytes, this.#claim(length, ID_BYTES, 'binary'));
  }

  /** One after the other, in one binary. */
  ids<Id extends AnyId>(maxIds: number): readonly Id[] {
    const length = this.#binLength(this.#token());
    if (length === null) throw this.#unlike('ids');
    if (length % ID_BYTES !== 0) throw new WireProblem(`has ${length} bytes, which are no whole ids`);
    const from = this.#claim(length, maxIds * ID_BYTES, 'binary');
    const ids: Id[] = [];
    for (let at = from; at < this.#at; at += ID_BYTES) ids.push(readId<Id>(this.#bytes, at));
    return ids;
  }

  /** How many elements follow; each has a byte at least, so a count that is too high costs nothing. */
  array(maxElements: number): number {
    const token = this.#token();
    if (token >= SMALL_ARRAY && token < SMALL_TEXT) return this.#count(token - SMALL_ARRAY, maxElements);
    if (token === ARRAY_16) return this.#count(this.#unsigned(2), maxElements);
    if (token === ARRAY_32) return this.#count(this.#unsigned(4), maxElements);
    throw this.#unlike('a list');
  }

  /** The pairs that follow, each a text and a value; null, and nothing taken, if something else than a map stands next. */
  map(maxPairs: number): number | null {
    const token = this.#bytes[this.#at] ?? NIL;
    const isSmall = token >= SMALL_MAP && token < SMALL_ARRAY;
    if (!isSmall && token !== MAP_16 && token !== MAP_32) return null;
    this.#at += 1;
    return this.#count(isSmall ? token - SMALL_MAP : this.#unsigned(token === MAP_16 ? 2 : 4), maxPairs);
  }

  /** Null, a number that SQLite holds, text or a blob; a blob is a copy, since whoever asked will keep it. */
  cell(maxBytes: number): Cell {
    const token = this.#token();
    if (token === NIL) return null;
    const textLength = this.#textLength(token);
    if (textLength !== null) return this.#decode(textLength, maxBytes);
    const binLength = this.#binLength(token);
    if (binLength !== null) return this.#take(binLength, maxBytes).slice();
    const value = this.#number(token);
    if (value === null) throw this.#unlike('null, a number, text or bytes');
    if (typeof value === 'number') {
      if (Number.isNaN(value)) throw new WireProblem('is NaN, which SQL does not have');
      return value + 0;
    }
    if (value > GREATEST_INTEGER) throw new WireProblem('is an integer beyond 64 bits');
    return cellOf(value);
  }

  #token(): number {
    this.#need(1);
    return this.#bytes[this.#at++]!;
  }

  /** Of the token just taken. */
  #unlike(wanted: string): WireProblem {
    const token = this.#bytes[this.#at - 1]!;
    return new WireProblem(`is not ${wanted}: 0x${token.toString(16).padStart(2, '0')} stands there`);
  }

  #need(bytes: number): void {
    if (bytes > this.#bytes.length - this.#at) throw new WireProblem('is cut off by the end of the frame');
  }

  #count(count: number, limit: number): number {
    if (count > limit) throw new WireLimit(`has ${count} elements, more than ${limit}`);
    return count;
  }

  #take(length: number, limit: number): Uint8Array {
    const from = this.#claim(length, limit, 'binary');
    return this.#bytes.subarray(from, this.#at);
  }

  /** Passes over the content that follows; where it began. */
  #claim(length: number, limit: number, what: 'binary' | 'text'): number {
    const from = this.#at;
    if (length > limit) throw new WireLimit(`has ${length} bytes of ${what}, more than ${limit}`);
    this.#need(length);
    this.#at = from + length;
    return from;
  }

  #decode(length: number, maxBytes: number): string {
    const from = this.#claim(length, maxBytes, 'text');
    const short = length <= SHORT_TEXT_BYTES ? shortAscii(this.#bytes, from, length) : null;
    if (short !== null) return short;
    try {
      return decoder.decode(this.#bytes.subarray(from, this.#at));
    } catch {
      throw new WireProblem('is not well-formed UTF-8');
    }
  }

  #textLength(token: number): number | null {
    if (token >= SMALL_TEXT && token < NIL) return token - SMALL_TEXT;
    return token >= TEXT_8 && token <= TEXT_32 ? this.#unsigned(2 ** (token - TEXT_8)) : null;
  }

  #binLength(token: number): number | null {
    return token >= BIN_8 && token <= BIN_32 ? this.#unsigned(2 ** (token - BIN_8)) : null;
  }

  #unsigned(bytes: number): number {
    this.#need(bytes);
    const at = this.#at;
    this.#at += bytes;
    if (bytes === 1) return this.#bytes[at]!;
    return bytes === 2 ? this.#view.getUint16(at) : this.#view.getUint32(at);
  }

  #number(token: number): number | bigint | null {
    if (token <= GREATEST_SMALL) return token;
    if (token >= SMALL_NEGATIVE) return token - 256;
    if (token < FLOAT_32 || token > SIGNED_64) return null;
    const bytes = widthOf(token);
    this.#need(bytes);
    const at = this.#at;
    this.#at += bytes;
    switch (token) {
      case FLOAT_32:
        return this.#view.getFloat32(at);
      case FLOAT_64:
        return this.#view.getFloat64(at);
      case UNSIGNED_8:
        return this.#bytes[at]!;
      case UNSIGNED_16:
        return this.#view.getUint16(at);
      case UNSIGNED_32:
        return this.#view.getUint32(at);
      case UNSIGNED_64:
        return this.#view.getBigUint64(at);
      case SIGNED_8:
        return this.#view.getInt8(at);
      case SIGNED_16:
        return this.#view.getInt16(at);
      case SIGNED_32:
        return this.#view.getInt32(at);
      case SIGNED_64:
        return this.#view.getBigInt64(at);
    }
    return null;
  }
}

/** The text of a few ASCII characters, null if there are others: a quarter of the time that the platform's decoder takes. */
function shortAscii(bytes: Uint8Array, from: number, length: number): string | null {
  const end = from + length;
  let text = '';
  let at = from;
  for (; end - at >= 4; at += 4) {
    const [a, b, c, d] = [bytes[at]!, bytes[at + 1]!, bytes[at + 2]!, bytes[at + 3]!];
    if ((a | b | c | d) > GREATEST_ASCII) return null;
    text += String.fromCharCode(a, b, c, d);
  }
  for (; at < end; at += 1) {
    const a = bytes[at]!;
    if (a > GREATEST_ASCII) return null;
    text += String.fromCharCode(a);
  }
  return text;
}

/** Bytes of the number that a token from FLOAT_32 to SIGNED_64 announces. */
function widthOf(token: number): number {
  if (token === FLOAT_32) return 4;
  if (token === FLOAT_64) return 8;
  return 2 ** (token - (token < SIGNED_8 ? UNSIGNED_8 : SIGNED_8));
}
