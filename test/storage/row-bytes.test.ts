import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { SqlValue } from '../../query/index.ts';
import { type OperationId, type Position, readId, type Undo } from '../../storage/index.ts';
import {
  decodeExtra,
  decodeIds,
  decodeUndo,
  decodeVersions,
  encodeExtra,
  encodeIds,
  encodeUndo,
  encodeVersions,
} from '../../storage/row-bytes.ts';
import { runs, seedFor } from '../support/random.ts';
import { codeOf, createIds } from './fixtures.ts';

const seed = seedFor('row bytes');
const options = { seed, numRuns: runs(5_000) };
const id = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => readId<OperationId>(bytes, 0));
const name = fc.string({ maxLength: 12 }).filter((value) => !value.includes('\0'));
const value: fc.Arbitrary<SqlValue> = fc.oneof(
  fc.constant(null),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.double({ noNaN: true }).map((real) => real + 0),
  name,
  fc.uint8Array(),
);
const register = fc
  .record({ property: name, value, winner: fc.option(id) })
  .map(({ property, value, winner }) => ({ property, value: winner === null ? null : value, winner }));
const undo: fc.Arbitrary<Undo> = fc.option(
  fc.record({
    registers: fc.array(register, { maxLength: 5 }),
    head: fc.array(id, { maxLength: 8 }),
    deleted: fc.option(id),
    asOf: fc.nat().map((at) => (at * 2 ** 20) as Position),
  }),
);

test('ids, versions, extra and undo come out of their bytes as they went in', () => {
  const versions = fc.record({ base: id, listed: fc.array(fc.tuple(name, id)) });
  const extra = fc.array(fc.tuple(name, value, id), { maxLength: 5 });
  const holds = <Given>(arbitrary: fc.Arbitrary<Given>, again: (given: Given) => unknown) => {
    const property = fc.property(arbitrary, (given) => {
      expect(again(given)).toEqual(given);
    });
    fc.assert(property, options);
  };
  holds(fc.array(id), (given) => decodeIds(encodeIds(given)));
  holds(versions, (given) => decodeVersions(encodeVersions(given)));
  holds(extra, (given) => decodeExtra(encodeExtra(given)));
  holds(undo, (given) => decodeUndo(encodeUndo(given)));
});

describe('damaged bytes are noticed', () => {
  const ids = createIds();
  const versions = encodeVersions({ base: ids.operation(), listed: [['title', ids.operation()]] });
  const extra = encodeExtra([['gate', 'A7', ids.operation()]])!;
  const step = encodeUndo({ registers: [], head: [ids.operation()], deleted: null, asOf: 3 as Position });
  test.each([
    ['ids', decodeIds, encodeIds([ids.operation()])],
    ['versions', decodeVersions, versions],
    ['extra', decodeExtra, extra],
    ['undo', decodeUndo, step],
  ] as const)('%s cut short, or with something after it', (_, decode, bytes) => {
    expect(codeOf(() => decode(bytes))).toBe('no error');
    expect(codeOf(() => decode(bytes.subarray(0, -1)))).toBe('storage-damaged');
    expect(codeOf(() => decode(Uint8Array.of(...bytes, 0)))).toBe('storage-damaged');
  });
});
