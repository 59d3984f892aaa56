/**
 * Merge: what one operation makes of one row. Pure.
 *
 * Every property is a register that the greatest operation id wins, and so is the entity's existence (property '').
 * The operation's precursors have been merged before it (law 4); under that condition rows, heads and versions
 * depend on the set of operations merged, never on their order (law 1):
 *   - a register keeps the maximum of what was written to it, and a maximum has no order;
 *   - the head is the operations that no merged operation names as precursor;
 *   - versions are spelled in their one canonical form (`storage/registers.ts`).
 * Edits of an unknown kind change no row: they live in the operation's bytes until a version comes that knows them.
 */
import { cellOf, compareText, exactOf, type SqlValue } from '../../query/index.ts';
import {
  type Descriptor,
  type Operation,
  type OperationId,
  type Position,
  type Register,
  type StoredRow,
  sameCell,
  type Undo,
  versionsOf,
  winnersOf,
} from '../../storage/index.ts';

export interface Merged {
  readonly after: StoredRow;
  readonly undo: Undo;
}

/** What of an operation decides about its row. */
export type Mergeable = Pick<Operation, 'id' | 'entity' | 'precursors' | 'edits'>;

/** `before` is the row without `operation`, null if this is the first operation of its entity here. */
export function mergeOperation(
  descriptor: Descriptor,
  before: StoredRow | null,
  operation: Mergeable,
  asOf: Position,
): Merged {
  if (before === null) return { after: createdRow(descriptor, operation, asOf), undo: null };
  const { columnOf, table } = descriptor;
  const winners = winnersOf(descriptor, before);
  const values = before.values.slice();
  const registers: Register[] = [];
  let { deleted, extra } = before;
  for (const edit of operation.edits) {
    if (edit.kind === 'unknown') continue;
    const { property } = edit;
    const column = property === '' ? 0 : columnOf.get(property);
    const held = column === undefined ? extra.find(([name]) => name === property) : undefined;
    const winner = column === undefined ? (held?.[2] ?? null) : winners[column]!;
    if (winner !== null && winner >= operation.id) continue;
    if (edit.kind !== 'set') {
      registers.push({ property, value: null, winner });
      winners[0] = operation.id;
      deleted = edit.kind === 'delete' ? operation.id : null;
    } else if (column === undefined) {
      registers.push({ property, value: held?.[1] ?? null, winner });
      extra = [...extra.filter((entry) => entry !== held), [property, edit.value, operation.id] as const];
    } else {
      const value = winner === null ? null : exactOf(values[column]!, table.columns[column]!.type);
      registers.push({ property, value, winner });
      winners[column] = operation.id;
      values[column] = cellOf(edit.value);
    }
  }
  const { head, deleted: deletedBefore, asOf: asOfBefore } = before;
  const undo = { registers, head, deleted: deletedBefore, asOf: asOfBefore };
  // Nothing was won by an operation that came late, or that only narrows the head.
  const versions = registers.length === 0 ? before.versions : versionsOf(descriptor, winners, values);
  if (extra.length > 1) extra = [...extra].sort(([left], [right]) => compareText(left, right));
  return { after: { values, head: headAfter(head, operation), versions, deleted, asOf, extra }, undo };
}

/** Everything that the first operation of an entity says wins; it creates the entity, so that it has said something. */
function createdRow({ unset, columnOf }: Descriptor, { id, entity, edits }: Mergeable, asOf: Position): StoredRow {
  const values = unset.slice();
  values[0] = entity;
  // In the order of the edits, which is that of both lists.
  const listed: [string, OperationId][] = [];
  const extra: (readonly [string, SqlValue, OperationId])[] = [];
  for (const edit of edits) {
    if (edit.kind !== 'set') continue;
    const column = columnOf.get(edit.property);
    if (column === undefined) extra.push([edit.property, edit.value, id]);
    else if (sameCell(unset[column]!, edit.value)) listed.push([edit.property, id]);
    else values[column] = cellOf(edit.value);
  }
  return { values, head: [id], versions: { base: id, listed }, deleted: null, asOf, extra };
}

/** Takes out what the operation was built on and puts the operation in. Sorted, as `head` is. */
function headAfter(head: readonly OperationId[], operation: Mergeable): readonly OperationId[] {
  // Merged over a row that has it already, as a follower may that lost the answer to its upload.
  if (head.includes(operation.id)) return head;
  const rest = head.filter((id) => !operation.precursors.includes(id));
  if (rest.length === 0) return [operation.id];
  rest.push(operation.id);
  return rest.sort();
}
