/**
 * The heads of INSERT, UPDATE and DELETE, as node-sql-parser reads them: the only file that imports it.
 *
 * It is never shown an expression, nor a name: each expression is a `?` before it looks, each name a plain word that
 * says which token it stands for. So its reading of precedence, strings and quotes decides nothing.
 */
import sqliteParser from 'node-sql-parser/build/sqlite.js';
import type { StatementTokens } from './statement-tokens.ts';

/** Names are given as the number of their token. */
export interface Head {
  readonly kind: 'insert' | 'update' | 'delete';
  readonly table: number;
  readonly alias: number | null;
  /** INSERT: the columns listed, null if there is no list; UPDATE: the columns set, in order. */
  readonly columns: readonly number[] | null;
}

/** What the parser gives, as far as it is looked at. */
interface ParsedHead {
  readonly type: string;
  readonly table: readonly { readonly table: string; readonly as: string | null; readonly db: string | null }[];
  readonly from?: readonly { readonly table: string; readonly as: string | null }[];
  readonly columns?: readonly string[] | null;
  readonly set?: readonly { readonly column: string }[];
}

const parser = new sqliteParser.Parser();

/** A name in `masked` text. */
export function maskedName(token: number): string {
  return `n${token}`;
}

/** `masked`: the head of the statement with `?` for each expression and `maskedName` for each name. */
export function parseHead(tokens: StatementTokens, masked: string): Head {
  let parsed: ParsedHead;
  try {
    parsed = parser.astify(masked, { database: 'sqlite' }) as unknown as ParsedHead;
  } catch (error) {
    throw tokens.fail('query-syntax', 0, 'This statement cannot be read.', 'See docs/sql.md for its form.', {
      reason: String(error),
    });
  }
  const table = parsed.table[0];
  if (!isKind(parsed.type) || !table) {
    throw tokens.fail('query-syntax', 0, 'This statement cannot be read.', 'See docs/sql.md for its form.');
  }
  const columns = parsed.set?.map(({ column }) => column) ?? parsed.columns ?? null;
  return {
    kind: parsed.type,
    table: tokenOf(table.table),
    alias: table.as === null ? null : tokenOf(table.as),
    columns: columns?.map(tokenOf) ?? null,
  };
}

function isKind(type: string): type is Head['kind'] {
  return type === 'insert' || type === 'update' || type === 'delete';
}

function tokenOf(masked: string): number {
  return Number(masked.slice(1));
}
