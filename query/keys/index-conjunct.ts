/**
 * The index keys of one condition without AND and OR: a column against constants.
 *
 * Invariant: affinity and collation are those of the comparison, so `int_col = '1'` finds 1, `int_col = 1.5` finds nothing
 * ever, `text_col = 5` finds '5', and a number sorts before every text it cannot become.
 */

import type { ComparisonOperator, Expr } from '../ast.ts';
import { collationOf } from '../evaluate/affinity.ts';
import { DOUBT } from '../evaluate/doubt.ts';
import { compileTruth, compileValue, type SlotClasses } from '../evaluate/evaluate.ts';
import { imitable, withoutCollate } from '../evaluate/imitable.ts';
import { type Dialect, GLOB, LIKE, likeWithEscape, literalPrefix } from '../evaluate/like.ts';
import { operandsOf, within } from '../evaluate/operands.ts';
import { TRUE } from '../evaluate/truth.ts';
import type { Column } from '../table.ts';
import { type Cell, type Collation, exactOf, type RawRow, type SqlValue } from '../value.ts';
import { mostSelective } from './index-combine.ts';
import type { Bound, Keys, RangeKey } from './index-key.ts';
import { constantKey, type Fold, type Place, placeOf } from './row-key.ts';

/** A selection's constants and their classes. */
export interface Constants {
  readonly classes: SlotClasses;
  readonly values: readonly Cell[];
}

const EVERY: Keys = null;
const NEVER: Keys = [];

export function keysOfConjunct(expression: Expr, constants: Constants): Keys {
  try {
    if (!comparesColumn(expression) && isConstant(expression)) return keysOfConstant(expression, constants);
    switch (expression.kind) {
      case 'compare':
        return keysOfCompare(expression, constants);
      case 'is':
        return expression.negated ? EVERY : keysOfIs(expression.left, expression.right, constants);
      case 'between':
        return expression.negated ? EVERY : keysOfBetween(expression, constants);
      case 'in':
        return expression.negated ? EVERY : keysOfIn(expression, constants);
      case 'like':
      case 'glob':
        return expression.negated ? EVERY : keysOfMatch(expression, constants);
      case 'and':
      case 'or':
      case 'not':
      case 'isTruth':
      case 'literal':
      case 'slot':
      case 'column':
      case 'plus':
      case 'negate':
      case 'invert':
      case 'arithmetic':
      case 'json':
      case 'case':
      case 'cast':
      case 'collate':
      case 'call':
        return EVERY;
    }
  } catch (problem) {
    if (problem === DOUBT) return EVERY;
    throw problem;
  }
}

const NO_ROW: RawRow = [];

/** The usual case, told without a walk over the tree. */
function comparesColumn(expression: Expr): boolean {
  return operandsOf(expression).some((operand) => columnOf(operand) !== null);
}

function isConstant(expression: Expr): boolean {
  return !within(expression, (part) => part.kind === 'column') && imitable(expression);
}

function keysOfConstant(expression: Expr, { classes, values }: Constants): Keys {
  return compileTruth(expression, classes)(NO_ROW, values) === TRUE ? EVERY : NEVER;
}

/** The value of an operand without columns; undefined where there are some, or only SQLite can tell. */
function constantOf(operand: Expr, constants: Constants): SqlValue | undefined {
  const expression = withoutCollate(operand);
  const { classes, values } = constants;
  if (expression.kind === 'slot') return exactOf(values[expression.index]!, classes[expression.index]!);
  if (expression.kind === 'literal') return expression.value;
  return isConstant(expression) ? compileValue(expression, classes)(NO_ROW, values) : undefined;
}

function columnOf(operand: Expr): Column | null {
  const expression = withoutCollate(operand);
  return expression.kind === 'column' ? expression.column : null;
}

/** How the index must fold a column's values for a comparison under `collation`; null where it cannot. */
function foldFor(column: Column, collation: Collation, constant: SqlValue): Fold | null {
  if (column.type !== 'text') return 'none';
  switch (collation) {
    case 'BINARY':
      return 'none';
    case 'NOCASE':
      // Two texts that share a U+0000 are ordered by their lengths: no fold does that.
      return typeof constant === 'string' && constant.includes('\0') ? null : 'nocase';
    case 'RTRIM':
      return null;
  }
}

function keysOfCompare(expression: Expr & { kind: 'compare' }, constants: Constants): Keys {
  const { left, right, operator } = expression;
  const column = columnOf(left);
  if (column !== null) return keysOfOrder(column, operator, right, collationOf(left, right), constants);
  const mirrored = columnOf(right);
  return mirrored === null
    ? EVERY
    : keysOfOrder(mirrored, MIRRORED[operator], left, collationOf(left, right), constants);
}

const MIRRORED: Readonly<Record<ComparisonOperator, ComparisonOperator>> = {
  '=': '=',
  '<>': '<>',
  '<': '>',
  '<=': '>=',
  '>': '<',
  '>=': '<=',
};

function keysOfOrder(
  column: Column,
  operator: ComparisonOperator,
  operand: Expr,
  collation: Collation,
  constants: Constants,
): Keys {
  const constant = constantOf(operand, constants);
  if (constant === undefined) return EVERY;
  if (constant === null) return NEVER;
  const fold = foldFor(column, collation, constant);
  if (fold === null || operator === '<>') return EVERY;
  if (operator === '=') return keysOfEquality(column, constant, fold);
  return keysOfRange(column, operator, placeOf(column, constant, fold)!, fold);
}

function keysOfEquality(column: Column, constant: SqlValue, fold: Fold): Keys {
  const key = constantKey(column, constant, fold);
  return key === null ? NEVER : [{ kind: 'equal', column, fold, key }];
}

function keysOfRange(
  column: Column,
  operator: Exclude<ComparisonOperator, '=' | '<>'>,
  place: Place,
  fold: Fold,
): Keys {
  const upwards = operator === '>' || operator === '>=';
  // Beyond all of the column's values: either all of them or none are on the wanted side.
  if (typeof place === 'object') return upwards === (place.beyond === 'below') ? EVERY : NEVER;
  const bound: Bound = { key: place, inclusive: operator === '<=' || operator === '>=' };
  return [rangeKey(column, fold, upwards ? bound : null, upwards ? null : bound)];
}

function rangeKey(column: Column, fold: Fold, low: Bound | null, high: Bound | null): RangeKey {
  return { kind: 'range', column, fold, low, high };
}

function keysOfIs(left: Expr, right: Expr, constants: Constants): Keys {
  const column = columnOf(left) ?? columnOf(right);
  const constant = constantOf(columnOf(left) === null ? left : right, constants);
  if (column === null || constant === undefined) return EVERY;
  if (constant === null) return [{ kind: 'null', column }];
  const fold = foldFor(column, collationOf(left, right), constant);
  return fold === null ? EVERY : keysOfEquality(column, constant, fold);
}

function keysOfBetween(expression: Expr & { kind: 'between' }, constants: Constants): Keys {
  const { operand, low, high, at } = expression;
  return mostSelective([
    keysOfCompare({ kind: 'compare', operator: '>=', left: operand, right: low, at }, constants),
    keysOfCompare({ kind: 'compare', operator: '<=', left: operand, right: high, at }, constants),
  ]);
}

function keysOfIn(expression: Expr & { kind: 'in' }, constants: Constants): Keys {
  const column = columnOf(expression.operand);
  if (column === null) return EVERY;
  const keys = [];
  for (const item of expression.list) {
    // SQLite gives a COLLATE within the list a meaning of its own.
    const constant = item.kind === 'collate' ? undefined : constantOf(item, constants);
    if (constant === undefined) return EVERY;
    const fold = foldFor(column, collationOf(expression.operand), constant);
    if (fold === null) return EVERY;
    const key = constantKey(column, constant, fold);
    if (key !== null) keys.push({ kind: 'equal', column, fold, key } as const);
  }
  return keys;
}

/** What matches 'abc%' lies from 'abc' on and before 'abd'; what matches 'abc', with U+0000 behind it or without, before 'abc\u0001'. */
function keysOfMatch(expression: Expr & { kind: 'like' | 'glob' }, constants: Constants): Keys {
  const column = columnOf(expression.operand);
  const pattern = constantOf(expression.pattern, constants);
  const dialect = dialectOf(expression, constants);
  if (pattern === null || dialect === null) return NEVER;
  if (column?.type !== 'text' || typeof pattern !== 'string' || dialect === undefined) return EVERY;
  const { prefix, whole } = literalPrefix(pattern, dialect);
  const fold: Fold = dialect.fold ? 'nocase' : 'none';
  const low = placeOf(column, prefix, fold) as string;
  if (whole) return [rangeKey(column, fold, { key: low, inclusive: true }, { key: `${low}\u0001`, inclusive: false })];
  if (low === '') return EVERY;
  const next = successorOf(low);
  return [
    rangeKey(column, fold, { key: low, inclusive: true }, next === null ? null : { key: next, inclusive: false }),
  ];
}

/** Null for an escape that is NULL, undefined for one that is no constant. */
function dialectOf(expression: Expr & { kind: 'like' | 'glob' }, constants: Constants): Dialect | null | undefined {
  if (expression.escape === null) return expression.kind === 'like' ? LIKE : GLOB;
  const sign = constantOf(expression.escape, constants);
  if (sign === null || sign === undefined) return sign;
  return typeof sign === 'string' ? likeWithEscape(sign) : undefined;
}

/** The smallest text greater than all that start with `prefix`; null if there is none. */
function successorOf(prefix: string): string | null {
  const points = Array.from(prefix, (character) => character.codePointAt(0)!);
  while (points.length > 0) {
    const last = points.pop()!;
    if (last === LAST_CODE_POINT) continue;
    return String.fromCodePoint(...points, last === BEFORE_SURROGATES ? AFTER_SURROGATES : last + 1);
  }
  return null;
}

const LAST_CODE_POINT = 0x10ffff;
const BEFORE_SURROGATES = 0xd7ff;
const AFTER_SURROGATES = 0xe000;
