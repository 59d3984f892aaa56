/**
 * The generic evaluation of an expression: exactly SQLite's answer, or `DOUBT` thrown.
 *
 * Compiled once per shape into closures over the tree; the row and a selection's constants are arguments, so any number
 * of selections share them. Values are exact (`SqlValue`): INTEGER arithmetic runs through bigint.
 * Only what `imitable` allows may be compiled.
 */
import { assert } from '../../errors.ts';
import type { ComparisonOperator, Expr } from '../ast.ts';
import { type Cell, compareValues, exactOf, type RawRow, type SqlValue, type ValueClass } from '../value.ts';
import { affinityOf, collationOf, comparisonConversion, conversionOf, converted, textOf } from './affinity.ts';
import { arithmetic, invert, isTruthy, negate } from './arithmetic.ts';
import { type Dialect, GLOB, LIKE, likeWithEscape, matchesPattern } from './like.ts';
import { allOf, anyOf, FALSE, not, notOf, type Test, TRUE, type Truth, UNKNOWN } from './truth.ts';

/** The classes of a shape's slots. */
export type SlotClasses = readonly ValueClass[];

export type Evaluate = (row: RawRow, values: readonly Cell[]) => SqlValue;

export function compileValue(expression: Expr, slots: SlotClasses): Evaluate {
  switch (expression.kind) {
    case 'literal': {
      const { value } = expression;
      return () => value;
    }
    case 'slot':
      return compileSlot(expression.index, slots);
    case 'column': {
      const { index, type } = expression.column;
      return (row) => exactOf(row[index]!, type);
    }
    case 'plus':
    case 'collate':
      return compileValue(expression.operand, slots);
    case 'negate': {
      const operand = compileValue(expression.operand, slots);
      return (row, values) => negate(operand(row, values));
    }
    case 'invert': {
      const operand = compileValue(expression.operand, slots);
      return (row, values) => invert(operand(row, values));
    }
    case 'arithmetic': {
      const left = compileValue(expression.left, slots);
      const right = compileValue(expression.right, slots);
      const { operator } = expression;
      return (row, values) => arithmetic(operator, left(row, values), right(row, values));
    }
    case 'case':
      return compileCase(expression, slots);
    case 'cast':
    case 'json':
    case 'call':
      return notImitable(expression);
    case 'not':
    case 'compare':
    case 'and':
    case 'or':
    case 'is':
    case 'isTruth':
    case 'between':
    case 'in':
    case 'like':
    case 'glob': {
      const test = compileTruth(expression, slots);
      return (row, values) => numberFor(test(row, values));
    }
  }
}

function notImitable(expression: Expr): never {
  assert(false, `${expression.kind} is for SQLite to evaluate`);
}

function compileSlot(index: number, slots: SlotClasses): Evaluate {
  const valueClass = slots[index]!;
  return (_row, values) => exactOf(values[index]!, valueClass);
}

function numberFor(truth: Truth): SqlValue {
  return truth === UNKNOWN ? null : BigInt(truth);
}

export function compileTruth(expression: Expr, slots: SlotClasses): Test {
  switch (expression.kind) {
    case 'and':
      return allOf(expression.operands.map((operand) => compileTruth(operand, slots)));
    case 'or':
      return anyOf(expression.operands.map((operand) => compileTruth(operand, slots)));
    case 'not':
      return notOf(compileTruth(expression.operand, slots));
    case 'compare':
      return compileCompare(expression, slots);
    case 'is':
      return compileIs(expression, slots);
    case 'isTruth': {
      const test = compileTruth(expression.operand, slots);
      const wanted = expression.truth ? TRUE : FALSE;
      const { negated } = expression;
      return (row, values) => truthOf((test(row, values) === wanted) !== negated);
    }
    case 'between':
      return compileBetween(expression, slots);
    case 'in':
      return compileIn(expression, slots);
    case 'like':
    case 'glob':
      return compileMatch(expression, slots);
    case 'literal':
    case 'slot':
    case 'column':
    case 'plus':
    case 'collate':
    case 'negate':
    case 'invert':
    case 'arithmetic':
    case 'case':
    case 'cast':
    case 'json':
    case 'call': {
      const evaluate = compileValue(expression, slots);
      return (row, values) => {
        const value = evaluate(row, values);
        return value === null ? UNKNOWN : truthOf(isTruthy(value));
      };
    }
  }
}

function truthOf(condition: boolean): Truth {
  return condition ? TRUE : FALSE;
}

/** Negative, 0, positive; null if either side is NULL. */
type Comparison = (left: SqlValue, right: SqlValue) => number | null;

function comparisonOf(left: Expr, right: Expr): Comparison {
  const conversion = comparisonConversion(affinityOf(left), affinityOf(right));
  const collation = collationOf(left, right);
  return (a, b) =>
    a === null || b === null ? null : compareValues(converted(a, conversion), converted(b, conversion), collation);
}

function compileCompare(expression: Expr & { kind: 'compare' }, slots: SlotClasses): Test {
  const left = compileValue(expression.left, slots);
  const right = compileValue(expression.right, slots);
  const comparison = comparisonOf(expression.left, expression.right);
  const holds = holdsFor(expression.operator);
  return (row, values) => {
    const difference = comparison(left(row, values), right(row, values));
    return difference === null ? UNKNOWN : truthOf(holds(difference));
  };
}

function holdsFor(operator: ComparisonOperator): (difference: number) => boolean {
  switch (operator) {
    case '=':
      return (difference) => difference === 0;
    case '<>':
      return (difference) => difference !== 0;
    case '<':
      return (difference) => difference < 0;
    case '<=':
      return (difference) => difference <= 0;
    case '>':
      return (difference) => difference > 0;
    case '>=':
      return (difference) => difference >= 0;
  }
}

function compileIs(expression: Expr & { kind: 'is' }, slots: SlotClasses): Test {
  const left = compileValue(expression.left, slots);
  const right = compileValue(expression.right, slots);
  const comparison = comparisonOf(expression.left, expression.right);
  const { negated } = expression;
  return (row, values) => {
    const a = left(row, values);
    const b = right(row, values);
    const same = a === null || b === null ? a === b : comparison(a, b) === 0;
    return truthOf(same !== negated);
  };
}

/** `x >= low AND x <= high`, each end with its own affinity and collation. */
function compileBetween(expression: Expr & { kind: 'between' }, slots: SlotClasses): Test {
  const [operand, low, high] = [expression.operand, expression.low, expression.high].map((part) =>
    compileValue(part, slots),
  ) as [Evaluate, Evaluate, Evaluate];
  const fromLow = comparisonOf(expression.operand, expression.low);
  const fromHigh = comparisonOf(expression.operand, expression.high);
  const { negated } = expression;
  return (row, values) => {
    const value = operand(row, values);
    const above = fromLow(value, low(row, values));
    const below = above !== null && above < 0 ? 0 : fromHigh(value, high(row, values));
    const truth =
      (above !== null && above < 0) || (below !== null && below > 0)
        ? FALSE
        : above === null || below === null
          ? UNKNOWN
          : TRUE;
    return negated ? not(truth) : truth;
  };
}

/** An empty list contains nothing, not even unknowingly. */
function compileIn(expression: Expr & { kind: 'in' }, slots: SlotClasses): Test {
  const operand = compileValue(expression.operand, slots);
  const list = expression.list.map((item) => compileValue(item, slots));
  const conversion = conversionOf(affinityOf(expression.operand));
  const collation = collationOf(expression.operand);
  const { negated } = expression;
  return (row, values) => {
    if (list.length === 0) return truthOf(negated);
    const value = converted(operand(row, values), conversion);
    if (value === null) return UNKNOWN;
    let unknown = false;
    for (const item of list) {
      const candidate = converted(item(row, values), conversion);
      if (candidate === null) unknown = true;
      else if (compareValues(value, candidate, collation) === 0) return truthOf(!negated);
    }
    return unknown ? UNKNOWN : truthOf(negated);
  };
}

function compileMatch(expression: Expr & { kind: 'like' | 'glob' }, slots: SlotClasses): Test {
  const operand = compileValue(expression.operand, slots);
  const pattern = compileValue(expression.pattern, slots);
  const dialectOf = compileDialect(expression, slots);
  const { negated } = expression;
  return (row, values) => {
    const text = operand(row, values);
    const wanted = pattern(row, values);
    const dialect = dialectOf(row, values);
    if (text === null || wanted === null || dialect === null) return UNKNOWN;
    return truthOf(matchesPattern(textOf(wanted), textOf(text), dialect) !== negated);
  };
}

function compileDialect(
  expression: Expr & { kind: 'like' | 'glob' },
  slots: SlotClasses,
): (row: RawRow, values: readonly Cell[]) => Dialect | null {
  const plain = expression.kind === 'like' ? LIKE : GLOB;
  if (expression.escape === null) return () => plain;
  const escapeOf = compileValue(expression.escape, slots);
  return (row, values) => {
    const sign = escapeOf(row, values);
    return sign === null ? null : likeWithEscape(textOf(sign));
  };
}

function compileCase(expression: Expr & { kind: 'case' }, slots: SlotClasses): Evaluate {
  const { subject } = expression;
  const arms = expression.arms.map(({ when, then }) => ({
    test: compileTruth(subject === null ? when : equalityOf(subject, when), slots),
    result: compileValue(then, slots),
  }));
  const otherwise = expression.otherwise === null ? () => null : compileValue(expression.otherwise, slots);
  return (row, values) => {
    for (const { test, result } of arms) if (test(row, values) === TRUE) return result(row, values);
    return otherwise(row, values);
  };
}

function equalityOf(subject: Expr, when: Expr): Expr {
  return { kind: 'compare', operator: '=', left: subject, right: when, at: when.at };
}
