/** Names that no statement may use, functions that look at more than one row, and what makes an answer unstable. */
import { isAggregate, isUnstable } from '../check/functions.ts';
import { foldAscii } from '../value.ts';
import type { StatementTokens, TokenRange } from './statement-tokens.ts';

/** `_` starts hidden columns and tables, the others what belongs to SQLite or to Tendril. */
const RESERVED = /^(?:_|sqlite_|tendril|pragma_)/;
/** They reach out of the database, or answer about the engine's own statements. */
const FORBIDDEN_CALLS = new Set([
  'load_extension',
  'fts3_tokenizer',
  'changes',
  'total_changes',
  'last_insert_rowid',
  'zeroblob',
]);
const NOW_WORDS = new Set(['CURRENT_DATE', 'CURRENT_TIME', 'CURRENT_TIMESTAMP']);
const DATE_FUNCTIONS = new Set(['date', 'time', 'datetime', 'julianday', 'unixepoch', 'strftime']);
const UNSTABLE_TEXTS = new Set(['now', 'subsec', 'subsecond', 'localtime', 'utc']);

export function refuseNames(tokens: StatementTokens): void {
  for (let at = 0; at < tokens.count; at++) {
    const name = foldAscii(tokens.name(at) ?? '');
    if (RESERVED.test(name)) {
      throw tokens.unsupported(at, `${name} is internal.`, 'Use the collections and their properties.');
    }
    if (FORBIDDEN_CALLS.has(name) && tokens.word(at + 1) === '(') {
      throw tokens.unsupported(at, `${name}() is not allowed in a statement.`, 'Remove it.');
    }
  }
}

/** Where a value of one row is wanted. Those in a sub-select are its own. */
export function refuseAggregates(tokens: StatementTokens, { from, to }: TokenRange): void {
  for (let at = from; at < to; at++) {
    if (tokens.word(at) === '(' && ['SELECT', 'WITH', 'VALUES'].includes(tokens.word(at + 1))) at = tokens.closing(at);
    const name = foldAscii(tokens.name(at) ?? '');
    if (name === '' || tokens.word(at + 1) !== '(') continue;
    if (isAggregate(name, countArguments(tokens, at + 1) === 1)) {
      throw tokens.unsupported(at, `${name}() has no rows to look at here.`, 'Put it in a sub-select: (SELECT ...).');
    }
  }
}

function countArguments(tokens: StatementTokens, open: number): number {
  let count = 1;
  for (let at = open + 1; at < tokens.closing(open); at = tokens.after(at)) if (tokens.word(at) === ',') count++;
  return count;
}

/** What gives another answer at another time, as written; null if nothing is seen to. Parameters are not looked at. */
export function unstableIn(tokens: StatementTokens): string | null {
  for (const { tag, value, token } of tokens.lexed.literals) {
    if (tag === 't' && token < tokens.count && UNSTABLE_TEXTS.has(foldAscii(String(value)))) return `'${value}'`;
  }
  for (let at = 0; at < tokens.count; at++) {
    if (NOW_WORDS.has(tokens.word(at))) return tokens.word(at);
    const name = foldAscii(tokens.name(at) ?? '');
    if (name === '' || tokens.word(at + 1) !== '(') continue;
    if (isUnstable(name)) return `${name}()`;
    if (!DATE_FUNCTIONS.has(name)) continue;
    const hasTime = tokens.closing(at + 1) > at + 2 && (name !== 'strftime' || countArguments(tokens, at + 1) > 1);
    if (!hasTime) return `${name}()`;
  }
  return null;
}
