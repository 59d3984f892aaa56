/**
 * Assignments: what a program says of a row's properties, checked and spelled for storage, by column.
 *
 * Nothing is dropped in silence: a name that is no property, and `undefined`, are errors.
 */
import { TendrilError } from '../../errors.ts';
import type { SqlValue } from '../../query/index.ts';
import { encodeValue } from '../../storage/index.ts';
import type { CatalogEntry, CatalogProperty } from '../catalog.ts';

/** By column; undefined where nothing is said. The id's place is never used. */
export type Assignments = (SqlValue | undefined)[];

/**
 * All that a creation says: defaults included, omitted optional properties not.
 *
 * @throws {TendrilError} `invalid-value` for a bad or missing value, `unknown-property`, `limit-exceeded`.
 */
export function insertAssignments(entry: CatalogEntry, values: object): Assignments {
  const given = objectOf(entry, values);
  const assignments: Assignments = [undefined];
  let named = 0;
  for (const property of entry.properties) {
    const { name, rule, place } = property;
    // Its own only: every object has a `constructor`.
    if (Object.hasOwn(given, name)) {
      named += 1;
      assignments.push(encodeValue(place, rule, given[name]));
    } else assignments.push(unsaid(property));
  }
  refuseOthers(entry, given, named);
  return assignments;
}

/** @throws {TendrilError} as `insertAssignments`. */
export function updateAssignments(entry: CatalogEntry, values: object): Assignments {
  const given = objectOf(entry, values);
  const assignments: Assignments = [undefined];
  let named = 0;
  for (const { name, rule, place } of entry.properties) {
    const isNamed = Object.hasOwn(given, name);
    if (isNamed) named += 1;
    assignments.push(isNamed ? encodeValue(place, rule, given[name]) : undefined);
  }
  refuseOthers(entry, given, named);
  return assignments;
}

/** What a creation says of a property it does not name. @throws {TendrilError} `invalid-value` if it must name it. */
export function unsaid({ rule, place }: CatalogProperty): SqlValue | undefined {
  if (rule.presence === 'defaulted') return rule.unset;
  if (rule.presence === 'optional') return undefined;
  throw new TendrilError({
    code: 'invalid-value',
    problem: `${place.collection}.${place.property} is required and was not given.`,
    remedy: 'Give it a value, or declare it .optional() or .default(...).',
    facts: place,
  });
}

function objectOf(entry: CatalogEntry, values: object): Readonly<Record<string, unknown>> {
  if (typeof values === 'object' && values !== null) return values as Readonly<Record<string, unknown>>;
  throw new TendrilError({
    code: 'invalid-value',
    problem: `A row of ${entry.collection.name} was given as ${values === null ? 'null' : typeof values}.`,
    remedy: 'Give a plain object with one key for each property.',
    facts: { collection: entry.collection.name },
  });
}

/** `named` keys of `given` are properties: those are all its keys, or one of the others is refused. */
function refuseOthers(entry: CatalogEntry, given: object, named: number): void {
  let keys = 0;
  for (const _ in given) keys += 1;
  if (keys === named) return;
  for (const key in given) {
    if (!entry.descriptor.columnOf.has(key) || !Object.hasOwn(given, key)) throw unknownProperty(entry, key);
  }
}

function unknownProperty(entry: CatalogEntry, property: string): TendrilError {
  const collection = entry.collection.name;
  const isId = property === 'id';
  return new TendrilError({
    code: 'unknown-property',
    problem: isId ? `An id is not a property of ${collection}.` : `${collection} has no property ${property}.`,
    remedy: isId
      ? 'Pass it on its own: create(collection, values, { id }), update(collection, id, values).'
      : `Its properties are ${entry.properties.map(({ name }) => name).join(', ')}.`,
    facts: { collection, property },
  });
}
