/** Where sql.js keeps parameters is found by looking for them: not where only a stale pointer leads. */
import { expect, test } from 'vitest';
import type { Heap } from '../../storage/drivers/heap.ts';
import { findParameters } from '../../storage/drivers/sql-js-parameters.ts';
import type { SqliteFunctions } from '../../storage/drivers/wasm-connection.ts';

const DISTANCE = 100;
const SLOT = 40;

/** Two statements as SQLite lays them out; `stale`: where in the first a pointer to its parameters was left over. */
function statements(stale: number | null) {
  const view = new DataView(new ArrayBuffer(8_192));
  const slotsOf = new Map([
    [1_024, 3_000 + 8 - (3_000 % 8)],
    [2_048, 4_000],
  ]);
  for (const [statement, slots] of slotsOf) view.setUint32(statement + DISTANCE, slots, true);
  if (stale !== null) view.setUint32(1_024 + stale, slotsOf.get(1_024)!, true);
  const bind = (statement: number, index: number, value: number) => {
    view.setFloat64(slotsOf.get(statement)! + (index - 1) * SLOT, value, true);
    return 0;
  };
  const heap = { view: () => view } as unknown as Heap;
  const sqlite = { bind_double: bind } as unknown as SqliteFunctions;
  return { slotsOf, view, find: () => findParameters(heap, sqlite, [...slotsOf.keys()]) };
}

test.each([null, 52, 96])('it is the same place in all statements (a stale pointer at %s)', (stale) => {
  const { slotsOf, find } = statements(stale);
  const addressOf = find();
  // Another statement, laid out alike.
  expect(addressOf(2_048, 1)).toBe(slotsOf.get(2_048));
  expect(addressOf(2_048, 2)).toBe(slotsOf.get(2_048)! + SLOT);
});

test('nor where an earlier search left its values, with a list of other things there', () => {
  const { slotsOf, view, find } = statements(null);
  find();
  for (const [statement, slots] of slotsOf) {
    slotsOf.set(statement, slots + 8);
    view.setUint32(statement + DISTANCE, slots + 8, true);
    view.setUint32(statement + DISTANCE - 8, slots, true);
  }
  const addressOf = find();
  expect(addressOf(2_048, 1)).toBe(slotsOf.get(2_048));
  expect(addressOf(2_048, 2)).toBe(slotsOf.get(2_048)! + SLOT);
});

test('where it is in none, the build is refused', () => {
  const { slotsOf } = statements(null);
  const view = new DataView(new ArrayBuffer(8_192));
  const heap = { view: () => view } as unknown as Heap;
  const sqlite = { bind_double: () => 0 } as unknown as SqliteFunctions;
  expect(() => findParameters(heap, sqlite, [...slotsOf.keys()])).toThrow(
    expect.objectContaining({ code: 'storage-unsupported' }),
  );
});
