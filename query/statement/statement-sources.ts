/** What a FROM clause offers: its sources side by side, and which of their columns a name means. */

import type { Column, Table } from '../table.ts';
import { foldAscii } from '../value.ts';
import type { TokenRange } from './statement-tokens.ts';

export interface Property {
  readonly table: Table;
  readonly column: Column;
}

export interface ResultColumn {
  /** As written; null for an expression without AS. */
  readonly name: string | null;
  /** Where it was written. */
  readonly range: TokenRange;
  readonly property: Property | null;
}

export interface Source {
  /** Folded; null for a sub-select without a name. */
  readonly name: string | null;
  /** Null if not known. */
  readonly columns: readonly ResultColumn[] | null;
  /** Folded names that NATURAL and USING leave out of `*`, because a source before has them. */
  readonly hidden: readonly string[];
  /** Folded names whose value may come from another source: an outer join merges them. */
  readonly merged: readonly string[];
}

/** How a source joins those before it. */
export interface Join {
  readonly natural: boolean;
  /** RIGHT or FULL. */
  readonly outer: boolean;
  readonly using: readonly string[];
}

export function joinSources(left: readonly Source[], right: readonly Source[], join: Join): readonly Source[] {
  if (join.natural && [...left, ...right].some(hasUncertainNames)) {
    return [...left, ...right].map((source) => ({ ...source, columns: null }));
  }
  const shared = join.natural ? namesOf(right).filter((name) => namesOf(left).includes(name)) : join.using;
  const merged = join.outer ? shared : [];
  return [
    ...left.map((source) => ({ ...source, merged: [...source.merged, ...merged] })),
    ...right.map((source) => ({ ...source, hidden: [...source.hidden, ...shared] })),
  ];
}

/** An expression without AS may be called anything, such as the column in its parentheses. */
function hasUncertainNames({ columns }: Source): boolean {
  return columns === null || columns.some((column) => column.name === null);
}

function namesOf(sources: readonly Source[]): readonly string[] {
  return sources.flatMap((source) => (source.columns ?? []).map((column) => foldAscii(column.name ?? '')));
}

/** The property that a name means, both folded; null if it means none, or that is not certain. */
export function lookUp(sources: readonly Source[], qualifier: string | null, name: string): Property | null {
  const candidates = sources.filter((source) =>
    qualifier === null ? !source.hidden.includes(name) : source.name === qualifier,
  );
  if (candidates.some(hasUncertainNames)) return null;
  if (candidates.some((source) => qualifier === null && source.merged.includes(name))) return null;
  const found = candidates.flatMap((source) =>
    (source.columns ?? []).filter((column) => foldAscii(column.name ?? '') === name),
  );
  return found.length === 1 ? (found[0]?.property ?? null) : null;
}
