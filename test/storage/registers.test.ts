import { describe, expect, test } from 'vitest';
import { mergeOperation } from '../../engine/write/merge.ts';
import {
  blob,
  collection,
  describeCollection,
  type Edit,
  type EntityId,
  integer,
  type Operation,
  type OperationId,
  type Position,
  type StoredRow,
  text,
  type Undo,
  undoRow,
  withRegisters,
} from '../../storage/index.ts';
import { versionsOf, winnersOf } from '../../storage/registers.ts';
import { randomGraph } from '../support/graphs.ts';
import { createRandom, runs, seedFor } from '../support/random.ts';
import { createIds, operationWith } from './fixtures.ts';

const ids = createIds();
const Note = collection('note', {
  title: text().optional(),
  stars: integer().optional(),
  state: text().default('open'),
  bytes: blob().optional().default(Uint8Array.of(1)),
});
const note = describeCollection(Note);
const [a, b, c] = [ids.operation(), ids.operation(), ids.operation()];
const entity = ids.entity();

const created = (...edits: Edit[]): StoredRow => {
  const operation = operationWith(ids, { id: a, entity, edits: [{ kind: 'create', property: '' }, ...edits] });
  return mergeOperation(note, null, operation, 1 as Position).after;
};
const set = (property: string, value: bigint | string | null | Uint8Array): Edit => ({ kind: 'set', property, value });

describe('versions', () => {
  test('of a creation are its id alone, where nothing was set to what it reads anyway', () => {
    expect(created(set('stars', 5n), set('title', 'x')).versions).toEqual({ base: a, listed: [] });
  });

  test('tell "set to NULL or to the default" from "never set"', () => {
    const row = created(set('bytes', Uint8Array.of(1)), set('state', 'open'), set('title', null));
    expect(row.versions.listed).toEqual([
      ['bytes', a],
      ['state', a],
      ['title', a],
    ]);
    // By column: existence, title, stars, state, bytes.
    expect(winnersOf(note, row)).toEqual([a, a, null, a, a]);
  });

  test('name every winner that is not the smallest, in the order of the names', () => {
    const row = created(set('stars', 5n), set('title', 'x'));
    const later = withRegisters(note, entity, row, [
      { property: 'title', value: 'y', winner: c },
      { property: '', value: null, winner: b },
    ]);
    expect(later.versions).toEqual({
      base: a,
      listed: [
        ['', b],
        ['title', c],
      ],
    });
    expect(later.values).toEqual([entity, 'y', 5, 'open', Uint8Array.of(1)]);
    const none = withRegisters(note, entity, { ...row, ...later }, [{ property: 'stars', value: 6n, winner: c }]);
    expect(none.versions).toEqual({
      base: b,
      listed: [
        ['stars', c],
        ['title', c],
      ],
    });
  });

  test('are the same, whichever way a row came to be', () => {
    const once = withRegisters(note, entity, null, [
      { property: '', value: null, winner: a },
      { property: 'stars', value: 7n, winner: b },
    ]);
    const row = created(set('stars', 5n));
    const twice = withRegisters(note, entity, row, [{ property: 'stars', value: 7n, winner: b }]);
    expect(twice).toEqual(once);
  });

  test('an integer beyond 2^53 stays exact', () => {
    const row = created(set('stars', 2n ** 53n + 1n));
    expect(row.values[2]).toBe(2n ** 53n + 1n);
  });
});

test('a property that the descriptor lacks waits in extra, with its own winner', () => {
  const row = created(set('gate', 'A7'), set('title', 'x'));
  expect(row.extra).toEqual([['gate', 'A7', a]]);
  expect(row.versions).toEqual({ base: a, listed: [] });
  const later = withRegisters(note, entity, row, [{ property: 'aisle', value: 1n, winner: b }]);
  expect(later.extra).toEqual([
    ['aisle', 1n, b],
    ['gate', 'A7', a],
  ]);
});

test('winners and versions are two spellings of one thing, and undo takes back every step of random histories', () => {
  const random = createRandom(seedFor('registers'));
  for (let run = 0; run < runs(300); run += 1) {
    const graph = randomGraph(random, { collection: 'note', properties, authors: 3, entities: 2, transactions: 30 });
    const rows = new Map<EntityId, StoredRow>();
    const steps: { id: EntityId; before: StoredRow | null; undo: Undo }[] = [];
    for (const operation of graph.flatMap(({ operations }) => operations)) {
      const before = rows.get(operation.entity) ?? null;
      const { after, undo } = mergeOperation(note, before, operation as Operation, steps.length as Position);
      expect(versionsOf(note, winnersOf(note, after), after.values)).toEqual(after.versions);
      rows.set(operation.entity, after);
      steps.push({ id: operation.entity, before, undo });
    }
    for (const { id, before, undo } of steps.reverse()) {
      const undone = undoRow(note, rows.get(id)!, undo);
      expect(undone).toEqual(before);
      if (undone !== null) rows.set(id, undone);
    }
  }
});

const properties = [
  { name: 'bytes', values: [null, Uint8Array.of(1), Uint8Array.of(2)] },
  { name: 'gate', values: [null, 'A7', 5n, 0.5] },
  { name: 'stars', values: [null, 0n, 2n ** 60n] },
  { name: 'state', values: ['open', 'done', ''] },
  { name: 'title', values: [null, '', 'x'] },
];

test('ids compare as OperationIds only', () => {
  const smaller: OperationId = a;
  expect(smaller < b && b < c).toBe(true);
});
