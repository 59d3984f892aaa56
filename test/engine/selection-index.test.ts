/** The selection index against the plain question: does this key meet this row? */
import { expect, test } from 'vitest';
import { SelectionIndex } from '../../engine/live/selection-index.ts';
import { type Cell, type Column, type Fold, type IndexKey, type RawRow, rowKey } from '../../query/index.ts';
import { meets } from '../query/judge.ts';
import { collectGarbage } from '../support/garbage.ts';
import { createRandom, type Random, runs, seedFor } from '../support/random.ts';

interface Asked {
  mark: number;
  readonly keys: readonly IndexKey[];
}

const seed = seedFor('selection index');
const ID: Column = { name: 'id', type: 'text', index: 0, json: false };
const COUNT: Column = { name: 'count', type: 'integer', index: 1, json: false };
const NAME: Column = { name: 'name', type: 'text', index: 2, json: false };
const RATIO: Column = { name: 'ratio', type: 'real', index: 3, json: false };
const DATA: Column = { name: 'data', type: 'blob', index: 4, json: false };
const COLUMNS = [ID, COUNT, NAME, RATIO, DATA] as const;
const CELLS: readonly (readonly Cell[])[] = [
  ['a', 'b', 'c'],
  [null, -1, 0, 1, 2, 2n ** 60n],
  [null, '', 'a', 'A', 'ab', 'É', '\ue000', '😀'],
  [null, -0.5, 0, 1, 2 ** 60],
  [null, new Uint8Array(), new Uint8Array([1]), new Uint8Array([255, 0])],
];
const EMPTY = { columns: 0, equal: 0, intervals: 0, prefixes: 0, nulls: 0, every: 0 };

test('exactly the selections whose keys meet the old row or the new are found, each once, while they come and go', () => {
  const random = createRandom(seed);
  for (let round = 0; round < 10; round += 1) {
    const index = new SelectionIndex<Asked>();
    const held = new Set<Asked>();
    for (let step = 0; step < runs(2_000); step += 1) {
      if (held.size === 0 || random.chance(0.6)) {
        const asked = { mark: 0, keys: randomKeys(random) };
        held.add(asked);
        index.add(asked.keys, asked);
      } else {
        const asked = random.pick([...held]);
        held.delete(asked);
        index.remove(asked.keys, asked);
      }
      const [before, after] = randomChange(random);
      const found = index.concerned(before, after);
      expect(new Set(found).size).toBe(found.length);
      expect(new Set(found)).toEqual(new Set([...held].filter((asked) => isMet(asked, before) || isMet(asked, after))));
    }
    for (const asked of held) index.remove(asked.keys, asked);
    expect(index.sizes()).toEqual(EMPTY);
  }
});

test('the fallback list is counted', () => {
  const index = new SelectionIndex<Asked>();
  const asked: Asked = { mark: 0, keys: [{ kind: 'every' }] };
  index.add(asked.keys, asked);
  expect(index.sizes()).toEqual({ ...EMPTY, every: 1 });
  expect(index.concerned(null, ['a', 1, null, null, null])).toEqual([asked]);
});

test('a selection that no row can match is never found', () => {
  const index = new SelectionIndex<Asked>();
  index.add([], { mark: 0, keys: [] });
  expect(index.sizes()).toEqual(EMPTY);
  expect(index.concerned(['a', 1, null, null, null], null)).toEqual([]);
});

test('what the last change found is let go once it is removed, and whoever walks through it comes to the end', async () => {
  const index = new SelectionIndex<Asked>();
  const bound = { key: rowKey(COUNT, 1, 'none')!, inclusive: true };
  const kinds: readonly IndexKey[] = [
    { kind: 'range', column: COUNT, fold: 'none', low: bound, high: null },
    { kind: 'equal', column: COUNT, fold: 'none', key: bound.key },
    { kind: 'null', column: NAME },
    { kind: 'every' },
  ];
  // One alone stands in its bucket itself, others in a Set.
  const added = kinds.flatMap((key, at) => Array.from({ length: 1 + at }, () => addFor(index, key)));
  expect(removeFound(index, ['a', 1, null, null, null])).toBe(added.length);
  await collectGarbage();
  expect(added.filter((each) => each.deref() !== undefined)).toHaveLength(0);
  expect(index.sizes()).toEqual(EMPTY);
});

/** Known to the index alone. */
function addFor(index: SelectionIndex<Asked>, key: IndexKey): WeakRef<Asked> {
  const asked = { mark: 0, keys: [key] };
  index.add(asked.keys, asked);
  return new WeakRef(asked);
}

/** Returns how many there were. */
function removeFound(index: SelectionIndex<Asked>, row: RawRow): number {
  let walked = 0;
  for (const asked of index.concerned(null, row)) {
    walked += 1;
    index.remove(asked.keys, asked);
  }
  return walked;
}

function isMet({ keys }: Asked, row: RawRow | null): boolean {
  return row !== null && keys.some((key) => meets(key, row));
}

function randomKeys(random: Random): readonly IndexKey[] {
  if (random.chance(0.02)) return [{ kind: 'every' }];
  return Array.from({ length: random.integer(4) }, () => randomKey(random));
}

function randomKey(random: Random): IndexKey {
  const column = random.pick(COLUMNS);
  if (column !== ID && random.chance(0.15)) return { kind: 'null', column };
  const fold: Fold = column.type === 'text' && random.chance(0.4) ? 'nocase' : 'none';
  if (random.chance(0.5)) return { kind: 'equal', column, fold, key: randomBound(random, column, fold).key };
  const low = random.chance(0.3) ? null : randomBound(random, column, fold);
  const high = random.chance(0.3) && low !== null ? null : randomBound(random, column, fold);
  return { kind: 'range', column, fold, low, high };
}

function randomBound(random: Random, column: Column, fold: Fold) {
  const cells = CELLS[column.index]!.filter((cell) => cell !== null);
  return { key: rowKey(column, random.pick(cells), fold)!, inclusive: random.chance(0.5) };
}

function randomChange(random: Random): readonly [RawRow | null, RawRow | null] {
  const row = (): RawRow => CELLS.map((cells) => random.pick(cells));
  const [before, after] = [row(), row()];
  if (random.chance(0.3)) return [null, after];
  if (random.chance(0.3)) return [before, null];
  // As in an update: most cells stay.
  return [before, before.map((cell, at) => (random.chance(0.7) ? cell : after[at]!))];
}
