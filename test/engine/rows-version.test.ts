/** Rows versions: a late look gives what an early one would have given. */
import { expect, test } from 'vitest';
import { applied, type Differences } from '../../engine/live/change-set.ts';
import { MAX_STEPS_BACK, RowsVersion } from '../../engine/live/rows-version.ts';
import { createRandom, runs, seedFor } from '../support/random.ts';

const seed = seedFor('rows versions');

test('whenever a version is looked at, it gives the rows of its time, and the same array for ever', () => {
  const random = createRandom(seed);
  for (let round = 0; round < runs(1_000); round += 1) {
    const view = new Counting();
    const versions: { readonly version: RowsVersion<number>; readonly wanted: readonly number[] }[] = [];
    for (let step = 0; step < 30; step += 1) {
      versions.push({ version: view.version, wanted: [...view.rows] });
      view.insert(random.integer(view.rows.length + 1), step);
      const { version, wanted } = random.pick(versions);
      if (random.chance(0.2)) expect(version.rows).toEqual(wanted);
    }
    for (const { version, wanted } of versions) {
      const rows = version.rows;
      expect(rows).toEqual(wanted);
      expect(version.rows).toBe(rows);
    }
  }
});

test('nothing is put together while nobody looks, up to the limit of steps, and once past it', () => {
  const view = new Counting();
  const first = view.version;
  for (let step = 1; step < MAX_STEPS_BACK; step += 1) view.insert(0, step);
  expect(view.looks).toBe(0);
  view.insert(0, MAX_STEPS_BACK);
  expect(view.looks).toBe(1);
  view.insert(0, MAX_STEPS_BACK + 1);
  expect(view.looks).toBe(1);
  expect(first.rows).toEqual([]);
});

/** A view of numbers that counts how often its rows are put together. */
class Counting {
  rows: readonly number[] = [];
  looks = 0;
  version = new RowsVersion<number>(this);

  presentRows(): readonly number[] {
    this.looks += 1;
    return this.rows;
  }

  insert(index: number, row: number): void {
    const step: Differences<number> = { removed: [], added: [{ row, index }], updated: [] };
    const ended = this.version;
    this.rows = applied(this.rows, step);
    this.version = new RowsVersion<number>(this);
    ended.end(step, this.version);
  }
}
