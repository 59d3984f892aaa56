/** The collections a node was opened with, and how their rows look to a program. */
import { TendrilError } from '../errors.ts';
import type { RawRow } from '../query/index.ts';
import { type Collection, createRowDecoder, type Descriptor, type Property, type RowOf } from '../storage/index.ts';

export interface CatalogProperty {
  readonly name: string;
  readonly column: number;
  readonly rule: Property;
  /** For messages. */
  readonly place: { readonly collection: string; readonly property: string };
}

export interface CatalogEntry<C extends Collection = Collection> {
  readonly collection: C;
  readonly descriptor: Descriptor;
  /** In declared order. */
  readonly properties: readonly CatalogProperty[];
  /** A new plain object for each call. */
  readonly decode: (row: RawRow) => RowOf<C>;
}

export interface Catalog {
  /** Of the collections that the program passed. */
  readonly entries: readonly CatalogEntry[];
  /** Of the node's own collections: never described, followed or found by name. See local-collection.ts. */
  readonly local: readonly CatalogEntry[];
  /** @throws {TendrilError} `unknown-collection` for one this node was not opened with. */
  readonly entryOf: <C extends Collection>(collection: C) => CatalogEntry<C>;
  /** By its exact name; null if this node has none of that name. */
  readonly named: (name: string) => CatalogEntry | null;
}

export function createCatalog(
  collections: readonly Collection[],
  descriptors: ReadonlyMap<string, Descriptor>,
  local: readonly CatalogEntry[] = [],
): Catalog {
  const entries = collections.map((collection) => entryFor(collection, descriptors.get(collection.name)!));
  const byName = new Map(entries.map((entry) => [entry.collection.name, entry]));
  return {
    entries,
    local,
    entryOf: <C extends Collection>(collection: C) => {
      const entry = byName.get(collection?.name);
      if (entry?.collection !== collection) throw unknownCollection(collection?.name);
      return entry as CatalogEntry<C>;
    },
    named: (name) => byName.get(name) ?? null,
  };
}

function unknownCollection(name: unknown): TendrilError {
  return new TendrilError({
    code: 'unknown-collection',
    problem: `This node was not opened with the collection ${String(name)}.`,
    remedy: 'Pass every collection that is used to Node.open({ collections }), and use those same objects.',
    facts: { collection: name },
  });
}

/** The same, told to another node, which did not open this one. */
export function collectionNotHere(name: string): TendrilError {
  return new TendrilError({
    code: 'unknown-collection',
    problem: `The node that was asked has no collection ${name}.`,
    remedy: 'Open both nodes with it: pass it to Node.open({ collections }) there, too.',
    facts: { collection: name },
  });
}

export function entryFor<C extends Collection>(collection: C, descriptor: Descriptor): CatalogEntry<C> {
  const properties = Object.entries(collection.properties).map(([name, rule], index) => ({
    name,
    column: index + 1,
    rule,
    place: { collection: collection.name, property: name },
  }));
  return { collection, descriptor, properties, decode: createRowDecoder(collection) };
}
