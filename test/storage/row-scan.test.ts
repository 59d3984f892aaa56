import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  createRowScan,
  type EntityId,
  idFrom,
  MAX_COUNTED_ROWS,
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
      const rows = [...scan.next(after, chunk)].map(({ row }) => row as StoredRow);
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

  test('gives the heads of the same rows', () => {
    const living = ascending(fill(20).filter(({ deleted }) => deleted === null));
    const scan = createRowScan(store.driver, store.descriptors.get('flight')!, null, []);
    expect([...scan.heads(null, 100)]).toEqual(living.map((row) => ({ id: idOf(row), row: row.head })));
    expect([...scan.heads(idOf(living[4]!), 2)].map(({ id }) => id)).toEqual([idOf(living[5]!), idOf(living[6]!)]);
  });

  test('counts its rows once', () => {
    fill(20);
    const scan = createRowScan(store.driver, store.descriptors.get('flight')!, '"origin" = ?1', ['SFO']);
    expect(scan.count()).toBe(10);
    store.driver.run('DELETE FROM _flight');
    expect(scan.count()).toBe(10);
  });

  test('counts MAX_COUNTED_ROWS rows, and no more', () => {
    const insert = (from: number, to: number) => {
      const ids = `WITH RECURSIVE n(i) AS (VALUES (${from}) UNION ALL SELECT i + 1 FROM n WHERE i < ${to})`;
      const columns = '(id, _head, _versions, _asOf)';
      store.driver.run(`INSERT INTO _flight ${columns} ${ids} SELECT printf('%026d', i), x'', x'', 1 FROM n`, []);
    };
    const count = () => createRowScan(store.driver, store.descriptors.get('flight')!, null, []).count();
    insert(1, MAX_COUNTED_ROWS);
    expect(count()).toBe(MAX_COUNTED_ROWS);
    insert(MAX_COUNTED_ROWS + 1, MAX_COUNTED_ROWS + 1);
    expect(count()).toBeNull();
  });

  test('gives the damage of a row that is damaged, and the others as ever', () => {
    const [first, second] = ascending(fill(3));
    store.driver.run("UPDATE _flight SET _versions = x'01', _head = x'02' WHERE id = ?", [idOf(second!)]);
    const scan = createRowScan(store.driver, store.descriptors.get('flight')!, null, []);
    for (const found of [[...scan.next(null, 10)], [...scan.heads(null, 10)]]) {
      expect(found).toHaveLength(3);
      expect(found[0]!.id).toBe(idOf(first!));
      expect(found[1]).toMatchObject({ id: idOf(second!), row: { code: 'storage-damaged' } });
    }
  });

  test('may be left before its end', () => {
    fill(20);
    const scan = createRowScan(store.driver, store.descriptors.get('flight')!, null, []);
    for (const _ of scan.next(null, 10)) break;
    expect(store.driver.transaction(() => [...scan.next(null, 10)])).toHaveLength(10);
  });
});
