/**
 * The registers of a row: who set each property, kept small and canonical in `Versions` and spelled out here.
 * Pure; merge and undo both go through it.
 *
 * Invariant: `versionsOf(descriptor, winnersOf(descriptor, row), row.values)` equals `row.versions`.
 */
import { assert } from '../errors.ts';
import { type Cell, cellOf, compareText, exactOf, type RawRow, type SqlValue } from '../query/index.ts';
import type { Descriptor } from './descriptor.ts';
import type { EntityId, OperationId } from './ids.ts';
import { damaged } from './row-bytes.ts';
import type { Extra, Register, StoredRow, Undo, Versions } from './rows.ts';

/** By column, and in the id's place who won the existence register; null is "never set". */
export type Winners = readonly (OperationId | null)[];

export function winnersOf(descriptor: Descriptor, row: StoredRow): (OperationId | null)[] {
  const { base, listed } = row.versions;
  const { unset } = descriptor;
  const winners: (OperationId | null)[] = [base];
  for (let column = 1; column < unset.length; column += 1) {
    winners.push(sameCell(row.values[column]!, unset[column]!) ? null : base);
  }
  for (const [property, winner] of listed) {
    const column = property === '' ? 0 : descriptor.columnOf.get(property);
    if (column === undefined) throw damaged(`the versions of ${row.values[0]}`);
    winners[column] = winner;
  }
  return winners;
}

/** All that was ever set of a row, the existence register first: enough to make it again, by name, of any later descriptor. */
export function registersOf(descriptor: Descriptor, row: StoredRow): readonly Register[] {
  const winners = winnersOf(descriptor, row);
  const registers: Register[] = [{ property: '', value: null, winner: winners[0]! }];
  for (const { name, column } of descriptor.properties) {
    const winner = winners[column]!;
    if (winner === null) continue;
    const value = exactOf(row.values[column] as Cell, descriptor.table.columns[column]!.type);
    registers.push({ property: name, value, winner });
  }
  for (const [property, value, winner] of row.extra) registers.push({ property, value, winner });
  return registers;
}

/** The one spelling of these winners beside these values. */
export function versionsOf(descriptor: Descriptor, winners: Winners, values: RawRow): Versions {
  const { properties, unset } = descriptor;
  const existence = winners[0];
  assert(existence, 'a row without a winner of its existence');
  let base = existence;
  for (const winner of winners) if (winner !== null && winner < base) base = winner;
  const listed: [string, OperationId][] = existence === base ? [] : [['', existence]];
  for (const { name, column } of properties) {
    const winner = winners[column]!;
    if (winner !== null && (winner !== base || sameCell(values[column]!, unset[column]!))) listed.push([name, winner]);
  }
  return { base, listed };
}

/** Values, versions and extra of `row` (null: of an entity not seen before) with these registers in place of its own. */
export function withRegisters(
  descriptor: Descriptor,
  entity: EntityId,
  row: StoredRow | null,
  registers: readonly Register[],
): Pick<StoredRow, 'values' | 'versions' | 'extra'> {
  const winners = row === null ? descriptor.unset.map(() => null as OperationId | null) : winnersOf(descriptor, row);
  const values = [...(row?.values ?? descriptor.unset)];
  values[0] = entity;
  let extra: Extra = row?.extra ?? [];
  for (const register of registers) {
    const column = register.property === '' ? 0 : descriptor.columnOf.get(register.property);
    if (column === undefined) extra = withExtra(extra, register);
    else {
      winners[column] = register.winner;
      if (column !== 0) values[column] = register.winner === null ? descriptor.unset[column]! : cellOf(register.value);
    }
  }
  return { values, versions: versionsOf(descriptor, winners, values), extra };
}

/** The row before the operation that `undo` belongs to; null if it did not exist here. */
export function undoRow(descriptor: Descriptor, row: StoredRow, undo: Undo): StoredRow | null {
  if (undo === null) return null;
  const { registers, head, deleted, asOf } = undo;
  return { ...withRegisters(descriptor, row.values[0] as EntityId, row, registers), head, deleted, asOf };
}

/** Equal in one column, whose type is known, so that a whole number may be spelled either way. */
export function sameCell(left: Cell | SqlValue, right: Cell | SqlValue): boolean {
  if (left === right) return true;
  if (typeof left === 'bigint' || typeof right === 'bigint') {
    // biome-ignore lint/suspicious/noDoubleEquals: compares a bigint and a number by value
    return typeof left !== 'string' && typeof right !== 'string' && left !== null && right !== null && left == right;
  }
  return left instanceof Uint8Array && right instanceof Uint8Array && sameBytes(left, right);
}

export function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, index) => byte === right[index]);
}

function withExtra(extra: Extra, { property, value, winner }: Register): Extra {
  const others = extra.filter(([name]) => name !== property);
  if (winner === null) return others;
  return [...others, [property, value, winner] as const].sort(([left], [right]) => compareText(left, right));
}
