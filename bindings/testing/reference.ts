/** Reference: what one node should know: a plain table for each of its collections, at one position of the authority's log. */
import type { Cell, SqlValue } from '../../query/index.ts';
import type { Collection, Operation, SqliteDriver } from '../../storage/index.ts';
import type { AuthorityLog } from './authority-log.ts';
import { Fold, type Folded, valuesOf } from './fold.ts';

const NONE: ReadonlySet<string> = new Set();

export class Reference {
  readonly #sqlite: SqliteDriver;
  readonly #collections: ReadonlyMap<string, Collection>;
  readonly #fold = new Fold();
  #position = 0;

  constructor(sqlite: SqliteDriver, collections: readonly Collection[]) {
    this.#sqlite = sqlite;
    this.#collections = new Map(collections.map((collection) => [collection.name, collection]));
    for (const collection of collections) sqlite.exec(tableSql(collection));
  }

  get position(): number {
    return this.#position;
  }

  advance(log: AuthorityLog, to: number): void {
    const changed = new Set<Folded>();
    for (; this.#position < to; this.#position += 1) {
      for (const operation of log.at(this.#position + 1)) changed.add(this.#fold.add(operation));
    }
    for (const folded of changed) this.#write(folded);
  }

  /**
   * Runs `body` while the tables are as they would be with these operations, which are not in the log yet. Given are the ids
   * of which nobody can say that: they were made here, by somebody who did not know that they are there.
   */
  withOwn<Result>(own: readonly Operation[], body: (unclear: ReadonlySet<string>) => Result): Result {
    if (own.length === 0) return body(NONE);
    const unclear = new Set<string>();
    this.#sqlite.exec('SAVEPOINT own');
    try {
      for (const operations of byEntity(own)) {
        const { folded, isKnown } = this.#fold.with(operations);
        const isMade = operations.some(({ edits }) => edits.some(({ kind }) => kind === 'create'));
        if (isMade && isKnown) unclear.add(folded.id);
        this.#write(folded);
      }
      return body(unclear);
    } finally {
      this.#sqlite.exec('ROLLBACK TO own');
      this.#sqlite.exec('RELEASE own');
    }
  }

  rows(sql: string, parameters: readonly SqlValue[]): Cell[][] {
    return this.#sqlite.all(sql, parameters);
  }

  columns(sql: string): readonly string[] {
    return this.#sqlite.columns(sql);
  }

  close(): void {
    this.#sqlite.close();
  }

  #write(folded: Folded): void {
    const collection = this.#collections.get(folded.collection);
    if (collection === undefined) return;
    const values = valuesOf(folded);
    const table = quoted(collection.name);
    if (values === null) {
      this.#sqlite.run(`DELETE FROM ${table} WHERE id = ?`, [folded.id]);
      return;
    }
    const names = Object.keys(collection.properties);
    const cells = names.map((name) => {
      const value = values.get(name);
      return value === undefined ? collection.properties[name]!.unset : value;
    });
    const marks = ['?', ...names.map(() => '?')].join(', ');
    this.#sqlite.run(`REPLACE INTO ${table} VALUES (${marks})`, [folded.id, ...cells]);
  }
}

function byEntity(operations: readonly Operation[]): Iterable<readonly Operation[]> {
  const found = new Map<string, Operation[]>();
  for (const operation of operations) {
    const key = `${operation.collection} ${operation.entity}`;
    found.set(key, [...(found.get(key) ?? []), operation]);
  }
  return found.values();
}

function tableSql({ name, table }: Collection): string {
  const [, ...properties] = table.columns;
  const columns = properties.map((column) => `, ${quoted(column.name)} ${column.type.toUpperCase()}`).join('');
  return `CREATE TABLE ${quoted(name)} (id TEXT NOT NULL PRIMARY KEY${columns}) STRICT, WITHOUT ROWID`;
}

export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
