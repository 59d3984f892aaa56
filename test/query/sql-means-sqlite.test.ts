/**
 * Law 7: SQL means SQLite. The same selection by the matcher and comparator, by the SQL we print, on every driver, and
 * by SQLite from the text as written: the same rows in the same order.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { SqliteDriver } from '../../storage/index.ts';
import { runs, seedFor } from '../support/random.ts';
import { openEveryDriver } from './every-driver.ts';
import { type Answers, Judge } from './judge.ts';
import { Writer } from './predicates.ts';
import { readTape, tapes } from './tape.ts';
import { buildWorld } from './worlds.ts';

/** At most; half as many on average. */
const CASES_PER_WORLD = 50;
const LEAST_CASES_PER_WORLD = 20;
const MOST_REFUSED = 0.4;
const MOST_FAILED = 0.01;
const LEAST_KEYED = 0.15;

let drivers: readonly SqliteDriver[];

beforeAll(async () => {
  drivers = await openEveryDriver();
});

afterAll(() => {
  for (const driver of drivers) driver.close();
});

test('a selection means what SQLite says it means, in JavaScript and on every driver', () => {
  const cases = runs(100_000);
  const answers: Answers = {
    agreed: 0,
    refused: 0,
    invalid: 0,
    failed: 0,
    matched: 0,
    keyed: 0,
    tiers: {},
    reasons: {},
  };
  const judge = new Judge(drivers, answers);
  const world = tapes(400);
  const texts = fc.array(tapes(200), { minLength: 1, maxLength: CASES_PER_WORLD, size: 'max' });
  fc.assert(
    fc.property(world, texts, (worldTape, textTapes) => {
      const built = buildWorld(readTape(worldTape));
      judge.load(built);
      for (const tape of textTapes) judge.hear(new Writer(readTape(tape), built).write());
    }),
    // The failure shows text and parameters; shrinking the tapes would take longer than a test may.
    { seed: seedFor('sql-means-sqlite'), numRuns: Math.ceil(cases / LEAST_CASES_PER_WORLD), endOnFailure: true },
  );
  const judged = answers.agreed + answers.refused;
  console.log(
    'sql-means-sqlite:',
    JSON.stringify({ ...answers, drivers: drivers.map(({ name, version }) => `${name} ${version}`), judged }),
  );
  expect(judged + answers.invalid + answers.failed).toBeGreaterThanOrEqual(cases);
  expect(answers.refused / judged).toBeLessThan(MOST_REFUSED);
  expect(answers.failed / judged).toBeLessThan(MOST_FAILED);
  expect(answers.keyed / judged).toBeGreaterThan(LEAST_KEYED);
  expect(Object.keys(answers.tiers).sort()).toEqual(['generic', 'sqlite', 'typed']);
});
