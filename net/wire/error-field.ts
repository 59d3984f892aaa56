/**
 * Error field: a TendrilError as it travels: code, problem, remedy and facts, never its stack or cause.
 *
 * Invariants
 *   - any error can be written: sentences that are too long are cut, facts that are no plain values or too large are left
 *     out; written, it fits a greeting's frame;
 *   - what arrives is a TendrilError with a code of this version. A code it does not know comes from a newer node: it
 *     arrives as `protocol-mismatch`, the sentences as they were, its own code in `facts.code`.
 */
import { type ErrorCode, type Facts, TendrilError } from '../../errors.ts';
import { type Field, type Fields, structField, textField, wellFormed } from './field.ts';
import { WireProblem } from './wire-reader.ts';

/** UTF-8 bytes of a code. */
const MAX_CODE_BYTES = 64;
/** UTF-8 bytes of a problem, and of a remedy. */
export const MAX_SENTENCE_BYTES = 4 * 1_024;
/** UTF-8 bytes of all facts of an error, as JSON. */
export const MAX_FACTS_BYTES = 4 * 1_024;
/** Lists and objects inside each other in the facts. */
const MAX_FACTS_DEPTH = 8;

const ELLIPSIS = '…';
const CODE = /^[a-z]+(?:-[a-z]+)*$/;

/** Each of them, so that a code that is added is added here. */
const CODES: Readonly<Record<ErrorCode, true>> = {
  'query-syntax': true,
  'query-unsupported': true,
  'unknown-property': true,
  'unknown-collection': true,
  'invalid-parameter': true,
  'invalid-value': true,
  'invalid-schema': true,
  'invalid-option': true,
  'invalid-operation': true,
  'identity-clash': true,
  'schema-mismatch': true,
  'not-found': true,
  conflict: true,
  closed: true,
  'limit-exceeded': true,
  'history-unavailable': true,
  'not-covered': true,
  offline: true,
  'outcome-unknown': true,
  'system-mismatch': true,
  'clock-drift': true,
  'policy-denied': true,
  'protocol-mismatch': true,
  'protocol-violation': true,
  'storage-failed': true,
  'storage-busy': true,
  'storage-damaged': true,
  'storage-foreign': true,
  'storage-newer': true,
  'storage-unsupported': true,
};

interface WireError {
  readonly code: string;
  readonly problem: string;
  readonly remedy: string;
  /** JSON of an object. */
  readonly facts: string;
}

const FIELDS: Fields<WireError> = {
  code: textField(MAX_CODE_BYTES),
  problem: textField(MAX_SENTENCE_BYTES),
  remedy: textField(MAX_SENTENCE_BYTES),
  facts: textField(MAX_FACTS_BYTES),
};

const wireField = structField(FIELDS);

export const errorField: Field<TendrilError> = {
  write: ({ code, problem, remedy, facts }) =>
    wireField.write({ code, problem: cut(problem), remedy: cut(remedy), facts: factsText(facts) }),
  read: (reader) => {
    const { code, problem, remedy, facts: text } = wireField.read(reader);
    if (!CODE.test(code)) throw placed('code', 'is no code: words in lower case, with a hyphen between them');
    const facts = readFacts(text);
    if (isKnown(code)) return new TendrilError({ code, problem, remedy, facts });
    return new TendrilError({ code: 'protocol-mismatch', problem, remedy, facts: { ...facts, code } });
  },
};

function isKnown(code: string): code is ErrorCode {
  return Object.hasOwn(CODES, code);
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function cut(sentence: string): string {
  const bytes = encoder.encode(sentence);
  if (bytes.length <= MAX_SENTENCE_BYTES) return sentence;
  // A character that was cut in two becomes one or more U+FFFD, which are taken off; so would be any that stood there.
  const kept = decoder.decode(bytes.subarray(0, MAX_SENTENCE_BYTES - encoder.encode(ELLIPSIS).length));
  return `${kept.replace(/\uFFFD+$/, '')}${ELLIPSIS}`;
}

/** Each fact that is plain and still fits, in their order. */
function factsText(facts: Facts): string {
  const texts: string[] = [];
  let bytes = '{}'.length;
  for (const [name, fact] of Object.entries(facts)) {
    const plain = plainFact(fact, 1);
    if (plain === undefined || name === '__proto__') continue;
    const text = `${JSON.stringify(wellFormed(name))}:${JSON.stringify(plain)}`;
    const more = encoder.encode(text).length + (texts.length > 0 ? ','.length : 0);
    if (bytes + more > MAX_FACTS_BYTES) continue;
    texts.push(text);
    bytes += more;
  }
  return `{${texts.join(',')}}`;
}

/** What JSON gives back as it was; a bigint as text, a Date as it prints. Undefined for anything else. */
function plainFact(fact: unknown, depth: number): unknown {
  switch (typeof fact) {
    case 'string':
      return wellFormed(fact);
    case 'boolean':
      return fact;
    case 'number':
      return Number.isFinite(fact) ? fact : undefined;
    case 'bigint':
      return String(fact);
    case 'object':
      return plainObject(fact, depth);
    case 'undefined':
    case 'function':
    case 'symbol':
      return undefined;
  }
}

function plainObject(fact: object | null, depth: number): unknown {
  if (fact === null) return null;
  if (depth >= MAX_FACTS_DEPTH) return undefined;
  if (Array.isArray(fact)) {
    const elements = fact.map((element) => plainFact(element, depth + 1));
    return elements.includes(undefined) ? undefined : elements;
  }
  if (fact instanceof Date) return Number.isNaN(fact.getTime()) ? undefined : fact.toISOString();
  const prototype = Object.getPrototypeOf(fact);
  if (prototype !== Object.prototype && prototype !== null) return undefined;
  const entries = Object.entries(fact).map(([name, value]) => [wellFormed(name), plainFact(value, depth + 1)] as const);
  const isPlain = entries.every(([name, value]) => value !== undefined && name !== '__proto__');
  return isPlain ? Object.fromEntries(entries) : undefined;
}

function readFacts(text: string): Facts {
  let facts: unknown;
  try {
    facts = JSON.parse(text);
  } catch {
    throw placed('facts', 'is not JSON');
  }
  if (typeof facts !== 'object' || facts === null || Array.isArray(facts)) {
    throw placed('facts', 'is JSON of something else than an object');
  }
  checkFacts(facts, 1);
  return facts as Facts;
}

function checkFacts(facts: object, depth: number): void {
  if (depth > MAX_FACTS_DEPTH) throw placed('facts', `nests deeper than ${MAX_FACTS_DEPTH}`);
  // JSON.parse makes it a property of its own; a later assignment to another object would not.
  if (Object.hasOwn(facts, '__proto__')) throw placed('facts', 'has a fact named __proto__');
  for (const [name, fact] of Object.entries(facts)) {
    if (wellFormed(name) !== name || (typeof fact === 'string' && wellFormed(fact) !== fact)) {
      throw placed('facts', 'has text with a lone surrogate');
    }
    if (typeof fact === 'object' && fact !== null) checkFacts(fact, depth + 1);
  }
}

function placed(place: string, problem: string): WireProblem {
  const error = new WireProblem(problem);
  error.path.push(place);
  return error;
}
