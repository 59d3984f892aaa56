/**
 * Settle: a transaction becomes final at a position: one written here, or one of a follower of this node.
 *
 * Invariant: its operations are merged into the authority's rows here as the authority merged them; of rows that are not
 * here, and were not made by it, nothing is known until they come whole.
 */
import type { Position, TransactionId } from '../../../storage/index.ts';
import type { Prepared } from '../../core.ts';
import { byEntity } from '../../write/prepared.ts';
import type { Confirming } from '../confirming/confirming.ts';
import type { HeldIds } from '../following/held-ids.ts';
import type { Outbox } from '../outbox/outbox.ts';
import type { OverlayStep } from '../overlay/overlay-step.ts';
import type { Served } from '../served.ts';
import type { Collections } from '../session/collections.ts';

export interface SettleParts {
  readonly outbox: Outbox;
  readonly confirming: Confirming;
  readonly collections: Collections;
  readonly heldIds: HeldIds;
  /** Null while nobody follows this node. */
  readonly served: () => Served | null;
}

/** Inside a group. Returns its operations: none where nobody here knows the transaction. */
export function settle(
  { outbox, confirming, collections, heldIds, served }: SettleParts,
  step: OverlayStep,
  transaction: TransactionId,
  position: Position,
): readonly Prepared[] {
  const pending = outbox.get(transaction);
  const settled = pending?.operations ?? served()?.forwarded(transaction) ?? [];
  if (pending !== undefined) outbox.remove(pending);
  for (const operations of byEntity(settled)) {
    const { collection, entity } = operations[0]!.operation;
    const entry = collections.entryOf(collection);
    confirming.settle(step, entry, entity, operations, position);
    // What a follower wrote does not show here yet.
    if (pending === undefined) step.touch(entry, entity);
    if (collections.refusalOf(collection) === null) heldIds.settled(collection, entity);
  }
  return settled;
}
