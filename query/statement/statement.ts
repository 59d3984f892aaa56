/**
 * Whole statements: what one reads or writes, as SQL to run, without interpreting any expression of it.
 *
 * Invariants
 *   - SQLite has prepared every piece before a statement is handed out;
 *   - a statement names collections only; nothing internal, no schema, no other table can be reached through it.
 */
import { checkParameters, inputCell, inputClass, inputOf, refuseInput, type SqlParameters } from '../binding.ts';
import { MAX_KNOWN_CHARACTERS, MAX_KNOWN_STATEMENTS } from '../limits.ts';
import { lex } from '../parse/lexer.ts';
import { wellFormed } from '../parse/lexer-literal.ts';
import type { ParameterList } from '../parse/parameter-list.ts';
import { refusedBySqlite } from '../parse/sqlite-refusal.ts';
import { Recent } from '../recent.ts';
import type { Column, Table } from '../table.ts';
import { exactOf, foldAscii, type SqlInput, type SqlValue } from '../value.ts';
import { refuseNames, unstableIn } from './statement-names.ts';
import { refuseKind } from './statement-refusal.ts';
import { Skimmer } from './statement-select.ts';
import type { Property, ResultColumn } from './statement-sources.ts';
import { type Piece, StatementTokens } from './statement-tokens.ts';
import { takeApart } from './statement-write.ts';

/** One column of a result. `property` says how it is decoded; null for SQLite's own value. */
export interface StatementColumn {
  readonly name: string;
  readonly property: Property | null;
}

interface Parts {
  readonly text: string;
  readonly parameters: ParameterList;
  /** The collections whose rows decide its result, or what it writes. */
  readonly reads: readonly string[];
}

export interface SelectStatement extends Parts {
  readonly kind: 'select';
  readonly rows: Piece;
  readonly columns: readonly StatementColumn[];
  /** What gives another answer at another time, as written, such as `random()`; null if nothing is seen to. */
  readonly unstable: string | null;
}

/** `row` gives the result of one row: its last parameter, after the statement's own, is the id of the row. */
export interface Returning {
  readonly row: Piece;
  readonly columns: readonly StatementColumn[];
}

export interface InsertStatement extends Parts {
  readonly kind: 'insert';
  readonly table: Table;
  /** What `rows` gives, in order; the id may be among them. */
  readonly properties: readonly Column[];
  /** Null: one row of defaults. */
  readonly rows: Piece | null;
  readonly returning: Returning | null;
}

export interface UpdateStatement extends Parts {
  readonly kind: 'update';
  readonly table: Table;
  readonly properties: readonly Column[];
  /** The id, then a value for each property; in the order of the ids. */
  readonly rows: Piece;
  readonly returning: Returning | null;
}

export interface DeleteStatement extends Parts {
  readonly kind: 'delete';
  readonly table: Table;
  /** The ids, in order. */
  readonly rows: Piece;
  /** To be asked before the rows are gone. */
  readonly returning: Returning | null;
}

export type Statement = SelectStatement | InsertStatement | UpdateStatement | DeleteStatement;

/** How SQLite is asked about a text: a driver fits. */
export interface StatementProbe {
  /** The names of the result columns. @throws what SQLite refuses. */
  readonly columns: (sql: string) => readonly string[];
}

/**
 * What a whole statement does. Cost: a lookup for a text seen before; else it is skimmed, and SQLite prepares each piece.
 *
 * @throws {TendrilError} `query-syntax`, `query-unsupported`, `unknown-collection`, `unknown-property`, `limit-exceeded`.
 */
export type Analyser = (text: string) => Statement;

export function createAnalyser(tables: readonly Table[], probe: StatementProbe): Analyser {
  const byName = new Map(tables.map((table) => [foldAscii(table.name), table] as const));
  const known = new Recent<string, Statement>(MAX_KNOWN_STATEMENTS, MAX_KNOWN_CHARACTERS);
  return (text) => {
    const remembered = known.get(text);
    if (remembered) return remembered;
    const statement = analyse(text, byName, probe);
    known.set(text, statement, text.length);
    return statement;
  };
}

function analyse(text: string, tables: ReadonlyMap<string, Table>, probe: StatementProbe): Statement {
  const tokens = new StatementTokens(lex(text));
  refuseKind(tokens);
  refuseNames(tokens);
  const skimmer = new Skimmer(tokens, tables);
  const first = tokens.word(0);
  if (first === 'SELECT' || first === 'VALUES' || first === 'WITH') return analyseSelect(tokens, skimmer, probe);
  return analyseWrite(tokens, skimmer, probe);
}

function analyseSelect(tokens: StatementTokens, skimmer: Skimmer, probe: StatementProbe): SelectStatement {
  const skimmed = skimmer.select(0);
  const rows = tokens.piece(['', ''], [{ from: 0, to: tokens.count }]);
  const columns = resultColumns(tokens, rows, tokens.lexed.text, skimmed.columns, probe);
  // SQLite has accepted the whole; what the skimmer did not reach, it cannot vouch for.
  if (skimmed.next !== tokens.count) throw tokens.unsupported(skimmed.next, 'This is not expected here.', 'Remove it.');
  const { parameters, lexed } = tokens;
  const reads = [...skimmer.reads];
  return { kind: 'select', text: lexed.text, parameters, rows, columns, reads, unstable: unstableIn(tokens) };
}

function analyseWrite(
  tokens: StatementTokens,
  skimmer: Skimmer,
  probe: StatementProbe,
): Exclude<Statement, SelectStatement> {
  const { kind, table, properties, rows, returning, reads } = takeApart(tokens, skimmer);
  const text = tokens.lexed.text;
  const { parameters } = tokens;
  const asked = returning && {
    row: returning.row,
    columns: resultColumns(tokens, returning.row, returning.written, returning.columns, probe),
  };
  if (kind === 'insert') {
    const given = rows && prepare(tokens, rows.sql, probe).length;
    if (given !== null && given !== properties.length) {
      const problem = `${properties.length} properties are listed, and ${given} values given.`;
      throw tokens.fail('query-syntax', 0, problem, 'Give one value for each property.');
    }
    return { kind, text, parameters, reads, table, properties, rows, returning: asked };
  }
  const asking = rows as Piece;
  prepare(tokens, asking.sql, probe);
  return { kind, text, parameters, reads, table, properties, rows: asking, returning: asked };
}

function prepare(tokens: StatementTokens, sql: string, probe: StatementProbe): readonly string[] {
  try {
    return probe.columns(sql);
  } catch (error) {
    throw refusedBySqlite(tokens.lexed, error);
  }
}

/** SQLite's names, with what is known of each column where the two agree. */
function resultColumns(
  tokens: StatementTokens,
  piece: Piece,
  written: string,
  skimmed: readonly ResultColumn[] | null,
  probe: StatementProbe,
): readonly StatementColumn[] {
  const spelled = prepare(tokens, piece.sql, probe);
  // An expression without AS is called as it was written.
  const names = written === piece.sql ? spelled : prepare(tokens, written, probe);
  const agrees = (column: ResultColumn, i: number) =>
    column.name === null || foldAscii(column.name) === foldAscii(names[i] ?? '');
  const known = skimmed?.length === names.length && skimmed.every(agrees) ? skimmed : null;
  const columns = names.map((name, i) => ({ name, property: known?.[i]?.property ?? null }));
  columns.forEach(({ name }, i) => {
    const first = columns.findIndex((column) => column.name === name);
    if (first === i) return;
    const at = known?.[i]?.range.from ?? 0;
    throw tokens.unsupported(at, `Two result columns are called ${name}.`, 'Name them apart with AS.');
  });
  return columns;
}

/** The values of a statement's parameters: `?N` of a piece takes the one that its `uses[N - 1]` names. */
export function bindStatement(
  statement: Statement,
  parameters: SqlParameters = [],
): ReadonlyMap<number | string, SqlValue> {
  const { text, parameters: written } = statement;
  checkParameters(text, written, parameters);
  const wanted: readonly (number | string)[] =
    written.kind === 'names' ? written.names : Array.from({ length: written.count }, (_, i) => i + 1);
  return new Map(
    wanted.map((parameter) => {
      const input = inputOf(parameters, parameter);
      const inputsClass = inputClass(input);
      if (inputsClass === null || (statement.kind !== 'select' && !isStorable(input))) {
        throw refuseInput(text, 0, parameter, input);
      }
      return [parameter, exactOf(inputCell(input as SqlInput), inputsClass)] as const;
    }),
  );
}

/** False for what would be written as something else: text with a lone surrogate. */
function isStorable(input: unknown): boolean {
  return typeof input !== 'string' || wellFormed(input) === input;
}

/** What to bind to a piece, for a driver. */
export function pieceValues(piece: Piece, values: ReadonlyMap<number | string, SqlValue>): SqlValue[] {
  return piece.uses.map((parameter) => values.get(parameter) as SqlValue);
}
