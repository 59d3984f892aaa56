/** What the query layer needs to know of a table: names and types, nothing of storage. */
import type { Cell, SqlValue, ValueClass } from './value.ts';

export type ColumnType = Exclude<ValueClass, 'null'>;

export interface Column {
  readonly name: string;
  readonly type: ColumnType;
  /** Where a `RawRow` holds it. The id is 0. */
  readonly index: number;
  /** True where the text is known to be well-formed JSON or NULL, so that JSON functions may read it. */
  readonly json: boolean;
  /** True where the text is known to be a point in time or NULL, so that date functions may read it. */
  readonly timestamp?: boolean;
}

/** `columns[0]` is always the id: text, never null. Names are unique under ASCII case folding. */
export interface Table {
  readonly name: string;
  /** What SQL reads it from, a subquery in parentheses; where it is absent, the table or view of its name. */
  readonly source?: string;
  readonly columns: readonly Column[];
}

/** Asks SQLite, synchronously: the rows of one statement. The driver of the node that asks is passed in. */
export type SqlProbe = (sql: string, parameters: readonly SqlValue[]) => readonly (readonly Cell[])[];
