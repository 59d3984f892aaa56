/**
 * Confirming: what the authority says of rows becomes the confirmed rows of this node, in the tables or on a stage.
 *
 * Invariants
 *   - a row at a position at or below its own is not touched again;
 *   - while a session is not whole, what it says goes onto its stage, which stands over the tables: a row that is changed
 *     there is the tables' until then, if the session builds on what they hold;
 *   - items are for a row that is held, else the authority and this node disagree on what is followed, and the session ends;
 *   - a row that cannot be read is left out (quarantine.ts).
 */
import {
  decodeItems,
  type EntityId,
  type Item,
  idOfRow,
  type OperationId,
  type Position,
  type StoredRow,
} from '../../../storage/index.ts';
import type { CatalogEntry } from '../../catalog.ts';
import type { Prepared } from '../../core.ts';
import type { Part } from '../../stream.ts';
import { mergeOperation } from '../../write/merge.ts';
import type { OverlayStep } from '../overlay/overlay-step.ts';
import type { Collections } from '../session/collections.ts';
import { violation } from '../session/session-errors.ts';
import type { Quarantine } from './quarantine.ts';
import type { SessionStage, Stage, Stages } from './stages.ts';

export interface ConfirmingParts {
  readonly collections: Collections;
  readonly stages: Stages;
  readonly quarantine: Quarantine;
  /** Whether a session that replaces what was held before keeps this row of it: it lies in an equal bucket. */
  readonly keeps: (collection: string, row: StoredRow) => boolean;
}

type ItemsPart = Extract<Part, { readonly kind: 'items' }>;

export class Confirming {
  readonly #parts: ConfirmingParts;
  /** The greatest operation id that the authority has shown. */
  #greatest: OperationId | null = null;

  constructor(parts: ConfirmingParts) {
    this.#parts = parts;
  }

  get greatest(): OperationId | null {
    return this.#greatest;
  }

  observe(id: OperationId): void {
    if (this.#greatest === null || id > this.#greatest) this.#greatest = id;
  }

  /** Null where it cannot be read. */
  read(entry: CatalogEntry, bytes: Uint8Array): StoredRow | null {
    return this.#read(entry, bytes, () => this.#parts.collections.read(entry, bytes));
  }

  /** The authority has said how it declares its collections: what lies on a stage came as it declared them before. */
  described(entry: CatalogEntry): void {
    const { collections, stages } = this.#parts;
    if (!collections.hasChanged(entry)) return;
    stages.session?.make(entry, (bytes) => this.#read(entry, bytes, () => collections.readBefore(entry, bytes)));
  }

  #read({ collection: { name } }: CatalogEntry, bytes: Uint8Array, read: () => StoredRow): StoredRow | null {
    const { quarantine } = this.#parts;
    const id = idOfRow(bytes);
    const row = quarantine.attempt(name, id, read);
    if (row === null) return null;
    quarantine.release(name, id);
    for (const tip of row.head) this.observe(tip);
    return row;
  }

  /** - `isSettled`: the step has settled operations on this row, which so stands at its position already. */
  take(step: OverlayStep, part: Part, position: Position, isSettled = false): void {
    const { collections, stages, quarantine } = this.#parts;
    const entry = collections.entryOf(part.collection);
    if (collections.refusalOf(part.collection) !== null) return;
    switch (part.kind) {
      case 'whole':
        for (const stage of stages.holding(entry, idOfRow(part.row))) stage.set(entry, idOfRow(part.row), part.row);
        this.enter(step, stages.session, entry, part.row);
        return;
      case 'items':
        if (!quarantine.has(part.collection, part.entity)) this.#changeBy(step, entry, part, position, isSettled);
        return;
      case 'leave':
        quarantine.release(part.collection, part.entity);
        this.#leave(step, entry, part.entity);
        return;
    }
  }

  /** A whole row, into the tables or, if given, onto the stage. */
  enter(step: OverlayStep, stage: Stage | null, entry: CatalogEntry, bytes: Uint8Array): void {
    if (stage !== null) {
      const id = idOfRow(bytes);
      stage.set(entry, id, bytes);
      // What is noted is looked at now, so that what changes it later finds it.
      if (this.#parts.quarantine.has(entry.collection.name, id)) stage.get(entry, id);
      return;
    }
    const row = this.read(entry, bytes);
    if (row !== null) this.confirm(step, entry, row);
    else step.leave(entry, idOfRow(bytes));
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
    const { stages } = this.#parts;
    const holding = stages.holding(entry, id);
    for (const stage of holding) this.#onStage(stage, entry, id, settled);
    const { present } = stages;
    if (present !== null && holding.length === 0) {
      const row = settled(this.#below(step, present, entry, id));
      if (row !== null) present.stage.set(entry, id, row);
    }
    step.settle(entry, id, settled(step.confirmed(entry, id)));
  }

  /** The row that a session's stage stands over. */
  #below(step: OverlayStep, { stage, replaces }: SessionStage, entry: CatalogEntry, id: EntityId): StoredRow | null {
    if (stage.hasLeft(entry, id)) return null;
    const row = step.confirmed(entry, id);
    if (row === null || !replaces) return row;
    // Its position is one of another log.
    return this.#parts.keeps(entry.collection.name, row) ? { ...row, asOf: 0 as Position } : null;
  }

  /** Of a row of which it cannot be read what became nothing is held. */
  #changeBy(step: OverlayStep, entry: CatalogEntry, part: ItemsPart, position: Position, isSettled: boolean): void {
    const { quarantine } = this.#parts;
    const items = quarantine.attempt(part.collection, part.entity, () => decodeItems(part.items));
    if (items === null) this.#leave(step, entry, part.entity);
    else {
      const isNew = (row: StoredRow) => row.asOf < position || (isSettled && row.asOf === position);
      const change = (row: StoredRow) => (isNew(row) ? this.#withItems(entry, row, { ...part, items }, position) : row);
      this.#change(step, entry, part.entity, change);
    }
  }

  #change(step: OverlayStep, entry: CatalogEntry, id: EntityId, change: (row: StoredRow) => StoredRow): void {
    const { stages } = this.#parts;
    const holding = stages.holding(entry, id);
    for (const stage of holding) this.#onStage(stage, entry, id, (row) => (row === null ? null : change(row)));
    const { present } = stages;
    if (present !== null) {
      if (holding.length > 0) return;
      const below = this.#below(step, present, entry, id);
      if (below === null) this.#checkLeftOut(entry, id);
      else present.stage.set(entry, id, change(below));
      return;
    }
    const held = step.confirmed(entry, id);
    if (held === null && holding.length === 0) this.#checkLeftOut(entry, id);
    if (held !== null) step.confirm(entry, id, change(held));
  }

  /** @throws {TendrilError} `protocol-violation` for a row that cannot be one of those left out. */
  #checkLeftOut({ collection: { name } }: CatalogEntry, id: EntityId): void {
    if (!this.#parts.quarantine.hasForgotten) throw violation(`items of ${name} ${id}, which this node does not hold`);
  }

  #withItems(
    entry: CatalogEntry,
    row: StoredRow,
    part: Omit<ItemsPart, 'items'> & { readonly items: readonly Item[] },
    position: Position,
  ): StoredRow {
    let after = row;
    for (const { id, edits } of part.items) {
      this.observe(id);
      const operation = { id, entity: part.entity, precursors: [], edits };
      after = mergeOperation(entry.descriptor, after, operation, position).after;
    }
    return { ...after, head: part.head, asOf: position };
  }

  #leave(step: OverlayStep, entry: CatalogEntry, id: EntityId): void {
    const { stages } = this.#parts;
    for (const stage of stages.holding(entry, id)) stage.leave(entry, id);
    stages.session?.leave(entry, id);
    if (stages.isWhole) step.leave(entry, id);
  }

  #onStage(stage: Stage, entry: CatalogEntry, id: EntityId, change: (row: StoredRow | null) => StoredRow | null): void {
    const row = change(stage.get(entry, id));
    if (row !== null) stage.set(entry, id, row);
  }
}
