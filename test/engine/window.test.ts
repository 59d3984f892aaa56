/** The window against a list that is sorted and cut again after every step. */
import { describe, expect, test } from 'vitest';
import { applied, type Differences } from '../../engine/live/change-set.ts';
import { capacityOf, MAX_SLACK_ROWS, MIN_SLACK_ROWS, maintain, Window } from '../../engine/live/window.ts';
import { createRandom, type Random, runs, seedFor } from '../support/random.ts';

interface Row {
  readonly id: number;
  readonly key: number | null;
  readonly version: number;
}

const seed = seedFor('window');
const RULES = { compare, identityOf: (row: Row) => row.id };
const ALL = Number.POSITIVE_INFINITY;

describe.each([0, 1, 2, 7, 30, ALL])('with LIMIT %d', (limit) => {
  test('what is shown is what a fresh sort and cut shows, through ties, NULLs, moves and refills', () => {
    const random = createRandom(seed);
    for (let round = 0; round < 20; round += 1) {
      const table = new Table(random, 10 + random.integer(80));
      const asked = random.pick([limit, capacityOf(limit)]);
      const window = new Window(table.first(asked), limit, asked);
      let shown = table.first(limit);
      for (let step = 0; step < runs(500); step += 1) {
        const { left, came } = table.step(random);
        const differences = maintain(window, RULES, left, came, () => table.first(capacityOf(limit)));
        const fresh = table.first(limit);
        expect(window.items.slice(0, Math.min(limit, window.items.length))).toEqual(fresh);
        expect(window.items.length).toBeLessThanOrEqual(capacityOf(limit));
        if (differences === null) expect(fresh).toEqual(shown);
        else expectLeads(shown, differences, fresh);
        shown = fresh;
      }
    }
  });
});

test('a member that leaves a full window is replaced in the same change set', () => {
  const rows = Array.from({ length: 100 }, (_, id) => ({ id, key: id, version: 0 }));
  const window = new Window(rows.slice(0, capacityOf(10)), 10, capacityOf(10));
  const differences = maintain(window, RULES, [rows[3]!], [], neverRead);
  expect(differences).toEqual({
    removed: [{ row: rows[3], index: 3 }],
    added: [{ row: rows[10], index: 9 }],
    updated: [],
  });
});

test('the rows are read again only when the slack has run out, and not at all when there are no more', () => {
  const rows = Array.from({ length: 30 }, (_, id) => ({ id, key: id, version: 0 }));
  const window = new Window(rows.slice(0, capacityOf(10)), 10, capacityOf(10));
  let reads = 0;
  for (const [count, row] of rows.entries()) {
    maintain(window, RULES, [row], [], () => {
      reads += 1;
      return rows.slice(count + 1, count + 1 + capacityOf(10));
    });
    expect(window.items.slice(0, 10)).toEqual(rows.slice(count + 1, count + 11));
    if (count < MIN_SLACK_ROWS) expect(reads).toBe(0);
  }
  expect(reads).toBe(2);
});

test('a window that began without slack is read again when the first row leaves, in the same change set', () => {
  const rows = Array.from({ length: 30 }, (_, id) => ({ id, key: id, version: 0 }));
  const window = new Window(rows.slice(0, 10), 10, 10);
  const readAgain = () => rows.slice(1, 1 + capacityOf(10));
  expect(maintain(window, RULES, [rows[0]!], [], readAgain)).toMatchObject({
    removed: [{ row: { id: 0 }, index: 0 }],
    added: [{ row: { id: 10 }, index: 9 }],
  });
  maintain(window, RULES, [rows[1]!], [], neverRead);
  expect(window.items.slice(0, 10)).toEqual(rows.slice(2, 12));
});

test('a row that moves beyond the edge and is read again moved; one that comes to lie beyond it is let go', () => {
  const rows = Array.from({ length: 12 }, (_, id) => ({ id, key: id, version: 0 }));
  const window = new Window(rows.slice(0, 9), 1, 9);
  const far = { id: 0, key: 99, version: 1 };
  expect(maintain(window, RULES, [rows[0]!], [far], neverRead)).toEqual({
    removed: [{ row: rows[0], index: 0 }],
    added: [{ row: rows[1], index: 0 }],
    updated: [],
  });
  expect(maintain(window, RULES, [], [{ id: 50, key: 50, version: 0 }], neverRead)).toBeNull();
  const others = window.items.slice();
  const moved = maintain(window, RULES, others, [], () => [far]);
  expect(moved).toEqual({ removed: [{ row: rows[1], index: 0 }], added: [{ row: far, index: 0 }], updated: [] });
});

test('the slack is a quarter of the limit, within its bounds', () => {
  expect([1, 32, 36, 1_024, 1_028, 100_000].map((limit) => capacityOf(limit) - limit)).toEqual([
    MIN_SLACK_ROWS,
    MIN_SLACK_ROWS,
    9,
    MAX_SLACK_ROWS,
    MAX_SLACK_ROWS,
    MAX_SLACK_ROWS,
  ]);
  expect(capacityOf(0)).toBe(0);
  expect(capacityOf(ALL)).toBe(ALL);
});

function expectLeads(shown: readonly Row[], differences: Differences<Row>, fresh: readonly Row[]): void {
  expect(applied(shown, differences)).toEqual(fresh);
  const { removed, added, updated } = differences;
  for (const { row, index } of removed) expect(shown[index]).toEqual(row);
  for (const { before, from } of updated) expect(shown[from]).toEqual(before);
  const ids = [...removed, ...added, ...updated].map(({ row }) => row.id);
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids.length).toBeGreaterThan(0);
}

function neverRead(): never {
  throw new Error('the window read its rows again');
}

/** NULLs first, then by key; ties by id: few keys, so that there are many ties. */
function compare(left: Row, right: Row): number {
  if (left.key !== right.key) {
    if (left.key === null) return -1;
    if (right.key === null) return 1;
    return left.key - right.key;
  }
  return left.id - right.id;
}

class Table {
  readonly #rows = new Map<number, Row>();
  readonly #ids: number;

  constructor(random: Random, ids: number) {
    this.#ids = ids;
    for (let id = 0; id < ids; id += 1) if (random.chance(0.6)) this.#rows.set(id, randomRow(random, id));
  }

  first(count: number): Row[] {
    const sorted = [...this.#rows.values()].sort(compare);
    return count === ALL ? sorted : sorted.slice(0, count);
  }

  /** Creates, changes and deletes a few rows, now and then many. */
  step(random: Random): { left: Row[]; came: Row[] } {
    const touched = new Set<number>();
    const count = random.chance(0.05) ? this.#ids : 1 + random.integer(3);
    for (let each = 0; each < count; each += 1) touched.add(random.integer(this.#ids));
    const [left, came]: [Row[], Row[]] = [[], []];
    for (const id of touched) {
      const before = this.#rows.get(id);
      const after = random.chance(0.45) ? undefined : randomRow(random, id);
      if (before !== undefined) left.push(before);
      if (after !== undefined) came.push(after);
      if (after === undefined) this.#rows.delete(id);
      else this.#rows.set(id, after);
    }
    return { left, came };
  }
}

let versions = 0;
function randomRow(random: Random, id: number): Row {
  versions += 1;
  return { id, key: random.chance(0.2) ? null : random.integer(6), version: versions };
}
