/** What is written together: many new rows in one statement, many transactions and rows while one body runs. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  digestOf,
  type EntityId,
  encodeOperation,
  type LogEntry,
  type Operation,
  type Position,
  type Store,
  type StoredRow,
  type TransactionId,
  withRegisters,
} from '../../storage/index.ts';
import { codeOf, createIds, Everything, Flight, type Ids, MEMORIES, openTestStore, operationWith } from './fixtures.ts';

const TABLES = ['_flight', 'tendril_transaction', 'tendril_identity', 'tendril_content', 'tendril_outcome'];

const entryOf = (operation: Operation): LogEntry => {
  const bytes = encodeOperation(operation);
  return { operation, bytes, digest: digestOf(bytes), undo: null };
};

describe.each(MEMORIES)('over %s', (_, storage) => {
  let store: Store;
  let ids: Ids;
  beforeEach(async () => {
    ids = createIds();
    store = await openTestStore([Flight, Everything], storage);
  });
  afterEach(() => store.driver.close());

  const held = ({ driver }: Store) => TABLES.map((table) => driver.all(`SELECT * FROM ${table}`));
  const rowOf = ({ id, entity }: Operation, asOf: Position): StoredRow => {
    const registers = [
      { property: '', value: null, winner: id },
      { property: 'origin', value: 'SFO', winner: id },
    ];
    const made = withRegisters(store.descriptors.get('flight')!, entity, null, registers);
    return { ...made, head: [id], deleted: null, asOf };
  };
  interface Transaction {
    readonly id: TransactionId;
    readonly operations: readonly Operation[];
  }
  const transactions = (count: number, size: (at: number) => number): readonly Transaction[] =>
    Array.from({ length: count }, (_, at) => ({
      id: ids.transaction(),
      operations: Array.from({ length: size(at) }, () => operationWith(ids)),
    }));
  const write = ({ log, rows }: Store, { id, operations }: Transaction) => {
    const position = log.append(id, operations.map(entryOf));
    rows.writeNew(
      'flight',
      operations.map((operation) => rowOf(operation, position)),
    );
  };
  const together = (body: () => void) =>
    store.driver.transaction(() => store.rows.together(() => store.log.together(body)));

  describe('transactions that are appended together', () => {
    test.each([
      [0, 1],
      [1, 1],
      [15, 1],
      [16, 1],
      [17, 1],
      [33, 1],
      [5, 3],
      [5, 17],
    ])('%i of %i operations or one more are kept as if each had been written alone', async (count, size) => {
      const alone = await openTestStore([Flight, Everything], storage);
      const all = transactions(count, (at) => size + (at % 2));
      alone.driver.transaction(() => {
        for (const one of all) write(alone, one);
      });
      together(() => {
        for (const one of all) write(store, one);
      });
      expect(held(store)).toEqual(held(alone));
      expect(store.log.position()).toBe(count);
      expect(store.log.verifyChain()).toBeNull();
      alone.driver.close();
    });

    test('are found while others are still to be appended', () => {
      const [first, second, third] = transactions(3, () => 2) as [Transaction, Transaction, Transaction];
      const found: unknown[] = [];
      together(() => {
        write(store, first);
        const { id, entity } = first.operations[1]!;
        found.push(store.log.identity(id)?.position, store.log.isNewEntity(entity), store.log.position());
        write(store, second);
        found.push(store.log.outcome(second.id), store.log.transactionsSince(0 as Position, 10, 10_000).length);
        write(store, third);
        found.push(store.log.countSince(0 as Position, 10), store.log.greatestId(), store.log.verifyChain());
      });
      const outcome = { kind: 'applied', position: 2 };
      expect(found).toEqual([1, false, 1, outcome, 2, 6, third.operations[1]!.id, null]);
    });

    test('of one id keep the first outcome', () => {
      const [first, second] = transactions(2, () => 1) as [Transaction, Transaction];
      together(() => {
        write(store, first);
        write(store, { ...second, id: first.id });
      });
      expect(store.log.outcome(first.id)).toEqual({ kind: 'applied', position: 1 });
      expect(store.log.position()).toBe(2);
    });

    test('are gone where the body throws, and the next are written at once', () => {
      const [first, second] = transactions(2, () => 1) as [Transaction, Transaction];
      const failing = () =>
        together(() => {
          write(store, first);
          throw new RangeError('no');
        });
      expect(failing).toThrow(RangeError);
      store.log.rewind();
      expect(held(store)).toEqual(TABLES.map(() => []));
      store.driver.transaction(() => write(store, second));
      expect(store.log.position()).toBe(1);
      expect(held(store).map((rows) => rows.length)).toEqual([1, 1, 1, 1, 1]);
      expect(store.log.verifyChain()).toBeNull();
    });
  });

  test('a new row that waits is read, changed and erased as if it stood there', () => {
    const [read, changed, erased] = Array.from({ length: 3 }, () => operationWith(ids)) as [
      Operation,
      Operation,
      Operation,
    ];
    const rows = [read, changed, erased].map((each) => rowOf(each, 1 as Position));
    const deleted: StoredRow = { ...rows[1]!, deleted: ids.operation() };
    const seen: unknown[] = [];
    store.driver.transaction(() =>
      store.rows.together(() => {
        const put = (at: number) => store.rows.writeNew('flight', [rows[at]!]);
        put(0);
        seen.push(store.rows.read('flight', read.entity), store.rows.read('flight', ids.entity()));
        put(1);
        store.rows.write('flight', changed.entity, rows[1]!, deleted);
        put(2);
        store.rows.erase('flight', erased.entity);
      }),
    );
    expect(seen).toEqual([rows[0], null]);
    const after = [read, changed, erased].map(({ entity }) => store.rows.read('flight', entity));
    expect(after).toEqual([rows[0], deleted, null]);
  });

  // SQLite keeps a copy of each page for a statement that must leave nothing when it fails, and looks through all of
  // the savepoint around it to give them up: hundreds of rows cost what one should.
  test('of many new rows the one that fails leaves those before it, and whoever wrote them takes them back', () => {
    const rows = Array.from({ length: 16 }, () => rowOf(operationWith(ids), 1 as Position));
    const twice = [...rows.slice(0, 15), rows[3]!];
    const count = () => store.driver.get('SELECT count(*) FROM _flight')?.[0];
    store.driver.transaction(() => {
      store.driver.run('SAVEPOINT member');
      expect(codeOf(() => store.rows.writeNew('flight', twice))).toBe('storage-failed');
      expect(count()).toBe(15);
      store.driver.run('ROLLBACK TO member');
      expect(count()).toBe(0);
      store.rows.writeNew('flight', rows);
    });
    expect(rows.map(({ values: [id] }) => store.rows.read('flight', id as EntityId))).toEqual(rows);
  });
});
