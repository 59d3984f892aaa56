/** Whether the simulation finds the bugs that are planted for it. All of them under `npm run test:full`, else three. */
import { describe, expect, test } from 'vitest';
import { BUGS } from './bugs.ts';
import { placesOf, searchFor } from './planted.ts';

/** Events after which a search is given up. */
const BUDGET = 100_000;
/** Of the search where nothing is planted. */
const SOUND_BUDGET = 2_000;
const QUICK = ['only the new row is looked up', 'no reconnection', 'refused t1 but a2[a1] kept'];
const planted = process.env.TENDRIL_FULL === '1' ? BUGS : BUGS.filter(({ name }) => QUICK.includes(name));

test('there are at least 24 planted bugs, and each still has its one place in the source', () => {
  expect(BUGS.length).toBeGreaterThanOrEqual(24);
  expect(BUGS.filter((bug) => placesOf(bug) !== 1).map(({ name }) => name)).toEqual([]);
  expect(new Set(BUGS.map(({ name }) => name)).size).toBe(BUGS.length);
});

test('a copy without a bug is sound', async () => {
  const [{ find, ...bug }] = [BUGS[0]!];
  expect(await searchFor({ ...bug, find, replace: find }, SOUND_BUDGET)).toMatchObject({ seed: null });
});

describe('planted bugs are found', () => {
  test.each(planted.map((bug) => [bug.name, bug] as const))('%s', async (name, bug) => {
    const { seed, step, events, violation } = await searchFor(bug, BUDGET);
    console.log(`${name} -> seed ${seed}, step ${step}, after ${events} events: ${violation}`);
    expect(seed, bug.why).not.toBeNull();
    expect(events).toBeLessThanOrEqual(BUDGET);
  });
});
