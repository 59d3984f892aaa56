/** Rebuilding a tree: the same node with other parts. */
import type { Expr } from '../ast.ts';
import type { SqlValue } from '../value.ts';

/** `expr` with each direct part replaced by what `change` gives for it. */
export function withParts(expr: Expr, change: (part: Expr) => Expr): Expr {
  const optional = (part: Expr | null) => (part === null ? null : change(part));
  switch (expr.kind) {
    case 'literal':
    case 'slot':
    case 'column':
      return expr;
    case 'negate':
    case 'plus':
    case 'invert':
    case 'not':
    case 'isTruth':
    case 'cast':
    case 'collate':
      return { ...expr, operand: change(expr.operand) };
    case 'compare':
    case 'arithmetic':
    case 'json':
    case 'is':
      return { ...expr, left: change(expr.left), right: change(expr.right) };
    case 'and':
    case 'or':
      return { ...expr, operands: expr.operands.map(change) };
    case 'between':
      return { ...expr, operand: change(expr.operand), low: change(expr.low), high: change(expr.high) };
    case 'in':
      return { ...expr, operand: change(expr.operand), list: expr.list.map(change) };
    case 'like':
    case 'glob':
      return {
        ...expr,
        operand: change(expr.operand),
        pattern: change(expr.pattern),
        escape: optional(expr.escape),
      };
    case 'case':
      return {
        ...expr,
        subject: optional(expr.subject),
        // biome-ignore lint/suspicious/noThenProperty: a node of the tree is never awaited
        arms: expr.arms.map((arm) => ({ when: change(arm.when), then: change(arm.then) })),
        otherwise: optional(expr.otherwise),
      };
    case 'call':
      return { ...expr, arguments: expr.arguments.map(change) };
  }
}

/** `a AND (b AND c)` as one node: AND and OR are associative, NULL included. */
export function flatten(expr: Expr): Expr {
  const flat = withParts(expr, flatten);
  if (flat.kind !== 'and' && flat.kind !== 'or') return flat;
  const operands = flat.operands.flatMap((operand) => (operand.kind === flat.kind ? operand.operands : [operand]));
  return { ...flat, operands };
}

/** Slots given new numbers, or values: `bake` says which. */
export function replaceSlots(expr: Expr, bake: (slot: number) => number | { readonly value: SqlValue }): Expr {
  if (expr.kind !== 'slot') return withParts(expr, (part) => replaceSlots(part, bake));
  const baked = bake(expr.index);
  if (typeof baked === 'number') return { ...expr, index: baked };
  return { kind: 'literal', value: baked.value, boolean: false, at: expr.at };
}
