/**
 * Which expressions JavaScript answers itself; SQLite is asked about the others.
 *
 * Invariant: an `imitable` expression, compiled by `evaluate.ts`, gives SQLite's answer or throws DOUBT, whatever the row.
 */
import type { Expr } from '../ast.ts';
import { operandsOf } from './operands.ts';

/** COLLATE is imitated only where it directly decides a comparison: anywhere else SQLite carries it upwards. */
export function imitable(expression: Expr): boolean {
  switch (expression.kind) {
    case 'collate':
    case 'cast':
    case 'json':
    case 'call':
      return false;
    case 'compare':
    case 'is':
    case 'between':
      return operandsOf(expression).map(withoutCollate).every(imitable);
    case 'in':
      return imitable(withoutCollate(expression.operand)) && expression.list.every(imitable);
    case 'like':
    case 'glob':
      return hasConstantEscape(expression) && operandsOf(expression).every(imitable);
    case 'case':
      return imitableCase(expression);
    case 'literal':
    case 'slot':
    case 'column':
    case 'negate':
    case 'plus':
    case 'invert':
    case 'not':
    case 'isTruth':
    case 'arithmetic':
    case 'and':
    case 'or':
      return operandsOf(expression).every(imitable);
  }
}

export function withoutCollate(expression: Expr): Expr {
  return expression.kind === 'collate' ? withoutCollate(expression.operand) : expression;
}

/** One that a row decides may be wrong for that row only, which is for SQLite to report. */
function hasConstantEscape(expression: Expr & { kind: 'like' | 'glob' }): boolean {
  const sign = expression.escape?.kind;
  return sign === undefined || sign === 'slot' || sign === 'literal';
}

function imitableCase(expression: Expr & { kind: 'case' }): boolean {
  const { subject, arms } = expression;
  const compared = subject === null ? [] : [subject, ...arms.map((arm) => arm.when)];
  const others = operandsOf(expression).filter((operand) => !compared.includes(operand));
  return compared.map(withoutCollate).every(imitable) && others.every(imitable);
}
