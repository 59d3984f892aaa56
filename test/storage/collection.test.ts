import { describe, expect, expectTypeOf, test } from 'vitest';
import {
  bigint,
  blob,
  boolean,
  collection,
  type InsertOf,
  integer,
  json,
  MAX_PROPERTIES,
  type Property,
  type RowOf,
  real,
  ref,
  text,
  timestamp,
  type UpdateOf,
} from '../../storage/index.ts';
import { codeOf } from './fixtures.ts';

const Note = collection('note', {
  title: text(),
  state: text('open', 'done').default('open'),
  stars: integer().optional(),
  weight: real().optional().default(0.5),
  large: bigint(),
  done: boolean(),
  at: timestamp(),
  bytes: blob(),
  meta: json<{ readonly tags: readonly string[] }>(),
  parent: ref('note').optional(),
});

describe('the types of a collection', () => {
  test('a row is plain, id first', () => {
    expectTypeOf<RowOf<typeof Note>>().toEqualTypeOf<{
      readonly id: string;
      readonly title: string;
      readonly state: 'open' | 'done';
      readonly stars: number | null;
      readonly weight: number | null;
      readonly large: bigint;
      readonly done: boolean;
      readonly at: Date;
      readonly bytes: Uint8Array;
      readonly meta: { readonly tags: readonly string[] };
      readonly parent: string | null;
    }>();
  });

  test('a creation may leave out what is optional or defaulted, an update anything', () => {
    expectTypeOf<InsertOf<typeof Note>>().toEqualTypeOf<{
      readonly title: string;
      readonly large: bigint;
      readonly done: boolean;
      readonly at: Date;
      readonly bytes: Uint8Array;
      readonly meta: { readonly tags: readonly string[] };
      readonly state?: 'open' | 'done';
      readonly stars?: number | null;
      readonly weight?: number | null;
      readonly parent?: string | null;
    }>();
    expectTypeOf<UpdateOf<typeof Note>>().toEqualTypeOf<{
      readonly [Key in Exclude<keyof RowOf<typeof Note>, 'id'>]?: RowOf<typeof Note>[Key];
    }>();
  });

  test('a wrong value, choice or index does not compile', () => {
    // @ts-expect-error a number is no text
    const wrongType = () => text().default(5);
    // @ts-expect-error not one of its choices
    const wrongChoice = () => text('open', 'done').default('closed');
    // @ts-expect-error not a property
    const wrongIndex = () => collection('note', { title: text() }, { indexes: [['stars']] });
    // @ts-expect-error optional twice
    const twice = () => text().optional().optional();
    expect([wrongType, wrongChoice, wrongIndex].map(codeOf)).toEqual([
      'invalid-value',
      'invalid-value',
      'invalid-schema',
    ]);
    expect(twice).toThrow(TypeError);
  });
});

test('the query layer is told the id and the columns in declared order', () => {
  expect(Note.table.name).toBe('note');
  expect(Note.table.columns.map(({ name, type }) => `${name} ${type}`)).toEqual([
    ...['id text', 'title text', 'state text', 'stars integer', 'weight real', 'large integer', 'done integer'],
    ...['at text', 'bytes blob', 'meta text', 'parent text'],
  ]);
  expect(Note.table.columns.filter(({ json }) => json).map(({ name }) => name)).toEqual(['meta']);
  expect(Note.table.columns.every(({ index }, place) => index === place)).toBe(true);
});

describe('names', () => {
  const withProperty = (name: string) => () => collection('note', { [name]: text() });
  test.each([
    'id',
    'ID',
    'true',
    'False',
    '_head',
    '_x',
    'sqlite_x',
    'SQLITE_x',
    'tendril',
    'Tendril_x',
    '',
    '1st',
    'a b',
    'a"b',
    'a.b',
    'a-b',
  ])('the property %j is refused', (name) => {
    expect(codeOf(withProperty(name))).toBe('invalid-schema');
  });
  test.each(['identity', 'truth', 'order', 'group', 'rowid', 'größe', '名前', 'x_1', 'constructor'])(
    'the property %j is fine',
    (name) => {
      expect(codeOf(withProperty(name))).toBe('no error');
    },
  );
  test.each(['_note', 'sqlite_note', 'tendril_note', 'TENDRIL', '', 'a b'])('the collection %j is refused', (name) => {
    expect(codeOf(() => collection(name, {}))).toBe('invalid-schema');
  });
  test('two properties that differ in the case of ASCII letters alone are refused', () => {
    expect(codeOf(() => collection('note', { Title: text(), title: text() }))).toBe('invalid-schema');
    expect(codeOf(() => collection('note', { title: text(), Title: text() }))).toBe('invalid-schema');
    expect(codeOf(() => collection('note', { Größe: text(), größe: text() }))).toBe('invalid-schema');
    expect(codeOf(() => collection('note', { grÖße: text(), größe: text() }))).toBe('no error');
  });
  test('64 characters are a name, 65 are not', () => {
    expect(codeOf(withProperty('x'.repeat(64)))).toBe('no error');
    expect(codeOf(withProperty('x'.repeat(65)))).toBe('invalid-schema');
  });
});

test(`${MAX_PROPERTIES} properties are a collection, one more is not`, () => {
  const properties = (count: number): Record<string, Property> =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`p${index}`, integer()]));
  expect(codeOf(() => collection('wide', properties(MAX_PROPERTIES)))).toBe('no error');
  expect(codeOf(() => collection('wide', properties(MAX_PROPERTIES + 1)))).toBe('invalid-schema');
});

describe('indexes and choices', () => {
  const indexed = (...indexes: string[][]) => {
    const properties: Record<string, Property> = { a: text(), b: text() };
    return () => collection('note', properties, { indexes });
  };
  test.each([
    ['no property', [[]]],
    ['an unknown property', [['c']]],
    ['the id', [['id']]],
    ['a property twice', [['a', 'a']]],
    [
      'the same list twice',
      [
        ['a', 'b'],
        ['a', 'b'],
      ],
    ],
  ])('an index of %s is refused', (_, indexes) => {
    expect(codeOf(indexed(...indexes))).toBe('invalid-schema');
  });
  test('lists that differ in order are two indexes', () => {
    expect(indexed(['a', 'b'], ['b', 'a'], ['a'])().indexes).toHaveLength(3);
  });
  test('a choice named twice is refused', () => {
    expect(codeOf(() => text('open', 'open'))).toBe('invalid-schema');
  });
});

test('a default is checked when it is declared', () => {
  expect(codeOf(() => integer().default(0.5))).toBe('invalid-value');
  expect(codeOf(() => real().default(Number.NaN))).toBe('invalid-value');
  expect(codeOf(() => ref('note').default('note-1'))).toBe('invalid-value');
  expect(real().default(-0).unset).toBe(0);
});
