/** Operands: columns, constants, parentheses, CASE, CAST and calls. */
import type { TendrilError } from '../../errors.ts';
import type { Affinity, Expr } from '../ast.ts';
import { argumentRole, findFunction, isFixedRole, type Signature } from '../check/functions.ts';
import type { Column, Table } from '../table.ts';
import type { Literal } from './lexer-literal.ts';
import { type ParseCursor, upperAscii } from './parse-cursor.ts';

export interface ParseScope {
  readonly cursor: ParseCursor;
  readonly table: Table;
  /** Slots whose value is part of the shape. */
  readonly fixed: Set<number>;
  /** The literals that count columns in ORDER BY. */
  readonly ordinals: Literal[];
}

export type ParseExpression = (scope: ParseScope, lowest?: number) => Expr;

/** Words that are never a name unless quoted. SQLite has more; what is missing here, the referee refuses. */
const RESERVED = new Set(
  (
    'ALL AND AS BETWEEN CASE CAST COLLATE DISTINCT ELSE ESCAPE EXISTS FROM GROUP HAVING IN IS ISNULL LIMIT NOT NOTNULL ' +
    'NULL ON OR ORDER SELECT SET THEN TO UNION USING VALUES WHEN WHERE'
  ).split(' '),
);

const NOW_WORDS = new Set(['CURRENT_DATE', 'CURRENT_TIME', 'CURRENT_TIMESTAMP']);
const ROWID_WORDS = new Set(['ROWID', 'OID', '_ROWID_']);

export function parseOperand(scope: ParseScope, parseExpression: ParseExpression): Expr {
  const { cursor } = scope;
  switch (cursor.kind) {
    case 'literal':
    case 'parameter':
      return cursor.takeSlot();
    case 'quoted':
      return parseNamed(scope, parseExpression);
    case 'word':
      return parseWord(scope, parseExpression);
    case 'operator':
      if (cursor.word === '(') return parseParentheses(scope, parseExpression);
      throw cursor.unexpected('A column, a value or a parenthesis is expected');
    case 'end':
      throw cursor.unexpected('A column, a value or a parenthesis is expected');
  }
}

function parseWord(scope: ParseScope, parseExpression: ParseExpression): Expr {
  const { cursor } = scope;
  const { word, at } = cursor;
  if (word === 'CASE') return parseCase(scope, parseExpression);
  if (word === 'CAST') return parseCast(scope, parseExpression);
  if (word === 'EXISTS' || word === 'SELECT') throw subQuery(cursor);
  if (NOW_WORDS.has(word)) throw unstable(cursor, at, word);
  if (word === 'NULL' || ((word === 'TRUE' || word === 'FALSE') && cursor.wordAfter(1) !== '.')) {
    cursor.take();
    const value = word === 'NULL' ? null : word === 'TRUE' ? 1n : 0n;
    return cursor.node({ kind: 'literal', value, boolean: word !== 'NULL', at });
  }
  if (word === 'RAISE') throw cursor.unsupported(at, 'RAISE belongs to triggers.', 'Remove it.');
  if (RESERVED.has(word)) throw cursor.unexpected('A column, a value or a parenthesis is expected');
  return parseNamed(scope, parseExpression);
}

function unstable(cursor: ParseCursor, at: number, what: string): TendrilError {
  const remedy = 'Pass the value as a parameter, so that the selection means the same at every reading.';
  return cursor.unsupported(at, `${what} gives another answer each time.`, remedy);
}

function parseParentheses(scope: ParseScope, parseExpression: ParseExpression): Expr {
  const { cursor } = scope;
  const at = cursor.startOf(cursor.take());
  if (startsSubQuery(cursor)) throw subQuery(cursor);
  const inner = cursor.nested(at, () => parseExpression(scope));
  if (cursor.word === ',') {
    throw cursor.unsupported(
      at,
      'Row values are not part of the language.',
      'Compare the columns one by one with AND.',
    );
  }
  cursor.expect(')', 'after the expression in parentheses');
  return inner;
}

export function startsSubQuery(cursor: ParseCursor): boolean {
  return (
    cursor.word === 'SELECT' ||
    cursor.word === 'VALUES' ||
    (cursor.word === 'WITH' && cursor.kindAfter(1) !== 'operator')
  );
}

export function subQuery(cursor: ParseCursor): TendrilError {
  const remedy = 'Run the whole SELECT with sql(), or keep it live as a statement.';
  return cursor.unsupported(cursor.at, 'A selection reads one collection; sub-queries are not part of it.', remedy);
}

/** A column, or a call if a parenthesis follows. */
function parseNamed(scope: ParseScope, parseExpression: ParseExpression): Expr {
  const { cursor } = scope;
  if (cursor.wordAfter(1) === '(') return parseCall(scope, parseExpression);
  const start = cursor.position;
  const at = cursor.at;
  const name = takeName(cursor);
  if (!cursor.takeIf('.')) return cursor.node({ kind: 'column', column: columnNamed(scope, name, start), at });
  if (upperAscii(name) !== upperAscii(scope.table.name)) {
    const remedy = `Columns may be written as ${scope.table.name}.name, or without a table.`;
    throw cursor.fail('unknown-property', at, `The selection reads ${scope.table.name}, not ${name}.`, remedy);
  }
  const column = columnNamed(scope, takeName(cursor), cursor.position - 1);
  if (cursor.word === '.') throw cursor.unexpected('A column has at most one qualifier, its collection');
  return cursor.node({ kind: 'column', column, at });
}

function takeName(cursor: ParseCursor): string {
  const { name } = cursor;
  if (name === null) throw cursor.unexpected('The name of a column is expected');
  cursor.take();
  return name;
}

function columnNamed(scope: ParseScope, name: string, token: number): Column {
  const { cursor, table } = scope;
  const folded = upperAscii(name);
  const column = table.columns.find((one) => upperAscii(one.name) === folded);
  if (column) return column;
  const known = table.columns.map((one) => one.name).join(', ');
  const remedy = ROWID_WORDS.has(folded)
    ? 'Rows are identified by id.'
    : `Its properties are ${known}. A string stands in single quotes.`;
  const facts = { property: name, collection: table.name };
  throw cursor.fail('unknown-property', cursor.startOf(token), `${table.name} has no property ${name}.`, remedy, facts);
}

function parseCase(scope: ParseScope, parseExpression: ParseExpression): Expr {
  const { cursor } = scope;
  const at = cursor.startOf(cursor.take());
  return cursor.nested(at, () => {
    const subject = cursor.word === 'WHEN' ? null : parseExpression(scope);
    const arms: { when: Expr; then: Expr }[] = [];
    if (cursor.word !== 'WHEN') throw cursor.unexpected('WHEN is expected in a CASE');
    while (cursor.takeIf('WHEN')) {
      const when = parseExpression(scope);
      cursor.expect('THEN', 'after the condition of WHEN');
      // biome-ignore lint/suspicious/noThenProperty: a node of the tree is never awaited
      arms.push({ when, then: parseExpression(scope) });
    }
    const otherwise = cursor.takeIf('ELSE') ? parseExpression(scope) : null;
    cursor.expect('END', 'at the end of a CASE');
    const parts = [subject, otherwise, ...arms.flatMap((arm) => [arm.when, arm.then])];
    const present = parts.filter((part) => part !== null);
    return cursor.node({ kind: 'case', subject, arms, otherwise, at }, present);
  });
}

function parseCast(scope: ParseScope, parseExpression: ParseExpression): Expr {
  const { cursor } = scope;
  const at = cursor.startOf(cursor.take());
  cursor.expect('(', 'after CAST');
  const operand = cursor.nested(at, () => parseExpression(scope));
  cursor.expect('AS', 'after the value of CAST');
  const type = takeTypeName(cursor);
  cursor.expect(')', 'after the type of CAST');
  return cursor.node({ kind: 'cast', operand, type, affinity: affinityOf(type), at }, [operand]);
}

/** One or more names, then perhaps one or two numbers in parentheses, which mean nothing to SQLite. */
function takeTypeName(cursor: ParseCursor): string {
  const names: string[] = [];
  while (cursor.name !== null) names.push(takeName(cursor));
  if (names.length === 0) throw cursor.unexpected('The name of a type is expected in CAST');
  if (cursor.takeIf('(')) {
    do {
      if (cursor.word === '+' || cursor.word === '-') cursor.take();
      if (cursor.kind !== 'literal') throw cursor.unexpected('The size of a type is a number');
      cursor.take();
    } while (cursor.takeIf(','));
    cursor.expect(')', 'after the size of a type');
  }
  return names.join(' ');
}

/** SQLite's rule: the first of these that the name contains. */
function affinityOf(type: string): Affinity {
  const name = upperAscii(type);
  if (name.includes('INT')) return 'integer';
  if (/CHAR|CLOB|TEXT/.test(name)) return 'text';
  if (name.includes('BLOB')) return 'blob';
  return /REAL|FLOA|DOUB/.test(name) ? 'real' : 'numeric';
}

function parseCall(scope: ParseScope, parseExpression: ParseExpression): Expr {
  const { cursor } = scope;
  const at = cursor.at;
  const name = takeName(cursor).toLowerCase();
  cursor.take();
  const found = findFunction(name);
  if (found.kind === 'refused') throw cursor.unsupported(at, found.problem, found.remedy);
  const args: Expr[] = [];
  if (cursor.word === '*' || cursor.word === 'DISTINCT') {
    throw cursor.unsupported(cursor.at, `${name}() takes plain values here.`, 'Aggregates belong to sql().');
  }
  if (cursor.word !== ')') {
    do {
      const argument = cursor.nested(at, () => parseExpression(scope));
      if (isFixedRole(argumentRole(found.signature, args.length))) fixOperand(scope, argument);
      args.push(argument);
    } while (cursor.takeIf(','));
  }
  if (cursor.word === 'ORDER') throw cursor.unsupported(cursor.at, `${name}() has no order.`, 'Remove ORDER BY.');
  cursor.expect(')', `after the arguments of ${name}`);
  refuseWindow(cursor);
  const [least, most] = found.signature.count;
  if (args.length < least || args.length > most) throw wrongCount(cursor, at, name, args.length, found.signature);
  return cursor.node({ kind: 'call', name, arguments: args, at }, args);
}

function refuseWindow(cursor: ParseCursor): void {
  if (cursor.word !== 'OVER' && cursor.word !== 'FILTER') return;
  throw cursor.unsupported(cursor.at, 'Window functions are not part of a selection.', 'Run the SELECT with sql().');
}

function wrongCount(cursor: ParseCursor, at: number, name: string, count: number, { count: span, beyond }: Signature) {
  const [least, most] = span;
  const allowed = least === most ? `${least}` : most === Infinity ? `${least} or more` : `${least} to ${most}`;
  const why = beyond && count > most ? `: ${beyond}` : '';
  const problem = `${name}() has ${count} ${count === 1 ? 'argument' : 'arguments'}, and takes ${allowed} here${why}.`;
  return cursor.unsupported(at, problem, 'See docs/sql.md for the functions of a selection.');
}

/** The value at this place becomes part of the shape. */
export function fixOperand(scope: ParseScope, operand: Expr): void {
  if (operand.kind === 'slot') scope.fixed.add(operand.index);
}
