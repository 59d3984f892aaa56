import { expect, test } from 'vitest';
import { TendrilError } from '../../errors.ts';
import { orDamage } from '../../storage/index.ts';
import { codeOf } from './fixtures.ts';

const failing = (facts: Record<string, unknown>, code: 'storage-damaged' | 'storage-failed' = 'storage-damaged') =>
  orDamage(() => {
    throw new TendrilError({ code, problem: 'It is not as it was.', remedy: 'Look.', facts });
  });

test('the damage of one row is returned; what SQLite itself finds damaged concerns the file, and is thrown', () => {
  expect(orDamage(() => 7)).toBe(7);
  expect(failing({ what: 'versions' })).toBeInstanceOf(TendrilError);
  expect(codeOf(() => failing({ sqliteCode: 'SQLITE_CORRUPT' }))).toBe('storage-damaged');
  expect(codeOf(() => failing({}, 'storage-failed'))).toBe('storage-failed');
});
