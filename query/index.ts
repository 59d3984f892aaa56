/** Query: what is asked. The bottom layer; imports no other folder. */

export type { Selection, Shape } from './selection.ts';
export type { Column, ColumnType, SqlProbe, Table } from './table.ts';
export type { Cell, RawRow, SqlInput, SqlValue, ValueClass } from './value.ts';
