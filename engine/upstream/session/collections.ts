/**
 * Collections: how this node's collections and the authority's fit together, by their descriptors.
 *
 * Invariants
 *   - equal hashes need no word; unequal ones are compared by name: what one side lacks is kept beside (`_extra`) or reads
 *     its default, what both have must have the same type, merge rule and default, else that collection is refused;
 *   - rows come in the authority's descriptor, and are read by it.
 */

import { TendrilError } from '../../../errors.ts';
import {
  type Descriptor,
  decodeRow,
  descriptorOf,
  differenceOf,
  type StoredRow,
  translateRow,
} from '../../../storage/index.ts';
import type { Catalog, CatalogEntry } from '../../catalog.ts';
import type { Described, Request } from '../../stream.ts';
import { violation } from './session-errors.ts';

export class Collections {
  readonly #catalog: Catalog;
  /** The authority's descriptors, where they are not this node's. */
  readonly #others = new Map<string, Descriptor>();
  readonly #refused = new Map<string, TendrilError>();
  /** Of those, the ones that the authority does not have. */
  readonly #missing = new Set<string>();
  /** The present session, or the last one, has said how the authority's differ. */
  #isDescribed = false;
  /** Its descriptors as it described them last, and the time before. */
  #described: ReadonlyMap<string, Descriptor> = new Map();
  #before: ReadonlyMap<string, Descriptor> = new Map();

  constructor(catalog: Catalog) {
    this.#catalog = catalog;
  }

  /** What is said at the begin of a session. */
  describe(): Request {
    this.#others.clear();
    this.#refused.clear();
    this.#missing.clear();
    this.#isDescribed = false;
    const collections = this.#catalog.entries.map(({ collection: { name }, descriptor: { hash } }) => ({ name, hash }));
    return { kind: 'describe', collections };
  }

  /** Takes the answer in. Returns the names of the collections that cannot be exchanged. */
  described(differing: readonly Described[]): readonly string[] {
    for (const { name, canonical } of differing) {
      const own = this.#catalog.named(name)?.descriptor;
      if (own === undefined) throw violation(`an answer about ${name}, which was not asked about`);
      if (canonical === null) {
        this.#missing.add(name);
        this.#refused.set(name, missing(name));
        continue;
      }
      const other = descriptorOf(canonical);
      const difference = differenceOf(own, other);
      if (difference === null) this.#others.set(name, other);
      else this.#refused.set(name, refusal(name, difference));
    }
    this.#before = this.#described;
    this.#described = new Map(this.#others);
    this.#isDescribed = true;
    return [...this.#refused.keys()];
  }

  get isDescribed(): boolean {
    return this.#isDescribed;
  }

  /** The names of those that the authority does not have. */
  get missing(): readonly string[] {
    return [...this.#missing];
  }

  /** Whether the authority declares it otherwise than in the session before. */
  hasChanged({ collection: { name } }: CatalogEntry): boolean {
    return this.#before.get(name)?.canonical !== this.#described.get(name)?.canonical;
  }

  /** A row that was sent in the session before. @throws {TendrilError} `protocol-violation`. */
  readBefore(entry: CatalogEntry, bytes: Uint8Array): StoredRow {
    return readAs(this.#before.get(entry.collection.name), entry, bytes);
  }

  /** Why a collection cannot be exchanged, or null. */
  readonly refusalOf = (collection: string): TendrilError | null => this.#refused.get(collection) ?? null;

  /** A row as the authority sent it, as this node keeps it. @throws {TendrilError} `protocol-violation`. */
  read(entry: CatalogEntry, bytes: Uint8Array): StoredRow {
    return readAs(this.#others.get(entry.collection.name), entry, bytes);
  }

  entryOf(collection: string): CatalogEntry {
    const entry = this.#catalog.named(collection);
    if (entry === null) throw violation(`rows of ${collection}, which this node does not have`);
    return entry;
  }
}

/** - `other`: the authority's descriptor, where it is not this node's. */
function readAs(other: Descriptor | undefined, entry: CatalogEntry, bytes: Uint8Array): StoredRow {
  if (other === undefined) return decodeRow(entry.descriptor, bytes);
  return translateRow(other, entry.descriptor, decodeRow(other, bytes));
}

function missing(collection: string): TendrilError {
  return new TendrilError({
    code: 'schema-mismatch',
    problem: `The upstream does not have the collection ${collection}.`,
    remedy: "Open it with that collection, too; what is here can be read with { from: 'local' }.",
    facts: { collection },
  });
}

function refusal(collection: string, difference: string): TendrilError {
  return new TendrilError({
    code: 'schema-mismatch',
    problem: `The collection ${collection} is declared otherwise upstream: ${difference}.`,
    remedy: 'Make the two declarations equal, or give the property another name.',
    facts: { collection, difference },
  });
}
