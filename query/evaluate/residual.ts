/**
 * What JavaScript does not answer, asked of SQLite for one row: `SELECT expression FROM (SELECT CAST(? AS TEXT) AS "a")`.
 *
 * Invariants
 *   - CAST changes no value, since each column's cells are of its type already; it gives the inner column that type's
 *     affinity, and its collation stays BINARY: the expression means what it means over the table;
 *   - the inner SELECT has no FROM, so SQLite cannot flatten it and take a row's cells for constants (whose functions it
 *     would call ahead of a CASE or AND that excludes them);
 *   - one statement text per expression of a shape, whatever the row and the constants. A text of MAX_STATEMENT_BYTES
 *     cannot name more columns and constants together than a statement may have parameters.
 */
import { assert } from '../../errors.ts';
import type { Expr } from '../ast.ts';
import { printExpression, quoteName } from '../parse/print.ts';
import type { Shape } from '../selection.ts';
import type { Column, SqlProbe } from '../table.ts';
import { type Cell, exactOf, type RawRow, type SqlValue } from '../value.ts';
import { within } from './operands.ts';

export type Ask = (row: RawRow, values: readonly Cell[]) => Cell;

/** The value of `expression` for one row; an INTEGER or a REAL comes as a number, or a bigint. */
export function askValue(expression: Expr, shape: Shape, probe: SqlProbe): Ask {
  let statement: Statement | null = null;
  return (row, values) => {
    statement ??= statementFor(expression, shape, (text) => text);
    return ask(statement, probe, row, values);
  };
}

/** Whether `condition` is true for one row. */
export function askTruth(
  condition: Expr,
  shape: Shape,
  probe: SqlProbe,
): (row: RawRow, values: readonly Cell[]) => boolean {
  let statement: Statement | null = null;
  return (row, values) => {
    statement ??= statementFor(condition, shape, (text) => `(${text}) IS TRUE`);
    return ask(statement, probe, row, values) === 1;
  };
}

interface Statement {
  readonly sql: string;
  readonly parameters: (row: RawRow, values: readonly Cell[]) => readonly SqlValue[];
}

function ask(statement: Statement, probe: SqlProbe, row: RawRow, values: readonly Cell[]): Cell {
  const answer = probe(statement.sql, statement.parameters(row, values))[0]?.[0];
  assert(answer !== undefined, 'a SELECT without WHERE gave no row');
  return answer;
}

/** Built at first use: most shapes that may need it never do. */
function statementFor(expression: Expr, shape: Shape, wrap: (text: string) => string): Statement {
  const slots = usedSlots(expression);
  const columns = usedColumns(expression, shape);
  const text = wrap(printExpression(expression, (slot) => `?${slots.indexOf(slot) + 1}`));
  const inner = columns.map(
    (column, at) => `CAST(?${slots.length + at + 1} AS ${column.type}) AS ${quoteName(column.name)}`,
  );
  return {
    sql: `SELECT ${text}${inner.length > 0 ? ` FROM (SELECT ${inner.join(', ')})` : ''}`,
    parameters: (row, values) => [
      ...slots.map((slot) => exactOf(values[slot]!, shape.classes[slot]!)),
      ...columns.map((column) => exactOf(row[column.index]!, column.type)),
    ],
  };
}

function usedSlots(expression: Expr): readonly number[] {
  const slots = new Set<number>();
  within(expression, (part) => part.kind === 'slot' && slots.add(part.index) === null);
  return [...slots];
}

function usedColumns(expression: Expr, shape: Shape): readonly Column[] {
  return shape.tree.table.columns.filter((column) =>
    within(expression, (part) => part.kind === 'column' && part.column.index === column.index),
  );
}
