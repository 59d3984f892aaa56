/**
 * Skims a SELECT: which collections it reads, and which of its result columns are plain properties.
 *
 * Invariants
 *   - what an expression means is left to SQLite; only its end is looked for, and the sub-selects in it;
 *   - every table named anywhere is a collection, a name of WITH, json_each or json_tree, else it is refused;
 *   - a column is called a property only where that is certain.
 */
import { MAX_JOINED } from '../limits.ts';
import type { Table } from '../table.ts';
import { foldAscii } from '../value.ts';
import { type Join, joinSources, lookUp, type ResultColumn, type Source } from './statement-sources.ts';
import type { StatementTokens, TokenRange } from './statement-tokens.ts';

/** Names of WITH that can be seen, folded. Null: its columns are not known. */
export type Scope = ReadonlyMap<string, readonly ResultColumn[] | null>;

export interface Skimmed {
  readonly columns: readonly ResultColumn[] | null;
  readonly next: number;
}

/** Whether a token, by its word and number, is the first that belongs no more. */
export type Stops = (word: string, at: number) => boolean;

const CLAUSES = new Set('FROM WHERE GROUP HAVING UNION INTERSECT EXCEPT ORDER LIMIT RETURNING'.split(' '));
const isClause = (word: string) => CLAUSES.has(word);

const SELECTS = new Set(['SELECT', 'VALUES', 'WITH']);
const JOIN_WORDS = new Set(['NATURAL', 'LEFT', 'RIGHT', 'FULL', 'INNER', 'CROSS', 'OUTER', 'JOIN']);
const NO_ALIAS = new Set([
  ...JOIN_WORDS,
  ...CLAUSES,
  'ON',
  'USING',
  'INDEXED',
  'NOT',
  'SET',
  'RETURNING',
  'WINDOW',
  'AS',
]);
/** Words an expression may end with. */
const ENDING_WORDS = new Set(['NULL', 'ISNULL', 'NOTNULL', 'END']);
/** Words after which an expression goes on. */
const JOINING_WORDS = new Set(
  'AND OR NOT IS IN LIKE GLOB MATCH REGEXP BETWEEN COLLATE ESCAPE CASE WHEN THEN ELSE FROM DISTINCT OVER'.split(' '),
);
const TABLE_FUNCTIONS = new Set(['json_each', 'json_tree']);
const TABLE_FUNCTION_COLUMNS = ['key', 'value', 'type', 'atom', 'id', 'parent', 'fullkey', 'path'];

export class Skimmer {
  readonly reads = new Set<string>();
  private readonly tokens: StatementTokens;
  private readonly tables: ReadonlyMap<string, Table>;

  /** `tables`: by folded name. */
  constructor(tokens: StatementTokens, tables: ReadonlyMap<string, Table>) {
    this.tokens = tokens;
    this.tables = tables;
  }

  /** A whole SELECT, VALUES, or WITH ... SELECT. */
  select(at: number, outer: Scope = new Map()): Skimmed {
    const { scope, next: start } = this.with(at, outer);
    let { columns, next } = this.core(start, scope);
    while (['UNION', 'INTERSECT', 'EXCEPT'].includes(this.tokens.word(next))) {
      const arm = this.core(this.tokens.word(next + 1) === 'ALL' ? next + 2 : next + 1, scope);
      columns = sameInBoth(columns, arm.columns);
      next = arm.next;
    }
    if (this.tokens.word(next) === 'ORDER') next = this.expression(next + 2, scope, isClause);
    if (this.tokens.word(next) === 'LIMIT') next = this.expression(next + 1, scope, isClause);
    return { columns, next };
  }

  /** To the first token outside parentheses that `stops`, or that closes the parenthesis around. */
  expression(from: number, scope: Scope, stops: Stops = () => false): number {
    const { tokens } = this;
    let at = from;
    for (;;) {
      const word = tokens.word(at);
      if (at >= tokens.count || word === ')') return at;
      if (stops(word, at) && !this.isDistinctFrom(at)) return at;
      if (word === '(') this.group(at, scope);
      else if (word === 'IN' && tokens.word(at + 1) !== '(') throw this.listExpected(at + 1);
      at = tokens.after(at);
    }
  }

  /** What a result list gives, `*` resolved; null if that is not known. Ends where `stops`. */
  results(from: number, sources: readonly Source[], scope: Scope, stops: Stops): Skimmed {
    const columns: ResultColumn[] = [];
    let isKnown = true;
    let at = from;
    for (;;) {
      const start = at;
      at = this.expression(at, scope, (word, token) => word === ',' || stops(word, token));
      const item = this.item(start, at, sources);
      if (item) columns.push(...item);
      isKnown &&= item !== null;
      if (this.tokens.word(at) !== ',') return { columns: isKnown ? columns : null, next: at };
      at++;
    }
  }

  /** The source of one collection, for INSERT, UPDATE and DELETE. */
  collection(token: number): { readonly table: Table; readonly columns: readonly ResultColumn[] } {
    const name = this.tokens.name(token);
    const table = name === null ? undefined : this.tables.get(foldAscii(name));
    if (!table) throw this.unknownCollection(token, name);
    return {
      table,
      columns: table.columns.map((column) => ({ name: column.name, range: one(token), property: { table, column } })),
    };
  }

  private with(at: number, outer: Scope): { scope: Scope; next: number } {
    const { tokens } = this;
    if (tokens.word(at) !== 'WITH') return { scope: outer, next: at };
    const scope = new Map(outer);
    const bodies: { readonly name: string; readonly listed: readonly ResultColumn[] | null; readonly open: number }[] =
      [];
    let next = tokens.word(at + 1) === 'RECURSIVE' ? at + 2 : at + 1;
    for (;;) {
      const name = foldAscii(tokens.name(next) ?? '');
      const listed = tokens.word(next + 1) === '(' ? this.nameList(next + 1) : null;
      next = tokens.after(next + 1);
      if (listed) next++;
      while (['AS', 'NOT', 'MATERIALIZED'].includes(tokens.word(next - 1)) && tokens.word(next) !== '(') next++;
      if (tokens.word(next) !== '(')
        throw tokens.fail('query-syntax', next, 'WITH takes name AS (SELECT ...).', 'Add it.');
      bodies.push({ name, listed, open: next });
      // Every name can be seen in every body, also in those before it.
      scope.set(name, listed);
      next = tokens.closing(next) + 1;
      if (tokens.word(next) !== ',') break;
      next++;
    }
    for (const { name, listed, open } of bodies) {
      scope.set(name, renamed(this.select(open + 1, scope).columns, listed));
    }
    return { scope, next };
  }

  private nameList(open: number): readonly ResultColumn[] {
    const columns: ResultColumn[] = [];
    for (let at = open + 1; at < this.tokens.closing(open); at += 2) {
      columns.push({ name: this.tokens.name(at), range: one(at), property: null });
    }
    return columns;
  }

  private core(at: number, scope: Scope): Skimmed {
    const { tokens } = this;
    if (tokens.word(at) === 'VALUES') return this.values(at + 1, scope);
    if (tokens.word(at) !== 'SELECT') throw tokens.fail('query-syntax', at, 'SELECT is expected here.', 'Add it.');
    const quantified = ['DISTINCT', 'ALL'].includes(tokens.word(at + 1));
    const list = quantified ? at + 2 : at + 1;
    let listEnd = list;
    while (listEnd < tokens.count && tokens.word(listEnd) !== ')') {
      if (isClause(tokens.word(listEnd)) && !this.isDistinctFrom(listEnd)) break;
      listEnd = tokens.after(listEnd);
    }
    // FROM comes first: it says what the names of the result list mean.
    const from = tokens.word(listEnd) === 'FROM' ? this.from(listEnd + 1, scope) : { sources: [], next: listEnd };
    const { columns } = this.results(list, from.sources, scope, isClause);
    let { next } = from;
    while (['WHERE', 'GROUP', 'HAVING', 'WINDOW'].includes(tokens.word(next))) {
      next = this.expression(next + 1, scope, isClause);
    }
    return { columns, next };
  }

  private values(from: number, scope: Scope): Skimmed {
    const { tokens } = this;
    const columns: ResultColumn[] = [];
    let next = from;
    for (;;) {
      if (tokens.word(next) !== '(') throw tokens.fail('query-syntax', next, 'VALUES takes rows in ( ).', 'Add them.');
      if (next === from) {
        const end = tokens.closing(next);
        for (let at = next + 1; at <= end; at = tokens.after(at)) {
          if (at !== end && tokens.word(at) !== ',') continue;
          columns.push({ name: `column${columns.length + 1}`, range: one(next), property: null });
        }
      }
      this.group(next, scope);
      next = tokens.closing(next) + 1;
      if (tokens.word(next) !== ',') return { columns, next };
      next++;
    }
  }

  /** The parenthesis at `open`: a sub-select, or expressions. */
  private group(open: number, scope: Scope): readonly ResultColumn[] | null {
    const { tokens } = this;
    const close = tokens.closing(open);
    const isSelect = SELECTS.has(tokens.word(open + 1));
    const skimmed = isSelect ? this.select(open + 1, scope) : { columns: null, next: this.expression(open + 1, scope) };
    if (skimmed.next !== close)
      throw tokens.fail('query-syntax', skimmed.next, 'This is not expected here.', 'Remove it.');
    return skimmed.columns;
  }

  private from(at: number, scope: Scope): { sources: readonly Source[]; next: number } {
    const { tokens } = this;
    let sources: readonly Source[] = [];
    let next = at;
    let join: Join = { natural: false, outer: false, using: [] };
    for (;;) {
      const source = this.source(next, scope);
      next = source.next;
      if (tokens.word(next) === 'ON') next = this.expression(next + 1, scope, (word, at) => this.endsOn(word, at));
      if (tokens.word(next) === 'USING') {
        join = { ...join, using: this.nameList(next + 1).map(({ name }) => foldAscii(name ?? '')) };
        next = tokens.closing(next + 1) + 1;
      }
      sources = joinSources(sources, source.sources, join);
      if (sources.length > MAX_JOINED) {
        const problem = `A FROM clause joins at most ${MAX_JOINED} tables.`;
        throw tokens.fail('limit-exceeded', source.next - 1, problem, 'Split the statement.', { limit: MAX_JOINED });
      }
      if (tokens.word(next) !== ',' && !JOIN_WORDS.has(tokens.word(next))) return { sources, next };
      join = { natural: false, outer: false, using: [] };
      if (tokens.word(next) === ',') next++;
      for (; JOIN_WORDS.has(tokens.word(next)); next++) {
        const word = tokens.word(next);
        join = { ...join, natural: join.natural || word === 'NATURAL', outer: join.outer || /RIGHT|FULL/.test(word) };
      }
    }
  }

  private endsOn(word: string, at: number): boolean {
    if (word === ',' || CLAUSES.has(word) || word === 'USING' || word === 'WINDOW') return true;
    let last = at;
    while (JOIN_WORDS.has(this.tokens.word(last)) && this.tokens.word(last) !== 'JOIN') last++;
    return this.tokens.word(last) === 'JOIN';
  }

  private source(at: number, scope: Scope): { sources: readonly Source[]; next: number } {
    const { tokens } = this;
    if (tokens.word(at) === '(' && !SELECTS.has(tokens.word(at + 1))) {
      const { sources, next } = this.from(at + 1, scope);
      if (next !== tokens.closing(at)) throw tokens.fail('query-syntax', next, 'This ends no join.', 'Remove it.');
      return { sources, next: next + 1 };
    }
    const isSubSelect = tokens.word(at) === '(';
    const columns = isSubSelect ? this.group(at, scope) : this.named(at, scope);
    const called = isSubSelect || tokens.word(at + 1) === '(' ? tokens.after(isSubSelect ? at : at + 1) : at + 1;
    const { alias, next } = this.alias(called);
    const name = alias ?? (isSubSelect ? null : tokens.name(at));
    return { sources: [{ name: name === null ? null : foldAscii(name), columns, hidden: [], merged: [] }], next };
  }

  private alias(at: number): { alias: string | null; next: number } {
    const { tokens } = this;
    if (tokens.word(at) === 'INDEXED') return { alias: null, next: at + 3 };
    if (tokens.word(at) === 'NOT') return { alias: null, next: at + 2 };
    if (tokens.word(at) === 'AS') return { alias: tokens.alias(at + 1), next: at + 2 };
    const name = NO_ALIAS.has(tokens.word(at)) ? null : tokens.alias(at);
    return { alias: name, next: name === null ? at : at + 1 };
  }

  /** The columns of the table or table function at `at`. */
  private named(at: number, scope: Scope): readonly ResultColumn[] | null {
    const { tokens } = this;
    const name = tokens.name(at);
    if (tokens.word(at + 1) === '.') {
      throw tokens.unsupported(at, 'A collection is named without a schema.', 'Leave out the part before the dot.');
    }
    if (name === null) throw tokens.fail('query-syntax', at, 'The name of a collection is expected here.', 'Add it.');
    const folded = foldAscii(name);
    if (tokens.word(at + 1) === '(') {
      if (!TABLE_FUNCTIONS.has(folded)) throw this.unknownCollection(at, name);
      this.group(at + 1, scope);
    }
    if (TABLE_FUNCTIONS.has(folded)) {
      return TABLE_FUNCTION_COLUMNS.map((column) => ({ name: column, range: one(at), property: null }));
    }
    if (scope.has(folded)) return scope.get(folded) ?? null;
    const { table, columns } = this.collection(at);
    this.reads.add(table.name);
    return columns;
  }

  /** One item of a result list. */
  private item(from: number, to: number, sources: readonly Source[]): readonly ResultColumn[] | null {
    const { tokens } = this;
    const star = tokens.word(to - 1) === '*' && (to - from === 1 || (to - from === 3 && tokens.word(from + 1) === '.'));
    if (star) return starred(sources, to - from === 1 ? null : foldAscii(tokens.name(from) ?? ''), { from, to });
    const qualified = tokens.word(from + 1) === '.';
    const end = qualified ? from + 3 : from + 1;
    const alias = tokens.word(end) === 'AS' ? end + 1 : end;
    const isTested = alias === end && ENDING_WORDS.has(tokens.word(end));
    const isPlain = tokens.name(from) !== null && (end === to || (alias === to - 1 && !isTested));
    if (!isPlain) return [{ name: this.aliasAt(from, to), range: { from, to }, property: null }];
    const written = tokens.name(qualified ? from + 2 : from) ?? '';
    const property = lookUp(sources, qualified ? foldAscii(tokens.name(from) ?? '') : null, foldAscii(written));
    return [{ name: end === to ? written : tokens.alias(alias), range: { from, to }, property }];
  }

  /** The alias that ends an expression, with AS or without: two operands never stand side by side in one. */
  private aliasAt(from: number, to: number): string | null {
    const { tokens } = this;
    const [last, before] = [to - 1, to - 2];
    if (before < from || ENDING_WORDS.has(tokens.word(last)) || JOINING_WORDS.has(tokens.word(before))) return null;
    const follows = tokens.word(before) === ')' || tokens.kind(before) !== 'operator';
    return follows ? tokens.alias(last) : null;
  }

  private isDistinctFrom(at: number): boolean {
    const { tokens } = this;
    return (
      tokens.word(at) === 'FROM' && tokens.word(at - 1) === 'DISTINCT' && ['IS', 'NOT'].includes(tokens.word(at - 2))
    );
  }

  private unknownCollection(token: number, name: string | null) {
    const known = [...this.tables.values()].map((table) => table.name).join(', ');
    const problem = name === null ? 'The name of a collection is expected here.' : `There is no collection ${name}.`;
    return this.tokens.fail('unknown-collection', token, problem, `The collections are ${known}.`, {
      collection: name,
    });
  }

  private listExpected(token: number) {
    const remedy = 'Write IN (SELECT ...), or list the values.';
    return this.tokens.unsupported(token, 'IN takes a list or a SELECT in parentheses.', remedy);
  }
}

function one(token: number): TokenRange {
  return { from: token, to: token + 1 };
}

/** `*`, or `name.*`. */
function starred(sources: readonly Source[], name: string | null, range: TokenRange): readonly ResultColumn[] | null {
  let columns: readonly ResultColumn[] | null = [];
  for (const source of sources) {
    if (name !== null && source.name !== name) continue;
    const visible: readonly ResultColumn[] | null =
      source.columns?.filter((column) => name !== null || !source.hidden.includes(foldAscii(column.name ?? ''))) ??
      null;
    const known = visible?.map((column) =>
      source.merged.includes(foldAscii(column.name ?? ''))
        ? { ...column, range, property: null }
        : { ...column, range },
    );
    columns = columns && known ? [...columns, ...known] : null;
  }
  return columns;
}

/** The columns of a compound: properties only where both arms have the same one. */
function sameInBoth(left: readonly ResultColumn[] | null, right: readonly ResultColumn[] | null) {
  if (!left || !right || left.length !== right.length) return null;
  return left.map((column, i) => {
    const isSame = column.property?.column === right[i]?.property?.column;
    return isSame ? column : { ...column, property: null };
  });
}

function renamed(columns: readonly ResultColumn[] | null, names: readonly ResultColumn[] | null) {
  if (!names || !columns) return names ?? columns;
  return names.map(({ name, range }, i) => ({ name, range, property: columns[i]?.property ?? null }));
}
