import { describe, expect, test } from 'vitest';
import { mergeOperation } from '../../engine/write/merge.ts';
import type { Cell } from '../../query/index.ts';
import {
  collection,
  describeCollection,
  type Edit,
  type EntityId,
  type Operation,
  type OperationId,
  type Position,
  type StoredRow,
  type TransactionId,
  undoRow,
} from '../../storage/index.ts';
import { blob, integer, text } from '../../storage/property.ts';
import { causalOrders, type GraphProperty, randomGraph } from '../support/graphs.ts';
import { createRandom, runs, seedFor } from '../support/random.ts';

const seed = seedFor('merge');
const properties: readonly GraphProperty[] = [
  { name: 'count', values: [null, 0n, 1n, 7n, 2n ** 60n] },
  { name: 'later', values: [null, 'unknown here', 5n, new Uint8Array([1, 2])] },
  { name: 'photo', values: [null, new Uint8Array([0]), new Uint8Array([1]), new Uint8Array([2])] },
  { name: 'stars', values: [null, 3n, 4n] },
  { name: 'title', values: [null, 'n', 'ä', 'draft', 'final'] },
];
/** `stars` defaults to 3; `later` is a property this node's descriptor lacks. */
const table = describeCollection(
  collection('note', {
    title: text().optional(),
    count: integer().optional(),
    stars: integer().default(3),
    photo: blob().optional(),
  }),
);

const note = '01HZZZZZZZZZZZZZZZZZZZZZZZ' as EntityId;
const id = (letter: string) => `01J000000000000000000000${letter}0`.slice(0, 26) as OperationId;
function operation(letter: string, precursors: string, edits: readonly Edit[]): Operation {
  return {
    id: id(letter),
    transaction: id(letter) as string as TransactionId,
    collection: 'note',
    entity: note,
    precursors: [...precursors].map(id),
    edits,
    author: 'ana',
    salt: new Uint8Array(8),
  };
}
const created = { kind: 'create', property: '' } as const;
const removed = { kind: 'delete', property: '' } as const;
const title = (value: string) => ({ kind: 'set', property: 'title', value }) as const;

/** The row after the operations in this order, `asOf` left out: positions are this node's own. */
function rowAfter(operations: readonly Operation[]): StoredRow {
  let row: StoredRow | null = null;
  for (const each of operations) row = mergeOperation(table, row, each, 0 as Position).after;
  return row!;
}

/** What the definitions say of a set of operations, computed without any order. */
function rowByDefinition(operations: readonly Operation[]): StoredRow {
  const winners = new Map<string, { readonly by: OperationId; readonly edit: Edit }>();
  for (const each of operations) {
    for (const edit of each.edits) {
      const held = winners.get(edit.property);
      if (held === undefined || held.by < each.id) winners.set(edit.property, { by: each.id, edit });
    }
  }
  const cell = (value: Cell): Cell => (typeof value === 'bigint' && value < 2n ** 53n ? Number(value) : value);
  const values: Cell[] = [note, null, null, 3, null];
  const known = [...winners].filter(([name]) => name === '' || table.columnOf.has(name));
  for (const [name, { edit }] of known) if (edit.kind === 'set') values[table.columnOf.get(name)!] = cell(edit.value);
  const base = known.map(([, { by }]) => by).sort()[0]!;
  const unset = (name: string) => {
    const column = table.columnOf.get(name);
    return column !== undefined && String(values[column]) === String(table.unset[column]);
  };
  const listed = known
    .filter(([name, { by }]) => by !== base || unset(name))
    .map(([name, { by }]) => [name, by] as const);
  const precursors = new Set(operations.flatMap((each) => each.precursors));
  const later = winners.get('later');
  const { by, edit } = winners.get('')!;
  return {
    values,
    head: operations
      .map((each) => each.id)
      .filter((each) => !precursors.has(each))
      .sort(),
    versions: { base, listed: listed.sort(([left], [right]) => (left < right ? -1 : 1)) },
    deleted: edit.kind === 'delete' ? by : null,
    asOf: 0 as Position,
    extra: later?.edit.kind === 'set' ? [['later', later.edit.value, later.by]] : [],
  };
}

describe('merge', () => {
  test('the greatest operation id wins each property, whichever arrives first', () => {
    const root = operation('A', '', [created, title('untitled')]);
    const draft = operation('B', 'A', [title('draft')]);
    const final = operation('C', 'A', [title('final')]);
    expect(rowAfter([root, draft, final])).toEqual(rowAfter([root, final, draft]));
    expect(rowAfter([root, final, draft]).values[1]).toBe('final');
    expect(rowAfter([root, final, draft]).head).toEqual([id('B'), id('C')]);
  });

  test('edits of different properties both survive', () => {
    const row = rowAfter([
      operation('A', '', [created]),
      operation('C', 'A', [{ kind: 'set', property: 'count', value: 7n }]),
      operation('B', 'A', [title('draft')]),
    ]);
    expect(row.values).toEqual([note, 'draft', 7, 3, null]);
  });

  test('an edit on two tips leaves one head; one without edits narrows it and changes nothing else', () => {
    const two = [operation('A', '', [created]), operation('B', 'A', [title('b')]), operation('C', 'A', [title('c')])];
    expect(rowAfter([...two, operation('D', 'BC', [title('d')])]).head).toEqual([id('D')]);
    const narrowed = rowAfter([...two, operation('D', 'BC', [])]);
    expect(narrowed).toEqual({ ...rowAfter(two), head: [id('D')] });
  });

  test('a deleted row stays deleted under a concurrent edit, which merges unseen, and restore brings both back', () => {
    const dead = [operation('A', '', [created]), operation('B', 'A', [removed]), operation('C', 'A', [title('kept')])];
    expect(rowAfter(dead).deleted).toBe(id('B'));
    const back = rowAfter([...dead, operation('D', 'BC', [{ kind: 'restore', property: '' }])]);
    expect([back.deleted, back.values[1]]).toEqual([null, 'kept']);
  });

  test('two creations of one id are concurrent roots and merge', () => {
    const left = operation('A', '', [created, title('left')]);
    const right = operation('B', '', [created, { kind: 'set', property: 'count', value: 1n }]);
    const row = rowAfter([right, left]);
    expect([row.values, row.head]).toEqual([
      [note, 'left', 1, 3, null],
      [id('A'), id('B')],
    ]);
  });

  test('a property set to what an unset one reads has a winner, which an older edit does not beat', () => {
    const root = operation('A', '', [created]);
    const cleared = operation('C', 'A', [{ kind: 'set', property: 'title', value: null }]);
    const older = operation('B', 'A', [title('older')]);
    expect(rowAfter([root, cleared, older]).values[1]).toBeNull();
    expect(rowAfter([root, older]).values[1]).toBe('older');
    const sameDefault = operation('C', 'A', [{ kind: 'set', property: 'stars', value: 3n }]);
    const olderStars = operation('B', 'A', [{ kind: 'set', property: 'stars', value: 5n }]);
    expect(rowAfter([root, sameDefault, olderStars]).values[3]).toBe(3);
  });

  test('an edit of an unknown kind changes the head and no cell', () => {
    const root = operation('A', '', [created, title('kept')]);
    const counter = operation('B', 'A', [
      { kind: 'unknown', property: 'count', code: 9, payload: new Uint8Array([1]) },
    ]);
    expect(rowAfter([root, counter])).toEqual({ ...rowAfter([root]), head: [id('B')] });
  });

  test('every causal order of a small graph ends in the row the definitions give', () => {
    for (const [graph, orders] of smallGraphs()) {
      const expected = rowByDefinition(graph);
      expect(orders.length).toBeGreaterThan(1);
      for (const order of orders) expect(rowAfter(order)).toEqual(expected);
    }
  });

  test('random graphs end in the row the definitions give, and every undo gives back the row before', () => {
    const random = createRandom(seed);
    for (let run = 0; run < runs(20_000); run += 1) {
      const options = {
        collection: 'note',
        properties,
        authors: 2 + random.integer(4),
        entities: 1,
        transactions: 2 + random.integer(12),
      };
      const graph = randomGraph(random, options)
        .flatMap((each) => each.operations)
        .map((each) => ({ ...each, entity: note }));
      let row: StoredRow | null = null;
      for (const each of graph) {
        const { after, undo } = mergeOperation(table, row, each, 0 as Position);
        expect(undoRow(table, after, undo)).toEqual(row);
        row = after;
      }
      expect(row).toEqual(rowByDefinition(graph));
    }
  });
});

/** Graphs of up to five operations over one entity, each with all its causal orders. */
function* smallGraphs(): Generator<readonly [readonly Operation[], readonly Operation[][]]> {
  const random = createRandom(seed);
  let found = 0;
  while (found < runs(1_000)) {
    const options = { collection: 'note', properties, authors: 3, entities: 1, transactions: 3 + random.integer(3) };
    const graph = randomGraph(random, options)
      .flatMap((each) => each.operations)
      .map((each) => ({ ...each, entity: note }));
    const byId = new Map(graph.map((each) => [each.id, each]));
    const orders = causalOrders(graph, (each) => each.precursors.map((precursor) => byId.get(precursor)!));
    if (orders.length === 1) continue;
    found += 1;
    yield [graph, orders];
  }
}
