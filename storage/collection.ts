/**
 * Collections as a user declares them: `collection('flight', { origin: text(), delay: integer().optional() })`.
 *
 * Invariants
 *   - a definition is plain data, checked when it is made: a name that SQL or Tendril needs is refused there;
 *   - the types `RowOf`, `InsertOf` and `UpdateOf` say what the runtime checks.
 */
import { TendrilError } from '../errors.ts';
import { type Column, foldAscii, type Table } from '../query/index.ts';
import type { Property, RequiredProperty, ValueOf } from './property.ts';
import { columnTypeOf } from './property-rule.ts';

/** Of one collection. */
export const MAX_PROPERTIES = 500;
/** Characters of a collection's or a property's name. */
const MAX_NAME_LENGTH = 64;

export type Properties = Readonly<Record<string, Property>>;

export interface Collection<Defined extends Properties = Properties> {
  readonly name: string;
  readonly properties: Defined;
  /** Each a list of property names, the most significant first. */
  readonly indexes: readonly (readonly string[])[];
  /** What the query layer knows of it: the id, then the properties in declared order. */
  readonly table: Table;
}

/** One row as a program reads it. */
export type RowOf<C extends Collection> = RowShape<C['properties']>;
/** What `create` takes: optional and defaulted properties may be left out. */
export type InsertOf<C extends Collection> = Flat<InsertShape<C['properties']>>;
/** What `update` takes: any of the properties. */
export type UpdateOf<C extends Collection> = UpdateShape<C['properties']>;

type RowShape<Defined extends Properties> = {
  readonly [Key in 'id' | (keyof Defined & string)]: Key extends keyof Defined ? ValueOf<Defined[Key]> : string;
};
type UpdateShape<Defined extends Properties> = { readonly [Key in keyof Defined]?: ValueOf<Defined[Key]> };
// Keys mapped with `as` keep the order of the declaration; picked ones would be sorted.
type InsertShape<Defined extends Properties> = {
  readonly [Key in keyof Defined as IsRequired<Defined[Key]> extends true ? Key : never]: ValueOf<Defined[Key]>;
} & {
  readonly [Key in keyof Defined as IsRequired<Defined[Key]> extends true ? never : Key]?: ValueOf<Defined[Key]>;
};
type IsRequired<P extends Property> = P extends RequiredProperty<unknown> ? true : false;
type Flat<Shape> = { [Key in keyof Shape]: Shape[Key] };

/**
 * Declares a collection. Its rows have an `id` (a ULID) and the properties given.
 *
 * - `indexes`: each a list of property names; they serve queries and may change freely between openings.
 *
 * @throws {TendrilError} `invalid-schema` for a name that is reserved, repeated under ASCII case folding or no
 *   identifier, and for an index on what is no property.
 */
export function collection<const Defined extends Properties>(
  name: string,
  properties: Defined,
  options: { readonly indexes?: readonly (readonly (keyof Defined & string)[])[] } = {},
): Collection<Defined> {
  checkName('collection', name);
  const names = Object.keys(properties);
  for (const property of names) checkName('property', property, name);
  checkDistinct(name, ['id', ...names]);
  const indexes = (options.indexes ?? []).map((index) => Object.freeze([...index]));
  checkIndexes(name, properties, indexes);
  return Object.freeze({
    name,
    properties: Object.freeze({ ...properties }),
    indexes: Object.freeze(indexes),
    table: tableOf(name, properties),
  });
}

/** A collection of the engine's own, which no node is told of: its name is one that no program can give. */
export function localCollection<const Defined extends Properties>(
  name: `tendril_${string}`,
  properties: Defined,
): Collection<Defined> {
  return Object.freeze({ name, properties: Object.freeze(properties), indexes: [], table: tableOf(name, properties) });
}

function tableOf(name: string, properties: Properties): Table {
  const columns: Column[] = [{ name: 'id', type: 'text', index: 0, json: false }];
  for (const [property, { type }] of Object.entries(properties)) {
    const [json, timestamp] = [type === 'json', type === 'timestamp'];
    columns.push({ name: property, type: columnTypeOf(type), index: columns.length, json, timestamp });
  }
  return Object.freeze({ name, columns: Object.freeze(columns.map((column) => Object.freeze(column))) });
}

const IDENTIFIER = /^\p{L}[\p{L}\p{N}_]*$/u;
const RESERVED_PROPERTIES = new Set(['id', 'true', 'false']);

function checkName(what: 'collection' | 'property', name: string, of?: string): void {
  const folded = foldAscii(name);
  const reason =
    folded.startsWith('_') || folded.startsWith('sqlite_') || folded.startsWith('tendril')
      ? 'starts with _, sqlite_ or tendril, which are reserved'
      : RESERVED_PROPERTIES.has(folded)
        ? 'is reserved'
        : name.length > MAX_NAME_LENGTH
          ? `has more than ${MAX_NAME_LENGTH} characters`
          : !IDENTIFIER.test(name)
            ? 'is not an identifier (a letter, then letters, digits and _)'
            : null;
  if (reason === null) return;
  const shown = JSON.stringify(name.slice(0, MAX_NAME_LENGTH));
  throw new TendrilError({
    code: 'invalid-schema',
    problem: `The ${what} name ${shown}${of === undefined ? '' : ` of ${of}`} ${reason}.`,
    remedy: 'Choose another name.',
    facts: { name, ...(of === undefined ? {} : { collection: of }) },
  });
}

/** @throws {TendrilError} `invalid-schema` where two names are one to SQLite. */
function checkDistinct(collectionName: string, names: readonly string[]): void {
  if (names.length - 1 > MAX_PROPERTIES) {
    throw new TendrilError({
      code: 'invalid-schema',
      problem: `${collectionName} has ${names.length - 1} properties; at most ${MAX_PROPERTIES} are possible.`,
      remedy: 'Keep rarely used ones in a json() property, or divide the collection.',
      facts: { collection: collectionName, limit: MAX_PROPERTIES },
    });
  }
  const seen = new Map<string, string>();
  for (const name of names) {
    const other = seen.get(foldAscii(name));
    if (other !== undefined) {
      throw new TendrilError({
        code: 'invalid-schema',
        problem: `${collectionName} has the properties ${other} and ${name}, which are one name in SQL.`,
        remedy: 'Names must differ in more than the case of ASCII letters.',
        facts: { collection: collectionName, names: [other, name] },
      });
    }
    seen.set(foldAscii(name), name);
  }
}

function checkIndexes(name: string, properties: Properties, indexes: readonly (readonly string[])[]): void {
  const seen = new Set<string>();
  for (const index of indexes) {
    const unknown = index.find((property) => !Object.hasOwn(properties, property));
    const reason =
      unknown !== undefined
        ? `names ${unknown}, which is not a property`
        : index.length === 0
          ? 'names no property'
          : new Set(index).size !== index.length
            ? 'names a property twice'
            : seen.has(index.join())
              ? 'is declared twice'
              : null;
    seen.add(index.join());
    if (reason === null) continue;
    throw new TendrilError({
      code: 'invalid-schema',
      problem: `The index [${index.join(', ')}] of ${name} ${reason}.`,
      remedy: 'An index is a list of different properties of its collection, each list once.',
      facts: { collection: name, index },
    });
  }
}
