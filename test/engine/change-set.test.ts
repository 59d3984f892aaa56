/** Change sets as algebra: applying, taking back, merging, over random steps. */
import { expect, test } from 'vitest';
import { applied, type Differences, inverse, isEmpty, merge, paired } from '../../engine/live/change-set.ts';
import { createRandom, type Random, runs, seedFor } from '../support/random.ts';

interface Row {
  readonly id: number;
  readonly value: number;
}

const seed = seedFor('change sets');
const NOTHING: Differences<Row> = { removed: [], added: [], updated: [] };

test('what was removed or moved is taken out by its old index, then the rest is inserted ascending', () => {
  const [a, b, c, d] = ['a', 'b', 'c', 'd'] as const;
  const change = {
    removed: [{ row: b, index: 1 }],
    added: [{ row: 'x', index: 0 }],
    updated: [{ row: 'a2', before: a, from: 0, index: 3 }],
  };
  expect(applied([a, b, c, d], change)).toEqual(['x', c, d, 'a2']);
  expect(applied(['x', c, d, 'a2'], inverse(change))).toEqual([a, b, c, d]);
});

test('a step applied, then taken back, leaves the rows as they were', () => {
  const random = createRandom(seed);
  for (let round = 0; round < runs(20_000); round += 1) {
    const before = randomRows(random);
    const step = randomStep(random, before);
    const after = applied(before, step);
    expect(after).toEqual(step.after);
    expect(applied(after, inverse(step))).toEqual(before);
    expect(inverse(inverse(step))).toEqual({ removed: step.removed, added: step.added, updated: step.updated });
  }
});

test.each([
  ['rows that have an identity', (row: Row) => row.id],
  ['rows that have none', null],
])('many steps over %s are merged into one that does the same', (_, identityOf) => {
  const random = createRandom(seed);
  for (let round = 0; round < runs(10_000); round += 1) {
    const start = randomRows(random);
    let rows: readonly Row[] = start;
    let merged: Differences<Row> = NOTHING;
    for (let steps = 0; steps < 1 + random.integer(6); steps += 1) {
      const step = randomStep(random, rows);
      rows = step.after;
      merged = merge(merged, step, identityOf);
      expect(applied(start, merged)).toEqual(rows);
    }
    expectWellFormed(start, rows, merged, identityOf !== null);
  }
});

test('what came and went again leaves nothing in the merged step', () => {
  const row = { id: 1, value: 1 };
  const came = { ...NOTHING, added: [{ row, index: 3 }] };
  const merged = merge(came, inverse(came), (item) => item.id);
  expect(isEmpty(merged)).toBe(true);
});

test('what went and came again is updated, from its first place to its last', () => {
  const [before, row] = [
    { id: 1, value: 1 },
    { id: 1, value: 2 },
  ];
  const gone = { ...NOTHING, removed: [{ row: before, index: 4 }] };
  const back = { ...NOTHING, added: [{ row, index: 0 }] };
  expect(merge(gone, back, (item) => item.id).updated).toEqual([{ row, before, from: 4, index: 0 }]);
});

/** Each row is told of at most once, at the index it has, with the row that stands there; lists ascend. */
function expectWellFormed(
  start: readonly Row[],
  end: readonly Row[],
  { removed, added, updated }: Differences<Row>,
  byIdentity: boolean,
): void {
  for (const { row, index } of removed) expect(start[index]).toBe(row);
  for (const { before, from } of updated) expect(start[from]).toBe(before);
  for (const { row, index } of [...added, ...updated]) expect(end[index]).toBe(row);
  for (const list of [removed, added, updated]) {
    const indexes = list.map(({ index }) => index);
    expect(indexes).toEqual([...indexes].sort((left, right) => left - right));
  }
  if (!byIdentity) return;
  const ids = [...removed, ...added, ...updated].map(({ row }) => row.id);
  expect(new Set(ids).size).toBe(ids.length);
}

function randomRows(random: Random): readonly Row[] {
  return shuffled(
    random,
    Array.from({ length: 40 }, (_, id) => id),
  )
    .slice(0, random.integer(20))
    .map((id) => ({ id, value: 0 }));
}

/** Made from its outcome: some rows leave, some change or move, some come. */
function randomStep(random: Random, rows: readonly Row[]): Differences<Row> & { readonly after: readonly Row[] } {
  const touched = random.pick([0, 0.1, 0.3, 0.8]);
  const [stay, leave, change] = [[], [], []] as [Row[], Row[], Row[]];
  for (const row of rows) (random.chance(touched) ? random.pick([leave, change]) : stay).push(row);
  const held = new Set(rows.map(({ id }) => id));
  const come = Array.from({ length: 40 }, (_, id) => ({ id, value: random.integer(1_000) }))
    .filter(({ id }) => !held.has(id))
    .slice(0, random.integer(touched * 20 + 1));
  const after: Row[] = [...stay];
  const changed = change.map((before) => ({ before, row: { id: before.id, value: before.value + 1 } }));
  for (const row of shuffled(random, [...come, ...changed.map((pair) => pair.row)])) {
    after.splice(random.integer(after.length + 1), 0, row);
  }
  const differences = paired(
    leave.map((row) => ({ row, index: rows.indexOf(row) })),
    come.map((row) => ({ row, index: after.indexOf(row) })),
    changed.map(({ row, before }) => ({ row, before, index: after.indexOf(row), from: rows.indexOf(before) })),
    null,
  );
  return { ...differences, after };
}

function shuffled<Item>(random: Random, items: readonly Item[]): Item[] {
  return items
    .map((item) => ({ item, at: random.next() }))
    .sort((left, right) => left.at - right.at)
    .map(({ item }) => item);
}
