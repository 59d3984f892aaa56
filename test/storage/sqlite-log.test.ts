import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  decodeOperation,
  digestOf,
  type EntityId,
  encodeOperation,
  type LogEntry,
  type Operation,
  type OperationId,
  type Position,
  type Store,
  type TransactionId,
  type Undo,
} from '../../storage/index.ts';
import { codeOf, createIds, Everything, Flight, MEMORIES, openTestStore, operationWith } from './fixtures.ts';

describe.each(MEMORIES)('the log over %s', (_, storage) => {
  let store: Store;
  const ids = createIds();

  beforeEach(async () => {
    store = await openTestStore([Flight, Everything], storage);
  });
  afterEach(() => store.driver.close());

  const entryOf = (operation: Operation, undo: Undo = null): LogEntry => {
    const bytes = encodeOperation(operation);
    return { operation, bytes, digest: digestOf(bytes), undo };
  };

  /** Appends one transaction of these operations; gives it. */
  function append(operations: readonly Operation[]): { readonly tx: TransactionId; readonly position: Position } {
    const tx = ids.transaction();
    const position = store.driver.transaction(() =>
      store.log.append(
        tx,
        operations.map((operation) => entryOf(operation)),
      ),
    );
    return { tx, position };
  }

  const flights = (count: number) => Array.from({ length: count }, () => operationWith(ids));

  test('an empty log is at position 0 and has no greatest id', () => {
    expect(store.log.position()).toBe(0);
    expect(store.log.greatestId()).toBeNull();
    expect(store.log.since(0 as Position, 10)).toEqual([]);
    expect(store.log.verifyChain()).toBeNull();
  });

  test.each([1, 2, 15, 16, 17, 33])('a transaction of %i operations is read as it was appended', (count) => {
    const operations = flights(count);
    const { tx, position } = append(operations);
    expect(position).toBe(1);
    const logged = store.log.since(0 as Position, 1_000);
    expect(logged.map(({ bytes }) => decodeOperation(bytes))).toEqual(operations);
    expect(logged.every((one) => one.position === 1)).toBe(true);
    expect(store.log.outcome(tx)).toEqual({ kind: 'applied', position: 1 });
  });

  test('a transaction that arrives in two parts keeps its first outcome', () => {
    const { tx } = append(flights(1));
    store.driver.transaction(() => store.log.append(tx, [entryOf(operationWith(ids))]));
    expect(store.log.position()).toBe(2);
    expect(store.log.outcome(tx)).toEqual({ kind: 'applied', position: 1 });
  });

  test('positions count transactions, one after the other', () => {
    expect([1, 3, 2].map((count) => append(flights(count)).position)).toEqual([1, 2, 3]);
    expect(store.log.position()).toBe(3);
  });

  test('an operation is found by its id, an unknown one is not', () => {
    const [first, second] = flights(2) as [Operation, Operation];
    append([first]);
    append([second]);
    const { digest } = entryOf(second);
    expect(store.log.identity(second.id)).toEqual({ position: 2, digest, collection: 'flight', entity: second.entity });
    expect(store.log.identity(ids.operation())).toBeNull();
    expect(store.log.outcome(ids.transaction())).toBeNull();
    expect(store.log.greatestId()).toBe(second.id);
  });

  test('what lies beyond all it holds is known to be new; what came late, or was rolled back, is found or looked for', () => {
    const [early, late] = [operationWith(ids), operationWith(ids)];
    expect(store.log.isNewEntity(late.entity)).toBe(true);
    append([late]);
    // Ids of both are below what is held, and nobody has seen them.
    expect([store.log.isNewEntity(early.entity), store.log.identity(early.id)]).toEqual([false, null]);
    append([early]);
    expect(store.log.identity(early.id)?.position).toBe(2);
    expect(store.log.identity(late.id)?.position).toBe(1);
    const lost = operationWith(ids);
    expect(store.log.isNewEntity(lost.entity)).toBe(true);
    const undone = () =>
      store.driver.transaction(() => {
        store.log.append(ids.transaction(), [entryOf(lost)]);
        throw new Error('on purpose');
      });
    expect(undone).toThrow('on purpose');
    store.log.rewind();
    expect(store.log.identity(lost.id)).toBeNull();
    append([lost]);
    expect(store.log.identity(lost.id)?.position).toBe(3);
  });

  test('since gives whole transactions, at least one, then up to the limit', () => {
    for (const count of [3, 2, 2]) append(flights(count));
    const positions = (after: number, limit: number) =>
      store.log.since(after as Position, limit).map(({ position }) => position);
    expect(positions(0, 1)).toEqual([1, 1, 1]);
    expect(positions(0, 3)).toEqual([1, 1, 1]);
    expect(positions(0, 4)).toEqual([1, 1, 1]);
    expect(positions(0, 5)).toEqual([1, 1, 1, 2, 2]);
    expect(positions(0, 6)).toEqual([1, 1, 1, 2, 2]);
    expect(positions(0, 7)).toEqual([1, 1, 1, 2, 2, 3, 3]);
    expect(positions(1, 2)).toEqual([2, 2]);
    expect(positions(3, 2)).toEqual([]);
  });

  test('what changed since is given for whole transactions, at least one, without reading what they say', () => {
    const first = append(flights(3));
    const [one, two] = [flights(2), [operationWith(ids, { collection: 'everything' })]];
    for (const operations of [one, two]) append(operations);
    store.driver.run("UPDATE tendril_content SET bytes = x'00', undo = x'07'");
    const changed = (operations: readonly Operation[], position: number) =>
      operations.map(({ collection, entity }) => ({ position, collection, entity }));
    const all = [...changed(one, 2), ...changed(two, 3)];
    expect(store.log.changedSince(first.position, 10)).toEqual(all);
    expect(store.log.changedSince(first.position, 3)).toEqual(all);
    expect(store.log.changedSince(first.position, 2)).toEqual(changed(one, 2));
    expect(store.log.changedSince(first.position, 1)).toEqual(changed(one, 2));
    expect(store.log.changedSince(3 as Position, 1)).toEqual([]);
  });

  test('operations since a position are counted up to the limit', () => {
    append(flights(3));
    append(flights(2));
    const counts = [1, 4, 5, 6].map((limit) => store.log.countSince(0 as Position, limit));
    expect(counts).toEqual([1, 4, 5, 5]);
    expect(store.log.countSince(1 as Position, 9)).toBe(2);
    expect(store.log.countSince(2 as Position, 9)).toBe(0);
  });

  test('the operations of one entity are those of its collection, in position order', () => {
    const entity = ids.entity();
    const first = operationWith(ids, { entity });
    const other = operationWith(ids, { entity, collection: 'everything' });
    const second = operationWith(ids, { entity, precursors: [first.id], edits: [] });
    append([first, operationWith(ids)]);
    append([other]);
    append([second]);
    const found = store.log.ofEntity('flight', entity);
    expect(found.map(({ position, bytes }) => [position, decodeOperation(bytes).id])).toEqual([
      [1, first.id],
      [3, second.id],
    ]);
    expect(store.log.ofEntity('everything', entity)).toHaveLength(1);
  });

  describe('undo entries', () => {
    const step = (deleted: OperationId): Undo => ({
      registers: [{ property: 'delay', value: 5n, winner: ids.operation() }],
      head: [ids.operation()],
      deleted,
      asOf: 1 as Position,
    });

    test('come newest first, of what is asked for, one more than the limit at most', () => {
      const [entity, other] = [ids.entity(), ids.entity()];
      const undo = step(ids.operation());
      append([operationWith(ids, { entity }), operationWith(ids, { entity: other })]);
      append([operationWith(ids, { collection: 'everything', entity })]);
      store.driver.transaction(() =>
        store.log.append(ids.transaction(), [entryOf(operationWith(ids, { entity }), undo)]),
      );
      const seen = (after: number, scope: { collection?: string; entity?: EntityId }, limit = 100) =>
        store.log.undoSince(after as Position, scope, limit).map(({ position }) => position);
      expect(seen(0, {})).toEqual([3, 2, 1, 1]);
      expect(seen(0, { collection: 'flight' })).toEqual([3, 1, 1]);
      expect(seen(0, { entity })).toEqual([3, 2, 1]);
      expect(seen(0, { collection: 'flight', entity })).toEqual([3, 1]);
      expect(seen(1, { collection: 'flight' })).toEqual([3]);
      expect(seen(0, {}, 2)).toEqual([3, 2, 1]);
      const [newest, oldest] = store.log.undoSince(0 as Position, { collection: 'flight', entity }, 100);
      expect(newest).toEqual({ position: 3, collection: 'flight', entity, undo });
      expect(oldest?.undo).toBeNull();
    });

    test('of one entity are found through its index', () => {
      const plan = store.driver.all(`EXPLAIN QUERY PLAN SELECT c.undo FROM tendril_identity AS i
      CROSS JOIN tendril_content AS c USING (position, ordinal)
      WHERE i.position > 5 AND i.collection = 1 AND i.entity = x'00' ORDER BY i.position DESC, i.ordinal DESC LIMIT 5`);
      expect(plan.map((row) => row[3])).toEqual([
        'SEARCH i USING INDEX tendril_identity_entity (entity=? AND position>?)',
        'SEARCH c USING PRIMARY KEY (position=? AND ordinal=?)',
      ]);
    });
  });

  describe('a rollback', () => {
    const failing = () => {
      store.driver.transaction(() => {
        store.log.append(ids.transaction(), [entryOf(operationWith(ids))]);
        throw new RangeError('no');
      });
    };

    test('is forgotten by rewind: the next transaction takes its position, and the chain holds', () => {
      append(flights(1));
      expect(failing).toThrow(RangeError);
      expect(store.log.position()).toBe(2);
      store.log.rewind();
      expect(store.log.position()).toBe(1);
      expect(append(flights(1)).position).toBe(2);
      expect(store.log.verifyChain()).toBeNull();
    });

    test('of the first transaction takes the epoch along, and the next records it', () => {
      expect(failing).toThrow(RangeError);
      store.log.rewind();
      append(flights(1));
      expect(store.driver.all('SELECT first FROM tendril_epoch')).toEqual([[1]]);
    });
  });

  describe('the chain', () => {
    beforeEach(() => {
      for (const count of [1, 20, 2]) append(flights(count));
      expect(store.log.verifyChain()).toBeNull();
    });
    test.each([
      [
        'content',
        'UPDATE tendril_content SET bytes = (SELECT bytes FROM tendril_content LIMIT 1) WHERE position = 2 AND ordinal = 7',
        2,
      ],
      [
        'a digest',
        "UPDATE tendril_identity SET digest = x'00112233445566778899aabbccddeeff' WHERE position = 3 AND ordinal = 0",
        3,
      ],
      ['an operation taken out', 'DELETE FROM tendril_identity WHERE position = 2 AND ordinal = 19', 2],
      ['an order', 'UPDATE tendril_identity SET ordinal = ordinal + 100 WHERE position = 2 AND ordinal = 3', 2],
      [
        'a place in the order',
        'UPDATE tendril_identity SET ordinal = ordinal + 100 WHERE position = 2 AND ordinal = 19',
        2,
      ],
      [
        'a transaction',
        "UPDATE tendril_transaction SET tx = x'00112233445566778899aabbccddeeff' WHERE position = 1",
        1,
      ],
      ['a transaction taken out', 'DELETE FROM tendril_transaction WHERE position = 2', 2],
      ['the chain itself', 'UPDATE tendril_transaction SET chain = zeroblob(32) WHERE position = 3', 3],
    ])('shows that %s was changed', (_, sql, position) => {
      store.driver.run(sql);
      expect(store.log.verifyChain()).toBe(position);
    });
    test('shows that content is lost above the floor', () => {
      store.driver.run('DELETE FROM tendril_content WHERE position = 2');
      expect(store.log.verifyChain()).toBe(2);
    });
    test("shows a content that is no operation's", () => {
      store.driver.run('UPDATE tendril_content SET ordinal = ordinal + 100 WHERE position = 2');
      expect(store.log.verifyChain()).toBe(2);
      store.driver.run("INSERT INTO tendril_content VALUES (9, 0, x'00', x'00')");
      store.driver.run('UPDATE tendril_content SET ordinal = ordinal - 100 WHERE position = 2');
      expect(store.log.verifyChain()).toBe(9);
    });
    test('holds where content was compacted away, up to the floor', () => {
      store.compaction.drop({ position: 2 as Position, ordinal: 0 });
      expect(store.log.verifyChain(), 'above the floor it is lost').toBe(2);
      store.log.raiseFloor(2 as Position);
      expect(store.log.verifyChain()).toBeNull();
    });
  });

  test('an operation of a collection that was not declared is refused', () => {
    expect(codeOf(() => append([operationWith(ids, { collection: 'gate' })]))).toBe('unknown-collection');
  });
});
