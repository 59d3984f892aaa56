/** What must hold of an operation that another node made, beyond what its bytes already prove. */
import { TendrilError } from '../../errors.ts';
import { type EntityId, fitsType, type Operation, type OperationId } from '../../storage/index.ts';
import { type Catalog, type CatalogEntry, collectionNotHere } from '../catalog.ts';

/**
 * Only what every node with the same descriptor refuses: required properties and enumerations are the author's affair.
 *
 * @throws {TendrilError} `unknown-collection`, `schema-mismatch`.
 */
export function checkContent(catalog: Catalog, operation: Operation): void {
  const entry = catalog.named(operation.collection);
  if (entry === null) throw collectionNotHere(operation.collection);
  for (const edit of operation.edits) {
    if (edit.kind === 'set') checkType(entry, operation.id, edit.property, edit.value);
  }
}

/** @throws {TendrilError} `invalid-operation` if the precursor is of another entity. */
export function checkPrecursor(
  operation: Operation,
  precursor: OperationId,
  found: { readonly collection: string; readonly entity: EntityId },
): void {
  const { id, collection, entity } = operation;
  if (found.entity === entity && found.collection === collection) return;
  throw new TendrilError({
    code: 'invalid-operation',
    problem: `Operation ${id} of ${collection} ${entity} names ${precursor} as a precursor, which is of ${found.collection} ${found.entity}.`,
    remedy: 'Look at the node it came from: operations are built on operations of the same entity only.',
    facts: { id, collection, entity, precursor },
  });
}

export function identityClash({ id, collection, entity }: Operation): TendrilError {
  return new TendrilError({
    code: 'identity-clash',
    problem: `Operation ${id} came with another content than the operation of that id that is known here.`,
    remedy:
      'One of the two was altered, or two nodes share one identity (a copied file): give the copy a file of its own.',
    facts: { id, collection, entity },
  });
}

function checkType(
  entry: CatalogEntry,
  id: OperationId,
  property: string,
  value: Parameters<typeof fitsType>[1],
): void {
  const column = entry.descriptor.columnOf.get(property);
  if (column === undefined) return;
  const { type } = entry.properties[column - 1]!.rule;
  if (fitsType(type, value)) return;
  const collection = entry.collection.name;
  throw new TendrilError({
    code: 'schema-mismatch',
    problem: `Operation ${id} sets ${collection}.${property} to a value that is no ${type}.`,
    remedy: 'The node that made it declares the property with another type: make the two declarations equal.',
    facts: { id, collection, property, type },
  });
}
