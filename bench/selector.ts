/** The selector of one collection, and SQLite to ask, without a Node around it. */
import { createSelector, type Selector, type SqlProbe } from '../query/index.ts';
import { type Collection, describeCollection, type Properties } from '../storage/index.ts';
import { nativeMemory } from './native.ts';

export interface Asking {
  readonly select: Selector;
  readonly probe: SqlProbe;
}

export async function openSelector(collection: Collection<Properties>): Promise<Asking> {
  const driver = await nativeMemory().open();
  const { table } = describeCollection(collection);
  driver.exec(`CREATE TABLE ${table.name} (${table.columns.map(({ name, type }) => `${name} ${type}`).join(', ')})`);
  const probe: SqlProbe = (sql, parameters) => driver.all(sql, parameters);
  return { select: createSelector(table, probe), probe };
}
