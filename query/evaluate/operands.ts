/** Looking through a tree: the direct parts of an expression, and whether something is anywhere within it. */
import type { Expr } from '../ast.ts';
import { withParts } from '../check/rewrite.ts';

/** In the order they are written. */
export function operandsOf(expression: Expr): readonly Expr[] {
  const operands: Expr[] = [];
  withParts(expression, (operand) => {
    operands.push(operand);
    return operand;
  });
  return operands;
}

/** Whether `holds` for the expression or anything within it. */
export function within(expression: Expr, holds: (part: Expr) => boolean): boolean {
  return holds(expression) || operandsOf(expression).some((operand) => within(operand, holds));
}
