/**
 * Arithmetic on ordinary numbers: the fast half of what `arithmetic.ts` does for any value.
 *
 * Invariant: a result is NaN, "not ordinary, ask the generic closure", or exactly SQLite's: integers stay within
 * ±(2^53-1) at every step, reals are doubles on both sides. NULL, bigints, overflow and division by zero are NaN.
 */
import type { ArithmeticOperator, Expr } from '../ast.ts';
import type { Cell, RawRow } from '../value.ts';
import type { SlotClasses } from './evaluate.ts';

export type Evaluate = (row: RawRow, values: readonly Cell[]) => number;

export interface TypedNumber {
  /** Whether the value is a REAL or an INTEGER; known before any row. */
  readonly real: boolean;
  readonly evaluate: Evaluate;
}

/** Null where `expression` is not arithmetic over numeric columns and constants. */
export function compileNumber(expression: Expr, slots: SlotClasses): TypedNumber | null {
  switch (expression.kind) {
    case 'column': {
      const { type, index } = expression.column;
      return isNumeric(type) ? { real: type === 'real', evaluate: (row) => ordinary(row[index]!) } : null;
    }
    case 'slot': {
      const { index } = expression;
      const type = slots[index]!;
      return isNumeric(type) ? { real: type === 'real', evaluate: (_row, values) => ordinary(values[index]!) } : null;
    }
    case 'literal':
      return compileLiteral(expression);
    case 'plus':
      return compileNumber(expression.operand, slots);
    case 'negate': {
      const operand = compileNumber(expression.operand, slots);
      return operand && { real: operand.real, evaluate: (row, values) => -operand.evaluate(row, values) };
    }
    case 'invert': {
      const operand = compileNumber(expression.operand, slots);
      if (operand === null || operand.real) return null;
      return { real: false, evaluate: (row, values) => safe(-1 - operand.evaluate(row, values)) };
    }
    case 'arithmetic':
      return compileArithmetic(expression, slots);
    case 'json':
    case 'cast':
    case 'call':
    case 'case':
    case 'collate':
    case 'compare':
    case 'is':
    case 'isTruth':
    case 'between':
    case 'in':
    case 'like':
    case 'glob':
    case 'not':
    case 'and':
    case 'or':
      return null;
  }
}

function isNumeric(type: string): boolean {
  return type === 'integer' || type === 'real';
}

function compileLiteral(expression: Expr & { kind: 'literal' }): TypedNumber | null {
  const { value } = expression;
  if (typeof value !== 'bigint' && typeof value !== 'number') return null;
  const real = typeof value === 'number';
  const number = real ? value : ordinary(Number(value));
  return { real, evaluate: () => number };
}

function ordinary(cell: Cell): number {
  return typeof cell === 'number' ? cell : Number.NaN;
}

function safe(integer: number): number {
  return integer <= Number.MAX_SAFE_INTEGER && integer >= -Number.MAX_SAFE_INTEGER ? integer : Number.NaN;
}

function compileArithmetic(expression: Expr & { kind: 'arithmetic' }, slots: SlotClasses): TypedNumber | null {
  const left = compileNumber(expression.left, slots);
  const right = compileNumber(expression.right, slots);
  if (left === null || right === null) return null;
  const real = left.real || right.real;
  const calculate = real ? realCalculation(expression.operator) : integerCalculation(expression.operator);
  if (calculate === null) return null;
  const [first, second] = [left.evaluate, right.evaluate];
  return { real, evaluate: (row, values) => calculate(first(row, values), second(row, values)) };
}

type Calculation = (left: number, right: number) => number;

function realCalculation(operator: ArithmeticOperator): Calculation | null {
  switch (operator) {
    case '+':
      return (left, right) => left + right;
    case '-':
      return (left, right) => left - right;
    case '*':
      return (left, right) => left * right;
    case '/':
      return (left, right) => (right === 0 ? Number.NaN : left / right);
    case '%':
    case '&':
    case '|':
    case '<<':
    case '>>':
    case '||':
      return null;
  }
}

function integerCalculation(operator: ArithmeticOperator): Calculation | null {
  switch (operator) {
    case '+':
      return (left, right) => safe(left + right);
    case '-':
      return (left, right) => safe(left - right);
    case '*':
      return (left, right) => safe(left * right);
    case '/':
      // The quotient of two safe integers rounds to no integer it has not reached.
      return (left, right) => (right === 0 ? Number.NaN : Math.trunc(left / right));
    case '%':
      return (left, right) => (right === 0 ? Number.NaN : left % right);
    case '&':
      return (left, right) => (isInt32(left) && isInt32(right) ? left & right : Number.NaN);
    case '|':
      return (left, right) => (isInt32(left) && isInt32(right) ? left | right : Number.NaN);
    case '<<':
      return (left, right) => (right >= 0 && right < INT32_BITS ? safe(left * 2 ** right) : Number.NaN);
    case '>>':
      return (left, right) => (right >= 0 && right < INT32_BITS && isInt32(left) ? left >> right : Number.NaN);
    case '||':
      return null;
  }
}

const INT32_BITS = 32;

function isInt32(number: number): boolean {
  return (number | 0) === number;
}
