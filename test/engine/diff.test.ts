/** The diff of two lists of rows. */
import { expect, test } from 'vitest';
import { applied } from '../../engine/live/change-set.ts';
import { diff } from '../../engine/live/diff.ts';
import { Member } from '../../engine/live/member.ts';
import type { RawRow } from '../../query/index.ts';
import { createRandom, type Random, runs, seedFor } from '../support/random.ts';

const seed = seedFor('diff');
const idOf = (member: Member<RawRow>) => member.raw[0];

test('the differences lead from the old rows to the new', () => {
  const random = createRandom(seed);
  for (let round = 0; round < runs(20_000); round += 1) {
    const [old, now] = [randomRows(random), randomRows(random)];
    const differences = diff(old, now, idOf);
    expect(applied(old, differences).map(rawOf)).toEqual(now.map(rawOf));
    const told = [...differences.removed, ...differences.added, ...differences.updated];
    expect(new Set(told.map(({ row }) => idOf(row))).size).toBe(told.length);
  }
});

test('rows that are equal in both and keep their order are not told of', () => {
  const old = rows([1, 0], [2, 0], [3, 0], [4, 0]);
  const now = rows([5, 0], [1, 0], [3, 9], [4, 0]);
  const { removed, added, updated } = diff(old, now, idOf);
  expect([removed, added, updated].map((list) => list.map(({ row }) => idOf(row)))).toEqual([[2], [5], [3]]);
});

test('of rows in another order, as few as possible have moved', () => {
  const { updated } = diff(
    rows([1, 0], [2, 0], [3, 0], [4, 0], [5, 0]),
    rows([2, 0], [3, 0], [5, 0], [1, 0], [4, 0]),
    idOf,
  );
  expect(updated.map(({ row, from, index }) => [idOf(row), from, index])).toHaveLength(2);
});

test('blobs are compared by their bytes', () => {
  const member = (...bytes: number[]) => new Member<RawRow>(['a', new Uint8Array(bytes)]);
  expect(diff([member(1, 2)], [member(1, 2)], idOf).updated).toEqual([]);
  expect(diff([member(1, 2)], [member(1, 3)], idOf).updated).toHaveLength(1);
});

test('a row that is equal in both goes on as the same object, unless another was shown', () => {
  const decode = (raw: RawRow): RawRow => [...raw];
  const [old, fresh, seen] = [rows([1, 0]), rows([1, 0]), rows([1, 0])];
  const object = old[0]!.row(decode);
  const other = seen[0]!.row(decode);
  diff(old, fresh, idOf);
  diff(old, seen, idOf);
  expect(fresh[0]!.row(decode)).toBe(object);
  expect(seen[0]!.row(decode)).toBe(other);
});

function rows(...raws: readonly RawRow[]): readonly Member<RawRow>[] {
  return raws.map((raw) => new Member<RawRow>(raw));
}

function rawOf(member: Member<RawRow>): RawRow {
  return member.raw;
}

function randomRows(random: Random): readonly Member<RawRow>[] {
  const ids = Array.from({ length: 12 }, (_, id) => ({ id, at: random.next() })).sort((a, b) => a.at - b.at);
  return rows(...ids.slice(0, random.integer(12)).map(({ id }): RawRow => [id, random.integer(2)]));
}
