/** A reactor over one bare table: what a node is to live queries, without log and transactions. */
import type { Change, Commit } from '../../engine/change.ts';
import { coversEverything } from '../../engine/covers.ts';
import type { LiveQuery } from '../../engine/live/live-query.ts';
import { createReactor, type Reactor } from '../../engine/live/reactor.ts';
import { selectionSql } from '../../engine/reader.ts';
import { createSelector, exactOf, exactValues, quoteName, type RawRow, type SqlParameters } from '../../query/index.ts';
import {
  collection,
  createRowDecoder,
  type EntityId,
  integer,
  memory,
  type Position,
  type RowOf,
  real,
  type SqliteDriver,
  type TransactionId,
  text,
} from '../../storage/index.ts';

export const Item = collection('item', {
  kind: text().optional(),
  rank: integer().optional(),
  weight: real().optional(),
  name: text().optional(),
});
export type Item = RowOf<typeof Item>;

/** One row as a transaction leaves it; null deletes it. */
export interface Write {
  readonly id: string;
  readonly row: Omit<Item, 'id'> | null;
}

export interface LiveTable {
  readonly driver: SqliteDriver;
  readonly reactor: Reactor;
  /** What was given to `onError`. */
  readonly errors: unknown[];
  readonly open: (text: string, parameters?: SqlParameters) => LiveQuery<Item>;
  /** Commits one transaction. */
  readonly write: (...writes: readonly Write[]) => void;
  /** Commits several transactions as one group: all are in the table before the reactor is told of the first. */
  readonly writeGroup: (transactions: readonly (readonly Write[])[]) => void;
  /** What SQL gives now. */
  readonly fresh: (text: string, parameters?: SqlParameters) => readonly Item[];
  /** Makes the next read of the reactor fail. */
  readonly failNextRead: (error: Error) => void;
  /** Until ended, the table counts as half written. */
  readonly beginDrain: () => { readonly end: () => void };
}

export async function openLiveTable(): Promise<LiveTable> {
  const driver = await memory().open();
  driver.exec(
    `CREATE TABLE item (id TEXT PRIMARY KEY NOT NULL, kind TEXT, rank INTEGER, weight REAL, name TEXT) STRICT`,
  );
  const { table } = Item;
  const decode = createRowDecoder(Item);
  const select = createSelector(table, driver.all);
  const errors: unknown[] = [];
  const deferred: (() => void)[] = [];
  let position = 0;
  let isDraining = false;
  let failure: Error | null = null;
  const reactor = createReactor({
    covers: coversEverything,
    source: {
      boundOf: () => null,
      position: () => position as Position,
      select: (sql, parameters) => {
        const error = failure;
        failure = null;
        if (error !== null) throw error;
        return driver.all(sql, parameters);
      },
    },
    probe: driver.all,
    isDraining: () => isDraining,
    soon: (task) => deferred.push(task),
    onError: (error) => errors.push(error),
  });
  const writeGroup = (transactions: readonly (readonly Write[])[]) => {
    const commits = transactions.map((writes) => {
      position += 1;
      return commitOf(driver, position as Position, writes);
    });
    reactor.commit(commits);
  };
  return {
    driver,
    reactor,
    errors,
    open: (query, parameters) => reactor.open({ table, decode, select }, query, parameters),
    write: (...writes) => writeGroup([writes]),
    writeGroup,
    fresh: (query, parameters) => {
      const selection = select(query, parameters);
      return driver.all(selectionSql(selection.shape), exactValues(selection)).map(decode);
    },
    failNextRead: (error) => {
      failure = error;
    },
    beginDrain: () => {
      isDraining = true;
      return {
        end: () => {
          isDraining = false;
          for (const task of deferred.splice(0)) task();
        },
      };
    },
  };
}

/** A row of an item with nothing set, but for what is given. */
export function put(id: string, row: Partial<Omit<Item, 'id'>> = {}): Write {
  return { id, row: { kind: null, rank: null, weight: null, name: null, ...row } };
}

export function remove(id: string): Write {
  return { id, row: null };
}

function commitOf(driver: SqliteDriver, position: Position, writes: readonly Write[]): Commit {
  const before = new Map<string, RawRow | null>();
  for (const { id, row } of writes) {
    if (!before.has(id)) before.set(id, readRow(driver, id));
    driver.run('DELETE FROM item WHERE id = ?', [id]);
    if (row !== null) driver.run('INSERT INTO item VALUES (?, ?, ?, ?, ?)', [id, ...bound(row)]);
  }
  const changes: Change[] = [];
  for (const [id, was] of before) {
    const is = readRow(driver, id);
    if (JSON.stringify(was) === JSON.stringify(is)) continue;
    changes.push({ collection: 'item', id: id as EntityId, before: was, after: is });
  }
  return { transaction: `transaction ${position}` as TransactionId, position, changes, touched: [] };
}

function readRow(driver: SqliteDriver, id: string): RawRow | null {
  const columns = Item.table.columns.map(({ name }) => quoteName(name)).join(', ');
  return driver.get(`SELECT ${columns} FROM item WHERE id = ?`, [id]) ?? null;
}

function bound({ kind, rank, weight, name }: Omit<Item, 'id'>) {
  return [kind, exactOf(rank, 'integer'), weight, name];
}
