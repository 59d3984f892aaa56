/**
 * The typed tier of the matcher: closures for the conditions most selections are made of, over plain JavaScript values.
 *
 * Invariants
 *   - a typed test gives the generic test's answer for every row; where a value is out of the ordinary (NULL within
 *     arithmetic, a bigint, an overflow) it asks the generic test, which `compileTyped` is given;
 *   - none allocates per row, and none throws DOUBT.
 */
import type { ComparisonOperator, Expr } from '../ast.ts';
import { constantKey, type RowKey, rowKey } from '../keys/row-key.ts';
import type { Column } from '../table.ts';
import { type Cell, classOf, compareText, exactOf, type RawRow, type ValueClass } from '../value.ts';
import type { SlotClasses } from './evaluate.ts';
import { FALSE, type Test, TRUE, type Truth, UNKNOWN } from './truth.ts';
import { compileNumber, type TypedNumber } from './typed-number.ts';

/** Null where `expression` has no typed form (AND, OR and NOT are not of its concern). */
export function compileTyped(expression: Expr, slots: SlotClasses, generic: Test): Test | null {
  switch (expression.kind) {
    case 'compare':
      return (
        equalsSlot(expression, slots) ??
        compareTextTyped(expression, slots) ??
        compareNumbers(expression, slots, generic)
      );
    case 'is':
      return isTyped(expression, slots);
    case 'between':
      return betweenText(expression, slots) ?? betweenNumbers(expression, slots, generic);
    case 'in':
      return inTyped(expression, slots);
    case 'isTruth':
      return isTruthTyped(expression, slots, generic);
    case 'literal':
    case 'slot':
    case 'column':
    case 'negate':
    case 'plus':
    case 'invert':
    case 'arithmetic':
      return truthy(compileNumber(expression, slots), generic);
    case 'like':
    case 'glob':
    case 'case':
    case 'collate':
    case 'json':
    case 'cast':
    case 'call':
    case 'not':
    case 'and':
    case 'or':
      return null;
  }
}

function truthOf(condition: boolean): Truth {
  return condition ? TRUE : FALSE;
}

/** A column or slot that is text or NULL, in place. */
type TextOperand = (row: RawRow, values: readonly Cell[]) => string | null;

function textOperand(expression: Expr, slots: SlotClasses): TextOperand | null {
  if (expression.kind === 'column' && expression.column.type === 'text') {
    const { index } = expression.column;
    return (row) => row[index] as string | null;
  }
  if (expression.kind === 'slot' && slots[expression.index] === 'text') {
    const { index } = expression;
    return (_row, values) => values[index] as string;
  }
  return null;
}

/** `column = ?` of one class: cells are spelled in one way, so the same value is the same to JavaScript. */
function equalsSlot(expression: Expr & { kind: 'compare' }, slots: SlotClasses): Test | null {
  const { left, right, operator } = expression;
  if (operator !== '=' || left.kind !== 'column' || right.kind !== 'slot') return null;
  if (slots[right.index] !== left.column.type || left.column.type === 'blob') return null;
  const column = left.column.index;
  const slot = right.index;
  return (row, values) => {
    const cell = row[column];
    return cell === values[slot] ? TRUE : cell === null ? UNKNOWN : FALSE;
  };
}

function compareTextTyped(expression: Expr & { kind: 'compare' }, slots: SlotClasses): Test | null {
  const left = textOperand(expression.left, slots);
  const right = textOperand(expression.right, slots);
  if (left === null || right === null) return null;
  const compare = TEXT_COMPARISONS[expression.operator];
  return (row, values) => {
    const a = left(row, values);
    const b = right(row, values);
    return a === null || b === null ? UNKNOWN : truthOf(compare(a, b));
  };
}

const TEXT_COMPARISONS: Readonly<Record<ComparisonOperator, (a: string, b: string) => boolean>> = {
  '=': (a, b) => a === b,
  '<>': (a, b) => a !== b,
  '<': (a, b) => compareText(a, b) < 0,
  '<=': (a, b) => compareText(a, b) <= 0,
  '>': (a, b) => compareText(a, b) > 0,
  '>=': (a, b) => compareText(a, b) >= 0,
};

const NUMBER_COMPARISONS: Readonly<Record<ComparisonOperator, (a: number, b: number) => boolean>> = {
  '=': (a, b) => a === b,
  '<>': (a, b) => a !== b,
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
};

function compareNumbers(expression: Expr & { kind: 'compare' }, slots: SlotClasses, generic: Test): Test | null {
  const left = compileNumber(expression.left, slots);
  const right = compileNumber(expression.right, slots);
  if (left === null || right === null) return null;
  const compare = NUMBER_COMPARISONS[expression.operator];
  if (expression.left.kind === 'column' && expression.right.kind === 'slot') {
    return compareColumn(expression.left.column.index, expression.right.index, compare, generic);
  }
  const [first, second] = [left.evaluate, right.evaluate];
  return (row, values) => {
    const a = first(row, values);
    const b = second(row, values);
    // NaN: NULL or a number JavaScript's cannot hold exactly.
    return Number.isNaN(a) || Number.isNaN(b) ? generic(row, values) : truthOf(compare(a, b));
  };
}

/** `column operator ?`: the most frequent of all, so NULL is answered here as well. */
function compareColumn(column: number, slot: number, compare: (a: number, b: number) => boolean, generic: Test): Test {
  return (row, values) => {
    const cell = row[column];
    const value = values[slot];
    if (typeof cell === 'number' && typeof value === 'number') return truthOf(compare(cell, value));
    return cell === null ? UNKNOWN : generic(row, values);
  };
}

/** `column IS NULL`, `column IS NOT NULL`, `column IS ?` of one class. */
function isTyped(expression: Expr & { kind: 'is' }, slots: SlotClasses): Test | null {
  const { left, right, negated } = expression;
  if (left.kind !== 'column') return null;
  const { index, type } = left.column;
  if (isNullConstant(right, slots)) return (row) => truthOf((row[index] === null) !== negated);
  if (right.kind !== 'slot' || slots[right.index] !== type || type === 'blob') return null;
  const slot = right.index;
  return (row, values) => truthOf((row[index] === values[slot]) !== negated);
}

function isNullConstant(expression: Expr, slots: SlotClasses): boolean {
  if (expression.kind === 'literal') return expression.value === null;
  return expression.kind === 'slot' && slots[expression.index] === 'null';
}

function betweenText(expression: Expr & { kind: 'between' }, slots: SlotClasses): Test | null {
  const operand = textOperand(expression.operand, slots);
  const low = textOperand(expression.low, slots);
  const high = textOperand(expression.high, slots);
  // A bound that may be NULL needs three-valued care.
  if (operand === null || low === null || high === null) return null;
  if (expression.low.kind !== 'slot' || expression.high.kind !== 'slot') return null;
  const { negated } = expression;
  return (row, values) => {
    const text = operand(row, values);
    if (text === null) return UNKNOWN;
    const inside =
      compareText(text, low(row, values) as string) >= 0 && compareText(text, high(row, values) as string) <= 0;
    return truthOf(inside !== negated);
  };
}

function betweenNumbers(expression: Expr & { kind: 'between' }, slots: SlotClasses, generic: Test): Test | null {
  const [operand, low, high] = [expression.operand, expression.low, expression.high].map((part) =>
    compileNumber(part, slots),
  ) as [TypedNumber | null, TypedNumber | null, TypedNumber | null];
  if (operand === null || low === null || high === null) return null;
  const { negated } = expression;
  return (row, values) => {
    const number = operand.evaluate(row, values);
    const from = low.evaluate(row, values);
    const to = high.evaluate(row, values);
    if (Number.isNaN(number) || Number.isNaN(from) || Number.isNaN(to)) return generic(row, values);
    return truthOf((number >= from && number <= to) !== negated);
  };
}

function isTruthTyped(expression: Expr & { kind: 'isTruth' }, slots: SlotClasses, generic: Test): Test | null {
  const operand = compileNumber(expression.operand, slots);
  if (operand === null) return null;
  const { truth, negated } = expression;
  return (row, values) => {
    const number = operand.evaluate(row, values);
    return Number.isNaN(number) ? generic(row, values) : truthOf(((number !== 0) === truth) !== negated);
  };
}

function truthy(operand: TypedNumber | null, generic: Test): Test | null {
  if (operand === null) return null;
  const { evaluate } = operand;
  return (row, values) => {
    const number = evaluate(row, values);
    return Number.isNaN(number) ? generic(row, values) : truthOf(number !== 0);
  };
}

/** `column IN (?, ?, ...)`: a set of keys per list of constants, built when first asked for and dropped with the list. */
function inTyped(expression: Expr & { kind: 'in' }, slots: SlotClasses): Test | null {
  const { operand, negated } = expression;
  if (operand.kind !== 'column' || expression.list.length === 0) return null;
  const { column } = operand;
  const list = expression.list.filter(isConstant);
  const classes = list.map((item) => (item.kind === 'slot' ? slots[item.index]! : classOf(item.value)));
  if (list.length < expression.list.length || !classes.every((one) => sameKind(column, one))) return null;
  const present = truthOf(!negated);
  const absent = classes.includes('null') ? UNKNOWN : truthOf(negated);
  const setOf = setsByValues((values) => keysOf(column, list, slots, values));
  const { index, type } = column;
  return (row, values) => {
    const cell = row[index]!;
    if (cell === null) return UNKNOWN;
    // Only blobs differ from their keys.
    const key = type === 'blob' ? rowKey(column, cell, 'none') : cell;
    return setOf(values).has(key as RowKey) ? present : absent;
  };
}

type Constant = Expr & { kind: 'slot' | 'literal' };

function isConstant(expression: Expr): expression is Constant {
  return expression.kind === 'slot' || expression.kind === 'literal';
}

function sameKind(column: Column, constant: ValueClass): boolean {
  if (constant === 'null' || constant === column.type) return true;
  return isNumeric(constant) && isNumeric(column.type);
}

function isNumeric(type: ValueClass): boolean {
  return type === 'integer' || type === 'real';
}

type Keys = ReadonlySet<RowKey>;

function setsByValues(build: (values: readonly Cell[]) => Keys): (values: readonly Cell[]) => Keys {
  const sets = new WeakMap<readonly Cell[], Keys>();
  let lastValues: readonly Cell[] | null = null;
  let lastSet: Keys = new Set();
  return (values) => {
    if (values === lastValues) return lastSet;
    const set = sets.get(values) ?? build(values);
    sets.set(values, set);
    lastValues = values;
    lastSet = set;
    return set;
  };
}

function keysOf(column: Column, list: readonly Constant[], slots: SlotClasses, values: readonly Cell[]): Keys {
  const keys = list.map((item) => {
    const constant = item.kind === 'slot' ? exactOf(values[item.index]!, slots[item.index]!) : item.value;
    return constantKey(column, constant, 'none');
  });
  return new Set(keys.filter((key) => key !== null));
}
