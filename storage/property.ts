/**
 * Properties as a user declares them: `text()`, `integer().optional()`, `text('open', 'done').default('open')`.
 *
 * Three named types, by what a writer must say of a property, keep what an editor shows of a collection readable.
 */
import { TendrilError } from '../errors.ts';
import type { PropertyRule, PropertyType } from './property-rule.ts';
import { encodeValue } from './property-value.ts';

declare const valueType: unique symbol;

export interface RequiredProperty<Value> extends PropertyRule {
  readonly presence: 'required';
  readonly [valueType]?: Value;
  /** May be left out and may be null. */
  optional(): OptionalProperty<Value>;
  /** May be left out at `create`, which then writes `value`. */
  default(value: Value): DefaultedProperty<Value>;
}

export interface OptionalProperty<Value> extends PropertyRule {
  readonly presence: 'optional';
  readonly [valueType]?: Value | null;
  default(value: Value): DefaultedProperty<Value | null>;
}

export interface DefaultedProperty<Value> extends PropertyRule {
  readonly presence: 'defaulted';
  readonly [valueType]?: Value;
  optional(): DefaultedProperty<Value | null>;
}

export type Property = RequiredProperty<unknown> | OptionalProperty<unknown> | DefaultedProperty<unknown>;

/** What a program reads where a row has `P`. */
export type ValueOf<P extends Property> = P extends { readonly [valueType]?: infer Value } ? Value : never;

/** Text; with arguments, an enumeration of them. @throws {TendrilError} `invalid-schema` for a repeated choice. */
export function text(): RequiredProperty<string>;
export function text<const Choice extends string>(...choices: readonly [Choice, ...Choice[]]): RequiredProperty<Choice>;
export function text(...choices: readonly string[]): RequiredProperty<string> {
  if (new Set(choices).size !== choices.length) {
    throw new TendrilError({
      code: 'invalid-schema',
      problem: `text(${choices.map((choice) => JSON.stringify(choice)).join(', ')}) names a choice twice.`,
      remedy: 'Name each choice once.',
      facts: { choices },
    });
  }
  return required({ ...plain('text'), choices: choices.length === 0 ? null : Object.freeze([...choices]) });
}

/** A whole number within ±(2^53-1), read as a `number`. */
export function integer(): RequiredProperty<number> {
  return required(plain('integer'));
}

/** A whole number of 64 bits, read as a `bigint`. */
export function bigint(): RequiredProperty<bigint> {
  return required(plain('bigint'));
}

/** A double; NaN is refused, -0 becomes 0. */
export function real(): RequiredProperty<number> {
  return required(plain('real'));
}

export function boolean(): RequiredProperty<boolean> {
  return required(plain('boolean'));
}

/** A `Date`, kept as UTC text `YYYY-MM-DDTHH:MM:SS.sssZ`. */
export function timestamp(): RequiredProperty<Date> {
  return required(plain('timestamp'));
}

export function blob(): RequiredProperty<Uint8Array> {
  return required(plain('blob'));
}

/** Whatever `JSON.stringify` keeps, as its text. null is SQL's NULL, not JSON's. */
export function json<Value>(): RequiredProperty<Value> {
  return required(plain('json'));
}

/** The id of an entity of another collection, given itself or by name. Whether that entity exists is not checked. */
export function ref(collection: string | { readonly name: string }): RequiredProperty<string> {
  return required({ ...plain('ref'), target: typeof collection === 'string' ? collection : collection.name });
}

function plain(type: PropertyType): PropertyRule {
  return { type, nullable: false, choices: null, target: null, unset: null };
}

function required<Value>(rule: PropertyRule): RequiredProperty<Value> {
  return Object.freeze({
    ...rule,
    presence: 'required' as const,
    optional: () => optional<Value>({ ...rule, nullable: true }),
    default: (value: Value) => defaulted<Value>(rule, value),
  });
}

function optional<Value>(rule: PropertyRule): OptionalProperty<Value> {
  return Object.freeze({
    ...rule,
    presence: 'optional' as const,
    default: (value: Value) => defaulted<Value | null>(rule, value),
  });
}

function defaulted<Value>(rule: PropertyRule, value: Value): DefaultedProperty<Value> {
  const unset = encodeValue({ collection: null, property: 'default' }, rule, value);
  return withDefault<Value>({ ...rule, unset });
}

function withDefault<Value>(rule: PropertyRule): DefaultedProperty<Value> {
  return Object.freeze({
    ...rule,
    presence: 'defaulted' as const,
    optional: () => withDefault<Value | null>({ ...rule, nullable: true }),
  });
}
