/**
 * Fold: what a list of operations makes of entities, as stupidly as it can be said: of each entity all operations in the
 * order of their ids (which respects cause), the later edit over the earlier.
 */
import type { SqlValue } from '../../query/index.ts';
import type { Operation } from '../../storage/index.ts';

/** One entity. */
export interface Folded {
  readonly collection: string;
  readonly id: string;
  readonly operations: Operation[];
}

/** Null where there is none: it was deleted, or nothing is known of it. */
export type FoldedValues = ReadonlyMap<string, SqlValue> | null;

export class Fold {
  readonly #entities = new Map<string, Folded>();

  /** The entity that the operation is of, after it. */
  add(operation: Operation): Folded {
    const { collection, entity } = operation;
    const key = `${collection} ${entity}`;
    const folded = this.#entities.get(key) ?? { collection, id: entity, operations: [] };
    this.#entities.set(key, folded);
    insert(folded.operations, operation);
    return folded;
  }

  /** The entity that the operations are of, as it would be with them too; `isKnown`: there are others of it. */
  with(own: readonly Operation[]): { readonly folded: Folded; readonly isKnown: boolean } {
    const { collection, entity } = own[0]!;
    const known = this.#entities.get(`${collection} ${entity}`);
    const operations = [...(known?.operations ?? [])];
    for (const operation of own) insert(operations, operation);
    return { folded: { collection, id: entity, operations }, isKnown: known !== undefined };
  }
}

function insert(operations: Operation[], operation: Operation): void {
  let at = operations.length;
  while (at > 0 && operations[at - 1]!.id > operation.id) at -= 1;
  operations.splice(at, 0, operation);
}

/** The entity's properties, by name. */
export function valuesOf({ operations }: Folded): FoldedValues {
  const values = new Map<string, SqlValue>();
  let isThere = false;
  for (const { edits } of operations) {
    for (const edit of edits) {
      switch (edit.kind) {
        case 'create':
        case 'restore':
          isThere = true;
          break;
        case 'delete':
          isThere = false;
          break;
        case 'set':
          values.set(edit.property, edit.value);
          break;
        case 'unknown':
          break;
      }
    }
  }
  return isThere ? values : null;
}
