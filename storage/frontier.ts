/**
 * Frontier: ids above which a log holds nothing, so that most of what is new is known to be so without looking for it.
 *
 * Invariant: no operation of the log has a greater id, and none is of an entity of a greater one. A rollback leaves the
 * frontier where it is: one that is too high only makes somebody look.
 */
import type { SqliteDriver } from './driver.ts';
import { type EntityId, type OperationId, readId } from './ids.ts';

export interface Frontier {
  /** Certainly none of the log's. */
  readonly isBeyond: (operation: OperationId) => boolean;
  /** Certainly none that the log has operations of. */
  readonly isNewEntity: (entity: EntityId) => boolean;
  /** These are in the log from now on. */
  readonly note: (operations: Iterable<{ readonly id: OperationId; readonly entity: EntityId }>) => void;
}

const GREATEST = 'SELECT (SELECT max(id) FROM tendril_identity), (SELECT max(entity) FROM tendril_identity)';

export function createFrontier(driver: Pick<SqliteDriver, 'get'>): Frontier {
  /** Read when it is first asked for: an opening that only reads needs none. */
  let greatest: { operation: string; entity: string } | null = null;
  const known = () => {
    if (greatest !== null) return greatest;
    const [operation, entity] = driver.get(GREATEST)!.map((id) => (id === null ? '' : readId(id as Uint8Array, 0)));
    greatest = { operation: operation!, entity: entity! };
    return greatest;
  };
  return {
    isBeyond: (operation) => operation > known().operation,
    isNewEntity: (entity) => entity > known().entity,
    note: (operations) => {
      if (greatest === null) return;
      for (const { id, entity } of operations) {
        if (id > greatest.operation) greatest.operation = id;
        if (entity > greatest.entity) greatest.entity = entity;
      }
    },
  };
}
