/**
 * Descriptor: what of a collection must be equal on two nodes for their rows to be: its name, its properties, their
 * types, merge rules and defaults. Not its indexes, the order of its properties, or what only a local write checks.
 */
import { cellOf, compareText, type RawRow, type SqlValue, type Table } from '../query/index.ts';
import type { Collection } from './collection.ts';
import type { PropertyRule, PropertyType } from './property-rule.ts';
import { sha256 } from './sha256.ts';

export interface DescribedProperty {
  readonly name: string;
  readonly type: PropertyType;
  /** Where a `RawRow` holds it. */
  readonly column: number;
}

export interface Descriptor {
  readonly collection: string;
  readonly table: Table;
  /** In the order of their names' UTF-8 bytes. */
  readonly properties: readonly DescribedProperty[];
  readonly columnOf: ReadonlyMap<string, number>;
  /** What each column reads while its property was never set; the id's stands unused. */
  readonly unset: RawRow;
  /** One text for equal descriptors, and for no other. */
  readonly canonical: string;
  /** The first 16 bytes of the SHA-256 of `canonical`. */
  readonly hash: Uint8Array;
}

export function describeCollection(collection: Collection): Descriptor {
  const declared = Object.entries(collection.properties);
  const properties = declared
    .map(([name, { type }], index) => ({ name, type, column: index + 1 }))
    .sort((left, right) => compareText(left.name, right.name));
  const canonical = JSON.stringify([
    collection.name,
    properties.map(({ name }) => canonicalProperty(name, collection.properties[name]!)),
  ]);
  return Object.freeze({
    collection: collection.name,
    table: collection.table,
    properties,
    columnOf: new Map(declared.map(([name], index) => [name, index + 1])),
    unset: [null, ...declared.map(([, rule]) => cellOf(rule.unset))],
    canonical,
    // Asked for by peers alone, which an opening need not wait for.
    get hash() {
      return sha256(new TextEncoder().encode(canonical), 16);
    },
  });
}

/** A value as SQL spells it. A real always shows that it is one. */
export function literalOf(value: SqlValue): string {
  if (value === null) return 'NULL';
  if (typeof value === 'string') return `'${value.replaceAll("'", "''")}'`;
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) return value > 0 ? '9e999' : '-9e999';
    const digits = String(value);
    return /^-?\d+$/.test(digits) ? `${digits}.0` : digits;
  }
  return `x'${Array.from(value, (byte) => byte.toString(16).padStart(2, '0')).join('')}'`;
}

/** The merge rule of every type there is so far: the greatest operation id wins. */
const REGISTER = 'register';

function canonicalProperty(name: string, { type, target, unset }: PropertyRule): readonly string[] {
  return [name, target === null ? type : `${type}(${target})`, REGISTER, literalOf(unset)];
}
