/**
 * Re-mint: what becomes of the outbox when a transaction was refused, or must be made anew.
 *
 * Invariants
 *   - whatever descends from operations that are gone is made anew in the same order: new ids, built on the confirmed
 *     head and the earlier pending operations, the same transaction id, the next attempt;
 *   - what changes an entity whose creation was refused has nothing to stand on, and is refused too;
 *   - independent transactions stay as they are.
 */
import {
  digestOf,
  encodeOperation,
  MAX_PRECURSORS,
  type Operation,
  type OperationId,
  type StoredRow,
} from '../../storage/index.ts';
import type { Catalog } from '../catalog.ts';
import type { Core, Prepared } from '../core.ts';
import { keyOf, type Outbox, type Pending, type RowKey } from './outbox.ts';
import { merged, type OverlayStep } from './overlay.ts';

export interface Reminted {
  readonly renewed: readonly Pending[];
  /** With those that stood on it. */
  readonly refused: readonly Pending[];
}

type Making = Pick<Core, 'mint' | 'catalog' | 'author'>;

/** `refused` leaves the outbox, with what cannot be without it; the rest that descends from it is made anew. */
export function refuse(core: Making, outbox: Outbox, step: OverlayStep, refused: Pending): Reminted {
  outbox.remove(refused);
  return remake(core, outbox, step, idsOf(refused), [refused]);
}

/** `rebased` and what descends from it is made anew. */
export function rebase(core: Making, outbox: Outbox, step: OverlayStep, rebased: readonly Pending[]): Reminted {
  return remake(core, outbox, step, new Set(rebased.flatMap((pending) => [...idsOf(pending)])), [], new Set(rebased));
}

function remake(
  core: Making,
  outbox: Outbox,
  step: OverlayStep,
  gone: Set<OperationId>,
  first: readonly Pending[],
  rebased: ReadonlySet<Pending> = new Set(),
): Reminted {
  const refused = [...first];
  const renewed: Pending[] = [];
  /** The rows that were touched, as the transactions walked so far leave them. */
  const rows = new Map<RowKey, StoredRow | null>();
  const rowOf = (prepared: Prepared): StoredRow | null => {
    const key = keyOf(prepared);
    const held = rows.get(key);
    return held === undefined ? step.confirmed(entryOf(core.catalog, prepared), prepared.operation.entity) : held;
  };
  for (const { operation } of first.flatMap(({ operations }) => operations)) touch(core.catalog, step, operation);
  for (const pending of outbox.inOrder()) {
    const descends = pending.operations.some((each) => isGone(each, gone));
    const baseless = pending.operations.some((each) => rowOf(each) === null && !creates(each));
    if (baseless) {
      outbox.remove(pending);
      refused.push(pending);
    } else if (descends) {
      const rebases = pending.rebases + (rebased.has(pending) ? 1 : 0);
      outbox.renew(pending, renewAll(core, pending.operations, rowOf), rebases);
      renewed.push(outbox.get(pending.transaction)!);
    }
    if (baseless || descends) {
      for (const id of idsOf(pending)) gone.add(id);
      for (const { operation } of pending.operations) touch(core.catalog, step, operation);
    }
    for (const each of outbox.get(pending.transaction)?.operations ?? []) {
      rows.set(keyOf(each), merged(entryOf(core.catalog, each), rowOf(each), [each]));
    }
  }
  return { renewed, refused };
}

/** A transaction has one operation for each entity, or several that only narrow its head before: each on the one before. */
function renewAll(
  core: Making,
  operations: readonly Prepared[],
  rowOf: (prepared: Prepared) => StoredRow | null,
): readonly Prepared[] {
  const within = new Map<RowKey, StoredRow | null>();
  return operations.map((each) => {
    const key = keyOf(each);
    const row = within.get(key) ?? rowOf(each);
    const renewed = renew(core, each.operation, (row?.head ?? []).slice(0, MAX_PRECURSORS));
    within.set(key, merged(entryOf(core.catalog, each), row, [renewed]));
    return renewed;
  });
}

function renew({ mint, author }: Making, operation: Operation, precursors: readonly OperationId[]): Prepared {
  for (const precursor of precursors) mint.observe(precursor);
  const renewed: Operation = { ...operation, id: mint.next() as OperationId, precursors, author };
  const bytes = encodeOperation(renewed);
  return { operation: renewed, bytes, digest: digestOf(bytes) };
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
