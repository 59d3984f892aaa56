/**
 * Upstream answers: one-shot reads and statements of an ephemeral node: from what it holds where that covers the
 * question, else from its upstream, after all that this node has written before.
 */
import { TendrilError } from '../../errors.ts';
import { type RawRow, type SqlParameters, type Statement, Where } from '../../query/index.ts';
import { type Descriptor, decodeCell } from '../../storage/index.ts';
import { type Answers, localAnswers } from '../answers.ts';
import { notCovered } from '../covers.ts';
import type { Parts } from '../parts.ts';
import { type SqlResult, sqlResult } from '../sql-result.ts';
import type { Answer } from '../stream.ts';
import type { Following } from './following/following.ts';
import type { HeldIds } from './following/held-ids.ts';
import { type AskingParts, ask, concernsOf, type Question, refusalAmong } from './session/asking.ts';
import type { ConnectionState } from './session/connection.ts';

export interface UpstreamAnswersParts extends AskingParts {
  readonly heldIds: HeldIds;
  readonly following: Following;
  readonly connection: () => ConnectionState;
}

export function upstreamAnswers(parts: Parts, up: UpstreamAnswersParts): Answers {
  const local = localAnswers(parts);
  const { covers } = parts.core;
  const { heldIds } = up;
  const checkExchanged = (...concerns: readonly string[]) => {
    const refusal = refusalAmong(up.collections, concerns);
    if (refusal !== null) throw refusal;
  };
  /** @throws {TendrilError} `not-covered`, while there is no session. */
  const checkOnline = (what: string) => {
    const { reaches, error } = up.connection();
    if (!reaches) throw unreachable(what, error);
  };
  const askUpstream = (question: Question): Promise<Answer> => {
    const { collection } = question;
    checkOnline(collection === null ? 'the statement' : `this selection of ${collection}`);
    return ask(up, question);
  };
  const askStatement = async (statement: Statement, text: string, parameters: SqlParameters): Promise<SqlResult> => {
    const [concerns, writes] = [concernsOf(statement), statement.kind !== 'select'];
    return decoded(await askUpstream({ collection: null, text, parameters, concerns, writes }));
  };
  return {
    get: async (entry, id, options) => {
      const { name: collection } = entry.collection;
      if (options.from !== 'local' && !covers.entity(collection, id)) {
        checkOnline(`${collection} ${id}`);
        checkExchanged(collection);
        await heldIds.want(collection, id);
      }
      heldIds.used(collection, id);
      return local.get(entry, id, options);
    },
    query: async (entry, given, parameters = [], options) => {
      const selection = parts.reader.selectHere(entry, given, parameters);
      if (options.from === 'local' || covers.selection(entry.collection.name, selection)) {
        return local.query(entry, given, parameters, options);
      }
      const [text, values] = given instanceof Where ? [given.text, given.parameters] : [given, parameters];
      const { name: collection } = entry.collection;
      checkExchanged(collection);
      const asked = { collection, text, parameters: values, concerns: [collection], writes: false };
      return inOwnColumns(entry.descriptor, await askUpstream(asked));
    },
    sql: async (text, parameters = [], options) => {
      const statement = parts.statements.analyse(text);
      if (options.from === 'local') return local.sql(text, parameters, options);
      checkExchanged(...concernsOf(statement));
      if (!covers.whole(statement.reads)) return askStatement(statement, text, parameters);
      try {
        return await local.sql(text, parameters, options);
      } catch (error) {
        // An id that it names is not held.
        if (!(error instanceof TendrilError) || error.code !== 'not-covered') throw error;
        return askStatement(statement, text, parameters);
      }
    },
  };
}

/** What the upstream calls its columns may stand in another order, and lack what only this node has. */
function inOwnColumns({ table, unset }: Descriptor, { columns, rows }: Answer): readonly RawRow[] {
  const places = table.columns.map(({ name }) => columns.findIndex((column) => column.name === name));
  return rows.map((row) => places.map((place, column) => (place < 0 ? unset[column]! : row[place]!)));
}

function decoded({ columns, rows, changes }: Answer): SqlResult {
  const read = (row: Answer['rows'][number]) =>
    Object.fromEntries(
      columns.map(({ name, type }, index) => [name, type === null ? row[index] : decodeCell(type, row[index]!)]),
    );
  return sqlResult(rows.map(read), changes);
}

function unreachable(what: string, cause: unknown): TendrilError {
  const error = notCovered(what, { offline: true });
  return new TendrilError({
    code: error.code,
    problem: `This node does not hold ${what}, and its upstream cannot be reached.`,
    remedy: "Call reconnect(), or ask what is held with { from: 'local' }.",
    facts: error.facts,
    cause,
  });
}
