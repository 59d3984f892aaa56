import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  collection,
  type EntityId,
  integer,
  type OperationId,
  type Position,
  type Property,
  type Store,
  type StoredRow,
  withRegisters,
} from '../../storage/index.ts';
import { MAX_UPDATE_SHAPES } from '../../storage/sqlite-rows.ts';
import { codeOf, createIds, Everything, Flight, MEMORIES, openTestStore } from './fixtures.ts';

describe.each(MEMORIES)('rows over %s', (_, storage) => {
  let store: Store;
  const ids = createIds();

  const wide: Record<string, Property> = {};
  for (let index = 0; index < 100; index += 1) wide[`p${index}`] = integer().optional();
  const Wide = collection('wide', wide);

  beforeEach(async () => {
    store = await openTestStore([Flight, Everything, Wide], storage);
  });
  afterEach(() => store.driver.close());

  function flightRow(entity: EntityId, by: OperationId, changes: Partial<StoredRow> = {}): StoredRow {
    const registers = [
      { property: '', value: null, winner: by },
      { property: 'origin', value: 'SFO', winner: by },
      { property: 'distance', value: 2586n, winner: by },
    ];
    const merged = withRegisters(store.descriptors.get('flight')!, entity, null, registers);
    return { ...merged, head: [by], deleted: null, asOf: 1 as Position, ...changes };
  }

  test('a row never seen is null', () => {
    expect(store.rows.read('flight', ids.entity())).toBeNull();
  });

  test('whether something of a row is not settled is written with it, and left alone where nothing is said', () => {
    const [entity, other] = [ids.entity(), ids.entity()];
    const pendency = () => store.driver.all('SELECT _pending FROM _flight ORDER BY id').map(([cell]) => cell);
    const row = flightRow(entity, ids.operation());
    const seen: unknown[] = [];
    store.rows.write('flight', entity, null, row, true);
    store.rows.write('flight', other, null, flightRow(other, ids.operation()));
    seen.push(pendency());
    const changed = { ...row, values: row.values.with(1, 'LAX') };
    store.rows.write('flight', entity, row, changed);
    seen.push(pendency());
    store.rows.write('flight', entity, changed, row, false);
    seen.push(pendency());
    store.rows.write('flight', entity, row, { ...row, deleted: ids.operation() }, true);
    seen.push(pendency());
    expect(seen).toEqual([
      [1, null],
      [1, null],
      [null, null],
      [1, null],
    ]);
  });

  test('a row is read as it was written', () => {
    const entity = ids.entity();
    const [first, second] = [ids.operation(), ids.operation()];
    const row = flightRow(entity, first, {
      head: [first, second],
      asOf: 7 as Position,
      extra: [['gate', Uint8Array.of(1), second]],
    });
    store.rows.write('flight', entity, null, row);
    expect(store.rows.read('flight', entity)).toEqual(row);
    expect(store.driver.get('SELECT id, origin, distance, typeof(distance) FROM flight')).toEqual([
      entity,
      'SFO',
      2586,
      'integer',
    ]);
  });

  test('an update writes what changed and leaves the rest', () => {
    const entity = ids.entity();
    const row = flightRow(entity, ids.operation());
    store.rows.write('flight', entity, null, row);
    const by = ids.operation();
    const registers = [{ property: 'delay', value: 12n, winner: by }];
    const merged = withRegisters(store.descriptors.get('flight')!, entity, row, registers);
    const after: StoredRow = { ...row, ...merged, head: [by], asOf: 2 as Position };
    store.rows.write('flight', entity, row, after);
    expect(store.rows.read('flight', entity)).toEqual(after);
  });

  test('a deleted row is kept, and out of the view until it returns', () => {
    const entity = ids.entity();
    const row = flightRow(entity, ids.operation());
    const deleted = { ...row, deleted: ids.operation() };
    store.rows.write('flight', entity, null, row);
    store.rows.write('flight', entity, row, deleted);
    expect(store.rows.read('flight', entity)).toEqual(deleted);
    expect(store.driver.all('SELECT * FROM flight')).toEqual([]);
    store.rows.write('flight', entity, deleted, row);
    expect(store.driver.all("SELECT id FROM flight WHERE origin = 'SFO'")).toEqual([[entity]]);
  });

  test.each([0, 1, 15, 16, 17, 33])('%i new rows are read as they were written together', (count) => {
    const rows = Array.from({ length: count }, (_, at) => {
      const deleted = at % 5 === 4 ? ids.operation() : null;
      return flightRow(ids.entity(), ids.operation(), { deleted, asOf: at as Position });
    });
    store.rows.writeNew('flight', rows);
    expect(rows.map(({ values: [id] }) => store.rows.read('flight', id as EntityId))).toEqual(rows);
    expect(store.driver.get('SELECT count(*), count(_pending) FROM _flight')).toEqual([count, 0]);
  });

  test('an erased row was never there', () => {
    const entity = ids.entity();
    store.rows.write('flight', entity, null, flightRow(entity, ids.operation()));
    store.rows.erase('flight', entity);
    expect(store.rows.read('flight', entity)).toBeNull();
  });

  test('integers beyond 2^53 and whole reals keep what they are', () => {
    const entity = ids.entity();
    const by = ids.operation();
    const registers = [
      { property: '', value: null, winner: by },
      { property: 'large', value: -(2n ** 63n), winner: by },
      { property: 'count', value: 2n ** 53n - 1n, winner: by },
      { property: 'ratio', value: 5, winner: by },
    ];
    const merged = withRegisters(store.descriptors.get('everything')!, entity, null, registers);
    const row: StoredRow = { ...merged, head: [by], deleted: null, asOf: 1 as Position };
    store.rows.write('everything', entity, null, row);
    expect(store.rows.read('everything', entity)).toEqual(row);
    const types = store.driver.get('SELECT typeof(large), typeof(count), typeof(ratio) FROM everything');
    expect(types).toEqual(['integer', 'integer', 'real']);
  });

  describe('an update of any set of columns is right', () => {
    test(`with ${MAX_UPDATE_SHAPES} sets, and with more than statements are kept for`, () => {
      const descriptor = store.descriptors.get('wide')!;
      const entity = ids.entity();
      const by = ids.operation();
      const merged = withRegisters(descriptor, entity, null, [{ property: '', value: null, winner: by }]);
      let row: StoredRow = { ...merged, head: [by], deleted: null, asOf: 1 as Position };
      store.rows.write('wide', entity, null, row);
      for (let index = 0; index < MAX_UPDATE_SHAPES + 10; index += 1) {
        const winner = ids.operation();
        const registers = [{ property: `p${index}`, value: BigInt(index), winner }];
        const after: StoredRow = { ...row, ...withRegisters(descriptor, entity, row, registers), head: [winner] };
        store.rows.write('wide', entity, row, after);
        expect(store.rows.read('wide', entity)).toEqual(after);
        row = after;
      }
    });
  });

  test('a collection that was not declared is named', () => {
    expect(codeOf(() => store.rows.read('gate', ids.entity()))).toBe('unknown-collection');
  });
});
