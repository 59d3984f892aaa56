/**
 * LIKE and GLOB, as SQLite matches them: by code points, LIKE folding ASCII letters only, both ending at U+0000.
 *
 * Invariant: no allocation per match but for a text that holds U+0000. Only the last wildcard is ever retried, which is
 * enough for patterns whose other parts match one character each.
 */
import { TendrilError } from '../../errors.ts';
import { MAX_PATTERN_BYTES } from '../limits.ts';
import { utf8Length } from '../value.ts';
import { DOUBT } from './doubt.ts';

/** The code points that mean something in a pattern; NOTHING where the dialect has no such sign. */
export interface Dialect {
  readonly any: number;
  readonly one: number;
  readonly set: number;
  /** Wins over the others, if it is one of them. */
  readonly escape: number;
  readonly fold: boolean;
}

const NOTHING = -1;
const NO_MATCH = -1;

export const LIKE: Dialect = { any: code('%'), one: code('_'), set: NOTHING, escape: NOTHING, fold: true };
export const GLOB: Dialect = { any: code('*'), one: code('?'), set: code('['), escape: NOTHING, fold: false };

function code(sign: string): number {
  return sign.charCodeAt(0);
}

/** LIKE with an ESCAPE. @throws {TendrilError} `invalid-parameter` unless `sign` is one character, as in SQLite. */
export function likeWithEscape(sign: string): Dialect {
  const point = untilNul(sign).codePointAt(0);
  if (point === undefined || untilNul(sign).length !== widthOf(point)) {
    throw new TendrilError({
      code: 'invalid-parameter',
      problem: `ESCAPE must be a single character, not ${JSON.stringify(sign)}.`,
      remedy: 'Give one character, such as \\.',
      facts: { escape: sign },
    });
  }
  return { ...LIKE, escape: point };
}

/**
 * @throws {TendrilError} `limit-exceeded` for a pattern of more than MAX_PATTERN_BYTES.
 * @throws DOUBT for U+FFFE and U+FFFF, which some builds of SQLite take for U+FFFD here.
 */
export function matchesPattern(wholePattern: string, wholeText: string, dialect: Dialect): boolean {
  checkPattern(wholePattern);
  const pattern = readable(wholePattern);
  const text = readable(wholeText);
  let at = 0;
  let textAt = 0;
  let retry = NO_MATCH;
  let retryText = 0;
  for (;;) {
    if (isAny(pattern, at, dialect)) {
      retry = ++at;
      retryText = textAt;
      if (at === pattern.length) return true;
      continue;
    }
    if (textAt >= text.length) return at >= pattern.length;
    const point = text.codePointAt(textAt)!;
    const next = at < pattern.length ? step(pattern, at, point, dialect) : NO_MATCH;
    if (next !== NO_MATCH) {
      at = next;
      textAt += widthOf(point);
    } else {
      if (retry === NO_MATCH) return false;
      retryText += widthOf(text.codePointAt(retryText)!);
      textAt = retryText;
      at = retry;
    }
  }
}

/** The plain text that everything matching `pattern` starts with, and whether the pattern is nothing else. */
export function literalPrefix(
  wholePattern: string,
  dialect: Dialect,
): { readonly prefix: string; readonly whole: boolean } {
  const pattern = untilNul(wholePattern);
  let prefix = '';
  let at = 0;
  while (at < pattern.length) {
    let point = pattern.codePointAt(at)!;
    if (point === dialect.escape) {
      at += widthOf(point);
      if (at >= pattern.length) return { prefix, whole: false };
      point = pattern.codePointAt(at)!;
    } else if (point === dialect.any || point === dialect.one || point === dialect.set) {
      return { prefix, whole: false };
    }
    if (point >= REPLACEMENT && point <= LAST_OF_PLANE) return { prefix, whole: false };
    prefix += String.fromCodePoint(point);
    at += widthOf(point);
  }
  return { prefix, whole: true };
}

function checkPattern(pattern: string): void {
  // No UTF-16 unit takes more than three bytes: nearly every pattern passes without being counted.
  if (pattern.length * 3 <= MAX_PATTERN_BYTES || utf8Length(pattern) <= MAX_PATTERN_BYTES) return;
  throw new TendrilError({
    code: 'limit-exceeded',
    problem: `A LIKE or GLOB pattern is longer than ${MAX_PATTERN_BYTES} bytes.`,
    remedy: 'Shorten the pattern.',
    facts: { bytes: utf8Length(pattern), limit: MAX_PATTERN_BYTES },
  });
}

/** U+FFFD to U+FFFF: one character to some builds, three to others. */
const REPLACEMENT = 0xfffd;
const LAST_OF_PLANE = 0xffff;
const UNUSUAL = /[\0\ufffe\uffff]/;

function readable(text: string): string {
  if (!UNUSUAL.test(text)) return text;
  const read = untilNul(text);
  if (UNUSUAL.test(read)) throw DOUBT;
  return read;
}

function untilNul(text: string): string {
  const end = text.indexOf('\0');
  return end < 0 ? text : text.slice(0, end);
}

function widthOf(point: number): number {
  return point > 0xffff ? 2 : 1;
}

function isAny(pattern: string, at: number, dialect: Dialect): boolean {
  return at < pattern.length && pattern.charCodeAt(at) === dialect.any && dialect.any !== dialect.escape;
}

/** The offset behind the one part of the pattern at `at` that matches `point`, or NO_MATCH. */
function step(pattern: string, at: number, point: number, dialect: Dialect): number {
  const sign = pattern.codePointAt(at)!;
  const behind = at + widthOf(sign);
  if (sign === dialect.escape) {
    const escaped = pattern.codePointAt(behind);
    return escaped !== undefined && same(escaped, point, dialect) ? behind + widthOf(escaped) : NO_MATCH;
  }
  if (sign === dialect.one) return behind;
  if (sign === dialect.set) return stepOverSet(pattern, behind, point);
  return same(sign, point, dialect) ? behind : NO_MATCH;
}

function same(sign: number, point: number, dialect: Dialect): boolean {
  return sign === point || (dialect.fold && foldPoint(sign) === foldPoint(point));
}

function foldPoint(point: number): number {
  return point >= 0x41 && point <= 0x5a ? point + 0x20 : point;
}

const SET_END = code(']');
const SET_NOT = code('^');
const SET_RANGE = code('-');

/** `[abc]`, `[a-z]`, `[^...]`; a `]` that stands first is one of the set; a set without an end matches nothing. */
function stepOverSet(pattern: string, start: number, point: number): number {
  const negated = pattern.charCodeAt(start) === SET_NOT;
  const first = negated ? start + 1 : start;
  let seen = false;
  let at = first;
  let prior = NOTHING;
  while (at < pattern.length) {
    const sign = pattern.codePointAt(at)!;
    if (sign === SET_END && at > first) return seen !== negated ? at + 1 : NO_MATCH;
    at += widthOf(sign);
    const until = sign === SET_RANGE && prior !== NOTHING ? pattern.codePointAt(at) : undefined;
    if (until !== undefined && until !== SET_END) {
      seen ||= point >= prior && point <= until;
      prior = NOTHING;
      at += widthOf(until);
    } else {
      seen ||= sign === point;
      // A `]` that stands first begins no range.
      prior = at - 1 === first && sign === SET_END ? NOTHING : sign;
    }
  }
  return NO_MATCH;
}
