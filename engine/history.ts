/** History: the operations of one entity as a program reads them, in the order in which they arrived here. */
import { cellOf } from '../query/index.ts';
import {
  decodeCell,
  decodeKeptOfLog,
  type Edit,
  type EntityId,
  type LoggedOperation,
  timeOf,
} from '../storage/index.ts';
import type { CatalogEntry } from './catalog.ts';
import type { Core } from './core.ts';

/** A value of a property that this node does not declare stands as SQLite would give it. */
export type HistoryEdit =
  | { readonly kind: 'create' | 'restore' | 'delete' }
  | { readonly kind: 'set'; readonly property: string; readonly value: unknown }
  | { readonly kind: 'unknown'; readonly property: string; readonly code: number };

export interface HistoryEntry {
  readonly id: string;
  readonly transaction: string;
  /** Of its transaction in this node's log. */
  readonly position: number;
  /** When its author made it, by the author's clock. */
  readonly time: Date;
  readonly author: string;
  /** None where it only narrowed a head; null where they were compacted away: nothing of them stands any more. */
  readonly edits: readonly HistoryEdit[] | null;
  readonly precursors: readonly string[];
}

export function readHistory({ log }: Core, entry: CatalogEntry, entity: EntityId): readonly HistoryEntry[] {
  return log.ofEntity(entry.collection.name, entity).map((logged) => historyEntry(entry, logged));
}

function historyEntry(entry: CatalogEntry, { position, bytes }: LoggedOperation): HistoryEntry {
  const { operation, isSkeleton } = decodeKeptOfLog(bytes);
  const { id, transaction, author, edits, precursors } = operation;
  return {
    id,
    transaction,
    position,
    time: new Date(timeOf(id)),
    author,
    edits: isSkeleton ? null : edits.map((edit) => historyEdit(entry, edit)),
    precursors,
  };
}

function historyEdit({ descriptor, properties }: CatalogEntry, edit: Edit): HistoryEdit {
  switch (edit.kind) {
    case 'create':
    case 'restore':
    case 'delete':
      return { kind: edit.kind };
    case 'set': {
      const { kind, property, value } = edit;
      const column = descriptor.columnOf.get(property);
      const cell = cellOf(value);
      return {
        kind,
        property,
        value: column === undefined ? cell : decodeCell(properties[column - 1]!.rule.type, cell),
      };
    }
    case 'unknown':
      return { kind: 'unknown', property: edit.property, code: edit.code };
  }
}
