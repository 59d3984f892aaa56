/**
 * Text read as a number, as SQLite reads it: white space around, a sign, digits, a point, an exponent; ASCII only.
 *
 * Invariant: a result is SQLite's own, or `DOUBT` is thrown. Up to 15 digits with a power of ten up to 22 every correct
 * reader gives the same double; beyond, SQLite's is not always the nearest one and JavaScript's is.
 */
import { DOUBT } from './doubt.ts';

const MIN_INT64 = -(2n ** 63n);
const MAX_INT64 = 2n ** 63n - 1n;
const INT64_DIGITS = 19;
const EXACT_DIGITS = 15;
const EXACT_POWER_OF_TEN = 22;

const WHOLE = /^[\t-\r ]*([+-]?(?:\d+(\.\d*)?|(\.\d+))([eE][+-]?\d+)?)[\t-\r ]*$/;
const PREFIX = /^[\t-\r ]*([+-]?(?:\d+(\.\d*)?|(\.\d+))([eE][+-]?\d+)?)/;
const INTEGER_PREFIX = /^[\t-\r ]*([+-]?\d+)/;

/** Numeric affinity: the number that the whole text spells, or null if it spells none and stays text. */
export function numberSpelledBy(text: string): number | bigint | null {
  // Most text is no number: its first character tells, far cheaper than the expression.
  if (text.length === 0 || text.charCodeAt(0) > NINE) return null;
  const spelled = match(WHOLE, text);
  return spelled === null ? null : numberOf(spelled);
}

const NINE = 0x39;

/** An operand of arithmetic, or a condition: the number at the start of the text, 0 if there is none. */
export function numberAtStart(text: string): number | bigint {
  const spelled = match(PREFIX, text);
  return spelled === null ? 0n : numberOf(spelled);
}

/** An operand of a bit operator or of `%`: the digits at the start of the text, held within 64 bits. */
export function integerAtStart(text: string): bigint {
  const spelled = INTEGER_PREFIX.exec(text);
  if (spelled === null) return 0n;
  const value = int64Of(spelled[1]!);
  if (value !== null) return value;
  return spelled[1]!.startsWith('-') ? MIN_INT64 : MAX_INT64;
}

/** What U+0000 ends, and whether digits before it are an integer, differs between builds of SQLite. */
function match(form: RegExp, text: string): RegExpExecArray | null {
  if (text.includes('\0')) throw DOUBT;
  return form.exec(text);
}

function numberOf(spelled: RegExpExecArray): number | bigint {
  const [, number, point, leadingPoint, exponent] = spelled;
  if (point === undefined && leadingPoint === undefined && exponent === undefined) {
    const value = int64Of(number!);
    if (value !== null) return value;
  }
  return realOf(number!);
}

/** Null past 64 bits; a text of a million digits is not made a bigint to find that out. */
function int64Of(digits: string): bigint | null {
  const bare = digits.replace(/^[+-]?0*/, '');
  if (bare.length > INT64_DIGITS) return null;
  const value = digits.startsWith('-') ? -BigInt(bare) : BigInt(bare);
  return value >= MIN_INT64 && value <= MAX_INT64 ? value : null;
}

function realOf(number: string): number {
  const [mantissa, exponent] = number.toLowerCase().split('e') as [string, string?];
  const [whole, fraction = ''] = mantissa.replace(/^[+-]/, '').split('.') as [string, string?];
  const digits = `${whole}${fraction}`.replace(/^0+/, '');
  const power = Number(exponent ?? 0) - fraction.length;
  const exact = digits.length <= EXACT_DIGITS && Math.abs(power) <= EXACT_POWER_OF_TEN;
  if (!exact && digits !== '') throw DOUBT;
  return Number(number);
}
