/** What the simulated nodes keep. `mark` tells one write from every other, wherever it is found. */
import { boolean, collection, integer, real, text } from '../../index.ts';

const thing = {
  kind: text().optional(),
  rank: integer().optional(),
  weight: real().optional(),
  name: text().optional(),
  done: boolean().default(false),
  mark: integer().optional(),
};

export const Thing = collection('thing', thing, { indexes: [['kind', 'rank']] });
/** The same with one property more: what a node is upgraded to. */
export const ThingWithColour = collection('thing', { ...thing, colour: text().optional() }, { indexes: [['rank']] });
/** Never followed whole: statements about it go upstream. */
export const Note = collection('note', {
  body: text().optional(),
  stars: integer().default(0),
  mark: integer().optional(),
});
/** The authority has no such collection: whoever writes to it is refused. */
export const Extra = collection('extra', { mark: integer().optional() });

export const AUTHORITY_COLLECTIONS = [Thing, Note] as const;
export const COLLECTIONS = [Thing, Note, Extra] as const;
export const UPGRADED = [ThingWithColour, Note, Extra] as const;
export const UPGRADED_AUTHORITY = [ThingWithColour, Note] as const;

export const KINDS = ['red', 'green', 'blue', null] as const;
export const NAMES = ['ann', 'Anna', 'bob', 'é', '', null] as const;
export const WEIGHTS = [-1.5, 0, 0.5, 2, null] as const;
/** Ranks are 0 to this, without it. */
export const RANKS = 8;

/** Complete ones and windows; rows move in and out of them. */
export const SELECTIONS: readonly (readonly [text: string, parameters: readonly (string | number)[]])[] = [
  ['', []],
  ['kind = ?', ['red']],
  ['kind = ? ORDER BY rank', ['green']],
  ['kind = ? ORDER BY rank LIMIT 3', ['red']],
  ['kind = ? ORDER BY rank DESC LIMIT 2', ['green']],
  ['kind IN (?, ?) ORDER BY weight DESC, rank LIMIT 4', ['red', 'blue']],
  ['kind IS NULL ORDER BY name LIMIT 2', []],
  ['rank BETWEEN 2 AND 4', []],
  ['rank > 5 ORDER BY rank DESC LIMIT 3', []],
  ['NOT done ORDER BY rank LIMIT 5', []],
  ['done', []],
  ["name LIKE 'an%' ORDER BY name LIMIT 3", []],
  ['ORDER BY rank LIMIT 3', []],
  ['ORDER BY weight DESC, kind LIMIT 6', []],
  // Whoever is written goes to the end: the edge moves on and on.
  ['ORDER BY mark LIMIT 3', []],
  ['kind = ? ORDER BY mark LIMIT 2', ['green']],
  ['kind = ? OR rank = 3', ['blue']],
  ['length(name) > 2 ORDER BY rank % 3, name LIMIT 3', []],
];

export const STATEMENTS: readonly string[] = [
  'SELECT kind, count(*) AS things, sum(rank) AS ranks FROM thing GROUP BY kind ORDER BY kind',
  'SELECT id, name FROM thing WHERE done ORDER BY name, id LIMIT 4',
];
