/**
 * The tree of one selection: readonly, resolved against its table, constants lifted out into slots.
 *
 * Invariants
 *   - every column is resolved (its index stands in the node), every operand is explicit, precedence is gone;
 *   - a `slot` is a parameter or a lifted literal: its value stands at `values[index]` of a `Selection`;
 *   - `literal` is what may not be lifted: NULL, TRUE, FALSE (as integers 1 and 0 with `boolean` set), a JSON path,
 *     an ordinal, an argument SQLite wants constant;
 *   - `at` is the offset of the node's first token in the text it was parsed from, for errors only.
 */
import type { Column, Table } from './table.ts';
import type { Collation, SqlValue } from './value.ts';

export type ComparisonOperator = '=' | '<>' | '<' | '<=' | '>' | '>=';
export type ArithmeticOperator = '+' | '-' | '*' | '/' | '%' | '&' | '|' | '<<' | '>>' | '||';

export type Expr =
  | { readonly kind: 'literal'; readonly value: SqlValue; readonly boolean: boolean; readonly at: number }
  | { readonly kind: 'slot'; readonly index: number; readonly at: number }
  | { readonly kind: 'column'; readonly column: Column; readonly at: number }
  | { readonly kind: 'negate' | 'plus' | 'invert' | 'not'; readonly operand: Expr; readonly at: number }
  | {
      readonly kind: 'compare';
      readonly operator: ComparisonOperator;
      readonly left: Expr;
      readonly right: Expr;
      readonly at: number;
    }
  | {
      readonly kind: 'arithmetic';
      readonly operator: ArithmeticOperator;
      readonly left: Expr;
      readonly right: Expr;
      readonly at: number;
    }
  | {
      readonly kind: 'json';
      readonly operator: '->' | '->>';
      readonly left: Expr;
      readonly right: Expr;
      readonly at: number;
    }
  /** AND / OR, flattened: at least two operands. */
  | { readonly kind: 'and' | 'or'; readonly operands: readonly Expr[]; readonly at: number }
  /** IS, IS NOT, IS [NOT] DISTINCT FROM, ISNULL, NOTNULL, NOT NULL: never NULL. `negated` means "is not the same". */
  | { readonly kind: 'is'; readonly negated: boolean; readonly left: Expr; readonly right: Expr; readonly at: number }
  /** IS [NOT] TRUE / FALSE. */
  | {
      readonly kind: 'isTruth';
      readonly negated: boolean;
      readonly truth: boolean;
      readonly operand: Expr;
      readonly at: number;
    }
  | {
      readonly kind: 'between';
      readonly negated: boolean;
      readonly operand: Expr;
      readonly low: Expr;
      readonly high: Expr;
      readonly at: number;
    }
  | {
      readonly kind: 'in';
      readonly negated: boolean;
      readonly operand: Expr;
      readonly list: readonly Expr[];
      readonly at: number;
    }
  | {
      readonly kind: 'like' | 'glob';
      readonly negated: boolean;
      readonly operand: Expr;
      readonly pattern: Expr;
      readonly escape: Expr | null;
      readonly at: number;
    }
  | {
      readonly kind: 'case';
      readonly subject: Expr | null;
      readonly arms: readonly { readonly when: Expr; readonly then: Expr }[];
      readonly otherwise: Expr | null;
      readonly at: number;
    }
  /** `affinity` is that of the type name as written. */
  | {
      readonly kind: 'cast';
      readonly operand: Expr;
      readonly type: string;
      readonly affinity: Affinity;
      readonly at: number;
    }
  /** Stands directly on an operand: a column, slot, literal or parenthesised expression. */
  | { readonly kind: 'collate'; readonly operand: Expr; readonly collation: Collation; readonly at: number }
  | { readonly kind: 'call'; readonly name: string; readonly arguments: readonly Expr[]; readonly at: number };

export type Affinity = 'blob' | 'text' | 'numeric' | 'integer' | 'real';

export interface OrderTerm {
  readonly expression: Expr;
  readonly descending: boolean;
  /** SQLite's default is first when ascending, last when descending; here it is always explicit. */
  readonly nulls: 'first' | 'last';
}

/** `a OR b AND c` and friends as one readonly value. `limit` and `offset` are slots or integer literals. */
export interface SelectionTree {
  readonly table: Table;
  readonly where: Expr | null;
  /** As written, with the id appended as the last term (ascending) unless a term already is the bare id. */
  readonly orderBy: readonly OrderTerm[];
  readonly limit: Expr | null;
  readonly offset: Expr | null;
}
