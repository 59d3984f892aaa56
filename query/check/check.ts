/**
 * Types one tree for one assignment of classes to its slots, and refuses what builds of SQLite answer differently.
 *
 * Refused: a REAL that would turn into text (comparing it with a TEXT column, ||, LIKE, CAST, functions of text);
 * LIKE, GLOB and || on a BLOB; COLLATE anywhere but directly on an operand of a comparison or an ORDER BY term;
 * JSON functions on text that may not be JSON. What depends on the very value of a slot is left to its guards.
 */
import type { TendrilError } from '../../errors.ts';
import type { Expr } from '../ast.ts';
import type { Guard } from '../guard.ts';
import { queryError } from '../query-error.ts';
import type { ValueClass } from '../value.ts';
import { checkCall } from './check-call.ts';
import { isArrowTarget } from './check-fixed.ts';
import * as typing from './check-typing.ts';
import { BLOB, INTEGER, NULL, REAL, TEXT, type Typing } from './check-typing.ts';

export interface Checked {
  readonly text: string;
  /** The class of each slot. */
  readonly classes: readonly ValueClass[];
  /** What is left to check of each value bound later. */
  readonly guards: Guard[];
}

const TRUTH: Typing = { classes: INTEGER | NULL, affinity: null, json: false, collated: false };
const PLAIN: Omit<Typing, 'classes'> = { affinity: null, json: false, collated: false };

/** A predicate, or any place where SQLite compares nothing. */
export function check(scope: Checked, expr: Expr): Typing {
  if (expr.kind !== 'collate') return typeOf(scope, expr);
  const remedy = 'Put it on a column or value that is compared, such as name COLLATE NOCASE = ?.';
  throw unsupported(scope, expr, 'COLLATE has no meaning here, and SQLite lets it reach other comparisons.', remedy);
}

/** An operand of a comparison or an ORDER BY term: the only places where COLLATE may stand. */
export function checkCompared(scope: Checked, expr: Expr): Typing {
  const own = expr.kind === 'collate' ? check(scope, expr.operand) : typeOf(scope, expr);
  if (own.collated) {
    const remedy = 'Put COLLATE on the operand itself, in parentheses if it is an expression.';
    throw unsupported(scope, expr, 'A COLLATE inside this operand would decide how it is compared.', remedy);
  }
  return expr.kind === 'collate' ? { ...own, collated: true } : own;
}

/** An operand that SQLite reads as text. */
export function checkText(scope: Checked, expr: Expr, what: string): Typing {
  const typed = check(scope, expr);
  refuseReal(scope, expr, typed, what);
  if (!typing.mayBe(typed, BLOB)) return typed;
  throw unsupported(scope, expr, `This may be a BLOB, which ${what} reads differently in each build.`, 'Use hex().');
}

export function refuseReal(scope: Checked, expr: Expr, typed: Typing, what: string): void {
  if (!typing.mayBe(typed, REAL)) return;
  const remedy = 'Compare it as a number, or CAST it to INTEGER first.';
  throw unsupported(scope, expr, `This may be a REAL, whose text for ${what} differs between builds.`, remedy);
}

export function unsupported(scope: Checked, expr: Expr, problem: string, remedy: string): TendrilError {
  return queryError({ code: 'query-unsupported', text: scope.text, at: expr.at, problem, remedy });
}

function typeOf(scope: Checked, expr: Expr): Typing {
  switch (expr.kind) {
    case 'literal':
      return { ...PLAIN, classes: classOf(expr.value) };
    case 'slot':
      return { ...PLAIN, classes: typing.bitOf(scope.classes[expr.index] as ValueClass) };
    case 'column':
      return typeOfColumn(expr);
    case 'negate':
      return arithmetic([check(scope, expr.operand)]);
    case 'plus':
      return { ...check(scope, expr.operand), affinity: null };
    case 'invert':
    case 'not':
    case 'isTruth':
      return { ...TRUTH, collated: check(scope, expr.operand).collated };
    case 'compare':
    case 'is':
      return comparison(scope, expr.left, [expr.right]);
    case 'between':
      return comparison(scope, expr.operand, [expr.low, expr.high]);
    case 'in':
      return typeOfIn(scope, expr);
    case 'arithmetic':
      return typeOfArithmetic(scope, expr);
    case 'json':
      return typeOfArrow(scope, expr);
    case 'and':
    case 'or':
      return { ...TRUTH, collated: expr.operands.map((one) => check(scope, one).collated).includes(true) };
    case 'like':
    case 'glob':
      return typeOfLike(scope, expr);
    case 'case':
      return typeOfCase(scope, expr);
    case 'cast':
      return typeOfCast(scope, expr);
    case 'collate':
      return check(scope, expr);
    case 'call':
      return checkCall(scope, expr);
  }
}

function classOf(value: unknown): number {
  if (value === null) return NULL;
  if (typeof value === 'string') return TEXT;
  if (typeof value === 'bigint') return INTEGER;
  return typeof value === 'number' ? REAL : BLOB;
}

function typeOfColumn({ column }: Extract<Expr, { kind: 'column' }>): Typing {
  const classes = typing.bitOf(column.type) | (column.index === 0 ? 0 : NULL);
  return { ...PLAIN, classes, affinity: typing.affinityOfColumn(column.type), json: column.json };
}

function arithmetic(operands: readonly Typing[]): Typing {
  let classes = NULL;
  for (const operand of operands) classes |= typing.numericClasses(operand.classes);
  // Integers overflow into reals.
  if (classes & INTEGER) classes |= REAL;
  return { ...PLAIN, classes, collated: operands.some((operand) => operand.collated) };
}

function typeOfArithmetic(scope: Checked, expr: Extract<Expr, { kind: 'arithmetic' }>): Typing {
  const operands = [expr.left, expr.right];
  switch (expr.operator) {
    case '||': {
      const typed = operands.map((operand) => checkText(scope, operand, '||'));
      return { ...PLAIN, classes: TEXT | NULL, collated: typed.some((one) => one.collated) };
    }
    case '&':
    case '|':
    case '<<':
    case '>>':
      return { ...TRUTH, collated: operands.map((operand) => check(scope, operand).collated).includes(true) };
    case '+':
    case '-':
    case '*':
    case '/':
    case '%':
      return arithmetic(operands.map((operand) => check(scope, operand)));
  }
}

/** Comparing with TEXT affinity turns the other side into text, if it has no affinity of its own. */
function comparison(scope: Checked, subject: Expr, others: readonly Expr[]): Typing {
  const left = checkCompared(scope, subject);
  let { collated } = left;
  for (const other of others) {
    const right = checkCompared(scope, other);
    collated ||= right.collated;
    refuseTextOfReal(scope, subject, left, right);
    refuseTextOfReal(scope, other, right, left);
  }
  return { ...TRUTH, collated };
}

function refuseTextOfReal(scope: Checked, expr: Expr, typed: Typing, other: Typing): void {
  if (other.affinity === 'text' && typed.affinity === null) refuseReal(scope, expr, typed, 'the comparison with text');
}

/** Only the left side has a say in how the members of a list are read. */
function typeOfIn(scope: Checked, expr: Extract<Expr, { kind: 'in' }>): Typing {
  const left = checkCompared(scope, expr.operand);
  let { collated } = left;
  for (const member of expr.list) {
    const typed = check(scope, member);
    collated ||= typed.collated;
    // A member's own affinity counts for nothing here.
    refuseTextOfReal(scope, member, { ...typed, affinity: null }, left);
  }
  return { ...TRUTH, collated };
}

function typeOfLike(scope: Checked, expr: Extract<Expr, { kind: 'like' | 'glob' }>): Typing {
  const name = expr.kind.toUpperCase();
  const typed = [checkText(scope, expr.operand, name), checkText(scope, expr.pattern, name)];
  guardPattern(scope, expr.pattern);
  if (expr.escape) checkEscape(scope, expr.escape);
  return { ...TRUTH, collated: typed.some((one) => one.collated) };
}

export function guardPattern(scope: Checked, pattern: Expr): void {
  if (pattern.kind === 'slot') scope.guards.push({ kind: 'pattern', slot: pattern.index });
}

export function checkEscape(scope: Checked, character: Expr): void {
  if (character.kind !== 'slot' || scope.classes[character.index] !== 'text') {
    throw unsupported(scope, character, 'ESCAPE takes one character.', "Write it as a string: ESCAPE '\\'.");
  }
  scope.guards.push({ kind: 'escape', slot: character.index });
}

function typeOfArrow(scope: Checked, expr: Extract<Expr, { kind: 'json' }>): Typing {
  checkDocument(scope, expr.left, expr.operator);
  const { right } = expr;
  if (right.kind !== 'literal' || !isArrowTarget(right.value)) {
    const remedy = "Write it like 'name', '$.name[0]' or 0.";
    throw unsupported(scope, right, `${expr.operator} takes a constant name, path or index here.`, remedy);
  }
  const classes = expr.operator === '->' ? TEXT | NULL : TEXT | INTEGER | REAL | NULL;
  return { ...PLAIN, classes, json: expr.operator === '->' };
}

/** What JSON functions read: NULL, an integer, or text known to be JSON; text in a slot is looked at when it is bound. */
export function checkDocument(scope: Checked, expr: Expr, what: string): Typing {
  const typed = checkText(scope, expr, what);
  if (typed.json || !typing.mayBe(typed, TEXT)) return typed;
  if (expr.kind !== 'slot') {
    const remedy = 'Give the property the type json(), which is checked when it is written.';
    throw unsupported(scope, expr, `${what} reads JSON, and this may be other text.`, remedy);
  }
  scope.guards.push({ kind: 'document', slot: expr.index });
  return typed;
}

function typeOfCase(scope: Checked, expr: Extract<Expr, { kind: 'case' }>): Typing {
  let collated = false;
  if (expr.subject) {
    const whens = expr.arms.map((arm) => arm.when);
    collated = comparison(scope, expr.subject, whens).collated;
  } else {
    for (const arm of expr.arms) collated = check(scope, arm.when).collated || collated;
  }
  const results = expr.arms.map((arm) => check(scope, arm.then));
  if (expr.otherwise) results.push(check(scope, expr.otherwise));
  let classes = expr.otherwise ? 0 : NULL;
  let json = true;
  for (const result of results) {
    classes |= result.classes;
    collated ||= result.collated;
    json &&= result.json || !typing.mayBe(result, TEXT);
  }
  return { ...PLAIN, classes, json, collated };
}

function typeOfCast(scope: Checked, expr: Extract<Expr, { kind: 'cast' }>): Typing {
  const typed = check(scope, expr.operand);
  const { affinity } = expr;
  if (affinity === 'text' || affinity === 'blob') refuseReal(scope, expr.operand, typed, `CAST AS ${expr.type}`);
  if (affinity === 'text' && typing.mayBe(typed, BLOB)) {
    throw unsupported(scope, expr.operand, 'A BLOB may not be text in UTF-8.', 'Use hex().');
  }
  const json = typed.json && affinity === 'text';
  return { classes: typing.castClasses(typed.classes, affinity), affinity, json, collated: typed.collated };
}
