/**
 * The tree as SQL: fully parenthesised, names in double quotes, so that no precedence and no keyword is left to guess.
 */
import type { Expr, OrderTerm } from '../ast.ts';
import type { Table } from '../table.ts';
import type { SqlValue } from '../value.ts';

/** How a slot is spelled: `?3` for running, its literal for the referee. */
export type SpellSlot = (index: number) => string;

const numbered: SpellSlot = (index) => `?${index + 1}`;

export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** What stands after FROM. Columns may name the table as their qualifier, whatever it is read from. */
export function sourceOf({ name, source }: Table): string {
  return source === undefined ? quoteName(name) : `${source} AS ${quoteName(name)}`;
}

/** A value as a literal that reads back as the same value. Text with NUL has none. */
export function quoteValue(value: SqlValue): string {
  if (value === null) return 'NULL';
  if (typeof value === 'string') return `'${value.replaceAll("'", "''")}'`;
  if (typeof value === 'bigint') return value < 0n ? `(${value})` : `${value}`;
  if (typeof value === 'number') return quoteReal(value);
  return `x'${Array.from(value, (byte) => byte.toString(16).padStart(2, '0')).join('')}'`;
}

function quoteReal(value: number): string {
  if (Math.abs(value) === Infinity) return value < 0 ? '(-9e999)' : '9e999';
  const digits = String(value);
  const real = /[.e]/.test(digits) ? digits : `${digits}.0`;
  return value < 0 ? `(${real})` : real;
}

export function printExpression(expr: Expr, spell: SpellSlot = numbered): string {
  const print = (part: Expr) => printExpression(part, spell);
  switch (expr.kind) {
    case 'literal':
      return expr.boolean ? (expr.value === 1n ? 'TRUE' : 'FALSE') : quoteValue(expr.value);
    case 'slot':
      return spell(expr.index);
    case 'column':
      return quoteName(expr.column.name);
    case 'negate':
      return `(- ${print(expr.operand)})`;
    case 'plus':
      return `(+ ${print(expr.operand)})`;
    case 'invert':
      return `(~ ${print(expr.operand)})`;
    case 'not':
      return `(NOT ${print(expr.operand)})`;
    case 'compare':
    case 'arithmetic':
    case 'json':
      return `(${print(expr.left)} ${expr.operator} ${print(expr.right)})`;
    case 'and':
    case 'or':
      return `(${expr.operands.map(print).join(expr.kind === 'and' ? ' AND ' : ' OR ')})`;
    case 'is':
      return `(${print(expr.left)} ${expr.negated ? 'IS NOT' : 'IS'} ${print(expr.right)})`;
    case 'isTruth':
      return `(${print(expr.operand)} IS ${expr.negated ? 'NOT ' : ''}${expr.truth ? 'TRUE' : 'FALSE'})`;
    case 'between':
      return `(${print(expr.operand)} ${not(expr)}BETWEEN ${print(expr.low)} AND ${print(expr.high)})`;
    case 'in':
      return `(${print(expr.operand)} ${not(expr)}IN (${expr.list.map(print).join(', ')}))`;
    case 'like':
    case 'glob': {
      const ending = expr.escape ? ` ESCAPE ${print(expr.escape)}` : '';
      return `(${print(expr.operand)} ${not(expr)}${expr.kind.toUpperCase()} ${print(expr.pattern)}${ending})`;
    }
    case 'case':
      return printCase(expr, print);
    case 'cast':
      return `CAST(${print(expr.operand)} AS ${expr.affinity.toUpperCase()})`;
    case 'collate':
      return `(${print(expr.operand)} COLLATE ${expr.collation})`;
    case 'call':
      return `${quoteName(expr.name)}(${expr.arguments.map(print).join(', ')})`;
  }
}

function not(expr: { readonly negated: boolean }): string {
  return expr.negated ? 'NOT ' : '';
}

function printCase(expr: Extract<Expr, { kind: 'case' }>, print: (part: Expr) => string): string {
  const subject = expr.subject ? ` ${print(expr.subject)}` : '';
  const arms = expr.arms.map((arm) => ` WHEN ${print(arm.when)} THEN ${print(arm.then)}`).join('');
  const otherwise = expr.otherwise ? ` ELSE ${print(expr.otherwise)}` : '';
  return `CASE${subject}${arms}${otherwise} END`;
}

function printTerm(term: OrderTerm, spell: SpellSlot = numbered): string {
  const usual = term.descending ? 'last' : 'first';
  const nulls = term.nulls === usual ? '' : ` NULLS ${term.nulls.toUpperCase()}`;
  return `${printExpression(term.expression, spell)}${term.descending ? ' DESC' : ''}${nulls}`;
}

export function printOrder(terms: readonly OrderTerm[], spell: SpellSlot = numbered): string {
  return terms.map((term) => printTerm(term, spell)).join(', ');
}
