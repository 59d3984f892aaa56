/**
 * Confirming: what the authority says of rows becomes the confirmed rows of this node, in the tables or on a stage.
 *
 * Invariants
 *   - a row at a position at or below its own is not touched again;
 *   - items are for a row that is held, else the authority and this node disagree on what is followed, and the session ends.
 */
import {
  decodeItems,
  type EntityId,
  idOfRow,
  type OperationId,
  type Position,
  type StoredRow,
} from '../../storage/index.ts';
import type { CatalogEntry } from '../catalog.ts';
import type { Prepared } from '../core.ts';
import { mergeOperation } from '../write/merge.ts';
import { type Collections, violation } from './collections.ts';
import type { OverlayStep } from './overlay.ts';
import type { Stage, Stages } from './stages.ts';
import type { Part } from './stream.ts';

export class Confirming {
  readonly #collections: Collections;
  readonly #stages: Stages;
  /** The greatest operation id that the authority has shown. */
  #greatest: OperationId | null = null;

  constructor(collections: Collections, stages: Stages) {
    this.#collections = collections;
    this.#stages = stages;
  }

  get greatest(): OperationId | null {
    return this.#greatest;
  }

  observe(id: OperationId): void {
    if (this.#greatest === null || id > this.#greatest) this.#greatest = id;
  }

  read(entry: CatalogEntry, bytes: Uint8Array): StoredRow {
    const row = this.#collections.read(entry, bytes);
    for (const id of row.head) this.observe(id);
    return row;
  }

  take(step: OverlayStep, part: Part, position: Position): void {
    const entry = this.#collections.entryOf(part.collection);
    if (this.#collections.refusalOf(part.collection) !== null) return;
    switch (part.kind) {
      case 'whole':
        this.enter(step, this.#stages.session, entry, part.row);
        return;
      case 'items':
        this.#change(step, entry, part.entity, (row) => this.#withItems(entry, row, part, position));
        return;
      case 'leave':
        this.#leave(step, entry, part.entity);
        return;
    }
  }

  /** A whole row, into the tables or, if given, onto the stage. */
  enter(step: OverlayStep, stage: Stage | null, entry: CatalogEntry, bytes: Uint8Array): void {
    if (stage === null) this.confirm(step, entry, this.read(entry, bytes));
    else stage.set(entry, idOfRow(bytes), bytes);
  }

  /** A whole row, into the tables, unless they have a later one. */
  confirm(step: OverlayStep, entry: CatalogEntry, row: StoredRow): void {
    const id = row.values[0] as EntityId;
    const held = step.confirmed(entry, id);
    if (held === null || held.asOf <= row.asOf) step.confirm(entry, id, row);
  }

  /** This node's own operations on one row were settled at `position`: they have left the outbox already. */
  settle(
    step: OverlayStep,
    entry: CatalogEntry,
    id: EntityId,
    operations: readonly Prepared[],
    position: Position,
  ): void {
    for (const { operation } of operations) this.observe(operation.id);
    const settled = (row: StoredRow | null): StoredRow | null => {
      if (row !== null && row.asOf >= position) return row;
      let after = row;
      for (const { operation } of operations) {
        // Not held and not made by it: it comes whole.
        if (after === null && operation.edits[0]?.kind !== 'create') return null;
        after = mergeOperation(entry.descriptor, after, operation, position).after;
      }
      return after;
    };
    const stages = this.#stages.holding(entry, id);
    for (const stage of stages) this.#onStage(stage, entry, id, settled);
    const { session } = this.#stages;
    if (session !== null && stages.length === 0) {
      const created = settled(null);
      if (created !== null) session.set(entry, id, created);
    }
    step.settle(entry, id, settled(step.confirmed(entry, id)));
  }

  #withItems(
    entry: CatalogEntry,
    row: StoredRow,
    part: Extract<Part, { readonly kind: 'items' }>,
    position: Position,
  ): StoredRow {
    if (row.asOf >= position) return row;
    let after = row;
    for (const { id, edits } of decodeItems(part.items)) {
      this.observe(id);
      const operation = { id, entity: part.entity, precursors: [], edits };
      after = mergeOperation(entry.descriptor, after, operation, position).after;
    }
    return { ...after, head: part.head, asOf: position };
  }

  #change(step: OverlayStep, entry: CatalogEntry, id: EntityId, change: (row: StoredRow) => StoredRow): void {
    const stages = this.#stages.holding(entry, id);
    for (const stage of stages) this.#onStage(stage, entry, id, (row) => (row === null ? null : change(row)));
    // What the tables hold of the session before is replaced as a whole.
    if (this.#stages.session !== null) {
      if (stages.length === 0) throw notHeld(entry, id);
      return;
    }
    const held = step.confirmed(entry, id);
    if (held === null && stages.length === 0) throw notHeld(entry, id);
    if (held !== null) step.confirm(entry, id, change(held));
  }

  #leave(step: OverlayStep, entry: CatalogEntry, id: EntityId): void {
    for (const stage of this.#stages.holding(entry, id)) stage.delete(entry, id);
    if (this.#stages.isWhole) step.leave(entry, id);
  }

  #onStage(stage: Stage, entry: CatalogEntry, id: EntityId, change: (row: StoredRow | null) => StoredRow | null): void {
    const row = change(stage.get(entry, id));
    if (row !== null) stage.set(entry, id, row);
  }
}

function notHeld(entry: CatalogEntry, id: EntityId) {
  return violation(`items of ${entry.collection.name} ${id}, which this node does not hold`);
}
