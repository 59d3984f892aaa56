/**
 * Index keys: where a selection registers, so that a change finds it without asking every selection.
 *
 * Invariants
 *   - every row that the selection's predicate can match meets at least one of its keys (the converse does not hold:
 *     the matcher has the last word); no key at all means that no row can ever match;
 *   - what only SQLite could tell about a constant makes a conjunct useless here, never wrong.
 *
 * How a row is looked up, for each (column, fold) that has registrations: `rowKey(column, cell, fold)`; null looks into
 * the column's `null` bucket and nowhere else, any other key into the `equal` hash and among the `range` intervals
 * (`compareKeys`). One selection may be met by several of its keys at once (overlapping OR arms): count it once.
 */
import type { Expr } from '../ast.ts';
import type { Selection } from '../selection.ts';
import { mostSelective, ofEveryArm, withoutRepeats } from './index-combine.ts';
import { type Constants, keysOfConjunct } from './index-conjunct.ts';
import type { IndexKey, Keys } from './index-key.ts';

/** Keys per selection; one that would need more registers under `every`. An IN list may hold as many values. */
export const MAX_INDEX_KEYS = 1_000;

/**
 * The keys of the most selective conjunct that has some (equality, then IN, IS NULL, a range with two ends, one with
 * one), or of every arm of an OR.
 */
export function indexKeysOf(selection: Selection): readonly IndexKey[] {
  const { tree, classes } = selection.shape;
  const found = tree.where === null ? null : keysOf(tree.where, { classes, values: selection.values });
  const keys = found && withoutRepeats(found);
  return keys === null || keys.length > MAX_INDEX_KEYS ? [{ kind: 'every' }] : keys;
}

function keysOf(expression: Expr, constants: Constants): Keys {
  if (expression.kind === 'and') return mostSelective(expression.operands.map((part) => keysOf(part, constants)));
  if (expression.kind === 'or') return ofEveryArm(expression.operands.map((part) => keysOf(part, constants)));
  if (expression.kind === 'isTruth' && expression.truth && !expression.negated) {
    return keysOf(expression.operand, constants);
  }
  return keysOfConjunct(expression, constants);
}
