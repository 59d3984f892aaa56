/**
 * From a parsed text and the classes of its slots to a shape: constants that are part of it put in, types checked,
 * AND and OR flattened, the id as last ORDER BY term.
 */
import type { Expr, OrderTerm, SelectionTree } from '../ast.ts';
import type { Guard } from '../guard.ts';
import type { Draft } from '../parse/parse.ts';
import { printExpression, printOrder } from '../parse/print.ts';
import { queryError } from '../query-error.ts';
import type { Shape } from '../selection.ts';
import type { Table } from '../table.ts';
import { type Cell, exactOf, type ValueClass } from '../value.ts';
import { check, checkCompared } from './check.ts';
import type { Checked } from './check-operand.ts';
import { flatten, replaceSlots } from './rewrite.ts';

export interface BuiltShape {
  readonly shape: Shape;
  readonly guards: readonly Guard[];
  /** The slots of the draft that are slots of the shape, in order; null if all are. */
  readonly kept: readonly number[] | null;
}

/** `classes` and `values`: one per slot of the draft. */
export function buildShape(draft: Draft, classes: readonly ValueClass[], values: readonly Cell[]): BuiltShape {
  const kept = draft.fixed.size === 0 ? null : draft.slots.flatMap((_, slot) => (draft.fixed.has(slot) ? [] : [slot]));
  const bake = (expr: Expr): Expr => (kept === null ? expr : bakeFixed(draft, expr, kept, classes, values));
  const scope: Checked = {
    text: draft.lexed.text,
    classes: kept === null ? [...classes] : kept.map((slot) => classes[slot] as ValueClass),
    guards: [],
  };
  const where = draft.where && bake(draft.where);
  if (where) check(scope, where);
  const orderBy = draft.orderBy.map((term) => ({ ...term, expression: bake(term.expression) }));
  for (const term of orderBy) checkCompared(scope, term.expression);
  const limit = draft.limit && bake(draft.limit);
  const offset = draft.offset && bake(draft.offset);
  for (const count of [limit, offset]) checkCount(scope, count);
  const tree: SelectionTree = {
    table: draft.table,
    where: where && flatten(where),
    orderBy: endWithId(draft.table, orderBy),
    limit,
    offset,
  };
  return { shape: { tree, classes: scope.classes, sql: printTree(tree) }, guards: scope.guards, kept };
}

function bakeFixed(
  draft: Draft,
  expr: Expr,
  kept: readonly number[],
  classes: readonly ValueClass[],
  values: readonly Cell[],
): Expr {
  const numbers = new Map(kept.map((slot, i) => [slot, i]));
  return replaceSlots(expr, (slot) => {
    if (!draft.fixed.has(slot)) return numbers.get(slot) as number;
    const value = exactOf(values[slot] as Cell, classes[slot] as ValueClass);
    if (typeof value !== 'string' || !value.includes('\0')) return { value };
    const at = draft.lexed.starts[draft.slots[slot]?.token as number] as number;
    const problem = 'A constant of the shape holds no U+0000.';
    throw queryError({ code: 'invalid-parameter', text: draft.lexed.text, at, problem, remedy: 'Remove it.' });
  });
}

function checkCount(scope: Checked, count: Expr | null): void {
  if (count?.kind !== 'slot' || scope.classes[count.index] === 'integer') return;
  throw queryError({
    code: 'invalid-parameter',
    text: scope.text,
    at: count.at,
    problem: 'LIMIT and OFFSET take an integer.',
    remedy: 'Pass a whole number; a negative LIMIT means none.',
  });
}

/** Two rows never tie: the order of the id decides at last. */
function endWithId(table: Table, terms: readonly OrderTerm[]): readonly OrderTerm[] {
  const id = table.columns[0] as Table['columns'][number];
  const isId = ({ expression }: OrderTerm) => expression.kind === 'column' && expression.column === id;
  const expression: Expr = { kind: 'column', column: id, at: 0 };
  return terms.some(isId) ? terms : [...terms, { expression, descending: false, nulls: 'first' }];
}

function printTree(tree: SelectionTree): Shape['sql'] {
  const print = (expr: Expr | null) => (expr ? printExpression(expr) : null);
  return {
    where: print(tree.where),
    orderBy: printOrder(tree.orderBy),
    limit: print(tree.limit),
    offset: print(tree.offset),
  };
}
