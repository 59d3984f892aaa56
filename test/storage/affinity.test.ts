import { afterAll, expect, test } from 'vitest';
import { exactOf, type SqlValue, type ValueClass } from '../../query/index.ts';
import { sqliteFile } from '../../storage/drivers/index.ts';
import { createAffinity, type PropertyType } from '../../storage/index.ts';

const driver = await sqliteFile(':memory:').open();
afterAll(() => driver.close());
driver.exec('CREATE TABLE given (text TEXT, integer INTEGER, real REAL, blob BLOB)');

const TYPES: readonly [PropertyType, string][] = [
  ['text', 'text'],
  ['json', 'text'],
  ['integer', 'integer'],
  ['bigint', 'integer'],
  ['boolean', 'integer'],
  ['real', 'real'],
  ['blob', 'blob'],
];
const VALUES: readonly SqlValue[] = [
  ...[null, 0n, 5n, -5n, 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n), 0, 5, -5, 5.5, 0.1, 1e15, 1e18, 1e300, 2 ** 53],
  ...[2 ** 63, -(2 ** 63), Number.POSITIVE_INFINITY, '', '5', ' 5 ', '5.0', '5.5', '1e3', '0x10', '5x', 'abc', '+7'],
  ...['9223372036854775807', '9223372036854775808', '9007199254740993.0', Uint8Array.of(53), new Uint8Array()],
];

test.each(TYPES)('a value for a %s property becomes what a column of SQLite would hold', (type, column) => {
  const affinity = createAffinity(driver);
  for (const value of VALUES) {
    driver.run('DELETE FROM given');
    driver.run(`INSERT INTO given (${column}) VALUES (?)`, [value]);
    const [cell, valueClass] = driver.get(`SELECT ${column}, typeof(${column}) FROM given`)!;
    expect(affinity(type, value), `${type} of ${String(value)}`).toEqual(exactOf(cell!, valueClass as ValueClass));
  }
});

test('a rollback that takes its table back does not stop it', () => {
  const affinity = createAffinity(driver);
  const failing = () =>
    driver.transaction(() => {
      driver.exec('DROP TABLE IF EXISTS temp.tendril_affinity');
      expect(affinity('integer', '5')).toBe(5n);
      throw new RangeError('rolled back');
    });
  expect(failing).toThrow(RangeError);
  driver.exec('DROP TABLE IF EXISTS temp.tendril_affinity');
  expect(affinity('integer', '6')).toBe(6n);
});
