/** A property that arrived before it was declared here: its values wait in `_extra` and move into its new column. */
import { TendrilError } from '../errors.ts';
import type { Descriptor } from './descriptor.ts';
import type { SqliteDriver } from './driver.ts';
import type { EntityId } from './ids.ts';
import { fitsType } from './property-value.ts';
import { withRegisters } from './registers.ts';
import type { Register, Rows, StoredRow } from './rows.ts';
import { physicalTable } from './tables.ts';

/**
 * Moves what `_extra` holds of declared properties into their columns. Cost: the rows that have any.
 *
 * @throws {TendrilError} `schema-mismatch` for a value that is not of the declared type.
 */
export function adoptExtra(driver: SqliteDriver, descriptor: Descriptor, rows: Rows): void {
  const { collection } = descriptor;
  for (const [id] of driver.all(`SELECT id FROM ${physicalTable(collection)} WHERE _extra IS NOT NULL`)) {
    const entity = id as EntityId;
    const row = rows.read(collection, entity)!;
    const registers = row.extra
      .filter(([property]) => descriptor.columnOf.has(property))
      .map(([property, value, winner]): Register => ({ property, value, winner }));
    if (registers.length === 0) continue;
    for (const register of registers) checkType(descriptor, register);
    const rest: StoredRow = { ...row, extra: row.extra.filter(([property]) => !descriptor.columnOf.has(property)) };
    rows.write(collection, entity, row, { ...rest, ...withRegisters(descriptor, entity, rest, registers) });
  }
}

function checkType({ collection, properties }: Descriptor, { property, value }: Register): void {
  const { type } = properties.find(({ name }) => name === property)!;
  if (fitsType(type, value)) return;
  throw new TendrilError({
    code: 'schema-mismatch',
    problem: `${collection}.${property} is declared ${type}, but other nodes wrote values of another type into it.`,
    remedy: 'Declare it as they do, or choose another name.',
    facts: { collection, property, type },
  });
}
