/**
 * What is known of an expression before any row is seen: the storage classes it may take.
 *
 * Invariant: a value an expression takes on some row always has a class in `classes`; the set may be too large,
 * never too small.
 */
import type { Affinity } from '../ast.ts';
import type { ValueClass } from '../value.ts';

export const NULL = 1;
export const INTEGER = 2;
export const REAL = 4;
export const TEXT = 8;
export const BLOB = 16;

export interface Typing {
  /** Bits of the classes above. */
  readonly classes: number;
  /** Null where SQLite applies none: only columns and CAST have one. */
  readonly affinity: Affinity | null;
  /** Every TEXT it takes is well-formed JSON. */
  readonly json: boolean;
  /** A COLLATE stands somewhere inside; SQLite lets it reach out through any expression. */
  readonly collated: boolean;
}

const BITS: Readonly<Record<ValueClass, number>> = {
  null: NULL,
  integer: INTEGER,
  real: REAL,
  text: TEXT,
  blob: BLOB,
};

export function bitOf(valueClass: ValueClass): number {
  return BITS[valueClass];
}

export const mayBe = (typing: Typing, classes: number): boolean => (typing.classes & classes) !== 0;

/** The affinity of a STRICT column of this class. */
export function affinityOfColumn(type: Exclude<ValueClass, 'null'>): Affinity {
  return type;
}

/** The classes an operand of arithmetic has once it is a number. Text and blobs read as either. */
export function numericClasses(classes: number): number {
  const number = classes & (INTEGER | REAL);
  return classes & (TEXT | BLOB) ? INTEGER | REAL : number;
}

/** After CAST. A NULL stays one. */
export function castClasses(classes: number, affinity: Affinity): number {
  const empty = classes & NULL;
  switch (affinity) {
    case 'integer':
      return empty | INTEGER;
    case 'real':
      return empty | REAL;
    case 'numeric':
      return empty | numericClasses(classes);
    case 'text':
      return empty | TEXT;
    case 'blob':
      return empty | BLOB;
  }
}
