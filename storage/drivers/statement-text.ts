/**
 * What a driver must know of a statement before SQLite sees it: its parameters, and whether it may change rows.
 *
 * Two packages give named values only by name, and take `?3` for a name; none tells all of this of a prepared statement.
 * So the text is read once, when it is prepared: as tokens, never as a grammar.
 *
 * Invariants
 *   - parameters are numbered exactly as SQLite numbers them (see driver.ts);
 *   - `plain` and `spelled` mean to SQLite what the text itself means: only the spelling of parameters differs.
 */

/** `either`: a WITH that may read or write; `other`: what counts no rows, such as CREATE, PRAGMA or COMMIT. */
export type Effect = 'reads' | 'writes' | 'either' | 'other';

export interface StatementText {
  readonly sql: string;
  /** The highest number of its parameters: how many values it takes. */
  readonly parameters: number;
  /** The numbers that stand in the text, each once: without 1 and 2 where only `?3` stands. */
  readonly used: readonly number[];
  /** The text with a bare `?` for each parameter, if they stand once each and in order; else null. */
  readonly plain: string | null;
  /** The text with each parameter spelled by its number after a prefix: `?1`, or `:p1`, which leaves no gap before `?3`. */
  readonly spelled: (prefix: '?' | ':p') => string;
  readonly effect: Effect;
}

/**
 * Parameters (captured: number, name) and what may look like one: strings and quoted names, comments, words. One left open
 * runs to the end, so that no text is read twice.
 */
const TOKEN =
  /'[^']*(?:'|$)|"[^"]*(?:"|$)|`[^`]*(?:`|$)|\[[^\]]*(?:\]|$)|--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|\?(\d*)|([:@$][\w$\u0080-\uffff]+)|([A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*)/g;

const COMMENT = /--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)/g;

/** The word with which most statements begin. */
const FIRST_WORD = /^\s*([A-Za-z]+)(?![\w$\u0080-\uffff])/;
/** What a text without parameters holds none of. */
const SIGN = /[?:@$]/;

const WRITING = new Set(['INSERT', 'REPLACE', 'UPDATE', 'DELETE']);
const READING = new Set(['SELECT', 'VALUES', 'EXPLAIN']);

export function readStatementText(sql: string): StatementText {
  const found = SIGN.test(sql) ? parametersOf(sql) : [];
  const inOrder = found.every(({ number }, index) => number === index + 1);
  return {
    sql,
    parameters: found.reduce((highest, { number }) => Math.max(highest, number), 0),
    used: [...new Set(found.map(({ number }) => number))],
    plain: inOrder ? spell(sql, found, () => '?') : null,
    spelled: (prefix) => spell(sql, found, (number) => `${prefix}${number}`),
    effect: effectOf(sql),
  };
}

function parametersOf(sql: string): readonly Parameter[] {
  const found: Parameter[] = [];
  const names = new Map<string, number>();
  let highest = 0;
  const numberOf = (digits: string | undefined, name: string | undefined): number => {
    if (name === undefined) return digits === '' ? highest + 1 : Number(digits);
    const known = names.get(name) ?? highest + 1;
    names.set(name, known);
    return known;
  };
  for (const { 0: token, 1: digits, 2: name, index } of sql.matchAll(TOKEN)) {
    if (digits === undefined && name === undefined) continue;
    const number = numberOf(digits, name);
    highest = Math.max(highest, number);
    found.push({ number, from: index, to: index + token.length });
  }
  return found;
}

interface Parameter {
  readonly number: number;
  readonly from: number;
  readonly to: number;
}

function spell(sql: string, parameters: readonly Parameter[], spelling: (number: number) => string): string {
  let text = '';
  let done = 0;
  for (const { number, from, to } of parameters) {
    text += sql.slice(done, from) + spelling(number);
    done = to;
  }
  return text + sql.slice(done);
}

/** True for a text without a statement: what may follow one. */
export function isBlank(text: string): boolean {
  return /^[\s;]*$/.test(text.replace(COMMENT, ''));
}

function effectOf(sql: string): Effect {
  const first = FIRST_WORD.exec(sql)?.[1]?.toUpperCase();
  if (first !== undefined && first !== 'WITH') return effectOfWord(first);
  const words = Array.from(sql.matchAll(TOKEN), ({ 3: word = '' }) => word.toUpperCase()).filter((word) => word !== '');
  if (words[0] !== 'WITH') return effectOfWord(words[0] ?? '');
  return words.some((word) => WRITING.has(word)) ? 'either' : 'reads';
}

function effectOfWord(first: string): Effect {
  if (READING.has(first)) return 'reads';
  return WRITING.has(first) ? 'writes' : 'other';
}
