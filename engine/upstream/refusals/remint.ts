/**
 * Re-mint: what becomes of the outbox when a transaction was refused, or must be made anew.
 *
 * Invariants
 *   - whatever descends from operations that are gone is made anew in the same order: new ids, built on the confirmed
 *     head and the earlier pending operations, the same transaction id, the next attempt;
 *   - what changes an entity whose creation was refused has nothing to stand on, and is refused too;
 *   - independent transactions stay as they are.
 */
import { MAX_PRECURSORS, type Operation, type OperationId, type StoredRow } from '../../../storage/index.ts';
import type { Catalog } from '../../catalog.ts';
import type { Core, Prepared } from '../../core.ts';
import type { RowKey } from '../../row-key.ts';
import { prepared, rowKeyOf } from '../../write/prepared.ts';
import type { Outbox, Pending } from '../outbox/outbox.ts';
import { merged } from '../overlay/merged.ts';
import type { OverlayStep } from '../overlay/overlay-step.ts';

export interface Reminted {
  readonly renewed: readonly Pending[];
  /** With those that stood on it. */
  readonly refused: readonly Pending[];
  /** Of those: the operation of each that changes a row which is there no longer. */
  readonly baseless: ReadonlyMap<Pending, Operation>;
}

type Making = Pick<Core, 'mint' | 'catalog' | 'author'>;

/** `refused` leaves the outbox, with what cannot be without it; the rest that descends from it is made anew. */
export function refuse(core: Making, outbox: Outbox, step: OverlayStep, refused: Pending): Reminted {
  const concerned = concernedBy([refused], outbox).filter((pending) => pending !== refused);
  outbox.remove(refused);
  for (const { operation } of refused.operations) touch(core.catalog, step, operation);
  const reminted = remake(core, outbox, step, concerned, idsOf(refused), new Set());
  return { ...reminted, refused: [refused, ...reminted.refused] };
}

/** `rebased` and what descends from it is made anew. */
export function rebase(core: Making, outbox: Outbox, step: OverlayStep, rebased: readonly Pending[]): Reminted {
  const gone = new Set(rebased.flatMap((pending) => [...idsOf(pending)]));
  return remake(core, outbox, step, concernedBy(rebased, outbox), gone, new Set(rebased));
}

/** These, and all that were made later and share a row with one concerned: what descends from them is among them. In order. */
function concernedBy(roots: readonly Pending[], outbox: Outbox): readonly Pending[] {
  const concerned = new Set(roots);
  /** The place from which on a row's operations have been looked at. */
  const looked = new Map<RowKey, number>();
  // Grows while it is walked.
  for (const { operations, place } of concerned) {
    for (const key of operations.map(rowKeyOf)) {
      if ((looked.get(key) ?? Number.POSITIVE_INFINITY) <= place) continue;
      looked.set(key, place);
      for (const { operation } of outbox.operationsOf(key)) {
        const other = outbox.get(operation.transaction)!;
        if (other.place > place) concerned.add(other);
      }
    }
  }
  return [...concerned].sort((left, right) => left.place - right.place);
}

function remake(
  core: Making,
  outbox: Outbox,
  step: OverlayStep,
  concerned: readonly Pending[],
  gone: Set<OperationId>,
  rebased: ReadonlySet<Pending>,
): Reminted {
  const refused: Pending[] = [];
  const renewed: Pending[] = [];
  const baseless = new Map<Pending, Operation>();
  /** Rows as the transactions walked so far leave them: whoever comes later on such a row is walked, too. */
  const rows = new Map<RowKey, StoredRow | null>();
  const rowOf = (prepared: Prepared): StoredRow | null => {
    const key = rowKeyOf(prepared);
    const held = rows.get(key);
    if (held !== undefined) return held;
    const entry = entryOf(core.catalog, prepared);
    const pending = outbox.operationsOf(key);
    return merged(entry, step.confirmed(entry, prepared.operation.entity), pending.slice(0, pending.indexOf(prepared)));
  };
  for (const pending of concerned) {
    const descends = pending.operations.some((each) => isGone(each, gone));
    const hanging = pending.operations.find((each) => rowOf(each) === null && !creates(each));
    if (hanging !== undefined) {
      baseless.set(pending, hanging.operation);
      outbox.remove(pending);
      refused.push(pending);
    } else if (descends) {
      const rebases = pending.rebases + (rebased.has(pending) ? 1 : 0);
      outbox.renew(pending, renewAll(core, pending.operations, rowOf), rebases);
      renewed.push(outbox.get(pending.transaction)!);
    }
    if (hanging !== undefined || descends) {
      for (const id of idsOf(pending)) gone.add(id);
      for (const { operation } of pending.operations) touch(core.catalog, step, operation);
    }
    for (const each of outbox.get(pending.transaction)?.operations ?? []) {
      rows.set(rowKeyOf(each), merged(entryOf(core.catalog, each), rowOf(each), [each]));
    }
  }
  return { renewed, refused, baseless };
}

/** A transaction has one operation for each entity, or several that only narrow its head before: each on the one before. */
function renewAll(
  core: Making,
  operations: readonly Prepared[],
  rowOf: (prepared: Prepared) => StoredRow | null,
): readonly Prepared[] {
  const within = new Map<RowKey, StoredRow | null>();
  return operations.map((each) => {
    const key = rowKeyOf(each);
    const row = within.get(key) ?? rowOf(each);
    const renewed = renew(core, each.operation, (row?.head ?? []).slice(0, MAX_PRECURSORS));
    within.set(key, merged(entryOf(core.catalog, each), row, [renewed]));
    return renewed;
  });
}

function renew({ mint, author }: Making, operation: Operation, precursors: readonly OperationId[]): Prepared {
  for (const precursor of precursors) mint.observe(precursor);
  const renewed: Operation = { ...operation, id: mint.next() as OperationId, precursors, author };
  return prepared(renewed);
}

function idsOf({ operations }: Pending): Set<OperationId> {
  return new Set(operations.map(({ operation }) => operation.id));
}

function isGone({ operation }: Prepared, gone: ReadonlySet<OperationId>): boolean {
  return gone.has(operation.id) || operation.precursors.some((precursor) => gone.has(precursor));
}

function creates({ operation }: Prepared): boolean {
  return operation.edits[0]?.kind === 'create';
}

function touch(catalog: Catalog, step: OverlayStep, { collection, entity }: Operation): void {
  step.touch(catalog.named(collection)!, entity);
}

function entryOf(catalog: Catalog, { operation }: Prepared) {
  return catalog.named(operation.collection)!;
}
