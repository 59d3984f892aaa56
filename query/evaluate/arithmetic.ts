/**
 * SQLite's arithmetic on exact values: 64-bit integers that become REAL when they overflow, text read as a number,
 * division by zero NULL.
 */

import type { ArithmeticOperator } from '../ast.ts';
import { latin1Of, type SqlValue } from '../value.ts';
import { textOf } from './affinity.ts';
import { integerAtStart, numberAtStart } from './numeric-text.ts';

const MIN_INT64 = -(2n ** 63n);
const MAX_INT64 = 2n ** 63n - 1n;
const INT64_BITS = 64n;

/** `left operator right`. @throws DOUBT where JavaScript cannot tell. */
export function arithmetic(operator: ArithmeticOperator, left: SqlValue, right: SqlValue): SqlValue {
  if (left === null || right === null) return null;
  switch (operator) {
    case '+':
    case '-':
    case '*':
    case '/':
    case '%':
      return calculate(operator, numberOf(left), numberOf(right), left, right);
    case '&':
      return BigInt.asIntN(64, integerOf(left) & integerOf(right));
    case '|':
      return BigInt.asIntN(64, integerOf(left) | integerOf(right));
    case '<<':
      return shiftLeft(integerOf(left), integerOf(right));
    case '>>':
      return shiftLeft(integerOf(left), -integerOf(right));
    case '||':
      return textOf(left) + textOf(right);
  }
}

/** SQLite computes `-x` as `0 - x`. */
export function negate(operand: SqlValue): SqlValue {
  return arithmetic('-', 0n, operand);
}

export function invert(operand: SqlValue): SqlValue {
  return operand === null ? null : ~integerOf(operand);
}

type Calculation = '+' | '-' | '*' | '/' | '%';

function calculate(
  operator: Calculation,
  left: bigint | number,
  right: bigint | number,
  leftValue: NonNullable<SqlValue>,
  rightValue: NonNullable<SqlValue>,
): SqlValue {
  if (typeof left === 'bigint' && typeof right === 'bigint') {
    if (right === 0n && (operator === '/' || operator === '%')) return null;
    const exact = calculateIntegers(operator, left, right);
    if (exact >= MIN_INT64 && exact <= MAX_INT64) return exact;
  }
  if (operator === '%') {
    const divisor = integerOf(rightValue);
    return divisor === 0n ? null : Number(integerOf(leftValue) % divisor);
  }
  return calculateReals(operator, Number(left), Number(right));
}

function calculateIntegers(operator: Calculation, left: bigint, right: bigint): bigint {
  switch (operator) {
    case '+':
      return left + right;
    case '-':
      return left - right;
    case '*':
      return left * right;
    case '/':
      return left / right;
    case '%':
      return left % right;
  }
}

/** SQLite has no NaN: what would be one is NULL. */
function calculateReals(operator: Exclude<Calculation, '%'>, left: number, right: number): number | null {
  if (operator === '/' && right === 0) return null;
  const result =
    operator === '+' ? left + right : operator === '-' ? left - right : operator === '*' ? left * right : left / right;
  return Number.isNaN(result) ? null : result;
}

/** A negative `by` shifts right, keeping the sign. */
function shiftLeft(value: bigint, by: bigint): bigint {
  if (by >= INT64_BITS) return 0n;
  if (by <= -INT64_BITS) return value < 0n ? -1n : 0n;
  return by < 0n ? value >> -by : BigInt.asIntN(64, value << by);
}

/** A condition: NULL is unknown, a number is true unless 0, text and blobs are read as numbers. */
export function isTruthy(value: NonNullable<SqlValue>): boolean {
  const number = numberOf(value);
  return typeof number === 'bigint' ? number !== 0n : number !== 0;
}

function numberOf(value: NonNullable<SqlValue>): bigint | number {
  if (typeof value === 'bigint' || typeof value === 'number') return value;
  return numberAtStart(typeof value === 'string' ? value : latin1Of(value));
}

function integerOf(value: NonNullable<SqlValue>): bigint {
  if (typeof value === 'bigint') return value;
  if (typeof value !== 'number') return integerAtStart(typeof value === 'string' ? value : latin1Of(value));
  if (value <= -(2 ** 63)) return MIN_INT64;
  return value >= 2 ** 63 ? MAX_INT64 : BigInt(Math.trunc(value));
}
