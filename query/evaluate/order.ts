/**
 * The order of a selection's rows: SQLite's, term by term, the id last.
 *
 * Invariants
 *   - `compare` is total on rows of different ids, since the id is always a term;
 *   - it compares what `keysOf` gave, so a caller keeps keys beside its rows. When every term is a plain column
 *     (`plain`), the keys of a row are the row itself: nothing is computed, nothing allocated.
 */

import type { OrderTerm } from '../ast.ts';
import type { Shape } from '../selection.ts';
import type { SqlProbe } from '../table.ts';
import { type Cell, compareText, compareValues, type RawRow } from '../value.ts';
import { collationOf } from './affinity.ts';
import { unlessDoubtful } from './doubt.ts';
import { compileValue } from './evaluate.ts';
import { imitable, withoutCollate } from './imitable.ts';
import { askValue } from './residual.ts';

/** What a row is sorted by. */
export type SortKeys = readonly Cell[];

export interface Order {
  readonly plain: boolean;
  readonly keysOf: (row: RawRow, values: readonly Cell[]) => SortKeys;
  /** Negative, 0 or positive; 0 only for keys of one id. */
  readonly compare: (left: SortKeys, right: SortKeys) => number;
}

/** Compiled once per shape, like the matcher. */
export function compileOrder(shape: Shape, probe: SqlProbe): Order {
  const terms = shape.tree.orderBy;
  const columns = terms.map((term) => withoutCollate(term.expression));
  if (columns.every((expression) => expression.kind === 'column')) {
    const comparisons = terms.map((term, at) => compareTerm(term, columns[at]!.column.index));
    return { plain: true, keysOf: (row) => row, compare: inTurn(comparisons) };
  }
  const keys = terms.map((term) => compileKey(term, shape, probe));
  return {
    plain: false,
    keysOf: (row, values) => keys.map((key) => key(row, values)),
    compare: inTurn(terms.map(compareTerm)),
  };
}

type Comparison = (left: SortKeys, right: SortKeys) => number;

function inTurn(comparisons: readonly Comparison[]): Comparison {
  const [first, second] = comparisons;
  if (comparisons.length === 1) return first!;
  if (comparisons.length === 2) return (left, right) => first!(left, right) || second!(left, right);
  return (left, right) => {
    for (const compare of comparisons) {
      const difference = compare(left, right);
      if (difference !== 0) return difference;
    }
    return 0;
  };
}

/** The order by the key at `at`. */
function compareTerm(term: OrderTerm, at: number): Comparison {
  const compare = compareCells(term);
  const direction = term.descending ? -1 : 1;
  const nullFirst = term.nulls === 'first' ? -1 : 1;
  return (left, right) => {
    const a = left[at]!;
    const b = right[at]!;
    if (a === b) return 0;
    if (a === null) return nullFirst;
    if (b === null) return -nullFirst;
    return compare(a, b) * direction;
  };
}

function compareCells(term: OrderTerm): (a: NonNullable<Cell>, b: NonNullable<Cell>) => number {
  const expression = withoutCollate(term.expression);
  const collation = collationOf(term.expression);
  if (expression.kind !== 'column' || expression.column.type === 'blob' || collation !== 'BINARY') {
    return (a, b) => compareValues(a, b, collation);
  }
  if (expression.column.type === 'text') return (a, b) => compareText(a as string, b as string);
  return (a, b) => (a < b ? -1 : a > b ? 1 : 0);
}

function compileKey(term: OrderTerm, shape: Shape, probe: SqlProbe): (row: RawRow, values: readonly Cell[]) => Cell {
  const expression = withoutCollate(term.expression);
  if (expression.kind === 'column') {
    const { index } = expression.column;
    return (row) => row[index]!;
  }
  const ask = askValue(expression, shape, probe);
  if (!imitable(expression)) return ask;
  return unlessDoubtful(compileValue(expression, shape.classes), ask);
}
