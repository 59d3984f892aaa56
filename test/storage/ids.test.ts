import fc from 'fast-check';
import { expect, test } from 'vitest';
import { bytesOfId, type EntityId, idFrom, isUlid, parseEntityId, readId, timeOf } from '../../storage/index.ts';
import { runs, seedFor } from '../support/random.ts';
import { codeOf, createIds } from './fixtures.ts';

const seed = seedFor('ids');
const bytes = fc.uint8Array({ minLength: 16, maxLength: 16 });

test.each([
  ['01HZY3V7Q6B0M7C9D2E4F5G8HJ', true],
  ['7ZZZZZZZZZZZZZZZZZZZZZZZZZ', true],
  ['00000000000000000000000000', true],
  ['8ZZZZZZZZZZZZZZZZZZZZZZZZZ', false],
  ['01hzy3v7q6b0m7c9d2e4f5g8hj', false],
  ['01HZY3V7Q6B0M7C9D2E4F5G8HI', false],
  ['01HZY3V7Q6B0M7C9D2E4F5G8HL', false],
  ['01HZY3V7Q6B0M7C9D2E4F5G8HO', false],
  ['01HZY3V7Q6B0M7C9D2E4F5G8HU', false],
  ['01HZY3V7Q6B0M7C9D2E4F5G8H', false],
  ['01HZY3V7Q6B0M7C9D2E4F5G8HJ\n', false],
  ['', false],
])('%j is an id: %s', (text, valid) => {
  expect(isUlid(text)).toBe(valid);
  expect(codeOf(() => parseEntityId(text))).toBe(valid ? 'no error' : 'invalid-value');
});

test('what is no text is no id', () => {
  expect(isUlid(42)).toBe(false);
  expect(codeOf(() => parseEntityId(undefined))).toBe('invalid-value');
});

test('any 16 bytes are one id, whose bytes they are', () => {
  const property = fc.property(bytes, (given) => {
    const id = readId<EntityId>(given, 0);
    expect(isUlid(id)).toBe(true);
    expect(bytesOfId(id)).toEqual(given);
  });
  fc.assert(property, { seed, numRuns: runs(10_000) });
});

test('ids sort as their bytes do', () => {
  const property = fc.property(bytes, bytes, (left, right) => {
    const [a, b] = [readId<EntityId>(left, 0), readId<EntityId>(right, 0)];
    expect(Math.sign(Buffer.compare(left, right))).toBe(a < b ? -1 : a > b ? 1 : 0);
  });
  fc.assert(property, { seed, numRuns: runs(10_000) });
});

test('an id keeps the milliseconds it was minted at', () => {
  expect(timeOf(createIds().entity())).toBe(Date.UTC(2024, 0, 1));
  expect(timeOf('7ZZZZZZZZZZZZZZZZZZZZZZZZZ' as EntityId)).toBe(2 ** 48 - 1);
});

test('a natural key is the same id everywhere, with zero time', () => {
  const id = idFrom('airport', 'SFO');
  expect(id).toBe('0000000000ACT1Q48A9TQVC6MJ');
  expect(timeOf(id)).toBe(0);
  expect(isUlid(id)).toBe(true);
});

test('different keys are different ids, wherever their parts are cut', () => {
  const keys = [['ab', 'c'], ['a', 'bc'], ['abc'], ['abc', ''], ['1'], [1], [1.5], [1, 1], ['airport', 'sfo']];
  expect(new Set(keys.map((parts) => idFrom(...parts))).size).toBe(keys.length);
  expect(idFrom('seat', 12)).toBe(idFrom('seat', 12n));
});

test.each([[[]], [[Number.NaN]], [['\ud800']]])('no id comes from %j', (parts) => {
  expect(codeOf(() => idFrom(...parts))).toBe('invalid-value');
});
