/**
 * Local collections: what a node keeps for its own program, in tables like all others.
 *
 * Invariants
 *   - a program reads them by the live queries and queries of their owner, and writes them by nothing else: they are in no
 *     statement, and no name of a program's can be theirs;
 *   - nobody else is told of them, nor says anything of them: a node that has them has all of them, always;
 *   - a node that does not keep one answers as if it were empty.
 */
import { quoteName, type Selection } from '../query/index.ts';
import { type Collection, type Descriptor, describeCollection } from '../storage/index.ts';
import { type CatalogEntry, entryFor } from './catalog.ts';
import type { Covers } from './covers.ts';
import { COMPLETE, LOCAL } from './live/cover.ts';
import { asksPending } from './pending-column.ts';

/** - `kept`: the descriptors of those that the storage has tables of. */
export function localEntries(
  collections: readonly Collection[],
  kept: ReadonlyMap<string, Descriptor>,
): readonly CatalogEntry[] {
  return collections.map((collection) => {
    const descriptor = kept.get(collection.name) ?? emptyDescriptor(describeCollection(collection));
    return entryFor(collection, descriptor);
  });
}

/** What nobody need be asked for: local collections, and selections that name `_pending`. */
export function withLocalCovers(covers: Covers, local: readonly CatalogEntry[]): Covers {
  const names = new Set(local.map(({ collection }) => collection.name));
  const isLocal = (collection: string, selection: Selection) => names.has(collection) || asksPending(selection);
  return {
    ...covers,
    selection: (collection, selection) => isLocal(collection, selection) || covers.selection(collection, selection),
    follow: (collection, asked) => {
      if (names.has(collection)) return COMPLETE;
      return asksPending(asked.selection) ? LOCAL : covers.follow(collection, asked);
    },
  };
}

function emptyDescriptor(descriptor: Descriptor): Descriptor {
  const { table } = descriptor;
  const columns = table.columns.map(({ name, type }) => `CAST(NULL AS ${type}) AS ${quoteName(name)}`);
  return { ...descriptor, table: { ...table, source: `(SELECT ${columns.join(', ')} WHERE 0)` } };
}
