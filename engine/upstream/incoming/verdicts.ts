/**
 * Verdicts: what the authority says of transactions made here that it did not take, on its way into the outbox and the rows.
 *
 * Invariants
 *   - what is taken back, with what stood on it, goes onto the shelf in the same group; the rest is made anew and offered
 *     again after the COMMIT;
 *   - a verdict on an earlier attempt says nothing of the present one.
 */
import { TendrilError } from '../../../errors.ts';
import type { Operation, TransactionId } from '../../../storage/index.ts';
import { partsOf, type RowKey, rowKey } from '../../row-key.ts';
import type { SaidOf } from '../../stream.ts';
import { rowKeyOf } from '../../write/prepared.ts';
import { MAX_ATTEMPTS } from '../limits.ts';
import type { Pending } from '../outbox/outbox.ts';
import { OverlayStep } from '../overlay/overlay-step.ts';
import { type Reminted, rebase, refuse } from '../refusals/remint.ts';
import type { IncomingParts } from './incoming-parts.ts';

export class Verdicts {
  readonly #parts: IncomingParts;
  /** After the COMMIT. */
  readonly #tasks: (() => void)[];
  readonly #end: (step: OverlayStep) => void;

  /** - `tasks`: they are added to those. - `end`: commits a step. */
  constructor(parts: IncomingParts, tasks: (() => void)[], end: (step: OverlayStep) => void) {
    this.#parts = parts;
    this.#tasks = tasks;
    this.#end = end;
  }

  refused({ transaction, attempt, error }: Omit<SaidOf<'refused'>, 'kind'>): void {
    const { core, outbox, overlay, sender } = this.#parts;
    const pending = outbox.get(transaction);
    if (pending?.attempt !== attempt) return;
    const step = new OverlayStep(overlay);
    const reminted = refuse(core, outbox, step, pending);
    this.#tasks.push(() => sender.arrived(transaction));
    this.#shelve(step, reminted.refused, transaction, error);
    this.#end(step);
    this.#uploadAgain(reminted);
  }

  /** What is pending here is made anew; what changes rows that the authority does not have goes onto the shelf. */
  unfounded(step: OverlayStep, pending: readonly Pending[]): void {
    const { core, outbox } = this.#parts;
    const reminted = rebase(core, outbox, step, pending);
    this.#shelveBaseless(step, reminted);
    this.#uploadAgain(reminted);
  }

  /** The authority does not have these rows: what is pending over them has nothing to stand on. */
  lacking(step: OverlayStep, rows: readonly RowKey[]): void {
    const { core, outbox } = this.#parts;
    for (const key of rows) {
      const { collection, id } = partsOf(key);
      step.confirm(core.catalog.named(collection)!, id, null);
    }
    const operations = rows.flatMap((key) => outbox.operationsOf(key));
    const pending = new Set(operations.map(({ operation }) => outbox.get(operation.transaction)!));
    if (pending.size > 0) this.unfounded(step, [...pending]);
  }

  /** What is taken back goes onto the shelf. */
  #shelve(step: OverlayStep, refused: readonly Pending[], cause: TransactionId, error: TendrilError): void {
    const { shelf, heldIds, settlements } = this.#parts;
    for (const each of refused) settlements.refusing(each);
    this.#tasks.push(shelf.put(step, refused, cause, error), () => {
      for (const each of refused) {
        for (const { operation } of each.operations) heldIds.refused(operation.collection, operation.entity);
        settlements.refused(each, cause, error);
      }
    });
  }

  /** Each for the row that it lacks itself, or for what was to create that and goes with it. */
  #shelveBaseless(step: OverlayStep, { baseless }: Reminted): void {
    const gone = new Map<RowKey, { readonly cause: TransactionId; readonly error: TendrilError }>();
    for (const [pending, operation] of baseless) {
      const { collection, entity, transaction } = operation;
      const reason = gone.get(rowKey(collection, entity)) ?? { cause: transaction, error: withoutRow(operation) };
      this.#shelve(step, [pending], reason.cause, reason.error);
      for (const each of pending.operations) gone.set(rowKeyOf(each), reason);
    }
  }

  rebase({ transaction, attempt, reason, time }: SaidOf<'rebase'>): void {
    const { core, outbox, overlay, confirming, sender, adjustClock } = this.#parts;
    const pending = outbox.get(transaction);
    if (pending?.attempt !== attempt) return;
    if (pending.rebases >= MAX_ATTEMPTS) {
      this.refused({ transaction, attempt, error: tooOften(transaction, reason) });
      return;
    }
    if (reason === 'clock-drift') {
      adjustClock(time);
      core.mint.reset(confirming.greatest);
    }
    const step = new OverlayStep(overlay);
    const reminted = rebase(core, outbox, step, [pending]);
    this.#tasks.push(() => sender.arrived(transaction));
    this.#shelveBaseless(step, reminted);
    this.#end(step);
    this.#uploadAgain(reminted);
  }

  #uploadAgain({ renewed, refused }: Reminted): void {
    const { sender } = this.#parts;
    this.#tasks.push(() => {
      for (const { transaction } of refused) sender.arrived(transaction);
      this.#parts.served()?.reminted(renewed, refused);
      sender.upload(renewed);
    });
  }
}

function withoutRow({ transaction, collection, entity: id }: Operation): TendrilError {
  return new TendrilError({
    code: 'conflict',
    problem: `Transaction ${transaction} was to be made anew, and ${collection} ${id}, which it changes, is there no longer.`,
    remedy: 'Look at what it changes as the upstream has it now, and write it again.',
    facts: { transaction, collection, id },
  });
}

function tooOften(transaction: TransactionId, reason: SaidOf<'rebase'>['reason']): TendrilError {
  return new TendrilError({
    code: 'conflict',
    problem: `The upstream could not take transaction ${transaction}, made anew ${MAX_ATTEMPTS} times: ${reason}.`,
    remedy: 'Look at what it changes as the upstream has it now, and write it again.',
    facts: { transaction, reason, limit: MAX_ATTEMPTS },
  });
}
