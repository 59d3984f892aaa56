/** What is left of a compacted operation: one encoding, and every other refused. */
import { expect, test } from 'vitest';
import {
  decodeKept,
  decodeOperation,
  decodeSkeleton,
  digestOf,
  encodeOperation,
  encodeSkeleton,
  isSkeleton,
  type OperationId,
  type Skeleton,
  transactionOf,
} from '../../storage/index.ts';
import { createRandom, runs, seedFor } from '../support/random.ts';
import { codeOf, createIds, operationWith } from './fixtures.ts';

const ids = createIds();
const precursors = [ids.operation(), ids.operation()].sort() as OperationId[];
const operation = operationWith(ids, { precursors, id: ids.operation(), edits: [] });
const whole = encodeOperation(operation);
const skeleton: Skeleton = {
  id: operation.id,
  transaction: operation.transaction,
  collection: operation.collection,
  entity: operation.entity,
  precursors,
  author: operation.author,
  digest: digestOf(whole),
};
const bytes = encodeSkeleton(skeleton);

test('a skeleton is read as it was written, and told from an operation', () => {
  expect(decodeSkeleton(bytes)).toEqual(skeleton);
  expect([isSkeleton(bytes), isSkeleton(whole)]).toEqual([true, false]);
  expect([transactionOf(bytes), transactionOf(whole)]).toEqual([operation.transaction, operation.transaction]);
  expect(codeOf(() => decodeOperation(bytes))).toBe('invalid-operation');
});

test('either is read as an operation with its digest, the skeleton without edits', () => {
  expect(decodeKept(whole)).toEqual({ operation, bytes: whole, digest: skeleton.digest, isSkeleton: false });
  const kept = decodeKept(bytes);
  expect(kept.operation).toEqual({ ...operation, edits: [], salt: new Uint8Array(0) });
  expect([kept.digest, kept.isSkeleton]).toEqual([skeleton.digest, true]);
});

test.each([
  ['precursors out of order', { precursors: [...precursors].reverse() }],
  ['a precursor twice', { precursors: [precursors[0]!, precursors[0]!] }],
  ['an id that is not above its precursors', { id: precursors[1]! }],
  ['no collection', { collection: '' }],
  ['no author', { author: '' }],
  ['an author of 257 bytes', { author: 'a'.repeat(257) }],
  [
    'nine precursors',
    { precursors: Array.from({ length: 9 }, () => ids.operation()), id: '7ZZZZZZZZZZZZZZZZZZZZZZZZZ' as OperationId },
  ],
])('%s is refused', (_, changes) => {
  expect(codeOf(() => decodeSkeleton(encodeSkeleton({ ...skeleton, ...changes })))).toBe('invalid-operation');
});

test('whatever is read is what would be written: any other bytes are refused', () => {
  const random = createRandom(seedFor('skeleton'));
  for (let run = 0; run < runs(20_000); run += 1) {
    const changed = bytes.slice(0, random.chance(0.3) ? random.integer(bytes.length + 1) : bytes.length);
    if (changed.length > 0) changed[random.integer(changed.length)] = random.integer(256);
    let read: Skeleton;
    try {
      read = decodeSkeleton(changed);
    } catch (error) {
      expect((error as { code?: string }).code).toBe('invalid-operation');
      continue;
    }
    expect(encodeSkeleton(read)).toEqual(changed);
  }
});
