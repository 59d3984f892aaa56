/** Answers: how a node reads what it is asked once. A durable node looks into its tables; an ephemeral one may ask upstream. */
import type { RawRow, SqlParameters, Where } from '../query/index.ts';
import { type EntityId, living } from '../storage/index.ts';
import type { CatalogEntry } from './catalog.ts';
import type { Parts } from './parts.ts';
import type { ReadOptions } from './read-options.ts';
import type { SqlResult } from './sql-result.ts';

export interface Answers {
  /** The living row, or null. */
  readonly get: (entry: CatalogEntry, id: EntityId, options: ReadOptions) => Promise<RawRow | null>;
  readonly query: (
    entry: CatalogEntry,
    text: string | Where,
    parameters: SqlParameters | undefined,
    options: ReadOptions,
  ) => Promise<readonly RawRow[]>;
  readonly sql: (text: string, parameters: SqlParameters | undefined, options: ReadOptions) => Promise<SqlResult>;
}

/** From the tables, whatever they hold. */
export function localAnswers({ core, reader, statements, transactor }: Parts): Answers {
  return {
    get: async ({ collection: { name } }, id) => living(core.rows.read(name, id)),
    query: async (entry, text, parameters) => reader.rows(reader.selectHere(entry, text, parameters)),
    sql: async (text, parameters, options) => {
      const statement = statements.analyse(text);
      if (statement.kind === 'select') return statements.select(statement, parameters);
      return transactor.transact((tx) => tx.sql(text, parameters, options));
    },
  };
}
