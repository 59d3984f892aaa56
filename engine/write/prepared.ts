/** Prepared operations: how they are made, and how those of one transaction go together. */
import {
  digestOf,
  type EntityId,
  encodeOperation,
  MAX_PRECURSORS,
  type Operation,
  type OperationId,
  SALT_BYTES,
  type TransactionId,
} from '../../storage/index.ts';
import type { Core, Prepared } from '../core.ts';
import { type RowKey, rowKey } from '../row-key.ts';

type Making = Pick<Core, 'mint' | 'author' | 'random'>;

/** Whose operations are made, and as part of what. */
export interface Subject {
  readonly transaction: TransactionId;
  readonly collection: string;
  readonly entity: EntityId;
}

export function prepared(operation: Operation): Prepared {
  const bytes = encodeOperation(operation);
  return { operation, bytes, digest: digestOf(bytes) };
}

/** A new operation of this node's author, its id above those of its precursors. */
export function makeOperation(
  { mint, author, random }: Making,
  { transaction, collection, entity }: Subject,
  precursors: readonly OperationId[],
  edits: Operation['edits'],
): Prepared {
  for (const precursor of precursors) mint.observe(precursor);
  const id = mint.next() as OperationId;
  return prepared({ id, transaction, collection, entity, precursors, edits, author, salt: random.bytes(SALT_BYTES) });
}

/** Operations without edits, eight tips to one, until at most MAX_PRECURSORS are left; and what is left. `head`: sorted. */
export function narrow(
  making: Making,
  subject: Subject,
  head: readonly OperationId[],
): { readonly added: readonly Prepared[]; readonly head: readonly OperationId[] } {
  const added: Prepared[] = [];
  let left = head;
  while (left.length > MAX_PRECURSORS) {
    const merging = makeOperation(making, subject, left.slice(0, MAX_PRECURSORS), []);
    added.push(merging);
    // The new id is the greatest: the head stays sorted.
    left = [...left.slice(MAX_PRECURSORS), merging.operation.id];
  }
  return { added, head: left };
}

/** How many operations `narrow` adds for a head of so many tips: each takes eight and leaves one. */
export function narrowingCount(tips: number): number {
  return Math.max(0, Math.ceil((tips - MAX_PRECURSORS) / (MAX_PRECURSORS - 1)));
}

export function rowKeyOf({ operation: { collection, entity } }: Prepared): RowKey {
  return rowKey(collection, entity);
}

/** Entity by entity, in the order in which each is first met, each with its operations in theirs. */
export function byEntity(operations: readonly Prepared[]): Iterable<readonly Prepared[]> {
  if (operations.length === 1) return [operations];
  const groups = new Map<RowKey, Prepared[]>();
  for (const each of operations) {
    const key = rowKeyOf(each);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [each]);
    else group.push(each);
  }
  return groups.values();
}

/** Bytes of all. */
export function sizeOf(operations: readonly Prepared[]): number {
  return operations.reduce((sum, { bytes }) => sum + bytes.length, 0);
}

/** Bytes of operations that are not read. */
export function sizeOfPieces(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, { length }) => sum + length, 0);
}
