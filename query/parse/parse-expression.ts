/**
 * Operators, by precedence climbing with SQLite's levels.
 *
 * Low to high: OR; AND; NOT; equality, IS, IN, LIKE, GLOB, BETWEEN, ISNULL; order; bits; sum; product;
 * concatenation and JSON arrows; COLLATE; prefixes. All infix operators associate to the left. NOT is a prefix that
 * may stand after any operator, and then takes everything above AND: `a = NOT b = c` is `a = (NOT (b = c))`.
 */
import type { ArithmeticOperator, ComparisonOperator, Expr } from '../ast.ts';
import { MAX_IN_LIST } from '../limits.ts';
import type { Collation } from '../value.ts';
import type { ParseCursor } from './parse-cursor.ts';
import { fixOperand, type ParseScope, parseOperand, startsSubQuery, subQuery } from './parse-operand.ts';

const OR = 1;
const AND = 2;
const NOT = 3;
const EQUALITY = 4;
const ORDER = 5;
const BITS = 7;
const SUM = 8;
const PRODUCT = 9;
const CONCAT = 10;
const COLLATE = 11;
const PREFIX = 12;

const LEVELS: ReadonlyMap<string, number> = new Map([
  ['OR', OR],
  ['AND', AND],
  ...['=', '==', '<>', '!=', 'IS', 'IN', 'LIKE', 'GLOB', 'MATCH', 'REGEXP', 'BETWEEN'].map(
    (operator) => [operator, EQUALITY] as const,
  ),
  ...['ISNULL', 'NOTNULL', 'NOT'].map((operator) => [operator, EQUALITY] as const),
  ...['<', '<=', '>', '>='].map((operator) => [operator, ORDER] as const),
  ...['&', '|', '<<', '>>'].map((operator) => [operator, BITS] as const),
  ...['+', '-'].map((operator) => [operator, SUM] as const),
  ...['*', '/', '%'].map((operator) => [operator, PRODUCT] as const),
  ...['||', '->', '->>'].map((operator) => [operator, CONCAT] as const),
  ['COLLATE', COLLATE],
]);

export function parseExpression(scope: ParseScope, lowest = OR): Expr {
  let left = parsePrefix(scope);
  for (;;) {
    const level = LEVELS.get(scope.cursor.word);
    if (level === undefined || level < lowest) return left;
    left = parseInfix(scope, left, level);
  }
}

function parsePrefix(scope: ParseScope): Expr {
  const { cursor } = scope;
  const at = cursor.at;
  switch (cursor.word) {
    case 'NOT':
      return prefixed(scope, 'not', NOT);
    case '~':
      return prefixed(scope, 'invert', PREFIX);
    case '+':
      return prefixed(scope, 'plus', PREFIX);
    case '-': {
      cursor.take();
      const operand = cursor.nested(at, () => parseExpression(scope, PREFIX));
      return cursor.negate(operand) ? { ...operand, at } : cursor.node({ kind: 'negate', operand, at }, [operand]);
    }
  }
  return parseOperand(scope, parseExpression);
}

function prefixed(scope: ParseScope, kind: 'not' | 'invert' | 'plus', level: number): Expr {
  const { cursor } = scope;
  const at = cursor.startOf(cursor.take());
  const operand = cursor.nested(at, () => parseExpression(scope, level));
  return cursor.node({ kind, operand, at }, [operand]);
}

function parseInfix(scope: ParseScope, left: Expr, level: number): Expr {
  const { cursor } = scope;
  const operatorAt = cursor.at;
  const operator = cursor.word;
  cursor.take();
  switch (operator) {
    case 'OR':
    case 'AND':
      return junction(scope, operator === 'OR' ? 'or' : 'and', left, level, operatorAt);
    case 'NOT':
      if (cursor.takeIf('NULL')) return sameness(cursor, true, left, nullAt(cursor, operatorAt), operatorAt);
      return parseTest(scope, left, cursor.startOf(cursor.take()), true);
    case 'IS':
      return parseIs(scope, left, operatorAt);
    case 'ISNULL':
    case 'NOTNULL':
      return sameness(cursor, operator === 'NOTNULL', left, nullAt(cursor, operatorAt), operatorAt);
    case 'COLLATE':
      return parseCollate(scope, left, operatorAt);
    case 'IN':
    case 'LIKE':
    case 'GLOB':
    case 'BETWEEN':
    case 'MATCH':
    case 'REGEXP':
      return parseTest(scope, left, operatorAt, false);
  }
  const right = parseExpression(scope, level + 1);
  return binary(scope, operator, left, right, operatorAt);
}

function binary(scope: ParseScope, operator: string, left: Expr, right: Expr, operatorAt: number): Expr {
  const { cursor } = scope;
  const at = left.at;
  switch (operator) {
    case '=':
    case '==':
    case '<>':
    case '!=':
    case '<':
    case '<=':
    case '>':
    case '>=':
      return cursor.node(
        { kind: 'compare', operator: comparison(operator), left, right, at },
        [left, right],
        operatorAt,
      );
    case '->':
    case '->>':
      fixOperand(scope, right);
      return cursor.node({ kind: 'json', operator, left, right, at }, [left, right], operatorAt);
  }
  const arithmetic = operator as ArithmeticOperator;
  return cursor.node({ kind: 'arithmetic', operator: arithmetic, left, right, at }, [left, right], operatorAt);
}

function comparison(operator: '=' | '==' | '<>' | '!=' | '<' | '<=' | '>' | '>='): ComparisonOperator {
  if (operator === '==') return '=';
  return operator === '!=' ? '<>' : operator;
}

/** `a AND b AND c` is one node; `a AND (b AND c)` stays as written, for the referee. */
function junction(scope: ParseScope, kind: 'and' | 'or', left: Expr, level: number, operatorAt: number): Expr {
  const right = parseExpression(scope, level + 1);
  const operands = left.kind === kind ? [...left.operands, right] : [left, right];
  return scope.cursor.node({ kind, operands, at: left.at }, operands, operatorAt);
}

function nullAt(cursor: ParseCursor, at: number): Expr {
  return cursor.node({ kind: 'literal', value: null, boolean: false, at });
}

function sameness(cursor: ParseCursor, negated: boolean, left: Expr, right: Expr, operatorAt: number): Expr {
  const at = left.at;
  const constant = beneathHints(right);
  if (constant.kind !== 'literal' || !constant.boolean) {
    return cursor.node({ kind: 'is', negated, left, right, at }, [left, right], operatorAt);
  }
  const truth = constant.value === 1n;
  return cursor.node({ kind: 'isTruth', negated, truth, operand: left, at }, [left], operatorAt);
}

const HINTS = new Set(['likely', 'unlikely', 'likelihood']);

/** SQLite looks for TRUE and FALSE behind IS through COLLATE and its planner's hints. */
function beneathHints(expr: Expr): Expr {
  if (expr.kind === 'collate') return beneathHints(expr.operand);
  const hinted = expr.kind === 'call' && HINTS.has(expr.name) ? expr.arguments[0] : undefined;
  return hinted === undefined ? expr : beneathHints(hinted);
}

function parseIs(scope: ParseScope, left: Expr, operatorAt: number): Expr {
  const { cursor } = scope;
  let negated = cursor.takeIf('NOT');
  if (cursor.takeIf('DISTINCT')) {
    cursor.expect('FROM', 'after DISTINCT');
    negated = !negated;
  }
  return sameness(cursor, negated, left, parseExpression(scope, EQUALITY + 1), operatorAt);
}

const COLLATIONS: readonly Collation[] = ['BINARY', 'NOCASE', 'RTRIM'];

function parseCollate(scope: ParseScope, operand: Expr, operatorAt: number): Expr {
  const { cursor } = scope;
  const written = cursor.name;
  if (written === null) throw cursor.unexpected('The name of a collation is expected after COLLATE');
  const collation = COLLATIONS.find((known) => known === written.toUpperCase());
  if (!collation) {
    const remedy = 'Use BINARY, NOCASE or RTRIM.';
    throw cursor.unsupported(cursor.at, `The collation ${written} is not one every SQLite has.`, remedy);
  }
  cursor.take();
  return cursor.node({ kind: 'collate', operand, collation, at: operand.at }, [operand], operatorAt);
}

/** [NOT] IN, LIKE, GLOB, BETWEEN, MATCH, REGEXP: the keyword at `operatorAt` has just been taken. */
function parseTest(scope: ParseScope, operand: Expr, operatorAt: number, negated: boolean): Expr {
  const { cursor } = scope;
  switch (cursor.wordAfter(-1)) {
    case 'IN':
      return parseIn(scope, operand, negated, operatorAt);
    case 'BETWEEN':
      return parseBetween(scope, operand, negated, operatorAt);
    case 'LIKE':
      return parseLike(scope, 'like', operand, negated, operatorAt);
    case 'GLOB':
      return parseLike(scope, 'glob', operand, negated, operatorAt);
    case 'MATCH':
    case 'REGEXP': {
      const remedy = 'SQLite has no built-in meaning for it; use LIKE or GLOB.';
      throw cursor.unsupported(operatorAt, `${cursor.wordAfter(-1)} is not part of the language.`, remedy);
    }
  }
  cursor.position--;
  throw cursor.unexpected('IN, LIKE, GLOB, BETWEEN or NULL is expected after NOT');
}

/** The middle parses above AND, the end above the level of BETWEEN itself. */
function parseBetween(scope: ParseScope, operand: Expr, negated: boolean, operatorAt: number): Expr {
  const { cursor } = scope;
  const low = parseExpression(scope, AND + 1);
  cursor.expect('AND', 'after the lower bound of BETWEEN');
  const high = parseExpression(scope, EQUALITY + 1);
  const node: Expr = { kind: 'between', negated, operand, low, high, at: operand.at };
  return cursor.node(node, [operand, low, high], operatorAt);
}

function parseLike(
  scope: ParseScope,
  kind: 'like' | 'glob',
  operand: Expr,
  negated: boolean,
  operatorAt: number,
): Expr {
  const { cursor } = scope;
  const pattern = parseExpression(scope, EQUALITY + 1);
  const escapeAt = cursor.at;
  const character = cursor.takeIf('ESCAPE') ? parseExpression(scope, EQUALITY + 1) : null;
  if (character && kind === 'glob')
    throw cursor.unsupported(escapeAt, 'GLOB has no ESCAPE.', 'Put a character in [ ].');
  const node: Expr = { kind, negated, operand, pattern, escape: character, at: operand.at };
  return cursor.node(node, character ? [operand, pattern, character] : [operand, pattern], operatorAt);
}

function parseIn(scope: ParseScope, operand: Expr, negated: boolean, operatorAt: number): Expr {
  const { cursor } = scope;
  const openAt = cursor.at;
  if (!cursor.takeIf('(')) {
    throw cursor.unsupported(openAt, 'IN takes a list in parentheses, not a table.', 'List the values: IN (?, ?).');
  }
  if (startsSubQuery(cursor)) throw subQuery(cursor);
  const list: Expr[] = [];
  if (cursor.word !== ')') {
    do {
      if (list.length === MAX_IN_LIST) throw cursor.limit('members of one IN list', MAX_IN_LIST, cursor.at);
      list.push(cursor.nested(openAt, () => parseMember(scope)));
    } while (cursor.takeIf(','));
  }
  cursor.expect(')', 'after the list of IN');
  return cursor.node({ kind: 'in', negated, operand, list, at: operand.at }, [operand, ...list], operatorAt);
}

/** A constant alone costs no node; it is discounted before it is counted, so that a full tree can still hold a list. */
function parseMember(scope: ParseScope): Expr {
  const { cursor } = scope;
  const constant = cursor.word === '-' ? 1 : 0;
  const isConstant = ['literal', 'parameter'].includes(cursor.kindAfter(constant));
  if (isConstant && [',', ')'].includes(cursor.wordAfter(constant + 1))) cursor.discountNext();
  return parseExpression(scope);
}
