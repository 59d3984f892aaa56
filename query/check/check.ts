/**
 * Types one tree for one assignment of classes to its slots, and refuses what builds of SQLite answer differently.
 *
 * Refused: a REAL that would turn into text (comparing it with a TEXT column, ||, LIKE, CAST, functions of text);
 * LIKE, GLOB and || on a BLOB; COLLATE anywhere but directly on an operand of a comparison or an ORDER BY term;
 * JSON functions on text that may not be JSON. What depends on the very value of a slot is left to its guards.
 */
import type { Expr } from '../ast.ts';
import { classOf, type ValueClass } from '../value.ts';
import { checkArgument, resultOf, signatureOf } from './check-call.ts';
import { isArrowTarget } from './check-fixed.ts';
import {
  type Checked,
  guardEscape,
  guardPattern,
  refuseReal,
  requireDocument,
  requireText,
  unsupported,
} from './check-operand.ts';
import * as typing from './check-typing.ts';
import { BLOB, INTEGER, NULL, REAL, TEXT, type Typing } from './check-typing.ts';
import { argumentRole } from './functions.ts';

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

function checkText(scope: Checked, expr: Expr, what: string): Typing {
  const typed = check(scope, expr);
  requireText(scope, expr, typed, what);
  return typed;
}

function typeOf(scope: Checked, expr: Expr): Typing {
  switch (expr.kind) {
    case 'literal':
      return { ...PLAIN, classes: typing.bitOf(classOf(expr.value)) };
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
      return typeOfCall(scope, expr);
  }
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
  if (expr.escape) guardEscape(scope, expr.escape);
  return { ...TRUTH, collated: typed.some((one) => one.collated) };
}

function typeOfArrow(scope: Checked, expr: Extract<Expr, { kind: 'json' }>): Typing {
  requireDocument(scope, expr.left, check(scope, expr.left), expr.operator);
  const { right } = expr;
  if (right.kind !== 'literal' || !isArrowTarget(right.value)) {
    const remedy = "Write it like 'name', '$.name[0]' or 0.";
    throw unsupported(scope, right, `${expr.operator} takes a constant name, path or index here.`, remedy);
  }
  const classes = expr.operator === '->' ? TEXT | NULL : TEXT | INTEGER | REAL | NULL;
  return { ...PLAIN, classes, json: expr.operator === '->' };
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

function typeOfCall(scope: Checked, call: Extract<Expr, { kind: 'call' }>): Typing {
  const signature = signatureOf(scope, call);
  const typed = call.arguments.map((argument, index) => {
    const own = check(scope, argument);
    checkArgument(scope, `${call.name}()`, argument, own, argumentRole(signature, index));
    return own;
  });
  return resultOf(signature, typed);
}
