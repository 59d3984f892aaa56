/**
 * Translation between two declarations of one collection: what differs, and how a row of the one is kept by the other.
 *
 * Invariants
 *   - properties that both have are of one type, merge rule and default, and stay as they are;
 *   - what only the first has moves to `extra`, with its winner; what only the second has comes out of `extra`, or reads
 *     as never set; head, deletion and position stay.
 */
import { TendrilError } from '../errors.ts';
import { cellOf, type SqlValue } from '../query/index.ts';
import type { Descriptor } from './descriptor.ts';
import type { EntityId } from './ids.ts';
import { columnTypeOf, type PropertyType } from './property-rule.ts';
import { registersOf, withRegisters } from './registers.ts';
import type { StoredRow } from './rows.ts';

const TYPES: ReadonlySet<string> = new Set<PropertyType>([
  'text',
  'integer',
  'bigint',
  'real',
  'boolean',
  'timestamp',
  'blob',
  'json',
  'ref',
]);

type CanonicalProperty = readonly [name: string, type: string, merge: string, unset: string];

/** The descriptor behind a canonical text. @throws {TendrilError} `protocol-violation` for what is no such text. */
export function descriptorOf(canonical: string): Descriptor {
  const [collection, listed] = readCanonical(canonical);
  const properties = listed.map(([name, type], index) => ({ name, type: plainType(type), column: index + 1 }));
  const columns = properties.map(({ name, type, column }) => {
    return { name, type: columnTypeOf(type), index: column, json: type === 'json', timestamp: type === 'timestamp' };
  });
  return {
    collection,
    table: { name: collection, columns: [{ name: 'id', type: 'text', index: 0, json: false }, ...columns] },
    properties,
    columnOf: new Map(properties.map(({ name, column }) => [name, column])),
    unset: [null, ...listed.map(([, , , unset]) => cellOf(readLiteral(unset)))],
    canonical,
    hash: new Uint8Array(0),
  };
}

/** Why rows cannot be exchanged between two declarations; null if they can. */
export function differenceOf(own: Descriptor, other: Descriptor): string | null {
  const theirs = new Map(readCanonical(other.canonical)[1].map((property) => [property[0], property]));
  for (const [name, ...rest] of readCanonical(own.canonical)[1]) {
    const their = theirs.get(name);
    if (their === undefined) continue;
    const at = rest.findIndex((part, index) => part !== their[index + 1]);
    if (at < 0) continue;
    return `the ${['type', 'merge rule', 'default'][at]} of ${name} is ${their[at + 1]}, not ${rest[at]}`;
  }
  return null;
}

/** A row of `from`, as `to` keeps it. */
export function translateRow(from: Descriptor, to: Descriptor, row: StoredRow): StoredRow {
  const registers = registersOf(from, row);
  return { ...row, ...withRegisters(to, row.values[0] as EntityId, null, registers) };
}

function readCanonical(text: string): readonly [collection: string, properties: readonly CanonicalProperty[]] {
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch {
    throw malformed();
  }
  if (!Array.isArray(read) || read.length !== 2 || typeof read[0] !== 'string' || !Array.isArray(read[1])) {
    throw malformed();
  }
  const isProperty = (part: unknown) =>
    Array.isArray(part) && part.length === 4 && part.every((word) => typeof word === 'string');
  if (!read[1].every(isProperty)) throw malformed();
  return read as unknown as readonly [string, readonly CanonicalProperty[]];
}

/** `ref(airport)` is a ref. */
function plainType(type: string): PropertyType {
  const plain = type.replace(/\(.*$/, '');
  if (!TYPES.has(plain)) throw malformed();
  return plain as PropertyType;
}

/** What `literalOf` spelled. */
function readLiteral(literal: string): SqlValue {
  if (literal === 'NULL') return null;
  if (literal.startsWith("'")) return literal.slice(1, -1).replaceAll("''", "'");
  if (literal.startsWith("x'")) {
    return Uint8Array.from(literal.slice(2, -1).match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
  }
  if (/^-?\d{1,19}$/.test(literal)) return BigInt(literal);
  const real = Number(literal === '9e999' || literal === '-9e999' ? literal.replace('9e999', 'Infinity') : literal);
  if (Number.isNaN(real)) throw malformed();
  return real;
}

function malformed(): TendrilError {
  return new TendrilError({
    code: 'protocol-violation',
    problem: 'A description of a collection is not of the form that every node gives it.',
    remedy: 'Check the version of the peer that sent it.',
  });
}
