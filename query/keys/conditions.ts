/** Conditions: a selection taken apart into what all its rows fulfil, so that one selection can be seen to lie within another. */
import type { Expr } from '../ast.ts';
import type { Selection } from '../selection.ts';
import type { Cell } from '../value.ts';

/** The operands of its outermost AND, each spelled so that equal texts mean equal conditions; none for all rows. */
export function conditionsOf(selection: Selection): readonly string[] {
  return conjuncts(selection).map((condition) => spell(condition, selection));
}

/** The ids to which it is limited by `id = ?` or `id IN (...)`; null where it is not. */
export function pinnedIds(selection: Selection): readonly Cell[] | null {
  for (const condition of conjuncts(selection)) {
    const ids = idsIn(condition, selection);
    if (ids !== null) return ids;
  }
  return null;
}

function conjuncts({ shape: { tree } }: Selection): readonly Expr[] {
  if (tree.where === null) return [];
  return tree.where.kind === 'and' ? tree.where.operands : [tree.where];
}

function idsIn(condition: Expr, { values }: Selection): readonly Cell[] | null {
  if (condition.kind === 'compare' && condition.operator === '=') {
    const { left, right } = condition;
    if (isId(left) && right.kind === 'slot') return [values[right.index]!];
    return isId(right) && left.kind === 'slot' ? [values[left.index]!] : null;
  }
  if (condition.kind !== 'in' || condition.negated || !isId(condition.operand)) return null;
  const ids: Cell[] = [];
  for (const each of condition.list) {
    if (each.kind !== 'slot') return null;
    ids.push(values[each.index]!);
  }
  return ids;
}

function isId(expression: Expr): boolean {
  return expression.kind === 'column' && expression.column.index === 0;
}

function spell(condition: Expr, { shape: { classes }, values }: Selection): string {
  return JSON.stringify(condition, (key, part: unknown) => {
    // Where it was written says nothing; and a column is known by its name.
    if (key === 'at') return undefined;
    if (typeof part === 'bigint') return `${part}n`;
    if (part instanceof Uint8Array) return [...part];
    if (key === 'column') return (part as { readonly name: string }).name;
    const slot = part as { readonly kind?: unknown; readonly index: number } | null;
    return slot?.kind === 'slot' ? { class: classes[slot.index], value: values[slot.index] } : part;
  });
}
