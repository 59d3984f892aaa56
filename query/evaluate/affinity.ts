/**
 * What a comparison does to its operands before it compares: SQLite's affinity and collation rules.
 *
 * Invariants
 *   - `'none'` is an expression's lack of affinity and differs from a BLOB column's: only the former lets the other
 *     side's affinity reach it;
 *   - an explicit COLLATE of the left operand wins over one of the right; without any the collation is BINARY, since
 *     every column is.
 *
 * @see https://sqlite.org/datatype3.html sections 4.2 and 7.1
 */
import type { Affinity, Expr } from '../ast.ts';
import type { ColumnType } from '../table.ts';
import type { Collation, SqlValue } from '../value.ts';
import { DOUBT } from './doubt.ts';
import { numberSpelledBy } from './numeric-text.ts';

export type OperandAffinity = Affinity | 'none';

export function affinityOf(expression: Expr): OperandAffinity {
  if (expression.kind === 'column') return expression.column.type satisfies ColumnType;
  if (expression.kind === 'collate') return affinityOf(expression.operand);
  return expression.kind === 'cast' ? expression.affinity : 'none';
}

/** What both operands of a comparison are brought to. */
export type Conversion = 'none' | 'text' | 'numeric';

/** For `=`, `<`, IS, BETWEEN (each end by itself), CASE with a subject. */
export function comparisonConversion(left: OperandAffinity, right: OperandAffinity): Conversion {
  if (isNumeric(left) || isNumeric(right)) return 'numeric';
  // TEXT reaches only an operand without any affinity of its own.
  if (left === 'none') return conversionOf(right);
  return right === 'none' ? conversionOf(left) : 'none';
}

/** For IN: the left operand's affinity alone, on both sides. */
export function conversionOf(affinity: OperandAffinity): Conversion {
  if (isNumeric(affinity)) return 'numeric';
  return affinity === 'text' ? 'text' : 'none';
}

function isNumeric(affinity: OperandAffinity): boolean {
  return affinity === 'integer' || affinity === 'real' || affinity === 'numeric';
}

/** One operand of a comparison, brought to `conversion`. @throws DOUBT for a REAL that must become text. */
export function converted(value: SqlValue, conversion: Conversion): SqlValue {
  switch (conversion) {
    case 'none':
      return value;
    case 'numeric':
      return typeof value === 'string' ? (numberSpelledBy(value) ?? value) : value;
    case 'text':
      return typeof value === 'bigint' || typeof value === 'number' ? textOf(value) : value;
  }
}

/** A value as text. @throws DOUBT for a REAL, whose digits builds print differently, and a BLOB, which may be no text. */
export function textOf(value: NonNullable<SqlValue>): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'bigint') return value.toString();
  throw DOUBT;
}

/** The collation of `left` compared with `right` (absent for IN and ORDER BY, where the left operand decides alone). */
export function collationOf(left: Expr, right?: Expr): Collation {
  if (left.kind === 'collate') return left.collation;
  return right?.kind === 'collate' ? right.collation : 'BINARY';
}
