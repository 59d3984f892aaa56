/** What SQLite refuses, as a typed error that points at the token it names. */
import { TendrilError } from '../../errors.ts';
import { type QueryErrorCode, queryError } from '../query-error.ts';
import { foldAscii } from '../value.ts';
import type { Lexed } from './lexer.ts';

const COMPLAINTS: readonly { readonly pattern: RegExp; readonly code: QueryErrorCode }[] = [
  { pattern: /near "(.*)": syntax error/s, code: 'query-syntax' },
  { pattern: /no such column: (?:.*\.)?(.*)/, code: 'unknown-property' },
  { pattern: /no such table: (?:.*\.)?(.*)/, code: 'unknown-collection' },
  { pattern: /no such function: (.*)/, code: 'query-unsupported' },
  { pattern: /ambiguous column name: (?:.*\.)?(.*)/, code: 'query-syntax' },
  { pattern: /incomplete input|syntax error/, code: 'query-syntax' },
];

/** `error` as thrown by a driver while it prepared `lexed`; what has another cause is given back as it is. */
export function refusedBySqlite(lexed: Lexed, error: unknown): unknown {
  const facts = error instanceof TendrilError ? error.facts : {};
  // A full disk or a closed connection says nothing about the text.
  if (error instanceof TendrilError && !(error.code === 'storage-failed' && isAboutText(facts.sqliteCode)))
    return error;
  const message = String(facts.sqlite ?? (error instanceof Error ? error.message : error));
  const complaint = COMPLAINTS.find(({ pattern }) => pattern.test(message));
  const named = complaint?.pattern.exec(message)?.[1];
  return queryError({
    code: complaint?.code ?? 'query-unsupported',
    text: lexed.text,
    at: named === undefined ? 0 : offsetOf(lexed, named),
    problem: `SQLite refuses this text: ${message}.`,
    remedy: 'Correct it; names that are keywords stand in double quotes, strings in single quotes.',
    facts: { sqlite: message },
    cause: error,
  });
}

function isAboutText(sqliteCode: unknown): boolean {
  return sqliteCode === 'SQLITE_ERROR' || sqliteCode === 'SQLITE_TOOBIG';
}

/** Of the last token spelled so: the errors of SQLite mostly come late. */
function offsetOf({ text, starts, ends }: Lexed, named: string): number {
  const wanted = foldAscii(named);
  for (let token = starts.length - 1; token >= 0; token--) {
    const spelled = foldAscii(text.slice(starts[token], ends[token]));
    if (spelled === wanted || spelled.slice(1, -1) === wanted) return starts[token] as number;
  }
  return 0;
}
