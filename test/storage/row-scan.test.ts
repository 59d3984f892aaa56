import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  createRowScan,
  type EntityId,
  idFrom,
  MAX_SORTED_ROWS,
  type OperationId,
  type Position,
  type Store,
  type StoredRow,
  withRegisters,
} from '../../storage/index.ts';
import { createIds, Flight, MEMORIES, openTestStore } from './fixtures.ts';

describe.each(MEMORIES)('a scan of rows over %s', (_, storage) => {
  let store: Store;
  let by: OperationId;

  beforeEach(async () => {
    store = await openTestStore([Flight], storage);
    by = createIds().operation();
  });
  afterEach(() => store.driver.close());

  /** Every fourth is deleted. */
  function fill(count: number): readonly StoredRow[] {
    return store.driver.transaction(() => Array.from({ length: count }, (_, at) => write(at)));
  }

  function write(at: number): StoredRow {
    const origin = ['SFO', 'JFK'][at % 2]!;
    const registers = [
      { property: '', value: null, winner: by },
      { property: 'origin', value: origin, winner: by },
      { property: 'distance', value: BigInt(at), winner: by },
    ];
    const entity = idFrom('flight', at);
    const merged = withRegisters(store.descriptors.get('flight')!, entity, null, registers);
    const deleted = at % 4 === 3 ? by : null;
    const row = { ...merged, head: [by], deleted, asOf: 1 as Position };
    store.rows.write('flight', entity, null, row);
    return row;
  }

  const idOf = (row: StoredRow) => row.values[0] as EntityId;
  const ascending = (rows: readonly StoredRow[]) =>
    [...rows].sort((left, right) => (idOf(left) < idOf(right) ? -1 : 1));

  function scanned(where: string | null, parameters: readonly string[], chunk: number): readonly StoredRow[] {
    const scan = createRowScan(store.driver, store.descriptors.get('flight')!, where, parameters);
    const all: StoredRow[] = [];
    for (let after: EntityId | null = null; ; ) {
      const rows = [...scan.next(after, chunk)];
      all.push(...rows);
      if (rows.length < chunk) return all;
      after = idOf(rows.at(-1)!);
    }
  }

  test('gives the living rows of a predicate, whole, ascending, whatever the chunks', () => {
    const rows = fill(50);
    const living = rows.filter(({ deleted }) => deleted === null);
    const [all, wanted] = [living, living.filter(({ values }) => values[1] === 'SFO')].map(ascending);
    for (const chunk of [1, 7, 1_000]) {
      expect(scanned(null, [], chunk)).toEqual(all);
      expect(scanned('"origin" = ?1', ['SFO'], chunk)).toEqual(wanted);
    }
    expect(scanned('"origin" = ?1', ['LAX'], 10)).toEqual([]);
  });

  test('gives the same of more rows than are sorted for each chunk', () => {
    const rows = fill(Math.ceil((MAX_SORTED_ROWS + 1) * 2 + 8));
    const wanted = ascending(rows.filter(({ deleted, values }) => deleted === null && values[1] === 'SFO'));
    expect(wanted.length).toBeGreaterThan(MAX_SORTED_ROWS);
    const found = scanned('"origin" = ?1', ['SFO'], 5_000);
    expect(found.length).toBe(wanted.length);
    expect(found.map(idOf)).toEqual(wanted.map(idOf));
  }, 30_000);

  test('may be left before its end', () => {
    fill(20);
    const scan = createRowScan(store.driver, store.descriptors.get('flight')!, null, []);
    for (const _ of scan.next(null, 10)) break;
    expect(store.driver.transaction(() => [...scan.next(null, 10)])).toHaveLength(10);
  });
});
