/** Query: what is asked. The bottom layer; imports no other folder. */

export type { Expr } from './ast.ts';
export type { SqlParameters } from './binding.ts';
export { compileMatcher, type Matcher, matcherTier } from './evaluate/matcher.ts';
export { within } from './evaluate/operands.ts';
export { compileOrder, type Order, type SortKeys } from './evaluate/order.ts';
export { conditionsOf, pinnedIds } from './keys/conditions.ts';
export type { IndexKey } from './keys/index-key.ts';
export { indexKeysOf, MAX_INDEX_KEYS } from './keys/index-keys.ts';
export { compareKeys, type Fold, type RowKey, rowKey } from './keys/row-key.ts';
export { MAX_PARAMETERS } from './limits.ts';
export { quoteName, sourceOf } from './parse/print.ts';
export { queryError } from './query-error.ts';
export { exactValues, type Selection, type Shape } from './selection.ts';
export { createSelector, type Selector } from './selector.ts';
export {
  type Analyser,
  bindStatement,
  createAnalyser,
  type DeleteStatement,
  type InsertStatement,
  pieceValues,
  type Returning,
  type SelectStatement,
  type Statement,
  type StatementColumn,
  type UpdateStatement,
} from './statement/statement.ts';
export type { Piece } from './statement/statement-tokens.ts';
export type { Column, ColumnType, SqlProbe, Table } from './table.ts';
export type { Cell, RawRow, SqlInput, SqlValue, ValueClass } from './value.ts';
export { cellOf, compareBlobs, compareText, compareValues, exactOf, foldAscii, utf8Length } from './value.ts';
export { Where, where } from './where.ts';
