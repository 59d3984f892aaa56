/**
 * SQL's values in JavaScript, in two spellings.
 *
 *   - `SqlValue` is exact: a bigint is an INTEGER, a number is a REAL, whatever they hold. Parameters travel so.
 *   - `Cell` is what a row holds: an INTEGER within ±(2^53-1) is a number, a bigint beyond; a REAL is a number.
 *     Which of the two a number is, the column's type says (tables are STRICT).
 */
export type SqlValue = null | bigint | number | string | Uint8Array;
export type Cell = null | bigint | number | string | Uint8Array;

/** SQLite's storage classes. */
export type ValueClass = 'null' | 'integer' | 'real' | 'text' | 'blob';

/** One stored row: the id, then each property in the order of its table's columns. */
export type RawRow = readonly Cell[];

/** What a user may pass for a parameter. An integral number within ±(2^53-1) is an INTEGER, any other a REAL. */
export type SqlInput = string | number | bigint | boolean | Date | Uint8Array | null;
