/**
 * Statement run: whole statements by text. A SELECT is SQLite's to answer; INSERT, UPDATE and DELETE ask SQLite for the
 * rows they concern and become writes of a transaction.
 *
 * Invariants
 *   - all rows of a statement are read before the first is written, so that it never sees its own work (RETURNING does);
 *   - a statement that is refused at one row writes none;
 *   - a value goes through the affinity of its column, as in any SQLite table, and then through its property's type.
 */
import { TendrilError } from '../../errors.ts';
import {
  type Analyser,
  bindStatement,
  createAnalyser,
  type DeleteStatement,
  type InsertStatement,
  pieceValues,
  type Returning,
  type SelectStatement,
  type SqlParameters,
  type SqlValue,
  type Statement,
  type UpdateStatement,
} from '../../query/index.ts';
import { type Affinity, createAffinity, type EntityId, encodeSqlValue, parseEntityId } from '../../storage/index.ts';
import type { CatalogEntry } from '../catalog.ts';
import type { Core } from '../core.ts';
import { notCovered } from '../covers.ts';
import type { ReadOptions } from '../read-options.ts';
import { createDecoder, noRows, type SqlResult, type SqlRow, sqlResult } from '../sql-result.ts';
import { type Assignments, unsaid } from './assignments.ts';
import type { Standpoint } from './standpoint.ts';
import { type ComputedRow, readComputed } from './statement-rows.ts';
import type { WriteSet } from './write-set.ts';

export interface StatementRunner {
  readonly analyse: Analyser;
  /** Answers a SELECT from the tables as they are. */
  readonly select: (statement: SelectStatement, parameters: SqlParameters | undefined) => SqlResult;
  /** Runs any statement inside a transaction. */
  readonly run: (
    text: string,
    parameters: SqlParameters | undefined,
    writes: WriteSet,
    standpoint: Standpoint,
    options?: ReadOptions,
  ) => SqlResult;
}

type Bound = ReadonlyMap<number | string, SqlValue>;
type WriteStatement = InsertStatement | UpdateStatement | DeleteStatement;

/** One statement at work. */
interface Run {
  readonly core: Core;
  readonly affinity: Affinity;
  readonly decoder: typeof createDecoder;
  readonly entry: CatalogEntry;
  readonly values: Bound;
  readonly writes: WriteSet;
  /** Runs `read` while the tables show the transaction's writes. */
  readonly look: <Result>(read: () => Result) => Result;
  /** What is not held counts as not existing. */
  readonly isLocal: boolean;
}

/** - `decoder`: makes what a result row is given as. */
export function createStatementRunner(core: Core, decoder = createDecoder): StatementRunner {
  const { driver, catalog } = core;
  const tables = catalog.entries.map(({ descriptor }) => descriptor.table);
  const names = tables.map(({ name }) => name);
  const analyse = createAnalyser(tables, driver);
  const affinity = createAffinity(driver);
  const select = (statement: SelectStatement, parameters: SqlParameters | undefined): SqlResult => {
    const values = pieceValues(statement.rows, bindStatement(statement, parameters));
    return sqlResult(driver.all(statement.rows.sql, values).map(decoder(catalog, statement.columns)), 0);
  };
  return {
    analyse,
    select,
    run: (text, parameters, writes, standpoint, { from } = {}) => {
      const statement = analyse(text);
      const isLocal = from === 'local';
      if (!isLocal) checkCovered(core, statement);
      if (statement.kind === 'select') {
        return standpoint.look(writes.drafts, statement.reads, () => select(statement, parameters));
      }
      const values = bindStatement(statement, parameters);
      const entry = catalog.named(statement.table.name)!;
      const look = <Result>(read: () => Result) => standpoint.look(writes.drafts, names, read);
      return write(statement, { core, affinity, decoder, entry, values, writes, look, isLocal });
    },
  };
}

/** @throws {TendrilError} `not-covered`, if the tables lack rows of what the statement reads. */
function checkCovered({ covers }: Core, { reads }: Statement): void {
  if (!covers.whole(reads)) throw notCovered(`all of ${reads.join(', ')}`, { collections: reads });
}

function write(statement: WriteStatement, run: Run): SqlResult {
  switch (statement.kind) {
    case 'insert':
      return insert(statement, run);
    case 'update':
      return update(statement, run);
    case 'delete':
      return remove(statement, run);
  }
}

function insert(statement: InsertStatement, run: Run): SqlResult {
  const { core, entry, writes, look } = run;
  const { rows, properties } = statement;
  const computed = rows === null ? [[]] : look(() => readComputed(core, rows, run.values, properties));
  const created = computed.map((row) => newEntity(run, statement, row));
  writes.checkRoom(entry, created);
  const ids = new Set<EntityId>();
  for (const { id, isMinted } of created) {
    if (!isMinted && (ids.has(id) || exists(run, id))) throw entityExists(entry, id);
    ids.add(id);
  }
  for (const { id, assignments, isMinted } of created) {
    if (isMinted) writes.createNew(entry, id, assignments);
    else writes.create(entry, id, assignments);
  }
  return sqlResult(returned(run, statement.returning, [...ids]), ids.size);
}

function exists({ entry, writes, isLocal }: Run, id: EntityId): boolean {
  return (!isLocal || writes.knows(entry, id)) && writes.rowOf(entry, id) !== null;
}

function newEntity(
  { core, affinity, entry }: Run,
  { properties, rows }: InsertStatement,
  row: ComputedRow,
): { readonly id: EntityId; readonly isMinted: boolean; readonly assignments: Assignments } {
  let id: EntityId | null = null;
  const assignments: Assignments = [undefined];
  const given = new Set<number>();
  for (const [index, { index: column }] of (rows === null ? [] : properties).entries()) {
    const value = row[index]!;
    given.add(column);
    if (column === 0) id = parseEntityId(value);
    else assignments[column] = encoded(affinity, entry, column, value);
  }
  for (const property of entry.properties) {
    if (!given.has(property.column)) assignments[property.column] = unsaid(property);
  }
  return { id: id ?? (core.mint.next() as EntityId), isMinted: id === null, assignments };
}

function update(statement: UpdateStatement, run: Run): SqlResult {
  const { core, affinity, entry, writes, look } = run;
  const { rows, properties } = statement;
  const id = entry.descriptor.table.columns[0]!;
  const computed = look(() => readComputed(core, rows, run.values, [id, ...properties]));
  const changed = computed.map(([entity, ...values]) => {
    const assignments: Assignments = [];
    for (const [index, { index: column }] of properties.entries()) {
      assignments[column] = encoded(affinity, entry, column, values[index]!);
    }
    return { id: entity as EntityId, assignments };
  });
  writes.checkRoom(entry, changed);
  for (const { id: entity, assignments } of changed) writes.update(entry, entity, assignments);
  const ids = changed.map(({ id: entity }) => entity);
  return sqlResult(returned(run, statement.returning, ids), ids.length);
}

function remove(statement: DeleteStatement, run: Run): SqlResult {
  const { core, entry, writes, look } = run;
  const ids = look(() => core.driver.all(statement.rows.sql, pieceValues(statement.rows, run.values))).map(
    ([id]) => id as EntityId,
  );
  writes.checkRoom(
    entry,
    ids.map((id) => ({ id, assignments: [] })),
  );
  const rows = returned(run, statement.returning, ids);
  for (const id of ids) writes.delete(entry, id);
  return sqlResult(rows, ids.length);
}

/** What RETURNING says of each row, as the tables show them now. */
function returned(
  { core, decoder, values, look }: Run,
  returning: Returning | null,
  ids: readonly EntityId[],
): readonly SqlRow[] {
  if (returning === null) return noRows;
  const { row, columns } = returning;
  const shared = pieceValues(row, values);
  const rows = look(() => ids.map((id) => core.driver.get(row.sql, [...shared, id])!));
  return rows.map(decoder(core.catalog, columns));
}

function encoded(affinity: Affinity, entry: CatalogEntry, column: number, value: SqlValue): SqlValue {
  const { rule, place } = entry.properties[column - 1]!;
  return encodeSqlValue(place, rule, affinity(rule.type, value));
}

function entityExists(entry: CatalogEntry, id: EntityId): TendrilError {
  const collection = entry.collection.name;
  return new TendrilError({
    code: 'conflict',
    problem: `${collection} ${id} exists already, so that it cannot be inserted.`,
    remedy: 'Use UPDATE; or tx.create(collection, values, { id }), which merges into what exists.',
    facts: { collection, id },
  });
}
