/**
 * Values on their way into a property and out of it.
 *
 * Invariants
 *   - what is stored is what SQLite would give back: -0 is 0, a Date is its UTC text, a blob is a copy;
 *   - what goes in comes out equal, and whatever could not is refused with `invalid-value`, never altered. So is text
 *     that is not well-formed (a lone surrogate would come back as U+FFFD) or holds U+0000 (where SQLite's functions stop).
 *   - the message names the collection, the property and the type of the value, never the value.
 */
import { TendrilError } from '../errors.ts';
import { type Cell, type SqlValue, utf8Length } from '../query/index.ts';
import { isStorableText } from './encoding.ts';
import { isUlid } from './ids.ts';
import { MAX_VALUE_BYTES } from './operation.ts';
import type { PropertyRule, PropertyType } from './property-rule.ts';
import { damaged } from './row-bytes.ts';

/** Where a value stands, for messages; a default is made before it belongs to a collection. */
export interface Place {
  readonly collection: string | null;
  readonly property: string;
}

/** SQLite's JSON functions call deeper text malformed. */
export const MAX_JSON_DEPTH = 1_000;

const TIMESTAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
const FIRST_TIME = Date.parse('0000-01-01T00:00:00.000Z');
const LAST_TIME = Date.parse('9999-12-31T23:59:59.999Z');
const SMALLEST_INTEGER = -(2n ** 63n);
const GREATEST_INTEGER = 2n ** 63n - 1n;

/**
 * What is stored of a JavaScript value.
 *
 * @throws {TendrilError} `invalid-value`; `limit-exceeded` past MAX_VALUE_BYTES.
 */
export function encodeValue(place: Place, rule: PropertyRule, value: unknown): SqlValue {
  if (value === null) return nothing(place, rule);
  return checked(place, rule, storedForm(place, rule.type, value));
}

/**
 * What is stored of a value that SQL computed, after SQLite's column affinity (see `createAffinity`).
 *
 * @throws {TendrilError} as `encodeValue`.
 */
export function encodeSqlValue(place: Place, rule: PropertyRule, value: SqlValue): SqlValue {
  if (value === null) return nothing(place, rule);
  if (!fitsType(rule.type, value)) throw invalid(place, rule.type, value);
  return checked(place, rule, value === 0 ? 0 : value);
}

/** Whether a value may stand in a property of this type, whoever wrote it: what a merge asks. NULL always may. */
export function fitsType(type: PropertyType, value: SqlValue): boolean {
  if (value === null) return true;
  switch (type) {
    case 'text':
      return typeof value === 'string';
    case 'integer':
      return typeof value === 'bigint' && Number.isSafeInteger(Number(value));
    case 'bigint':
      return typeof value === 'bigint' && value >= SMALLEST_INTEGER && value <= GREATEST_INTEGER;
    case 'boolean':
      return value === 0n || value === 1n;
    case 'real':
      return typeof value === 'number' && !Number.isNaN(value);
    case 'timestamp':
      return typeof value === 'string' && isTimestamp(value);
    case 'blob':
      return value instanceof Uint8Array;
    case 'json':
      return typeof value === 'string' && isJson(value);
    case 'ref':
      return isUlid(value);
  }
}

/**
 * A stored cell as a program reads it. A blob is copied, so that what a program does to it stays its own.
 *
 * @throws {TendrilError} `storage-damaged` for text that is not the JSON it was.
 */
export function decodeCell(type: PropertyType, cell: Cell): unknown {
  if (cell === null) return null;
  switch (type) {
    case 'text':
    case 'integer':
    case 'real':
    case 'ref':
      return cell;
    case 'bigint':
      return BigInt(cell as number | bigint);
    case 'boolean':
      return cell !== 0;
    case 'timestamp':
      return new Date(cell as string);
    case 'blob':
      return new Uint8Array(cell as Uint8Array);
    case 'json':
      return parsed(cell as string);
  }
}

/** Only well-formed JSON is ever stored. */
function parsed(written: string): unknown {
  try {
    return JSON.parse(written);
  } catch (error) {
    throw damaged('a json value', error as Error);
  }
}

/** @throws {TendrilError} `invalid-value` for what is not of the type. */
function storedForm(place: Place, type: PropertyType, value: unknown): SqlValue {
  switch (type) {
    case 'integer':
      if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value);
      break;
    case 'boolean':
      if (typeof value === 'boolean') return value ? 1n : 0n;
      break;
    case 'real':
      if (typeof value === 'number' && !Number.isNaN(value)) return value === 0 ? 0 : value;
      break;
    case 'timestamp':
      if (value instanceof Date && isWithinYears(value)) return value.toISOString();
      break;
    case 'blob':
      if (value instanceof Uint8Array) return new Uint8Array(value);
      break;
    case 'json':
      return jsonOf(place, value);
    case 'text':
    case 'bigint':
    case 'ref':
      if (fitsType(type, value as SqlValue)) return value as SqlValue;
  }
  throw invalid(place, type, value);
}

function jsonOf(place: Place, value: unknown): string {
  let written: string | undefined;
  try {
    written = JSON.stringify(value);
  } catch (cause) {
    throw invalid(place, 'json', value, cause);
  }
  if (written === undefined || depthOf(written) > MAX_JSON_DEPTH) throw invalid(place, 'json', value);
  return written;
}

function nothing(place: Place, rule: PropertyRule): null {
  if (rule.nullable) return null;
  throw new TendrilError({
    code: 'invalid-value',
    problem: `${nameOf(place)} is required and was given null.`,
    remedy: 'Give it a value, or declare it .optional().',
    facts: { ...place, type: rule.type, given: 'null' },
  });
}

/** What holds of a value besides its type. */
function checked(place: Place, rule: PropertyRule, stored: SqlValue): SqlValue {
  if (typeof stored === 'string') {
    checkText(place, stored);
    checkChoice(place, rule, stored);
    // A UTF-16 unit is at most 3 bytes of UTF-8: only text near the limit is measured.
    if (stored.length * 3 > MAX_VALUE_BYTES) checkSize(place, utf8Length(stored));
  } else if (stored instanceof Uint8Array) checkSize(place, stored.length);
  return stored;
}

function checkChoice(place: Place, { type, choices }: PropertyRule, value: string): void {
  if (choices === null || choices.includes(value)) return;
  throw new TendrilError({
    code: 'invalid-value',
    problem: `${nameOf(place)} takes one of its choices only, and was given another text.`,
    remedy: `Use one of ${choices.map((choice) => `'${choice}'`).join(', ')}.`,
    facts: { ...place, type, choices },
  });
}

function checkText(place: Place, value: string): void {
  if (isStorableText(value)) return;
  throw new TendrilError({
    code: 'invalid-value',
    problem: `${nameOf(place)} was given text with a lone surrogate or the character U+0000, which SQLite cannot keep.`,
    remedy: 'Repair the text (`toWellFormed()`), or keep it in a blob().',
    facts: { ...place, given: 'string' },
  });
}

function checkSize(place: Place, bytes: number): void {
  if (bytes <= MAX_VALUE_BYTES) return;
  throw new TendrilError({
    code: 'limit-exceeded',
    problem: `${nameOf(place)} was given ${bytes} bytes; a value has at most ${MAX_VALUE_BYTES}.`,
    remedy: 'Keep large content in a file and its address here, or divide it over several entities.',
    facts: { ...place, bytes, limit: MAX_VALUE_BYTES },
  });
}

/** Within the four digits that the stored form has for a year. */
function isWithinYears(date: Date): boolean {
  const time = date.getTime();
  return time >= FIRST_TIME && time <= LAST_TIME;
}

/** Told by its digits: making the Date that it is, and spelling that, costs as much as storing it. */
function isTimestamp(value: string): boolean {
  if (!TIMESTAMP.test(value)) return false;
  const year = twoDigits(value, 0) * 100 + twoDigits(value, 2);
  const [month, day] = [twoDigits(value, 5), twoDigits(value, 8)];
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  const days = month === 2 && isLeap ? 29 : DAYS[month - 1];
  if (days === undefined || day < 1 || day > days) return false;
  return twoDigits(value, 11) < 24 && twoDigits(value, 14) < 60 && twoDigits(value, 17) < 60;
}

function twoDigits(text: string, at: number): number {
  return text.charCodeAt(at) * 10 + text.charCodeAt(at + 1) - 528;
}

function isJson(value: string): boolean {
  try {
    JSON.parse(value);
  } catch {
    return false;
  }
  return depthOf(value) <= MAX_JSON_DEPTH;
}

/** How deep arrays and objects nest in well-formed JSON. */
function depthOf(value: string): number {
  if (value.length <= MAX_JSON_DEPTH) return 0;
  let depth = 0;
  let deepest = 0;
  for (const [token] of value.matchAll(/"(?:[^"\\]|\\.)*"|[[{\]}]/g)) {
    if (token === '[' || token === '{') deepest = Math.max(deepest, ++depth);
    else if (token === ']' || token === '}') depth -= 1;
  }
  return deepest;
}

const TAKES: Readonly<Record<PropertyType, string>> = {
  text: 'a string',
  integer: 'a whole number within ±(2^53-1)',
  bigint: 'a bigint of 64 bits',
  real: 'a number other than NaN',
  boolean: 'true or false',
  timestamp: 'a valid Date of the years 0 to 9999',
  blob: 'a Uint8Array',
  json: `a value that JSON can write, at most ${MAX_JSON_DEPTH} levels deep`,
  ref: 'the id of an entity (a ULID)',
};

function invalid(place: Place, type: PropertyType, value: unknown, cause?: unknown): TendrilError {
  const given = kindOf(value);
  return new TendrilError({
    code: 'invalid-value',
    problem: `${nameOf(place)} takes ${TAKES[type]}, and was given ${given}.`,
    remedy: 'Convert the value before writing it.',
    facts: { ...place, type, given },
    cause,
  });
}

function kindOf(value: unknown): string {
  if (value === undefined) return 'undefined';
  if (typeof value === 'number')
    return Number.isNaN(value) ? 'NaN' : Number.isInteger(value) ? 'a whole number' : 'a fraction';
  if (typeof value === 'object') return `an object (${value?.constructor?.name ?? 'plain'})`;
  return `a ${typeof value}`;
}

function nameOf({ collection, property }: Place): string {
  return collection === null ? `The ${property}` : `${collection}.${property}`;
}
