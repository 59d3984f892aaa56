/**
 * The clauses of a selection: `[predicate] [ORDER BY terms] [LIMIT n [OFFSET m]]`.
 *
 * Invariants
 *   - what is parsed is what SQLite parses: the referee compares the two once per shape;
 *   - the tree is raw: AND and OR are nested as written, ORDER BY has no id appended (see shape.ts for both).
 */
import type { Expr, OrderTerm } from '../ast.ts';
import { MAX_TREE_NODES } from '../limits.ts';
import type { Table } from '../table.ts';
import type { Lexed } from './lexer.ts';
import type { Literal } from './lexer-literal.ts';
import type { ParameterList } from './parameter-list.ts';
import { ParseCursor, type SlotPlace, type SlotSource } from './parse-cursor.ts';
import { parseExpression } from './parse-expression.ts';
import type { ParseScope } from './parse-operand.ts';

/** One text, parsed; it serves every text of the same key. */
export interface Draft {
  readonly lexed: Lexed;
  readonly table: Table;
  readonly where: Expr | null;
  readonly orderBy: readonly OrderTerm[];
  readonly limit: Expr | null;
  readonly offset: Expr | null;
  readonly slots: readonly SlotSource[];
  /** Every token a slot stands for, in text order. */
  readonly places: readonly SlotPlace[];
  readonly parameters: ParameterList;
  /** The literals that count columns in ORDER BY: their values are part of the shape. */
  readonly ordinals: readonly Literal[];
  /** Slots whose value is part of the shape: JSON paths, formats, what SQLite wants constant. */
  readonly fixed: ReadonlySet<number>;
  /** The offset of ORDER BY or LIMIT: where the predicate's text ends. */
  readonly tail: number;
}

export function parse(lexed: Lexed, table: Table): Draft {
  const cursor = new ParseCursor(lexed);
  const scope: ParseScope = { cursor, table, fixed: new Set(), ordinals: [] };
  refuseStatement(cursor);
  const bare = cursor.kind === 'end' || isTail(cursor);
  const where = bare ? null : parseExpression(scope);
  const tail = cursor.at;
  const orderBy = takeOrder(cursor) ? parseTerms(scope) : [];
  const { limit, offset } = parseLimit(scope);
  if (cursor.kind !== 'end') throw unexpectedTail(cursor);
  const { slots, places, parameters } = cursor;
  const { fixed, ordinals } = scope;
  return { lexed, table, where, orderBy, limit, offset, slots, places, parameters, ordinals, fixed, tail };
}

const STATEMENTS = new Set(['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'WITH', 'VALUES', 'CREATE', 'DROP', 'ALTER']);

function refuseStatement(cursor: ParseCursor): void {
  if (!STATEMENTS.has(cursor.word) || (cursor.kindAfter(1) === 'operator' && cursor.wordAfter(1) !== '(')) return;
  const remedy = 'Pass the predicate alone (what would follow WHERE), or run the whole statement with sql().';
  throw cursor.unsupported(cursor.at, `A selection is a predicate, not a ${cursor.word} statement.`, remedy);
}

function isTail(cursor: ParseCursor): boolean {
  return cursor.word === 'LIMIT' || cursor.word === 'ORDER';
}

function takeOrder(cursor: ParseCursor): boolean {
  if (!cursor.takeIf('ORDER')) return false;
  cursor.expect('BY', 'after ORDER');
  return true;
}

function parseTerms(scope: ParseScope): readonly OrderTerm[] {
  const terms: OrderTerm[] = [];
  do {
    if (terms.length === MAX_TREE_NODES) throw scope.cursor.limit('ORDER BY terms', MAX_TREE_NODES, scope.cursor.at);
    terms.push(parseTerm(scope));
  } while (scope.cursor.takeIf(','));
  return terms;
}

function parseTerm(scope: ParseScope): OrderTerm {
  const { cursor } = scope;
  const written = parseExpression(scope);
  const expression = isOrdinal(cursor, written) ? ordinalColumn(scope, written) : written;
  const descending = cursor.takeIf('DESC');
  if (!descending) cursor.takeIf('ASC');
  if (!cursor.takeIf('NULLS')) return { expression, descending, nulls: descending ? 'last' : 'first' };
  if (cursor.takeIf('FIRST')) return { expression, descending, nulls: 'first' };
  cursor.expect('LAST', 'after NULLS, or FIRST');
  return { expression, descending, nulls: 'last' };
}

/** SQLite looks for a whole number through signs, COLLATE and likely(). */
function isOrdinal(cursor: ParseCursor, term: Expr): boolean {
  switch (term.kind) {
    case 'slot':
      return cursor.literalOf(term)?.tag === 'i';
    case 'negate':
    case 'plus':
    case 'collate':
      return isOrdinal(cursor, term.operand);
    case 'call':
      return /^(un)?like(ly|lihood)$/.test(term.name) && isOrdinal(cursor, term.arguments[0] as Expr);
  }
  return false;
}

/** `ORDER BY 2` is the second column; a sign or COLLATE with it is refused. */
function ordinalColumn(scope: ParseScope, term: Expr): Expr {
  const { cursor, table } = scope;
  const { at } = term;
  const literal = cursor.forgetLiteral(term);
  if (!literal) {
    const remedy = 'Write the name of the column, with COLLATE or a sign if wanted.';
    throw cursor.unsupported(at, 'A column number stands alone.', remedy);
  }
  scope.ordinals.push(literal);
  const column = table.columns[Number(literal.value) - 1];
  if (column) return { kind: 'column', column, at };
  const remedy = `Columns are numbered from 1 (id) to ${table.columns.length}; a name is clearer.`;
  throw cursor.fail('unknown-property', at, `${table.name} has no column number ${literal.value}.`, remedy);
}

function parseLimit(scope: ParseScope): { limit: Expr | null; offset: Expr | null } {
  const { cursor } = scope;
  if (!cursor.takeIf('LIMIT')) return { limit: null, offset: null };
  const first = parseCount(scope, 'LIMIT');
  if (cursor.takeIf('OFFSET')) return { limit: first, offset: parseCount(scope, 'OFFSET') };
  if (cursor.takeIf(',')) return { limit: parseCount(scope, 'LIMIT'), offset: first };
  return { limit: first, offset: null };
}

function parseCount(scope: ParseScope, clause: string): Expr {
  const at = scope.cursor.at;
  const count = parseExpression(scope);
  if (count.kind === 'slot') return count;
  throw scope.cursor.unsupported(at, `${clause} takes a number or a parameter.`, 'Compute it before, and pass it.');
}

function unexpectedTail(cursor: ParseCursor) {
  if (cursor.word !== ';' && cursor.word !== ',') return cursor.unexpected('An operator or the end is expected');
  const [problem, remedy] =
    cursor.word === ';'
      ? ['A selection is one predicate, without a semicolon.', 'Remove the semicolon and what follows it.']
      : ['A selection is one predicate; a comma has no meaning here.', 'Use AND or OR.'];
  return cursor.fail('query-syntax', cursor.at, problem, remedy);
}
