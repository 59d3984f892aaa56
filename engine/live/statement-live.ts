/** Statement live: from the text of a whole statement to what its view needs. */
import {
  type Analyser,
  bindStatement,
  pieceValues,
  queryError,
  type SqlParameters,
  type Statement,
  Where,
} from '../../query/index.ts';
import type { Catalog } from '../catalog.ts';
import { createDecoder } from '../sql-result.ts';
import { type LiveStatement, spellCell } from './statement-view.ts';

export type PrepareStatement = (text: string | Where, parameters?: SqlParameters) => LiveStatement;

/**
 * @throws {TendrilError} what the analyser throws; `query-unsupported` for what writes, and for what gives another answer
 *   at another time; `invalid-parameter`.
 */
export function createPrepareStatement(analyse: Analyser, catalog: Catalog): PrepareStatement {
  return (given, parameters) => {
    const [text, input] = given instanceof Where ? [given.text, given.parameters] : [given, parameters];
    const statement = analyse(text);
    if (statement.kind !== 'select')
      throw refused(statement, 'Only a SELECT has a result to keep live.', 'Use sql(...).');
    if (statement.unstable !== null) {
      const problem = `${statement.unstable} gives another answer at another time, which no change announces.`;
      throw refused(statement, problem, 'Pass the value as a parameter, and reselect when it shall be another.');
    }
    const values = pieceValues(statement.rows, bindStatement(statement, input));
    return {
      key: `${text.length}:${text} ${values.map(spellCell).join()}`,
      sql: statement.rows.sql,
      values,
      reads: statement.reads,
      decode: createDecoder(catalog, statement.columns),
    };
  };
}

function refused({ text }: Statement, problem: string, remedy: string) {
  return queryError({ code: 'query-unsupported', text, at: 0, problem, remedy });
}
