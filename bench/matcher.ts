/**
 * From the text of a selection whose shape is known, with new constants in it, to its matcher; beside the time that
 * node-sql-parser's `astify` takes for the same text as a statement, which is a tree and not yet a matcher.
 */
import sqlite from 'node-sql-parser/build/sqlite.js';
import { compileMatcher, type Matcher, type Shape } from '../query/index.ts';
import { createRandom } from '../test/support/random.ts';
import type { Bench } from './bench.ts';
import { atLeast } from './figure.ts';
import { airport, Flight } from './flights.ts';
import { duel, typicalMilliseconds } from './measure.ts';
import { type Asking, openSelector } from './selector.ts';

const TEXTS = 3_000;

export const matcher: Bench = {
  name: 'matcher',
  run: async function* () {
    const toMatcher = createToMatcher(await openSelector(Flight));
    const parser = new sqlite.Parser();
    const row = ['01', 'AAA', 'AAB', '2001-01-01T00:00:00.000Z', 1, 5];
    yield await duel({
      ...{ name: 'text to matcher, known shape', unit: 'µs', reach: atLeast(10), rounds: 9, warmUp: 3 },
      ours: (round) => timeOf(textsOf(round), (text) => toMatcher(text)(row)),
      limit: (round) =>
        timeOf(textsOf(round), (text) => parser.astify(`SELECT * FROM flight WHERE ${text}`, { database: 'sqlite' })),
    });
  },
};

/** As a Node does it: a shape is compiled once, a selection brings its constants. */
function createToMatcher({ select, probe }: Asking): (text: string) => (row: Parameters<Matcher>[0]) => boolean {
  const matchers = new WeakMap<Shape, Matcher>();
  return (text) => {
    const { shape, values } = select(text);
    let matcher = matchers.get(shape);
    if (matcher === undefined) {
      matcher = compileMatcher(shape, probe);
      matchers.set(shape, matcher);
    }
    const known = matcher;
    return (row) => known(row, values);
  };
}

/** Three shapes in turn. */
function textsOf(seed: number): readonly string[] {
  const random = createRandom(seed);
  return Array.from({ length: TEXTS }, (_, index) => {
    const [distance, delay, origin] = [random.integer(3_000), random.integer(200), airport(random.integer(1_000))];
    switch (index % 3) {
      case 0:
        return `origin = '${origin}'`;
      case 1:
        return `distance > ${distance} AND origin = '${origin}' ORDER BY departs LIMIT 50`;
      default:
        return `(origin = '${origin}' OR destination LIKE '${origin.slice(0, 2)}%') AND delay BETWEEN ${delay} AND ${delay + 60}`;
    }
  });
}

/** Microseconds per text. */
async function timeOf(texts: readonly string[], work: (text: string) => unknown): Promise<number> {
  // One of each shape together, so that the median is of all three.
  const triples = Array.from({ length: texts.length / 3 }, (_, index) => texts.slice(3 * index, 3 * index + 3));
  return (1_000 / 3) * (await typicalMilliseconds(triples, (triple) => triple.forEach(work)));
}
