/**
 * The functions a selection may call: those whose answer depends on their arguments only, and is the same in every
 * SQLite that Tendril runs on (3.45 to date, four builds), and those it may not, each with its reason.
 *
 * The role of an argument says what it may hold; `check-call.ts` enforces it.
 */

/**
 *   - `any`: every class;
 *   - `bytes`: no REAL, whose text differs between builds;
 *   - `text`: no REAL and no BLOB; `index`: a position within it, far from the ends of 64 bits;
 *   - `string`: TEXT or NULL;
 *   - `document`: well-formed JSON or NULL; `label`: TEXT; `element`: what JSON can hold, REAL apart;
 *   - `time`: a point in time, never `now`;
 *   - `pattern`: as `text`, and bounded in length; `escape`: one character;
 *   - `path`, `format`, `timeFormat`, `modifier`, `probability`: constants, part of the shape.
 */
export type Role =
  | 'any'
  | 'bytes'
  | 'text'
  | 'index'
  | 'string'
  | 'document'
  | 'label'
  | 'element'
  | 'time'
  | 'pattern'
  | 'escape'
  | FixedRole;

export type FixedRole = 'path' | 'format' | 'timeFormat' | 'modifier' | 'probability';

/** What comes out: classes named by their letters (Null, Integer, Real, Text, Blob), or a rule over the arguments. */
export type ResultRule =
  | 'i'
  | 'r'
  | 't'
  | 'b'
  | 'ir'
  | 'irt'
  | 'any argument'
  | 'first argument'
  | 'second or third'
  | 'magnitude'
  | 'slice';

export interface Signature {
  readonly count: readonly [least: number, most: number];
  /** Of the first arguments; those after repeat `rest`. */
  readonly roles: readonly Role[];
  readonly rest: readonly Role[];
  readonly result: ResultRule;
  /** The result is JSON text or NULL. */
  readonly json: boolean;
  /** Why there may be no more arguments, where SQLite allows them. */
  readonly beyond?: string;
}

export type FoundFunction =
  | { readonly kind: 'known'; readonly signature: Signature }
  | { readonly kind: 'refused'; readonly problem: string; readonly remedy: string };

function takes(count: readonly [number, number], roles: readonly Role[], result: ResultRule): Signature {
  return { count, roles, rest: [roles.at(-1) ?? 'any'], result, json: false };
}

function json(count: readonly [number, number], roles: readonly Role[], rest: readonly Role[]): Signature {
  return { count, roles, rest, result: 't', json: true };
}

function time(format: readonly Role[], result: ResultRule): Signature {
  const least = format.length + 1;
  return { count: [least, Infinity], roles: [...format, 'time'], rest: ['modifier'], result, json: false };
}

const SUBSTRING = takes([2, 3], ['bytes', 'index'], 'slice');
const TRIM = takes([1, 2], ['text'], 't');
const FORMAT: Signature = { ...takes([1, Infinity], ['format', 'text'], 't') };

const KNOWN: ReadonlyMap<string, Signature> = new Map([
  ['abs', takes([1, 1], ['any'], 'magnitude')],
  ['ceil', takes([1, 1], ['any'], 'ir')],
  ['ceiling', takes([1, 1], ['any'], 'ir')],
  ['floor', takes([1, 1], ['any'], 'ir')],
  ['trunc', takes([1, 1], ['any'], 'ir')],
  ['mod', takes([2, 2], ['any'], 'r')],
  ['round', { ...takes([1, 1], ['any'], 'r'), beyond: 'rounding to digits differs between builds' }],
  ['sign', takes([1, 1], ['any'], 'i')],
  ['sqrt', takes([1, 1], ['any'], 'r')],
  ['degrees', takes([1, 1], ['any'], 'r')],
  ['radians', takes([1, 1], ['any'], 'r')],
  ['pi', takes([0, 0], [], 'r')],
  ['coalesce', takes([2, Infinity], ['any'], 'any argument')],
  ['ifnull', takes([2, 2], ['any'], 'any argument')],
  ['iif', takes([3, 3], ['any'], 'second or third')],
  ['nullif', takes([2, 2], ['any'], 'first argument')],
  ['min', takes([2, Infinity], ['any'], 'any argument')],
  ['max', takes([2, Infinity], ['any'], 'any argument')],
  ['likely', takes([1, 1], ['any'], 'first argument')],
  ['unlikely', takes([1, 1], ['any'], 'first argument')],
  ['likelihood', takes([2, 2], ['any', 'probability'], 'first argument')],
  ['typeof', takes([1, 1], ['any'], 't')],
  ['length', takes([1, 1], ['bytes'], 'i')],
  ['octet_length', takes([1, 1], ['bytes'], 'i')],
  ['hex', takes([1, 1], ['bytes'], 't')],
  ['unhex', takes([1, 2], ['text'], 'b')],
  ['quote', takes([1, 1], ['bytes'], 't')],
  ['substr', SUBSTRING],
  ['substring', SUBSTRING],
  ['upper', takes([1, 1], ['text'], 't')],
  ['lower', takes([1, 1], ['text'], 't')],
  ['trim', TRIM],
  ['ltrim', TRIM],
  ['rtrim', TRIM],
  ['replace', takes([3, 3], ['string', 'text'], 't')],
  ['instr', takes([2, 2], ['text'], 'i')],
  ['unicode', takes([1, 1], ['text'], 'i')],
  ['char', takes([0, Infinity], ['any'], 't')],
  ['concat', takes([1, Infinity], ['text'], 't')],
  ['format', FORMAT],
  ['printf', FORMAT],
  ['like', takes([2, 3], ['pattern', 'text', 'escape'], 'i')],
  ['glob', takes([2, 2], ['pattern', 'text'], 'i')],
  ['date', time([], 't')],
  ['time', time([], 't')],
  ['datetime', time([], 't')],
  ['julianday', time([], 'r')],
  ['unixepoch', time([], 'ir')],
  ['strftime', time(['timeFormat'], 't')],
  ['timediff', takes([2, 2], ['time'], 't')],
  ['json', json([1, 1], ['document'], [])],
  ['json_array', json([0, Infinity], [], ['element'])],
  ['json_object', json([0, Infinity], [], ['label', 'element'])],
  ['json_quote', json([1, 1], ['element'], [])],
  ['json_set', json([1, Infinity], ['document'], ['path', 'element'])],
  ['json_insert', json([1, Infinity], ['document'], ['path', 'element'])],
  ['json_replace', json([1, Infinity], ['document'], ['path', 'element'])],
  ['json_remove', json([1, Infinity], ['document'], ['path'])],
  ['json_patch', json([2, 2], ['document', 'document'], [])],
  ['json_extract', { ...json([2, 2], ['document', 'path'], []), result: 'irt', json: false }],
  ['json_type', { ...json([1, 2], ['document', 'path'], []), json: false }],
  ['json_array_length', { ...json([1, 2], ['document', 'path'], []), result: 'i', json: false }],
  ['json_valid', takes([1, 1], ['text'], 'i')],
]);

const AGGREGATES = words(
  'avg count sum total group_concat string_agg median percentile percentile_cont percentile_disc json_group_array ' +
    'json_group_object jsonb_group_array jsonb_group_object',
);
const WINDOWS = words(
  'row_number rank dense_rank percent_rank cume_dist ntile lag lead first_value last_value nth_value',
);
const UNSTABLE = words(
  'random randomblob changes total_changes last_insert_rowid current_date current_time current_timestamp',
);
/** Not with one answer in every build: C libraries round differently, versions differ. */
const DIFFERING = words(
  'acos acosh asin asinh atan atan2 atanh concat_ws cos cosh exp if json_array_insert json_error_position ' +
    'json_pretty jsonb jsonb_array jsonb_array_insert jsonb_extract jsonb_insert jsonb_object jsonb_patch jsonb_remove ' +
    'jsonb_replace jsonb_set ln log log10 log2 pow power sin sinh soundex sqlite_compileoption_get ' +
    'sqlite_compileoption_used sqlite_source_id sqlite_version subtype tan tanh unistr unistr_quote zeroblob',
);

function words(list: string): ReadonlySet<string> {
  return new Set(list.split(' '));
}

/** `name` in lower case. */
export function findFunction(name: string): FoundFunction {
  const signature = KNOWN.get(name);
  if (signature) return { kind: 'known', signature };
  if (AGGREGATES.has(name)) {
    return refused(`${name}() aggregates rows, and a selection looks at one row.`, 'Run the SELECT with sql().');
  }
  if (WINDOWS.has(name)) {
    return refused(`${name}() is a window function, and a selection looks at one row.`, 'Run the SELECT with sql().');
  }
  if (UNSTABLE.has(name)) {
    return refused(`${name}() gives another answer each time.`, 'Pass the value as a parameter.');
  }
  if (DIFFERING.has(name)) {
    return refused(`${name}() may answer differently in another build of SQLite.`, 'Use a function of docs/sql.md.');
  }
  return refused(
    `There is no function ${name}() in every SQLite.`,
    'See docs/sql.md for the functions of a selection.',
  );
}

function refused(problem: string, remedy: string): FoundFunction {
  return { kind: 'refused', problem, remedy };
}

/** True for what looks at more than one row; `min` and `max` do with one argument only. */
export function isAggregate(name: string, hasOneArgument: boolean): boolean {
  return AGGREGATES.has(name) || WINDOWS.has(name) || (hasOneArgument && (name === 'min' || name === 'max'));
}

export function isUnstable(name: string): boolean {
  return UNSTABLE.has(name);
}

export function knownFunctions(): readonly string[] {
  return [...KNOWN.keys()];
}

export function argumentRole(signature: Signature, index: number): Role {
  const own = signature.roles[index];
  if (own !== undefined) return own;
  const { rest } = signature;
  return rest[(index - signature.roles.length) % rest.length] ?? 'any';
}

export function isFixedRole(role: Role): role is FixedRole {
  return role === 'path' || role === 'format' || role === 'timeFormat' || role === 'modifier' || role === 'probability';
}
