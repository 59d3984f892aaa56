/** Fifty selections for the live suites, each with what its index is expected to find it by. */

import type { Node } from '../../engine/node.ts';
import type { Transaction } from '../../engine/write/transaction.ts';
import { TendrilError } from '../../errors.ts';
import type { SqlInput } from '../../query/index.ts';
import { boolean, collection, integer, type RowOf, real, text, timestamp } from '../../storage/index.ts';
import type { Random } from './random.ts';

export const Thing = collection(
  'thing',
  {
    kind: text().optional(),
    rank: integer().optional(),
    weight: real().optional(),
    name: text().optional(),
    done: boolean().default(false),
    due: timestamp().optional(),
  },
  { indexes: [['kind', 'rank']] },
);
export type Thing = RowOf<typeof Thing>;

export interface Asked {
  readonly text: string;
  readonly parameters: readonly SqlInput[];
  /** Whether the index finds the selection for a change from or to this row. */
  readonly finds: (row: Thing) => boolean;
}

const KINDS = ['red', 'green', 'blue', 'Red', 'ré', null] as const;
const NAMES = ['ann', 'Anna', 'anton', 'ANT', 'bob', 'École', 'é', '\ue000', '😀', '', '%', null] as const;
const WEIGHTS = [-1.5, 0, 0.5, 1, 2, 1e300, null] as const;

export function randomThing(random: Random): Omit<Thing, 'id'> {
  return {
    kind: random.pick(KINDS),
    rank: random.chance(0.15) ? null : random.integer(10) - 2,
    weight: random.pick(WEIGHTS),
    name: random.pick(NAMES),
    done: random.chance(0.3),
    due: random.chance(0.3) ? null : new Date(Date.UTC(2024, 0, 1 + random.integer(5))),
  };
}

const always = () => true;
const never = () => false;
const kindIs = (kind: string | null) => (row: Thing) => row.kind === kind;
const between = (low: number, high: number) => (row: Thing) => row.rank !== null && row.rank >= low && row.rank <= high;

/** Complete ones and windows, over hashes, ranges, prefixes, NULL buckets, several arms, and the fallback list. */
export const SELECTIONS: readonly Asked[] = [
  asked('kind = ?', ['red'], kindIs('red')),
  asked('kind = ? ORDER BY rank', ['red'], kindIs('red')),
  asked('kind = ? ORDER BY rank LIMIT 3', ['red'], kindIs('red')),
  asked('kind = ? ORDER BY rank DESC LIMIT 3', ['green'], kindIs('green')),
  asked('kind = ? ORDER BY rank DESC NULLS FIRST LIMIT 2', ['green'], kindIs('green')),
  asked('kind = ? ORDER BY rank NULLS LAST LIMIT 4', ['blue'], kindIs('blue')),
  asked('kind = ? ORDER BY name COLLATE NOCASE DESC, weight LIMIT 5', ['blue'], kindIs('blue')),
  asked('kind = ? AND rank > 2 ORDER BY weight, rank', ['red'], kindIs('red')),
  asked('kind = ? AND done', ['red'], kindIs('red')),
  asked('kind = ? LIMIT 0', ['red'], never),
  asked('kind = ? LIMIT -1', ['green'], kindIs('green')),
  asked('kind = ? LIMIT 1', ['green'], kindIs('green')),
  asked('kind = ? COLLATE NOCASE ORDER BY rank LIMIT 3', ['RED'], ({ kind }) => kind?.toLowerCase() === 'red'),
  asked('kind IN (?, ?)', ['red', 'blue'], ({ kind }) => kind === 'red' || kind === 'blue'),
  asked(
    'kind IN (?, ?) ORDER BY due DESC, rank LIMIT 4',
    ['red', 'green'],
    ({ kind }) => kind === 'red' || kind === 'green',
  ),
  asked('kind IN ()', [], never),
  asked('kind IS NULL', [], kindIs(null)),
  asked('kind IS NULL ORDER BY weight DESC LIMIT 2', [], kindIs(null)),
  asked('kind IS ?', ['blue'], kindIs('blue')),
  asked('kind = ? OR rank = 3', ['green'], ({ kind, rank }) => kind === 'green' || rank === 3),
  asked('kind = ? OR kind IS NULL ORDER BY name LIMIT 6', ['red'], ({ kind }) => kind === 'red' || kind === null),
  asked('rank = 4', [], between(4, 4)),
  asked('rank = 4 AND weight > 0', [], between(4, 4)),
  asked('rank BETWEEN 1 AND 3', [], between(1, 3)),
  asked('rank BETWEEN 1 AND 3 ORDER BY weight DESC, name LIMIT 3', [], between(1, 3)),
  asked('rank BETWEEN 3 AND 1', [], never),
  asked('rank > 5', [], between(6, 99)),
  asked('rank > 5 ORDER BY rank DESC LIMIT 2', [], between(6, 99)),
  asked('rank >= 2 AND rank < 4 ORDER BY rank, name', [], between(2, 3)),
  asked('rank <= -1 OR rank >= 7', [], ({ rank }) => rank !== null && (rank <= -1 || rank >= 7)),
  asked('rank IS NULL', [], ({ rank }) => rank === null),
  asked('rank IS NULL ORDER BY kind, name LIMIT 2', [], ({ rank }) => rank === null),
  asked('weight > 0.5', [], ({ weight }) => weight !== null && weight > 0.5),
  asked('weight = 1 ORDER BY rank LIMIT 3', [], ({ weight }) => weight === 1),
  asked("name LIKE 'an%'", [], ({ name }) => name !== null && /^an/i.test(name)),
  asked("name LIKE 'an%' ORDER BY name LIMIT 3", [], ({ name }) => name !== null && /^an/i.test(name)),
  asked("name GLOB 'an*'", [], ({ name }) => name?.startsWith('an') === true),
  asked('name >= ? ORDER BY name', ['\ue000'], ({ name }) => name === '\ue000' || name === '😀'),
  asked('due = ?', [new Date(Date.UTC(2024, 0, 2))], ({ due }) => due?.getUTCDate() === 2),
  asked(
    'due > ? ORDER BY due DESC LIMIT 3',
    [new Date(Date.UTC(2024, 0, 3))],
    ({ due }) => (due?.getUTCDate() ?? 0) > 3,
  ),
  asked('', [], always),
  asked('ORDER BY rank LIMIT 3', [], always),
  asked('ORDER BY weight DESC, kind, name LIMIT 7', [], always),
  asked('ORDER BY rank LIMIT 20', [], always),
  asked('done ORDER BY rank % 3, length(name) LIMIT 3', [], always),
  asked('NOT done ORDER BY abs(rank) DESC', [], always),
  asked('rank % 2 = 0 ORDER BY kind, rank LIMIT 4', [], always),
  asked('length(name) > 3', [], always),
  asked("kind || name LIKE '%an%' ORDER BY coalesce(rank, weight, 0) LIMIT 2", [], always),
  asked('rank IS NOT 3 AND kind IS NOT NULL ORDER BY CASE WHEN done THEN rank ELSE -rank END LIMIT 5', [], always),
];

function asked(text: string, parameters: readonly SqlInput[], finds: (row: Thing) => boolean): Asked {
  return { text, parameters, finds };
}

/** Creates, deletes, restores or changes one of `ids`, at random. */
export function randomStep(tx: Transaction, random: Random, ids: readonly string[]): void {
  const id = random.pick(ids);
  const thing = randomThing(random);
  const chosen = random.next();
  if (chosen < 0.25) tx.create(Thing, thing, { id });
  else if (chosen < 0.4) tx.delete(Thing, id);
  else if (chosen < 0.5) tx.restore(Thing, id);
  else {
    const { kind, rank, weight, name, done, due } = thing;
    tx.update(
      Thing,
      id,
      random.pick([thing, { kind }, { rank }, { weight, name }, { done }, { due }, { rank, weight }]),
    );
  }
}

/** Up to three such steps, in one transaction. Returns 1 if something was written; an id that is not held cannot be. */
export async function write(
  transactor: Pick<Node, 'transact'>,
  random: Random,
  ids: readonly string[],
): Promise<number> {
  try {
    await transactor.transact((tx) => {
      for (let edits = 1 + random.integer(3); edits > 0; edits -= 1) randomStep(tx, random, ids);
    });
    return 1;
  } catch (error) {
    if (error instanceof TendrilError && (error.code === 'not-covered' || error.code === 'not-found')) return 0;
    throw error;
  }
}
