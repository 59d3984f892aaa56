/** Explain: how a live query is kept current, as plain values for people and programs. */
import { type IndexKey, indexKeysOf, matcherTier, quoteName, type RawRow, type Selection } from '../query/index.ts';

export interface Explanation {
  /** How a changed row is matched: in JavaScript (typed or generic) or by asking SQLite; `rerun`: the statement is run again. */
  readonly matched: 'typed' | 'generic' | 'sqlite' | 'rerun';
  /** What a changed row must meet, before or after the change, to be looked at. */
  readonly index: readonly string[];
  /** How many live queries share this result, this one included. */
  readonly sharedBy: number;
  /** What it was hydrated with, and SQLite's plan for that. */
  readonly sql: string;
  readonly plan: readonly string[];
}

/** Index keys spelled out at most: an IN list may have a thousand. */
const MAX_KEYS_SHOWN = 20;

function explainIndex(selection: Selection): readonly string[] {
  const keys = indexKeysOf(selection);
  if (keys.length === 0) return ['no row can match'];
  const shown = keys.slice(0, MAX_KEYS_SHOWN).map((key) => spell(key, selection.shape.tree.table.name));
  return keys.length > MAX_KEYS_SHOWN ? [...shown, `... ${keys.length - MAX_KEYS_SHOWN} more`] : shown;
}

/** - `explain`: the rows of an EXPLAIN QUERY PLAN. */
export function explainSelection(
  selection: Selection,
  sharedBy: number,
  sql: string,
  explain: (sql: string) => readonly RawRow[],
): Explanation {
  return {
    matched: matcherTier(selection.shape),
    index: explainIndex(selection),
    sharedBy,
    sql,
    plan: planOf(explain(`EXPLAIN QUERY PLAN ${sql}`)),
  };
}

/** The same of a whole statement, which is run again whenever a collection it names has changed. */
export function explainStatement(
  { sql, reads }: { readonly sql: string; readonly reads: readonly string[] },
  sharedBy: number,
  explain: (sql: string) => readonly RawRow[],
): Explanation {
  const index = reads.map((name) => `every change of ${name}`);
  return { matched: 'rerun', index, sharedBy, sql, plan: planOf(explain(`EXPLAIN QUERY PLAN ${sql}`)) };
}

/** (id, parent, unused, detail) each. */
function planOf(rows: readonly RawRow[]): readonly string[] {
  return rows.map((row) => String(row[3]));
}

function spell(key: IndexKey, table: string): string {
  switch (key.kind) {
    case 'every':
      return `every change of ${table}`;
    case 'null':
      return `${quoteName(key.column.name)} IS NULL`;
    case 'equal':
      return `${subject(key)} = ${String(key.key)}`;
    case 'range': {
      const low = key.low && `${subject(key)} ${key.low.inclusive ? '>=' : '>'} ${String(key.low.key)}`;
      const high = key.high && `${subject(key)} ${key.high.inclusive ? '<=' : '<'} ${String(key.high.key)}`;
      return [low, high].filter((side) => side !== null).join(' AND ');
    }
  }
}

function subject({ column, fold }: Exclude<IndexKey, { kind: 'every' | 'null' }>): string {
  return fold === 'nocase' ? `lower(${quoteName(column.name)})` : quoteName(column.name);
}
