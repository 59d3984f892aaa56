/** How the parts of a random selection are spelled: names, literals, and parameters in one of SQLite's three styles. */
import type { ColumnType, SqlInput, SqlValue, Table } from '../../query/index.ts';
import { quoteValue } from '../../query/parse/print.ts';
import type { Random } from '../support/random.ts';
import { constantOf, JSONS, type Palette, type World } from './worlds.ts';

export interface Written {
  /** What a user writes. */
  readonly text: string;
  /** The same for a whole SELECT, the id as last sort term. */
  readonly clauses: string;
  readonly parameters: readonly SqlInput[] | Readonly<Record<string, SqlInput>>;
  /** The parameters as SQLite counts them. */
  readonly bound: readonly SqlValue[];
}

type Style = 'literals' | 'anonymous' | 'numbered' | 'named';

export class Spelling {
  protected readonly random: Random;
  protected readonly bound: SqlValue[] = [];
  protected readonly style: Style;
  readonly #table: Table;
  readonly #palette: Palette;

  constructor(random: Random, { table, palette }: World) {
    this.random = random;
    this.#table = table;
    this.#palette = palette;
    this.style = random.pick(['literals', 'anonymous', 'numbered', 'named']);
  }

  protected parameters(): Written['parameters'] {
    const inputs = this.bound.map((value) => (typeof value === 'bigint' ? inputOf(value) : value));
    return this.style === 'named' ? Object.fromEntries(inputs.map((input, at) => [`p${at + 1}`, input])) : inputs;
  }

  protected json(): string {
    const columns = this.#table.columns.filter((column) => column.json);
    return columns.length > 0 && !this.random.chance(0.3)
      ? this.name(this.random.pick(columns).name)
      : this.spell(this.random.pick(JSONS));
  }

  protected column(): string {
    return this.name(this.random.pick(this.#table.columns).name);
  }

  protected columnOf(kind: ColumnType): string {
    const columns = this.#table.columns.filter((column) => column.type === kind && column.index > 0);
    return this.name((this.random.chance(0.1) ? this.#table.columns[0]! : this.random.pick(columns)).name);
  }

  protected name(name: string): string {
    const { random } = this;
    const quoted = random.pick([`"${name}"`, `[${name}]`, `\`${name}\``]);
    const spelled =
      /^[a-zA-Z]+$/.test(name) && name !== 'group' && random.chance(0.8)
        ? random.pick([name, name.toUpperCase()])
        : quoted;
    return random.chance(0.05) ? `flight.${spelled}` : spelled;
  }

  protected constant(kind: ColumnType): string {
    const { random } = this;
    if (random.chance(0.04)) return random.pick(['NULL', 'TRUE', 'FALSE']);
    const value = constantOf(random, kind, this.#palette);
    // No literal holds U+0000.
    return this.style === 'literals' && typeof value === 'string'
      ? this.spell(value.replaceAll('\0', ''))
      : this.spell(value);
  }

  protected spell(value: NonNullable<SqlValue>): string {
    // An integral REAL cannot be passed as a parameter: it would be an INTEGER.
    const literal =
      this.style === 'literals' || this.random.chance(0.3) || (typeof value === 'number' && Number.isInteger(value));
    const unwritable = typeof value === 'string' && value.includes('\0');
    return literal && !unwritable ? literalOf(value, this.random) : this.parameter(value);
  }

  protected parameter(value: SqlValue): string {
    const named = this.style === 'numbered' || this.style === 'named';
    const again = named && this.bound.length > 0 && this.random.chance(0.1);
    const number = again ? 1 + this.random.integer(this.bound.length) : this.bound.push(value);
    switch (this.style) {
      case 'literals':
      case 'anonymous':
        return '?';
      case 'numbered':
        return `?${number}`;
      case 'named':
        return `:p${number}`;
    }
  }

  /** Sometimes without parentheses, whatever that makes of it. */
  protected operand(expression: string, parentheses = 0.6): string {
    return /^[\w"?:'.]+$/.test(expression) || !this.random.chance(parentheses) ? expression : `(${expression})`;
  }
}

function inputOf(value: bigint): SqlInput {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function literalOf(value: NonNullable<SqlValue>, random: Random): string {
  if (typeof value === 'bigint' && value >= 0n && random.chance(0.1)) return `0x${value.toString(16)}`;
  if (value === -(2n ** 63n)) return '-9223372036854775808';
  return quoteValue(value);
}
