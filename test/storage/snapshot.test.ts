import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { mergeOperation } from '../../engine/write/merge.ts';
import type { RawRow } from '../../query/index.ts';
import {
  collection,
  digestOf,
  type EntityId,
  encodeOperation,
  integer,
  type LogEntry,
  MAX_UNDO_ROWS,
  type Operation,
  type Position,
  type Store,
  type StoredRow,
  text,
} from '../../storage/index.ts';
import { type GraphTransaction, randomGraph } from '../support/graphs.ts';
import { createRandom, runs, seedFor } from '../support/random.ts';
import { codeOf, createIds, MEMORIES, openTestStore, operationWith } from './fixtures.ts';

const PROPERTIES = [
  { name: 'gate', values: [null, 'A7', 5n] },
  { name: 'stars', values: [null, 0n, 7n, 2n ** 60n] },
  { name: 'title', values: ['', 'x', 'y'] },
];
const Note = collection('note', { stars: integer().optional(), title: text().default('x') }, { indexes: [['title']] });
const Memo = collection('memo', { title: text() });
const ids = createIds();

describe.each(MEMORIES)('snapshots over %s', (_, storage) => {
  let store: Store;
  beforeEach(async () => {
    store = await openTestStore([Note, Memo], storage);
  });
  afterEach(() => store.driver.close());

  /** What a node does to apply a transaction, and nothing more. */
  function apply({ id, operations }: Pick<GraphTransaction, 'id' | 'operations'>): void {
    const position = (store.log.position() + 1) as Position;
    store.driver.transaction(() => {
      const entries = operations.map((operation): LogEntry => {
        const { collection: name, entity } = operation;
        const before = store.rows.read(name, entity);
        const { after, undo } = mergeOperation(store.descriptors.get(name)!, before, operation, position);
        store.rows.write(name, entity, before, after);
        const bytes = encodeOperation(operation);
        return { operation, bytes, digest: digestOf(bytes), undo };
      });
      store.log.append(id, entries);
    });
  }

  const entitiesOf = (graph: readonly GraphTransaction[]): readonly EntityId[] => [
    ...new Set(graph.flatMap(({ operations }) => operations.map(({ entity }) => entity))),
  ];
  const rowsOf = (entities: readonly EntityId[]): readonly (StoredRow | null)[] =>
    entities.map((entity) => store.rows.read('note', entity));

  const SELECT = 'SELECT * FROM note ORDER BY title, id';

  describe('rows as they stood at any position of a random run', () => {
    test('equal those recorded then, values, versions, head and deletion, and nothing stays changed', () => {
      const random = createRandom(seedFor('snapshots'));
      for (let run = 0; run < runs(40); run += 1) {
        const options = { collection: 'note', properties: PROPERTIES, authors: 3, entities: 4, transactions: 25 };
        const graph = randomGraph(random, options);
        const entities = entitiesOf(graph);
        const start = store.log.position();
        const recorded = [{ rows: rowsOf(entities), shown: store.driver.all(SELECT) }];
        for (const transaction of graph) {
          apply(transaction);
          recorded.push({ rows: rowsOf(entities), shown: store.driver.all(SELECT) });
        }
        for (let step = graph.length; step >= 0; step -= 1) {
          const at = (start + step) as Position;
          const seen = store.readAt(at, ['note'], () => ({ rows: rowsOf(entities), shown: store.driver.all(SELECT) }));
          expect(seen).toEqual(recorded[step]);
          expect(entities.map((entity) => store.rowAt(at, 'note', entity))).toEqual(recorded[step]!.rows);
          expect(rowsOf(entities)).toEqual(recorded[graph.length]!.rows);
        }
      }
    });
  });

  const created = (name: string, entity = ids.entity()): Operation =>
    operationWith(ids, { collection: name, entity, edits: [{ kind: 'create', property: '' }] });

  test('inside a transaction a snapshot leaves what was written before it', () => {
    apply({ id: ids.transaction(), operations: [created('note')] });
    const count = (): RawRow | undefined => store.driver.get('SELECT count(*) FROM note');
    store.driver.transaction(() => {
      const operation = created('note');
      const { after } = mergeOperation(store.descriptors.get('note')!, null, operation, 2 as Position);
      store.rows.write('note', operation.entity, null, after);
      expect(store.readAt(0 as Position, ['note'], count)).toEqual([1]);
      expect(count()).toEqual([2]);
    });
    expect(count()).toEqual([2]);
  });

  test('what a read throws leaves, and the rows are as before', () => {
    apply({ id: ids.transaction(), operations: [created('note')] });
    const failing = () =>
      store.readAt(0 as Position, ['note'], () => {
        expect(store.driver.all(SELECT)).toEqual([]);
        throw new RangeError('mine');
      });
    expect(failing).toThrow(RangeError);
    expect(store.driver.all(SELECT)).toHaveLength(1);
  });

  test('where SQLite rolls back by itself, the caller hears why', () => {
    apply({ id: ids.transaction(), operations: [created('note')] });
    const failing = () =>
      store.readAt(0 as Position, ['note'], () => {
        store.driver.run('ROLLBACK');
        throw new RangeError('the disk is full');
      });
    expect(failing).toThrow('the disk is full');
    expect(store.driver.all(SELECT)).toHaveLength(1);
  });

  test('only the collections named are taken back', () => {
    apply({ id: ids.transaction(), operations: [created('note'), created('memo')] });
    const counts = () => store.driver.get('SELECT (SELECT count(*) FROM note), (SELECT count(*) FROM memo)');
    expect(store.readAt(0 as Position, ['memo'], counts)).toEqual([1, 0]);
    expect(store.readAt(0 as Position, ['memo', 'note'], counts)).toEqual([0, 0]);
  });

  test(`${MAX_UNDO_ROWS} operations can be undone for one read, one more cannot`, () => {
    const operations = Array.from({ length: MAX_UNDO_ROWS }, () => created('note'));
    apply({ id: ids.transaction(), operations });
    const count = () => store.driver.get('SELECT count(*) FROM note');
    expect(store.readAt(0 as Position, ['note'], count)).toEqual([0]);
    apply({ id: ids.transaction(), operations: [created('note')] });
    expect(codeOf(() => store.readAt(0 as Position, ['note'], count))).toBe('limit-exceeded');
    expect(store.readAt(1 as Position, ['note'], count)).toEqual([MAX_UNDO_ROWS]);
    expect(store.readAt(0 as Position, ['memo'], count)).toEqual([MAX_UNDO_ROWS + 1]);
  });
});
