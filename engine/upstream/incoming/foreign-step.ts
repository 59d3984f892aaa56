/** Foreign step: how what other sessions of the same actor have pending comes to show here, and goes. Inside a group. */
import type { TransactionId } from '../../../storage/index.ts';
import type { Core, Prepared } from '../../core.ts';
import type { SaidOf } from '../../stream.ts';
import type { Outbox } from '../outbox/outbox.ts';
import { type ForeignPending, foreignOperations } from '../overlay/foreign-pending.ts';
import type { Overlay } from '../overlay/overlay.ts';
import { OverlayStep } from '../overlay/overlay-step.ts';
import type { Collections } from '../session/collections.ts';

export interface ForeignParts {
  readonly core: Pick<Core, 'catalog'>;
  readonly overlay: Overlay;
  readonly outbox: Pick<Outbox, 'get'>;
  readonly collections: Pick<Collections, 'refusalOf'>;
  readonly foreign: ForeignPending;
}

/** @throws {TendrilError} `invalid-operation` for bytes that are none. */
export function takeForeign(parts: ForeignParts, said: SaidOf<'pending' | 'withdrawn'>): OverlayStep {
  const step = new OverlayStep(parts.overlay);
  withdraw(parts, step, said.transaction);
  if (said.kind === 'withdrawn') return step;
  const { outbox, collections, core, foreign } = parts;
  // Its own, of a session before, shows already.
  if (outbox.get(said.transaction) !== undefined) return step;
  const operations = foreignOperations(said.operations).filter(({ operation: { collection } }) => {
    return core.catalog.named(collection) !== null && collections.refusalOf(collection) === null;
  });
  if (foreign.add(said.transaction, operations)) touch(parts, step, operations);
  return step;
}

/** The session has ended. */
export function dropForeign(parts: ForeignParts): OverlayStep {
  const step = new OverlayStep(parts.overlay);
  for (const transaction of parts.foreign.transactions()) withdraw(parts, step, transaction);
  return step;
}

function withdraw(parts: ForeignParts, step: OverlayStep, transaction: TransactionId): void {
  touch(parts, step, parts.foreign.remove(transaction));
}

function touch({ core }: ForeignParts, step: OverlayStep, operations: readonly Prepared[]): void {
  for (const { operation } of operations) step.touch(core.catalog.named(operation.collection)!, operation.entity);
}
