/** Reference: what one node should know: a plain table for each of its collections, at one position of the authority's log. */
import type { Cell, SqlValue } from '../../query/index.ts';
import type { Collection, SqliteDriver } from '../../storage/index.ts';
import type { AuthorityLog } from './authority-log.ts';
import { Fold, type Folded, valuesOf } from './fold.ts';

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

function tableSql({ name, table }: Collection): string {
  const [, ...properties] = table.columns;
  const columns = properties.map((column) => `, ${quoted(column.name)} ${column.type.toUpperCase()}`).join('');
  return `CREATE TABLE ${quoted(name)} (id TEXT NOT NULL PRIMARY KEY${columns}) STRICT, WITHOUT ROWID`;
}

export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
