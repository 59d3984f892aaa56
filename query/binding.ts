/**
 * What users pass for parameters, made exact: the one place that decides what a JavaScript value is in SQL.
 *
 * Invariant: an integral number within ±(2^53-1), a bigint and a boolean are INTEGER; any other number is REAL; a Date
 * is the text that a timestamp keeps. What SQL cannot hold is refused before a driver sees it.
 */
import type { TendrilError } from '../errors.ts';
import { wellFormed } from './parse/lexer-literal.ts';
import type { ParameterList } from './parse/parameter-list.ts';
import { type QueryErrorCode, queryError } from './query-error.ts';
import { type Cell, cellOf, type SqlInput, type ValueClass } from './value.ts';

export type SqlParameters = readonly SqlInput[] | Readonly<Record<string, SqlInput>>;

const GREATEST_INTEGER = 2n ** 63n - 1n;
const GREATEST_YEAR = 9999;

/** Null for what SQL cannot hold; `problemOf` then says why. */
export function inputClass(input: unknown): ValueClass | null {
  switch (typeof input) {
    case 'string':
      return 'text';
    case 'number':
      if (Number.isSafeInteger(input)) return 'integer';
      return Number.isNaN(input) ? null : 'real';
    case 'bigint':
      return input > GREATEST_INTEGER || input < -GREATEST_INTEGER - 1n ? null : 'integer';
    case 'boolean':
      return 'integer';
    case 'object':
      return objectClass(input);
    case 'undefined':
    case 'function':
    case 'symbol':
      return null;
  }
}

function objectClass(input: object | null): ValueClass | null {
  if (input === null) return 'null';
  if (input instanceof Uint8Array) return 'blob';
  return input instanceof Date && isDateInRange(input) ? 'text' : null;
}

/** Years of four digits only: longer ones would not sort as text. False for an invalid date. */
function isDateInRange(date: Date): boolean {
  const year = date.getUTCFullYear();
  return year >= 0 && year <= GREATEST_YEAR;
}

/** The cell of an input that has a class. */
export function inputCell(input: SqlInput): Cell {
  switch (typeof input) {
    case 'string':
      return wellFormed(input);
    case 'number':
      // -0 becomes 0, as SQLite keeps it.
      return input === 0 ? 0 : input;
    case 'bigint':
      return cellOf(input);
    case 'boolean':
      return input ? 1 : 0;
    case 'object':
      if (input instanceof Date) return input.toISOString();
      // A copy, of a Buffer too: a live query goes on comparing with what it was given.
      return input === null ? null : new Uint8Array(input);
  }
}

function problemOf(input: unknown): string {
  if (typeof input === 'number') return 'NaN is no value of SQL';
  if (typeof input === 'bigint') return 'the bigint passes 64 bits';
  if (input instanceof Date) return 'the Date is invalid, or its year has not four digits';
  if (input === undefined) return 'it is undefined';
  if (typeof input === 'string') return 'the text has a lone surrogate, which SQLite cannot keep';
  return `a ${typeof input === 'object' ? (input?.constructor?.name ?? 'object') : typeof input} is no value of SQL`;
}

/** The one input of `parameters` for a position (from 1) or a name. `at`: its place in `text`. */
export function inputOf(parameters: SqlParameters, parameter: number | string): unknown {
  if (typeof parameter === 'number') return (parameters as readonly SqlInput[])[parameter - 1];
  return (parameters as Readonly<Record<string, SqlInput>>)[parameter];
}

export function refuseInput(text: string, at: number, parameter: number | string, input: unknown): TendrilError {
  const name = typeof parameter === 'number' ? `?${parameter}` : `:${parameter}`;
  const problem = `Parameter ${name} cannot be bound: ${problemOf(input)}.`;
  return invalid(text, at, problem, 'Pass a string, number, bigint, boolean, Date, Uint8Array or null.', { parameter });
}

/** The parameters given must be the parameters written: no more, no less. */
export function checkParameters(text: string, written: ParameterList, given: SqlParameters): void {
  if (written.kind === 'positions') checkPositions(text, written.count, given);
  else checkNames(text, written.names, given);
}

function checkNames(text: string, names: readonly string[], given: SqlParameters): void {
  if (Array.isArray(given)) {
    throw invalid(text, 0, `The text names its parameters (:${names[0]}).`, 'Pass an object: { name: value }.');
  }
  for (const name of names) {
    if (!Object.hasOwn(given, name)) {
      throw invalid(text, text.indexOf(`:${name}`), `Parameter :${name} is not given.`, 'Pass a value for each name.');
    }
  }
  for (const name of Object.keys(given)) {
    if (names.includes(name)) continue;
    throw invalid(text, 0, `There is no :${name} in the text.`, 'Remove it from the parameters, or use it.');
  }
}

function checkPositions(text: string, count: number, given: SqlParameters): void {
  const length = Array.isArray(given) ? given.length : -Object.keys(given).length;
  if (length === count) return;
  if (length < 0) throw invalid(text, 0, 'The text has no named parameters.', 'Pass an array, one value for each ?.');
  const problem = `The text has ${count} ${count === 1 ? 'parameter' : 'parameters'}, and ${length} were passed.`;
  throw invalid(text, 0, problem, 'Pass one value for each ?.', { expected: count, passed: length });
}

function invalid(text: string, at: number, problem: string, remedy: string, facts = {}): TendrilError {
  const code: QueryErrorCode = 'invalid-parameter';
  return queryError({ code, text, at: Math.max(0, at), problem, remedy, facts });
}
