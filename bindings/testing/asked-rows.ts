/** Asked rows: what a live query asked for, as SQL that needs none of our parser, and its rows in a form to compare. */
import type { Cell, SqlInput, SqlParameters, SqlValue } from '../../query/index.ts';
import type { Collection } from '../../storage/index.ts';
import type { Watched } from './watched.ts';

const LIMIT = /\s+LIMIT\s+(?:-?\d+|\?\d*|:\w+)\s*$/i;
/** Names of parameters, where they are not inside a text or a quoted name. */
const NAMES = /'(?:[^']|'')*'|"(?:[^"]|"")*"|:([A-Za-z_]\w*)/g;

export function isWindow({ text }: Watched): boolean {
  return LIMIT.test(text);
}

/** - `from`: where the rows stand: a table, or a subquery. - `isWhole`: without its LIMIT, which must be a number then. */
export function sqlOf(
  { collection, text }: Watched,
  from: (collection: Collection) => string,
  isWhole = false,
): string {
  if (collection === null) return text;
  const found = LIMIT.exec(text)?.[0] ?? '';
  const limit = isWhole ? '' : found;
  const rest = text.slice(0, text.length - found.length).trim();
  const isOrdered = /\bORDER\s+BY\b/i.test(rest);
  const where = rest === '' || /^ORDER\s+BY\b/i.test(rest) ? `1 ${rest}` : rest;
  return `SELECT * FROM ${from(collection)} WHERE ${where}${isOrdered ? ', id' : ' ORDER BY id'}${limit}`;
}

export function valuesOf({ text, parameters }: Watched): readonly SqlValue[] {
  return inputs(text, parameters).map(exact);
}

function inputs(text: string, parameters: SqlParameters): readonly SqlInput[] {
  if (Array.isArray(parameters)) return parameters;
  const named = parameters as Readonly<Record<string, SqlInput>>;
  const names = [...text.matchAll(NAMES)].flatMap(([, name]) => (name === undefined ? [] : [name]));
  return [...new Set(names)].map((name) => named[name]!);
}

function exact(input: SqlInput): SqlValue {
  if (typeof input === 'boolean') return input ? 1n : 0n;
  if (typeof input === 'number') return Number.isSafeInteger(input) ? BigInt(input) : input;
  return input instanceof Date ? input.toISOString() : input;
}

/** Rows shown, each as JSON of its cells; those seen before are not spelled again. */
export class Spelling {
  readonly #known = new WeakMap<object, string>();

  rows(rows: readonly unknown[], columns: readonly string[]): readonly string[] {
    return rows.map((row) => {
      const shown = row as Readonly<Record<string, unknown>>;
      let spelled = this.#known.get(shown);
      if (spelled === undefined) {
        spelled = spell(columns.map((name) => cellOf(shown[name])));
        this.#known.set(shown, spelled);
      }
      return spelled;
    });
  }
}

export function spellCells(rows: readonly (readonly Cell[])[]): readonly string[] {
  return rows.map((row) => spell(row));
}

export function columnsOf(collection: Collection): readonly string[] {
  return ['id', ...Object.keys(collection.properties)];
}

/** What SQLite has for a value that a program was given. */
function cellOf(value: unknown): unknown {
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (value instanceof Date) return value.toISOString();
  const isJson = typeof value === 'object' && value !== null && !(value instanceof Uint8Array);
  return isJson ? JSON.stringify(value) : value;
}

function spell(cells: readonly unknown[]): string {
  return JSON.stringify(cells, (_, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value));
}
