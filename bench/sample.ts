/** What a Node writes for one change, read back from a file of its own: what is written by hand copies it. */

import { Node } from '../index.ts';
import { COLLECTIONS, Flight, flights } from './flights.ts';
import { HAND_DRIVER, type HandDatabase, type HandValue, openByHand } from './hand-database.ts';
import { nativeFile } from './native.ts';
import { withFolder } from './temporary.ts';

/** The values of one row by column, in the table's order. */
export type RowTemplate = Readonly<Record<string, HandValue>>;

/** The rows that one transaction with one operation leaves. */
export interface ChangeTemplate {
  readonly row: RowTemplate;
  readonly transaction: RowTemplate;
  readonly outcome: RowTemplate;
  readonly identity: RowTemplate;
  readonly content: RowTemplate;
}

export interface Sample {
  /** The statements that make an empty file's tables, indexes and views. */
  readonly schema: readonly string[];
  readonly create: ChangeTemplate;
  /** Of a row that was updated before, as most are. */
  readonly update: ChangeTemplate;
}

export function takeSample(): Promise<Sample> {
  return withFolder(async (path) => {
    const file = path('sample.db');
    const node = await Node.open({ collections: COLLECTIONS, storage: nativeFile(file) });
    const { name } = node.report().driver;
    if (name !== HAND_DRIVER) throw new Error(`A Node uses ${name} here, and what is written by hand ${HAND_DRIVER}.`);
    const flight = { ...flights().next().value, delay: 5 };
    await node.transact((tx) => tx.create(Flight, flight));
    const id = await node.transact((tx) => tx.create(Flight, flight));
    for (const departs of [new Date(1), new Date(2)]) await node.transact((tx) => tx.update(Flight, id, { departs }));
    await node.close();
    const database = openByHand(file);
    try {
      return { schema: schemaOf(database), create: templateAt(database, 1), update: templateAt(database, 4) };
    } finally {
      database.close();
    }
  });
}

function schemaOf(database: HandDatabase): string[] {
  // Tables come before what is made over them: in the order they were made in.
  const rows = database.prepare('SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid').all();
  return rows.map((row) => (row as { readonly sql: string }).sql);
}

function templateAt(database: HandDatabase, position: number): ChangeTemplate {
  const only = (sql: string) => {
    const rows = database.prepare(sql).all(position) as RowTemplate[];
    if (rows.length !== 1) throw new Error(`${rows.length} rows instead of one for ${sql}`);
    return rows[0]!;
  };
  return {
    row: only('SELECT * FROM _flight WHERE _asOf = ?'),
    transaction: only('SELECT * FROM tendril_transaction WHERE position = ?'),
    outcome: only('SELECT * FROM tendril_outcome WHERE position = ?'),
    identity: only('SELECT * FROM tendril_identity WHERE position = ?'),
    content: only('SELECT * FROM tendril_content WHERE position = ?'),
  };
}
