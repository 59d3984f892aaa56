/**
 * Covers: what the tables of this node can answer. A durable node's can answer everything; an ephemeral node's, what it
 * follows, or has fetched or written itself.
 */
import { TendrilError } from '../errors.ts';
import type { Selection, SqlParameters } from '../query/index.ts';
import type { EntityId } from '../storage/index.ts';
import type { CatalogEntry } from './catalog.ts';
import { COMPLETE, type Cover } from './live/cover.ts';

/** A selection as it was asked for, so that it can be asked for elsewhere. */
export interface Asked {
  readonly selection: Selection;
  readonly text: string;
  readonly parameters: SqlParameters;
}

export interface Covers {
  /** Whether the tables know of this entity, be it that it does not exist. */
  readonly entity: (collection: string, id: EntityId) => boolean;
  readonly selection: (collection: string, selection: Selection) => boolean;
  /** Whether all of these collections are held whole. */
  readonly whole: (collections: readonly string[]) => boolean;
  /** Holds a selection from now on, as long as somebody needs it. */
  readonly follow: (collection: string, asked: Asked) => Cover;
  readonly followWhole: (collections: readonly string[]) => Cover;
}

export const coversEverything: Covers = {
  entity: () => true,
  selection: () => true,
  whole: () => true,
  follow: () => COMPLETE,
  followWhole: () => COMPLETE,
};

/** @throws {TendrilError} `not-covered`, if nobody here knows whether the entity exists. */
export function checkKnown(covers: Covers, { collection: { name } }: CatalogEntry, id: EntityId): void {
  if (!covers.entity(name, id)) throw notCovered(`${name} ${id}`, { collection: name, id });
}

export function notCovered(what: string, facts: Readonly<Record<string, unknown>>): TendrilError {
  return new TendrilError({
    code: 'not-covered',
    problem: `This node does not hold ${what}, and nobody can be asked here.`,
    remedy: 'Open a live query on it or `get` it first; what a transaction reads must be held before it begins.',
    facts,
  });
}
