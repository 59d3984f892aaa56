import { expect, test } from 'vitest';
import type { SqlValue } from '../../query/index.ts';
import { literalOf } from '../../storage/descriptor.ts';
import { sqliteFile } from '../../storage/drivers/index.ts';
import { blob, collection, describeCollection, integer, type Property, real, ref, text } from '../../storage/index.ts';

const described = (properties: Record<string, Property>, name = 'note') =>
  describeCollection(collection(name, properties));

test('indexes, the order of properties and what only a write checks are no part of it', () => {
  const title = described({ title: text(), stars: integer() });
  const other = described({ stars: integer().optional(), title: text('a', 'b') });
  const indexed = describeCollection(collection('note', { title: text(), stars: integer() }, { indexes: [['stars']] }));
  expect(other.canonical).toBe(title.canonical);
  expect(indexed.hash).toEqual(title.hash);
  expect(title.hash).toHaveLength(16);
});

test('names, types, targets and defaults are', () => {
  const variants = [
    described({ title: text() }),
    described({ title: text() }, 'memo'),
    described({ name: text() }),
    described({ title: integer() }),
    described({ title: text().default('') }),
    described({ title: text().default('NULL') }),
    described({ title: ref('note') }),
    described({ title: ref('memo') }),
    described({ title: text(), stars: integer() }),
    described({ title: integer().default(5) }),
    described({ title: real().default(5) }),
  ];
  expect(new Set(variants.map(({ canonical }) => canonical)).size).toBe(variants.length);
  expect(new Set(variants.map(({ hash }) => String(hash))).size).toBe(variants.length);
});

test('properties stand in the order of their UTF-8 bytes, with the columns they were declared in', () => {
  const { properties, columnOf, unset } = described({ b: text(), a: integer().default(7), z: blob() });
  expect(properties.map(({ name, column }) => [name, column])).toEqual([
    ['a', 2],
    ['b', 1],
    ['z', 3],
  ]);
  expect(columnOf.get('b')).toBe(1);
  expect(unset).toEqual([null, null, 7, null]);
});

test('a literal is read back by SQLite as the value it stands for', async () => {
  const driver = await sqliteFile(':memory:').open();
  const values: SqlValue[] = [
    ...[null, 0n, -1n, 2n ** 63n - 1n, -(2n ** 63n), 0, 5, -5, 0.1, 1e21, 1e-7, 2.5e300],
    ...[
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
      '',
      "it's",
      'é\n😀',
      new Uint8Array(),
      Uint8Array.of(0, 255),
    ],
  ];
  for (const value of values) {
    const literal = literalOf(value);
    expect(driver.get(`SELECT ${literal} IS ?1, typeof(${literal}) = typeof(?1)`, [value]), literal).toEqual([1, 1]);
  }
  driver.close();
});
