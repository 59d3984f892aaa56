import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { TendrilError } from '../../errors.ts';
import { cellOf } from '../../query/index.ts';
import {
  bigint,
  blob,
  boolean,
  createRowDecoder,
  decodeCell,
  encodeSqlValue,
  encodeValue,
  fitsType,
  integer,
  json,
  MAX_VALUE_BYTES,
  type Property,
  type PropertyRule,
  real,
  ref,
  type SqliteDriver,
  text,
  timestamp,
} from '../../storage/index.ts';
import { MAX_JSON_DEPTH } from '../../storage/property-value.ts';
import { physicalTable } from '../../storage/tables.ts';
import { runs, seedFor } from '../support/random.ts';
import { codeOf, createIds, Everything, Flight, MEMORIES, openTestStore } from './fixtures.ts';

const seed = seedFor('property values');
const place = { collection: 'note', property: 'value' };
const encode = (rule: PropertyRule, value: unknown) => encodeValue(place, rule, value);
const id = createIds().entity();
const nested = (depth: number) => JSON.parse('['.repeat(depth) + ']'.repeat(depth)) as unknown;

describe('what goes in comes out', () => {
  const cases: [string, Property, unknown, unknown][] = [
    ['text', text(), 'é 名 😀', 'é 名 😀'],
    ['no text', text(), '', ''],
    ['a choice', text('open', 'done'), 'done', 'done'],
    ['an integer', integer(), 2 ** 53 - 1, 2n ** 53n - 1n],
    ['-0 as an integer', integer(), -0, 0n],
    ['an int64', bigint(), -(2n ** 63n), -(2n ** 63n)],
    ['a real', real(), 0.1, 0.1],
    ['a whole real', real(), 5, 5],
    ['infinity', real(), Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY],
    ['true', boolean(), true, 1n],
    ['false', boolean(), false, 0n],
    ['a time', timestamp(), new Date(0), '1970-01-01T00:00:00.000Z'],
    ['the first time', timestamp(), new Date('0000-01-01T00:00:00.000Z'), '0000-01-01T00:00:00.000Z'],
    ['the last time', timestamp(), new Date('9999-12-31T23:59:59.999Z'), '9999-12-31T23:59:59.999Z'],
    ['bytes', blob(), Uint8Array.of(0, 255), Uint8Array.of(0, 255)],
    ['JSON', json(), { tags: ['a', '\ud800\0'] }, '{"tags":["a","\\ud800\\u0000"]}'],
    ['JSON as deep as it may be', json(), nested(MAX_JSON_DEPTH), JSON.stringify(nested(MAX_JSON_DEPTH))],
    ['an id', ref('flight'), id, id],
    ['null', text().optional(), null, null],
  ];
  test.each(cases)('%s', (_, rule, value, stored) => {
    expect(encode(rule, value)).toEqual(stored);
    expect(decodeCell(rule.type, cellOf(encode(rule, value)))).toEqual(Object.is(value, -0) ? 0 : value);
  });

  test.each(MEMORIES)('through %s too, for every type', async (_, storage) => {
    const { driver, rows } = await openTestStore([Everything], storage);
    const property = fc.property(everything, (values) => {
      expect(throughSqlite(driver, values)).toEqual(values);
    });
    fc.assert(property, { seed, numRuns: runs(2_000) });
    expect(rows.read('everything', id)).toBeNull();
    driver.close();
  });

  test('-0 becomes 0, as in SQLite', () => {
    expect(encode(real(), -0)).toBe(0);
    expect(encodeSqlValue(place, real(), -0)).toBe(0);
  });
});

describe('a value that is not of its property is refused', () => {
  const cases: [string, Property, unknown][] = [
    ['a number as text', text(), 5],
    ['a lone surrogate', text(), 'a\ud800'],
    ['U+0000', text(), 'a\0'],
    ['a text that is no choice', text('open', 'done'), 'closed'],
    ['a fraction as integer', integer(), 0.5],
    ['2^53', integer(), 2 ** 53],
    ['-2^53', integer(), -(2 ** 53)],
    ['a bigint as integer', integer(), 5n],
    ['digits as integer', integer(), '5'],
    ['a number as bigint', bigint(), 5],
    ['2^63', bigint(), 2n ** 63n],
    ['below -2^63', bigint(), -(2n ** 63n) - 1n],
    ['NaN', real(), Number.NaN],
    ['a bigint as real', real(), 5n],
    ['1 as boolean', boolean(), 1],
    ['an invalid time', timestamp(), new Date(Number.NaN)],
    ['a year of five digits', timestamp(), new Date('+010000-01-01T00:00:00.000Z')],
    ['a year before 0', timestamp(), new Date('-000001-12-31T23:59:59.999Z')],
    ['text as time', timestamp(), '1970-01-01T00:00:00.000Z'],
    ['an array as bytes', blob(), [1, 2]],
    ['a function as JSON', json(), () => 1],
    ['a bigint as JSON', json(), { large: 1n }],
    ['JSON that is too deep', json(), nested(MAX_JSON_DEPTH + 1)],
    ['a word as id', ref('flight'), 'flight-1'],
    ['an id in lower case', ref('flight'), id.toLowerCase()],
    ['undefined', text().optional(), undefined],
    ['null where one is required', text(), null],
  ];
  test.each(cases)('%s', (_, rule, value) => {
    expect(codeOf(() => encode(rule, value))).toBe('invalid-value');
  });

  test('the message names the collection, the property and the type, and never the value', () => {
    try {
      encode(integer(), 'secret');
    } catch (error) {
      const { problem, facts } = error as TendrilError;
      expect(problem).toBe('note.value takes a whole number within ±(2^53-1), and was given a string.');
      expect(facts).toMatchObject({ collection: 'note', property: 'value', type: 'integer' });
      expect(JSON.stringify([problem, facts])).not.toContain('secret');
      return;
    }
    expect.unreachable();
  });

  test('and never altered afterwards: a blob is a copy, in and out', () => {
    const given = Uint8Array.of(1);
    const stored = encode(blob(), given) as Uint8Array;
    given[0] = 2;
    expect(stored).toEqual(Uint8Array.of(1));
    (decodeCell('blob', stored) as Uint8Array)[0] = 3;
    expect(stored).toEqual(Uint8Array.of(1));
  });
});

test.each([
  ['text', 'x'.repeat(MAX_VALUE_BYTES), 'x'.repeat(MAX_VALUE_BYTES + 1), text()],
  ['text in bytes', 'é'.repeat(MAX_VALUE_BYTES / 2), 'é'.repeat(MAX_VALUE_BYTES / 2 + 1), text()],
  ['a blob', new Uint8Array(MAX_VALUE_BYTES), new Uint8Array(MAX_VALUE_BYTES + 1), blob()],
  ['JSON', 'x'.repeat(MAX_VALUE_BYTES - 2), 'x'.repeat(MAX_VALUE_BYTES - 1), json()],
])('%s of the greatest size is kept, one byte more is refused', (_, most, more, rule) => {
  expect(codeOf(() => encode(rule, most))).toBe('no error');
  expect(codeOf(() => encode(rule, more))).toBe('limit-exceeded');
});

describe('a value from SQL', () => {
  test.each([
    [text(), 'x'],
    [integer(), 5n],
    [boolean(), 1n],
    [timestamp(), '2024-02-29T00:00:00.000Z'],
    [json(), ' {"a":1} '],
    [ref('flight'), id],
    [text().optional(), null],
  ])('%o takes %s as written', (rule, value) => {
    expect(encodeSqlValue(place, rule, value)).toBe(value);
  });

  test.each([
    [text(), 5n],
    [integer(), 5.5],
    [integer(), 2n ** 53n],
    [boolean(), 2n],
    [real(), 'five'],
    [timestamp(), '2024-01-01'],
    [timestamp(), '2023-02-29T00:00:00.000Z'],
    [json(), '{a:1}'],
    [json(), '['.repeat(MAX_JSON_DEPTH + 1) + ']'.repeat(MAX_JSON_DEPTH + 1)],
    [json(), new Uint8Array()],
    [ref('flight'), 'x'],
    [text(), null],
    [text('open'), 'done'],
    [text(), 'a\0'],
  ])('%o does not take %s', (rule, value) => {
    expect(codeOf(() => encodeSqlValue(place, rule, value))).toBe('invalid-value');
  });

  test('a timestamp is what a Date is spelled as, and nothing else', () => {
    const fits = (text: string) => {
      const date = new Date(text);
      return !Number.isNaN(date.getTime()) && date.toISOString() === text;
    };
    const two = (number: number) => String(number).padStart(2, '0');
    for (const year of ['0000', '0004', '1900', '2000', '2023', '2024', '9999']) {
      for (let month = 0; month <= 13; month += 1) {
        for (let day = 0; day <= 32; day += 1) {
          const text = `${year}-${two(month)}-${two(day)}T00:00:00.000Z`;
          expect([text, fitsType('timestamp', text)]).toEqual([text, fits(text)]);
        }
      }
    }
    for (const time of ['23:59:59.999', '24:00:00.000', '23:60:00.000', '23:59:60.000', '7:00:00.000', '07:00:00.00']) {
      const text = `2024-02-29T${time}Z`;
      expect([text, fitsType('timestamp', text)]).toEqual([text, fits(text)]);
    }
  });

  test('brackets inside JSON strings are no depth', () => {
    const written = JSON.stringify({ a: '['.repeat(2 * MAX_JSON_DEPTH), b: '"\\['.repeat(MAX_JSON_DEPTH) });
    expect(fitsType('json', written)).toBe(true);
  });
});

test('JSON that the disk has altered is told as damage', () => {
  expect(() => decodeCell('json', '{"tags":["a')).toThrow(expect.objectContaining({ code: 'storage-damaged' }));
});

test('a row is a plain object with the id first and the properties as declared', () => {
  const decode = createRowDecoder(Flight);
  const row = decode([id, 'SFO', 'JFK', '1970-01-01T00:00:00.001Z', 2586, null]);
  expect(Object.entries(row)).toEqual([
    ['id', id],
    ['origin', 'SFO'],
    ['destination', 'JFK'],
    ['departs', new Date(1)],
    ['distance', 2586],
    ['delay', null],
  ]);
  expect(Object.getPrototypeOf(row)).toBe(Object.prototype);
});

const goodText = fc.string({ unit: 'binary' }).filter((value) => !/[\0\p{Cs}]/u.test(value));
const everything = fc.record({
  name: goodText,
  state: fc.constantFrom('open', 'done'),
  count: fc.maxSafeInteger(),
  large: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  ratio: fc.double({ noNaN: true }).map((value) => value + 0),
  done: fc.boolean(),
  at: fc.date({
    min: new Date('0000-01-01T00:00:00Z'),
    max: new Date('9999-12-31T23:59:59.999Z'),
    noInvalidDate: true,
  }),
  bytes: fc.uint8Array(),
  notes: fc.record({ tags: fc.array(goodText) }),
  flight: fc.constant(id),
});

/** The values as read from the table that they were written to. */
function throughSqlite(driver: SqliteDriver, values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const rules = Object.entries<Property>(Everything.properties);
  const stored = rules.map(([name, rule]) => encode(rule, values[name]));
  const names = rules.map(([name]) => name).join(', ');
  const table = physicalTable('everything');
  driver.run(
    `INSERT INTO ${table} (id, ${names}, _head, _versions, _asOf) VALUES (?, ${names.replace(/\w+/g, '?')}, x'', x'', 1)`,
    [id, ...stored],
  );
  const { id: read, ...row } = createRowDecoder(Everything)(driver.get('SELECT * FROM everything')!);
  driver.run(`DELETE FROM ${table}`);
  expect(read).toBe(id);
  return row;
}
