/** Random tables and rows for the tests of the query layer: every class, and the values where SQL's rules are sharpest. */
import type { Column, ColumnType, RawRow, SqlValue, Table } from '../../query/index.ts';
import { cellOf } from '../../query/index.ts';
import type { Random } from '../support/random.ts';

export interface World {
  readonly table: Table;
  /** A few values of each class that rows and predicates mostly draw from, so that they meet. */
  readonly palette: Palette;
  readonly rows: readonly RawRow[];
  /** Columns with an index, by name: what SQLite does with it must not show. */
  readonly indexed: readonly string[];
}

export const INTEGERS: readonly bigint[] = [
  0n,
  1n,
  2n,
  -1n,
  5n,
  10n,
  -7n,
  63n,
  64n,
  255n,
  2n ** 31n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 53n + 1n,
  -(2n ** 53n) - 1n,
  2n ** 60n,
  2n ** 63n - 1n,
  -(2n ** 63n),
  -(2n ** 63n) + 1n,
];

export const REALS: readonly number[] = [
  0,
  1,
  0.5,
  -1.5,
  2,
  10,
  0.1,
  1e15,
  123456.789,
  2 ** 53,
  2 ** 53 + 2,
  2 ** 60,
  2 ** 63,
  -(2 ** 63),
  1e300,
  5e-324,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
];

export const TEXTS: readonly string[] = [
  '',
  'a',
  'A',
  'b',
  'abc',
  'ABC',
  'aBcd',
  'abc  ',
  ' ',
  '0',
  '1',
  '10',
  '010',
  ' 10 ',
  '+5',
  '-1.5',
  '1.0',
  '1e1',
  '.5',
  '5.',
  '12abc',
  '1e',
  '0x10',
  '9007199254740993',
  '9223372036854775807',
  '9223372036854775808',
  '0.30000000000000004',
  '1e400',
  'null',
  'true',
  'a%',
  'a_c',
  '%',
  'a*c',
  '[a]',
  '^a-c]',
  '\\',
  'É',
  'é',
  'straße',
  'Привет',
  '日本語',
  '😀',
  'a😀b',
  '\u{10ffff}',
  '\ufffd',
  '\ue000',
  "it's",
  '"quoted"',
  'line\nbreak',
  '2024-02-29T12:00:00.000Z',
  'a\0b',
  'A\0c',
  '1\0',
];

export const JSONS: readonly string[] = [
  'null',
  '{"a":1,"b":[1,2,{"c":"x"}]}',
  '[]',
  '[1,"two",null,true,2.5]',
  '{"a":"1","b":null}',
  '"text"',
  '42',
  '{"é":{"a":"😀"}}',
];

export const BLOBS: readonly Uint8Array[] = [
  new Uint8Array(),
  Uint8Array.of(0),
  Uint8Array.of(0x31),
  Uint8Array.of(0x61, 0x62, 0x63),
  Uint8Array.of(0x31, 0x32, 0x2e, 0x35, 0x78),
  Uint8Array.of(0xff, 0x00, 0x80),
];

const NAMES = ['a', 'b', 'Name', 'group', 'two words', 'größe', 'delay'];
export type Palette = Readonly<Record<ColumnType, readonly NonNullable<SqlValue>[]>>;

const TYPES: readonly ColumnType[] = ['integer', 'text', 'real', 'blob', 'text'];
const ROWS = 16;
const PALETTE = 5;

export function buildWorld(random: Random): World {
  const columns: Column[] = [{ name: 'id', type: 'text', index: 0, json: false }];
  // One column of every type, one of JSON, then up to two more.
  const extra = random.integer(3);
  for (let index = 1; index <= TYPES.length + extra; index++) {
    const json = index === TYPES.length;
    const type = json ? 'text' : (TYPES[index - 1] ?? random.pick(TYPES));
    columns.push({ name: NAMES[index - 1]!, type, index, json });
  }
  const palette = buildPalette(random);
  const rows = Array.from({ length: ROWS }, (_, number) => rowOf(random, columns, palette, number));
  const indexed = columns.filter((column) => column.index > 0 && random.chance(0.3)).map((column) => column.name);
  return { table: { name: 'flight', columns }, palette, rows, indexed };
}

function buildPalette(random: Random): Palette {
  const some = (type: ColumnType) => Array.from({ length: PALETTE }, () => anyConstant(random, type));
  return { integer: some('integer'), real: some('real'), text: some('text'), blob: some('blob') };
}

function rowOf(random: Random, columns: readonly Column[], palette: Palette, number: number): RawRow {
  return columns.map((column) => {
    if (column.index === 0) return `${String(number).padStart(2, '0')}${random.pick(['', 'a', 'Z'])}`;
    return random.chance(0.2) ? null : cellOf(valueFor(random, column, palette));
  });
}

function valueFor(random: Random, column: Column, palette: Palette): SqlValue {
  return column.json ? random.pick(JSONS) : constantOf(random, column.type, palette);
}

/** A value of one class: mostly of the palette, text sometimes with the other case or spaces behind it. */
export function constantOf(random: Random, type: ColumnType, palette: Palette): NonNullable<SqlValue> {
  const value = random.chance(0.2) ? anyConstant(random, type) : random.pick(palette[type]);
  if (typeof value !== 'string' || random.chance(0.75)) return value;
  return random.pick([value.toLowerCase(), value.toUpperCase(), `${value} `, `${value}a`, value.trimEnd()]);
}

function anyConstant(random: Random, type: ColumnType): NonNullable<SqlValue> {
  const usual = !random.chance(0.2);
  switch (type) {
    case 'integer':
      return usual ? random.pick(INTEGERS) : BigInt(random.integer(40) - 20);
    case 'real':
      return usual ? random.pick(REALS) : (random.integer(4000) - 2000) / random.pick([1, 2, 7, 64, 1000]);
    case 'text':
      return usual ? random.pick(TEXTS) : anyText(random);
    case 'blob':
      return random.pick(BLOBS);
  }
}

function anyText(random: Random): string {
  const length = random.integer(4);
  return Array.from({ length }, () =>
    random.pick(['a', 'B', 'é', '1', '.', ' ', '%', '_', '*', '日', '😀', '\ufffd']),
  ).join('');
}

/** The statements that make the table, as Tendril would. */
export function tableStatements({ table, indexed }: World): readonly string[] {
  const quote = (name: string) => `"${name}"`;
  const columns = table.columns.map(
    ({ name, type, index }) => `${quote(name)} ${type.toUpperCase()}${index === 0 ? ' PRIMARY KEY' : ''}`,
  );
  return [
    `CREATE TABLE flight (${columns.join(', ')}) STRICT, WITHOUT ROWID`,
    ...indexed.map((name) => `CREATE INDEX ${quote(`by ${name}`)} ON flight (${quote(name)})`),
  ];
}
