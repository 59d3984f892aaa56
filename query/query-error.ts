/** The failure of a query text: it points at the token, and shows the line it stands in with a caret below. */
import { type ErrorCode, type Facts, TendrilError } from '../errors.ts';

export type QueryErrorCode = Extract<
  ErrorCode,
  | 'query-syntax'
  | 'query-unsupported'
  | 'unknown-property'
  | 'unknown-collection'
  | 'invalid-parameter'
  | 'limit-exceeded'
>;

export interface QueryFailure {
  readonly code: QueryErrorCode;
  readonly text: string;
  /** In UTF-16 units from the start of `text`. */
  readonly at: number;
  readonly problem: string;
  readonly remedy: string;
  readonly facts?: Facts;
  readonly cause?: unknown;
}

export function queryError(failure: QueryFailure): TendrilError {
  const { code, text, at, problem, remedy, facts, cause } = failure;
  return new TendrilError({
    code,
    problem: `${problem}\n${caretUnder(text, at)}\n`,
    remedy,
    facts: { ...facts, text, offset: at },
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Characters shown on each side of the caret. */
const SHOWN = 60;

function caretUnder(text: string, at: number): string {
  const lineStart = text.lastIndexOf('\n', at - 1) + 1;
  const newline = text.indexOf('\n', at);
  const from = Math.max(lineStart, at - SHOWN);
  const to = Math.min(newline < 0 ? text.length : newline, at + SHOWN);
  const before = `${from > lineStart ? '...' : ''}${text.slice(from, at)}`;
  const after = `${text.slice(at, to)}${to < text.length && to !== newline ? '...' : ''}`;
  return `  ${before}${after}\n  ${before.replace(/[^\t]/g, ' ')}^`;
}
