/**
 * Applying an upload: a sound transaction of a follower becomes one of this log.
 *
 * Invariant: a head that it would leave with more than MAX_PRECURSORS tips is narrowed in the same transaction, by
 * operations of this node without edits, eight tips to one: whoever builds on the row next can name all of it.
 */
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
import type { Commit } from '../change.ts';
import type { Core, Prepared } from '../core.ts';

/** - `fresh`: at least one, ascending by id. */
export function applyUpload(core: Core, transaction: TransactionId, fresh: readonly Prepared[]): Commit {
  // First of all: what is minted here must be above it.
  core.mint.observe(fresh.at(-1)!.operation.id);
  const application = core.application(transaction);
  for (const operations of byEntity(fresh)) {
    const { collection, entity } = operations[0]!.operation;
    const before = core.rows.read(collection, entity);
    const added = narrowing(core, transaction, operations, before?.head ?? []);
    application.touch(core.catalog.named(collection)!, entity, before, before, [...operations, ...added]);
  }
  return application.end()!;
}

function byEntity(fresh: readonly Prepared[]): Iterable<readonly Prepared[]> {
  const groups = new Map<string, Prepared[]>();
  for (const prepared of fresh) {
    const key = `${prepared.operation.entity}${prepared.operation.collection}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [prepared]);
    else group.push(prepared);
  }
  return groups.values();
}

function narrowing(
  core: Core,
  transaction: TransactionId,
  operations: readonly Prepared[],
  before: readonly OperationId[],
): readonly Prepared[] {
  const tips = new Set(before);
  for (const { operation } of operations) {
    for (const precursor of operation.precursors) tips.delete(precursor);
    tips.add(operation.id);
  }
  let head = [...tips].sort();
  const added: Prepared[] = [];
  const { collection, entity } = operations[0]!.operation;
  while (head.length > MAX_PRECURSORS) {
    const made = merging(core, transaction, collection, entity, head.slice(0, MAX_PRECURSORS));
    added.push(made);
    // The new id is the greatest: the head stays sorted.
    head = [...head.slice(MAX_PRECURSORS), made.operation.id];
  }
  return added;
}

function merging(
  { mint, author, random }: Core,
  transaction: TransactionId,
  collection: string,
  entity: EntityId,
  precursors: readonly OperationId[],
): Prepared {
  const id = mint.next() as OperationId;
  const operation: Operation = {
    id,
    transaction,
    collection,
    entity,
    precursors,
    edits: [],
    author,
    salt: random.bytes(SALT_BYTES),
  };
  const bytes = encodeOperation(operation);
  return { operation, bytes, digest: digestOf(bytes) };
}
