/**
 * What a file remembers of a collection as it was last declared, and what has changed in the declaration since.
 *
 * Invariant: a change is made in place only if every stored value keeps its meaning and its declared type stays true of
 * it; every other is named as a difference, and then nothing is changed.
 */
import type { Collection } from './collection.ts';
import { literalOf } from './descriptor.ts';
import type { PropertyType } from './property-rule.ts';

export interface DeclaredProperty {
  readonly name: string;
  readonly type: PropertyType;
  readonly nullable: boolean;
  readonly choices: readonly string[] | null;
  readonly target: string | null;
  /** As SQL text. */
  readonly unset: string;
}

export interface Declaration {
  readonly properties: readonly DeclaredProperty[];
  readonly indexes: readonly (readonly string[])[];
}

export function declarationOf({ properties, indexes }: Collection): Declaration {
  return {
    properties: Object.entries(properties).map(([name, { type, nullable, choices, target, unset }]) => ({
      name,
      type,
      nullable,
      choices,
      target,
      unset: literalOf(unset),
    })),
    indexes,
  };
}

/** What would lose data or change what stored values mean, each as half a sentence; empty if nothing does. */
export function differencesOf(stored: Declaration, declared: Declaration): readonly string[] {
  const now = new Map(declared.properties.map((property) => [property.name, property]));
  const differences: string[] = [];
  for (const before of stored.properties) {
    const after = now.get(before.name);
    now.delete(before.name);
    if (after === undefined) differences.push(`${before.name} is no longer declared`);
    else differences.push(...changesOf(before, after).map((change) => `${before.name} ${change}`));
  }
  for (const { name, nullable, unset } of now.values()) {
    if (!nullable && unset === 'NULL') differences.push(`${name} is new, required and has no default`);
  }
  return differences;
}

function changesOf(before: DeclaredProperty, after: DeclaredProperty): readonly string[] {
  const typeBefore = typeName(before);
  const typeAfter = typeName(after);
  const changes: string[] = [];
  if (typeBefore !== typeAfter) changes.push(`was ${typeBefore} and is declared ${typeAfter}`);
  if (before.unset !== after.unset) changes.push(`had the default ${before.unset} and is declared with ${after.unset}`);
  if (before.nullable && !after.nullable) changes.push('was optional and is declared required');
  const dropped =
    after.choices === null ? [] : (before.choices ?? ['any text']).filter((choice) => !after.choices?.includes(choice));
  if (dropped.length > 0) changes.push(`could be ${dropped.join(', ')} and is declared without`);
  return changes;
}

function typeName({ type, target }: DeclaredProperty): string {
  return target === null ? type : `${type}(${target})`;
}
