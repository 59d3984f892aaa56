/** Reader: selections over the collections of one node, from text to decoded rows. */
import {
  createSelector,
  exactValues,
  quoteName,
  type RawRow,
  type Selection,
  type Selector,
  type Shape,
  type SqlParameters,
  sourceOf,
  type Where,
} from '../query/index.ts';
import type { Collection, RowOf, SqliteDriver } from '../storage/index.ts';
import type { Catalog, CatalogEntry } from './catalog.ts';
import { type Explanation, explainSelection } from './explain.ts';
import { createPendingSelector } from './pending-column.ts';

export interface Reader {
  /** @throws {TendrilError} what a selector throws: `query-syntax`, `unknown-property`, ... */
  readonly select: (entry: CatalogEntry, text: string | Where, parameters?: SqlParameters) => Selection;
  /** The same of a selection that nobody but this node answers, from what it holds: it may name `_pending`. */
  readonly selectHere: (entry: CatalogEntry, text: string | Where, parameters?: SqlParameters) => Selection;
  /** The rows that a selection has now, undecoded. */
  readonly rows: (selection: Selection) => readonly RawRow[];
  readonly explain: (selection: Selection) => Explanation;
}

export function createReader(driver: SqliteDriver, catalog: Catalog): Reader {
  const entries = [...catalog.entries, ...catalog.local];
  const selectors = new Map<CatalogEntry, Selector>(
    entries.map((entry) => [entry, createSelector(entry.descriptor.table, driver.all)]),
  );
  const select: Reader['select'] = (entry, text, parameters) => selectors.get(entry)!(text, parameters);
  const selectPending = createPendingSelector(driver.all);
  /** One text for each shape. */
  const texts = new WeakMap<Shape, string>();
  const sqlOf = ({ shape }: Selection): string => {
    const text = texts.get(shape) ?? selectionSql(shape);
    texts.set(shape, text);
    return text;
  };
  return {
    select,
    selectHere: (entry, text, parameters) => selectPending(entry, text, parameters) ?? select(entry, text, parameters),
    rows: (selection) => driver.all(sqlOf(selection), exactValues(selection)),
    explain: (selection) =>
      explainSelection(selection, 0, sqlOf(selection), (sql) => driver.all(sql, exactValues(selection))),
  };
}

/** The statement that asks SQLite for a selection of this shape: `?1` is its first value. */
export function selectionSql({ tree, sql }: Shape): string {
  const columns = tree.table.columns.map(({ name }) => quoteName(name)).join(', ');
  const where = sql.where === null ? '' : ` WHERE ${sql.where}`;
  // SQLite has no OFFSET without LIMIT.
  const limit = sql.limit === null ? (sql.offset === null ? '' : ' LIMIT -1') : ` LIMIT ${sql.limit}`;
  const offset = sql.offset === null ? '' : ` OFFSET ${sql.offset}`;
  return `SELECT ${columns} FROM ${sourceOf(tree.table)}${where} ORDER BY ${sql.orderBy}${limit}${offset}`;
}

/** Decoded, as a program reads them. */
export function decodeRows<C extends Collection>(entry: CatalogEntry<C>, rows: readonly RawRow[]): readonly RowOf<C>[] {
  return rows.map(entry.decode);
}
