/**
 * Applying an upload: a sound transaction of a follower becomes one of this log.
 *
 * Invariant: a head that it would leave with more than MAX_PRECURSORS tips is narrowed in the same transaction, by
 * operations of this node without edits, eight tips to one: whoever builds on the row next can name all of it. Past
 * MAX_NARROWING_OPERATIONS of them heads stay as they are, so that a transaction of the log fits into one message: a later
 * transaction narrows them.
 */
import { MAX_NARROWING_OPERATIONS, type OperationId, type TransactionId } from '../../../storage/index.ts';
import type { Commit } from '../../change.ts';
import type { Core, Prepared } from '../../core.ts';
import { byEntity, narrow, narrowingCount } from '../../write/prepared.ts';

/** - `fresh`: at least one, ascending by id. - `most`: operations that narrow heads. */
export function applyUpload(
  core: Core,
  transaction: TransactionId,
  fresh: readonly Prepared[],
  most = MAX_NARROWING_OPERATIONS,
): Commit {
  // First of all: what is minted here must be above it.
  core.mint.observe(fresh.at(-1)!.operation.id);
  const application = core.application(transaction);
  let room = most;
  for (const operations of byEntity(fresh)) {
    const { collection, entity } = operations[0]!.operation;
    const before = core.rows.read(collection, entity);
    const head = headAfter(operations, before?.head ?? []);
    const isNarrowed = narrowingCount(head.length) <= room;
    const added = isNarrowed ? narrow(core, { transaction, collection, entity }, head).added : [];
    room -= added.length;
    application.touch(core.catalog.named(collection)!, entity, before, before, [...operations, ...added]);
  }
  return application.end()!;
}

function headAfter(operations: readonly Prepared[], before: readonly OperationId[]): readonly OperationId[] {
  const tips = new Set(before);
  for (const { operation } of operations) {
    for (const precursor of operation.precursors) tips.delete(precursor);
    tips.add(operation.id);
  }
  return [...tips].sort();
}
