/** Statements that are refused for what they are, each with what to do instead. */
import type { StatementTokens } from './statement-tokens.ts';

const SUPPORTED = new Set(['SELECT', 'VALUES', 'WITH', 'INSERT', 'UPDATE', 'DELETE', 'REPLACE']);

const TRANSACTION = 'Use transact(): its callback is the transaction.';
const SCHEMA = 'Declare collections, and their indexes, when the node is opened.';

const REMEDIES: Readonly<Record<string, string>> = {
  BEGIN: TRANSACTION,
  COMMIT: TRANSACTION,
  END: TRANSACTION,
  ROLLBACK: TRANSACTION,
  SAVEPOINT: TRANSACTION,
  RELEASE: TRANSACTION,
  CREATE: SCHEMA,
  ALTER: SCHEMA,
  DROP: SCHEMA,
  REINDEX: SCHEMA,
  ANALYZE: 'The node keeps its own statistics.',
  PRAGMA: 'The node sets what it needs when it opens; report() shows it.',
  ATTACH: 'Open another node on the other file.',
  DETACH: 'Open another node on the other file.',
  VACUUM: 'Use backup() for a compact copy.',
  EXPLAIN: 'Use explain() of a live query, or another SQLite tool on a copy.',
};

/** What is left is a SELECT, INSERT, UPDATE or DELETE. */
export function refuseKind(tokens: StatementTokens): void {
  const first = tokens.word(0);
  if (tokens.count === 0) throw tokens.fail('query-syntax', 0, 'There is no statement.', 'Write one.');
  if (!SUPPORTED.has(first)) {
    const remedy = REMEDIES[first];
    if (remedy) throw tokens.unsupported(0, `${first} is not a statement for sql().`, remedy);
    throw tokens.fail('query-syntax', 0, 'This starts no statement.', 'Start with SELECT, INSERT, UPDATE or DELETE.');
  }
  if (first !== 'WITH') return;
  for (let at = 1; at < tokens.count; at = tokens.after(at)) {
    const word = tokens.word(at);
    if (word === 'SELECT' || word === 'VALUES') return;
    if (['INSERT', 'UPDATE', 'DELETE', 'REPLACE'].includes(word)) {
      throw tokens.unsupported(0, `WITH before ${word} is not supported.`, 'Move it into the sub-select that uses it.');
    }
  }
}
