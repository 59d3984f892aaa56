/**
 * What a literal of SQL holds.
 *
 * Invariants
 *   - an integer beyond int64 is a REAL, except that 2^63 under a minus is the smallest integer (`edge`);
 *   - a hexadecimal literal is 64 bits in two's complement;
 *   - `doubtful` marks a real whose nearest double SQLite may miss by a bit: its value is asked of SQLite.
 */
import { queryError } from '../query-error.ts';
import { type Cell, cellOf, type ValueClass } from '../value.ts';

/**
 * Stands in the key of a text: integer, real, text, blob; `e` is the decimal 9223372036854775808, a REAL, or under a
 * minus the smallest integer; `h` is 0x8000000000000000, which SQLite refuses to negate.
 */
export type LiteralTag = 'i' | 'r' | 't' | 'b' | 'e' | 'h';

export interface Literal {
  readonly tag: LiteralTag;
  readonly value: Cell;
  readonly doubtful: boolean;
  /** Which token it is. */
  readonly token: number;
}

export const CLASS_OF_TAG: Readonly<Record<LiteralTag, ValueClass>> = {
  i: 'integer',
  r: 'real',
  t: 'text',
  b: 'blob',
  e: 'real',
  h: 'integer',
};

const MAX_INTEGER = 2n ** 63n - 1n;
/** Decimal digits every SQLite and JavaScript turn into the same double, together with an exponent within ±22. */
const SURE_DIGITS = 15;
const SURE_EXPONENT = 22;

export function literalOf(text: string, start: number, end: number, token: number): Literal {
  const first = text.charCodeAt(start);
  if (first === 39) return { tag: 't', value: unquoted(text, start, end), doubtful: false, token };
  if (first === 120 || first === 88) {
    return { tag: 'b', value: blobOf(text.slice(start + 2, end - 1)), doubtful: false, token };
  }
  const digits = text.slice(start, end).replaceAll('_', '');
  if (/^0x/i.test(digits)) return hexadecimal(text, start, digits, token);
  if (/^\d+$/.test(digits)) return decimal(digits, token);
  return { tag: 'r', value: Number(digits), doubtful: isDoubtful(digits), token };
}

/** The content of a quoted string or name: doubled quotes made single, lone surrogates replaced as UTF-8 has them. */
export function unquoted(text: string, start: number, end: number): string {
  const quote = text.charAt(start);
  const content = text.slice(start + 1, end - 1);
  if (quote === '[' || !content.includes(quote)) return wellFormed(content);
  return wellFormed(content.replaceAll(quote + quote, quote));
}

/** Text as SQLite keeps it: a lone surrogate has no UTF-8 form and becomes U+FFFD. */
export function wellFormed(text: string): string {
  return /\p{Surrogate}/u.test(text) ? text.replace(/\p{Surrogate}/gu, '\uFFFD') : text;
}

function blobOf(hex: string): Uint8Array {
  return Uint8Array.from({ length: hex.length / 2 }, (_, i) => Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16));
}

function hexadecimal(text: string, at: number, digits: string, token: number): Literal {
  const unsigned = BigInt(digits);
  if (unsigned >= 2n ** 64n) {
    const [problem, remedy] = ['A hexadecimal literal holds at most 64 bits.', 'Write at most 16 digits after 0x.'];
    throw queryError({ code: 'query-syntax', text, at, problem, remedy });
  }
  const value = BigInt.asIntN(64, unsigned);
  return { tag: value === -MAX_INTEGER - 1n ? 'h' : 'i', value: cellOf(value), doubtful: false, token };
}

function decimal(digits: string, token: number): Literal {
  if (digits.length <= SURE_DIGITS) return { tag: 'i', value: Number(digits), doubtful: false, token };
  const value = BigInt(digits);
  if (value <= MAX_INTEGER) return { tag: 'i', value: cellOf(value), doubtful: false, token };
  if (value === MAX_INTEGER + 1n) return { tag: 'e', value: Number(value), doubtful: false, token };
  return { tag: 'r', value: Number(digits), doubtful: true, token };
}

function isDoubtful(digits: string): boolean {
  const [mantissa, exponent] = digits.toLowerCase().split('e') as [string, string | undefined];
  const [whole, fraction = ''] = mantissa.split('.') as [string, string | undefined];
  const significant = (whole + fraction).replace(/^0+/, '').length;
  return significant > SURE_DIGITS || Math.abs(Number(exponent ?? 0) - fraction.length) > SURE_EXPONENT;
}
