/**
 * Asking: how a question, of this node or of one that follows it, goes upstream.
 *
 * Invariants
 *   - it leaves behind all that was written before it;
 *   - one that names a collection whose rows cannot be exchanged has no answer, and one that writes does not leave before
 *     it is known of which ones that is so: it would be run over what its text did not mean.
 */
import type { TendrilError } from '../../../errors.ts';
import type { SqlParameters, Statement } from '../../../query/index.ts';
import type { Answer } from '../../stream.ts';
import type { Sender } from '../outbox/sender.ts';
import type { Collections } from './collections.ts';
import type { Questions } from './questions.ts';

export interface Question {
  /** Null: a whole statement. */
  readonly collection: string | null;
  readonly text: string;
  readonly parameters: SqlParameters;
  /** What it reads and writes. */
  readonly concerns: readonly string[];
  readonly writes: boolean;
}

export interface AskingParts {
  readonly questions: Questions;
  readonly sender: Sender;
  readonly collections: Collections;
}

/** @throws {TendrilError} (rejects) `schema-mismatch`, `offline`, `limit-exceeded`, and what the upstream says. */
export async function ask({ questions, sender, collections }: AskingParts, question: Question): Promise<Answer> {
  const { collection, text, parameters, concerns, writes } = question;
  const answer = await questions.ask(collection, text, parameters, (request) => {
    sender.requestInTurn(request, () => {
      if (writes && !collections.isDescribed) return 'wait';
      const refusal = refusalAmong(collections, concerns);
      if (refusal === null) return 'leave';
      questions.failed(request.request, refusal);
      return 'drop';
    });
  });
  // How the upstream declares them may have become known only now.
  const refusal = refusalAmong(collections, concerns);
  if (refusal !== null) throw refusal;
  return answer;
}

/** Why rows of one of these cannot be exchanged, or null. */
export function refusalAmong({ refusalOf }: Collections, concerns: readonly string[]): TendrilError | null {
  for (const collection of concerns) {
    const refusal = refusalOf(collection);
    if (refusal !== null) return refusal;
  }
  return null;
}

/** The collections that a statement reads or writes. */
export function concernsOf(statement: Statement): readonly string[] {
  return statement.kind === 'select' ? statement.reads : [...new Set([statement.table.name, ...statement.reads])];
}
