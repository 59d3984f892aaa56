/**
 * A selection: predicate + ORDER BY + LIMIT over one collection, as a shape shared by all texts that differ in
 * constants only, and the constants of this one.
 */
import type { SelectionTree } from './ast.ts';
import { type Cell, exactOf, type SqlValue, type ValueClass } from './value.ts';

/** One parsed text, refereed by SQLite once, for one assignment of value classes to its slots. */
export interface Shape {
  readonly tree: SelectionTree;
  /** The class of each slot's value; part of what makes two shapes different. */
  readonly classes: readonly ValueClass[];
  /** Our fully parenthesised printing of the parts, with `?1`, `?2`, ... for slots; null where absent. */
  readonly sql: {
    readonly where: string | null;
    readonly orderBy: string;
    readonly limit: string | null;
    readonly offset: string | null;
  };
}

export interface Selection {
  readonly shape: Shape;
  /** One per slot, spelled as cells; `exactValues` spells them for a driver. */
  readonly values: readonly Cell[];
  /** Equal keys (within one table) mean identical selections. */
  readonly key: string;
}

/** The values of the slots, for a driver: `?1` takes the first. */
export function exactValues(selection: Selection): SqlValue[] {
  const { classes } = selection.shape;
  return selection.values.map((value, slot) => exactOf(value, classes[slot] as ValueClass));
}
