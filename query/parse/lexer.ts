/**
 * SQLite's tokens, and the key that all texts differing in constants only share: one pass over the text.
 *
 * Invariants
 *   - token boundaries are SQLite's own; a text SQLite's lexer refuses is refused here;
 *   - `key` is the text with each literal replaced by a placeholder that names its class, and each run of white
 *     space and comments by one space: equal keys mean equal tokens, except for what the literals hold;
 *   - the last token is of kind `end`.
 */

import { MAX_STATEMENT_BYTES } from '../limits.ts';
import { queryError } from '../query-error.ts';
import { type Literal, literalOf } from './lexer-literal.ts';

/** `quoted` is an identifier in "", [] or ``; `word` a bare identifier or a keyword. */
export type TokenKind = 'word' | 'quoted' | 'literal' | 'parameter' | 'operator' | 'end';

/** Parallel arrays: one entry per token. */
export interface Lexed {
  readonly text: string;
  readonly key: string;
  readonly kinds: readonly TokenKind[];
  readonly starts: readonly number[];
  readonly ends: readonly number[];
  /** In text order; `token` says which token each one is. */
  readonly literals: readonly Literal[];
}

/** Starts a placeholder in `key`: a character that no token can hold outside quotes. */
const LIFTED = '\u0001';

const SPACE = 1;
const DIGIT = 2;
const WORD = 3;
const CLASSES = classes();

function classes(): Uint8Array {
  const table = new Uint8Array(128);
  for (const space of ' \t\n\f\r') table[space.charCodeAt(0)] = SPACE;
  for (const digit of '0123456789') table[digit.charCodeAt(0)] = DIGIT;
  for (const letter of 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_') table[letter.charCodeAt(0)] = WORD;
  return table;
}

const classOf = (code: number): number => (code < 128 ? (CLASSES[code] as number) : WORD);
const isDigit = (code: number): boolean => code >= 48 && code <= 57;
/** What may continue a word, or may not follow a number. */
const isWordPart = (code: number): boolean => classOf(code) >= DIGIT || code === 36;

export function lex(text: string): Lexed {
  if (text.length * 3 > MAX_STATEMENT_BYTES) refuseLong(text);
  const nul = text.indexOf('\0');
  if (nul >= 0) throw illegal(text, nul, 'SQL ends at the character U+0000.', 'Pass the value as a parameter.');
  const kinds: TokenKind[] = [];
  const starts: number[] = [];
  const ends: number[] = [];
  const literals: Literal[] = [];
  let key = '';
  let copied = 0;
  let at = 0;
  while (at < text.length) {
    const spaceEnd = endOfSpace(text, at);
    if (spaceEnd > at) {
      if (spaceEnd > at + 1 || text.charCodeAt(at) !== 32) {
        key += `${text.slice(copied, at)} `;
        copied = spaceEnd;
      }
      at = spaceEnd;
      continue;
    }
    const kind = kindAt(text, at);
    const end = endOfToken(text, at, kind);
    if (kind === 'literal') {
      const literal = literalOf(text, at, end, kinds.length);
      literals.push(literal);
      key += text.slice(copied, at) + LIFTED + literal.tag;
      copied = end;
    }
    kinds.push(kind);
    starts.push(at);
    ends.push(end);
    at = end;
  }
  kinds.push('end');
  starts.push(text.length);
  ends.push(text.length);
  return { text, key: copied === 0 ? text : key + text.slice(copied), kinds, starts, ends, literals };
}

function refuseLong(text: string): void {
  const bytes = new TextEncoder().encode(text).length;
  if (bytes <= MAX_STATEMENT_BYTES) return;
  throw queryError({
    code: 'limit-exceeded',
    text,
    at: offsetOfByte(text, MAX_STATEMENT_BYTES),
    problem: `The text has ${bytes} bytes; the limit is ${MAX_STATEMENT_BYTES}.`,
    remedy: 'Pass long values as parameters, or split the statement.',
    facts: { bytes, limit: MAX_STATEMENT_BYTES },
  });
}

/** The offset of the first character that does not fit into `bytes`. */
function offsetOfByte(text: string, bytes: number): number {
  return new TextEncoder().encodeInto(text, new Uint8Array(bytes)).read;
}

/** The end of the white space and comments that start at `at`; `at` itself where there are none. */
function endOfSpace(text: string, at: number): number {
  let end = at;
  for (;;) {
    const code = text.charCodeAt(end);
    if (code < 128 && CLASSES[code] === SPACE) end++;
    else if (code === 45 && text.charCodeAt(end + 1) === 45) end = endOfLine(text, end);
    else if (code === 47 && text.charCodeAt(end + 1) === 42) end = endOfComment(text, end);
    else return end;
  }
}

function endOfLine(text: string, at: number): number {
  const newline = text.indexOf('\n', at);
  return newline < 0 ? text.length : newline;
}

function endOfComment(text: string, at: number): number {
  const close = text.indexOf('*/', at + 2);
  if (close < 0) throw illegal(text, at, 'This comment is not closed.', 'End it with */.');
  return close + 2;
}

function kindAt(text: string, at: number): TokenKind {
  const code = text.charCodeAt(at);
  switch (classOf(code)) {
    case DIGIT:
      return 'literal';
    case WORD:
      return (code === 120 || code === 88) && text.charCodeAt(at + 1) === 39 ? 'literal' : 'word';
  }
  if (code === 39) return 'literal';
  if (code === 34 || code === 91 || code === 96) return 'quoted';
  if (code === 63 || code === 58) return 'parameter';
  if (code === 46 && isDigit(text.charCodeAt(at + 1))) return 'literal';
  return 'operator';
}

function endOfToken(text: string, at: number, kind: TokenKind): number {
  switch (kind) {
    case 'word':
      return endOfWord(text, at);
    case 'quoted':
      return endOfQuoted(text, at);
    case 'literal':
      return endOfLiteral(text, at);
    case 'parameter':
      return endOfParameter(text, at);
    case 'operator':
      return endOfOperator(text, at);
    case 'end':
      return at;
  }
}

function endOfWord(text: string, at: number): number {
  let end = at;
  while (end < text.length && isWordPart(text.charCodeAt(end))) end++;
  return end;
}

function endOfQuoted(text: string, at: number): number {
  const open = text.charCodeAt(at);
  if (open !== 91) return endOfQuotes(text, at);
  const close = text.indexOf(']', at);
  if (close < 0) throw illegal(text, at, 'This name is not closed.', 'End it with ].');
  return close + 1;
}

/** For '', "" and ``: the quote is doubled inside. */
function endOfQuotes(text: string, at: number): number {
  const quote = text.charAt(at);
  let close = text.indexOf(quote, at + 1);
  while (close >= 0 && text.charAt(close + 1) === quote) close = text.indexOf(quote, close + 2);
  if (close >= 0) return close + 1;
  throw illegal(text, at, `This ${quote === "'" ? 'string' : 'name'} is not closed.`, `End it with ${quote}.`);
}

function endOfLiteral(text: string, at: number): number {
  const code = text.charCodeAt(at);
  if (code === 39) return endOfQuotes(text, at);
  if (code === 120 || code === 88) return endOfBlob(text, at);
  const end = endOfNumber(text, at);
  if (end < text.length && isWordPart(text.charCodeAt(end)))
    throw illegal(text, at, 'This number is followed by a letter.', 'Put a space or an operator between them.');
  return end;
}

function endOfBlob(text: string, at: number): number {
  const end = endOfQuotes(text, at + 1);
  if (/^[xX]'(?:[0-9a-fA-F]{2})*'$/.test(text.slice(at, end))) return end;
  throw illegal(text, at, 'This blob is not written in pairs of hexadecimal digits.', "Write it like x'00FF'.");
}

function endOfNumber(text: string, at: number): number {
  const second = text.charCodeAt(at + 1);
  if (text.charCodeAt(at) === 48 && (second === 120 || second === 88)) {
    const end = endOfDigits(text, at + 2, isHexDigit);
    if (end > at + 2) return end;
  }
  let end = endOfDigits(text, at, isDigit);
  if (text.charCodeAt(end) === 46) end = endOfDigits(text, end + 1, isDigit);
  const mark = text.charCodeAt(end);
  if (mark !== 101 && mark !== 69) return end;
  const sign = text.charCodeAt(end + 1);
  const exponent = sign === 43 || sign === 45 ? end + 2 : end + 1;
  return isDigit(text.charCodeAt(exponent)) ? endOfDigits(text, exponent, isDigit) : end;
}

const isHexDigit = (code: number): boolean => isDigit(code) || ((code | 32) >= 97 && (code | 32) <= 102);

/** Digits, with single underscores between two of them. */
function endOfDigits(text: string, at: number, isOne: (code: number) => boolean): number {
  let end = at;
  for (;;) {
    if (isOne(text.charCodeAt(end))) end++;
    else if (end > at && text.charCodeAt(end) === 95 && isOne(text.charCodeAt(end + 1))) end++;
    else return end;
  }
}

function endOfParameter(text: string, at: number): number {
  let end = at + 1;
  if (text.charCodeAt(at) === 63) {
    while (isDigit(text.charCodeAt(end))) end++;
    return end;
  }
  end = endOfWord(text, end);
  if (end > at + 1) return end;
  throw illegal(text, at, 'A parameter needs a name after the colon.', 'Write it like :name.');
}

const TWO_CHARACTERS = new Set(['->', '==', '<=', '<>', '<<', '>=', '>>', '!=', '||']);
const ONE_CHARACTER = new Set('-();+*/%=<>|,&~.');

function endOfOperator(text: string, at: number): number {
  if (text.startsWith('->>', at)) return at + 3;
  if (TWO_CHARACTERS.has(text.slice(at, at + 2))) return at + 2;
  const one = text.charAt(at);
  if (ONE_CHARACTER.has(one)) return at + 1;
  if (one === '$' || one === '@')
    throw illegal(text, at, `Parameters do not start with ${one} here.`, 'Use ?, ?3 or :name.');
  throw illegal(text, at, 'This character starts no token of SQL.', 'Remove it, or quote it as part of a string.');
}

function illegal(text: string, at: number, problem: string, remedy: string) {
  return queryError({ code: 'query-syntax', text, at, problem, remedy });
}
