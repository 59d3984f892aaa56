/** Row key: one entity of one collection, as a key of maps. */
import type { EntityId } from '../storage/index.ts';

export type RowKey = string;

const ULID_LENGTH = 26;

export function rowKey(collection: string, id: EntityId): RowKey {
  return id + collection;
}

export function partsOf(key: RowKey): { readonly collection: string; readonly id: EntityId } {
  return { collection: key.slice(ULID_LENGTH), id: key.slice(0, ULID_LENGTH) as EntityId };
}
