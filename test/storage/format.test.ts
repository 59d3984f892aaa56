/** The examples of docs/format.md are what this version reads and writes. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { CHAIN_START, nextChain } from '../../storage/chain.ts';
import {
  collection,
  decodeOperation,
  decodeSkeleton,
  describeCollection,
  digestOf,
  type EntityId,
  encodeOperation,
  encodeSkeleton,
  idFrom,
  integer,
  MAX_EDITS,
  MAX_PRECURSORS,
  MAX_TRANSACTION_BYTES,
  MAX_TRANSACTION_OPERATIONS,
  MAX_VALUE_BYTES,
  type Operation,
  type OperationId,
  type Position,
  sameBytes,
  type TransactionId,
  text,
} from '../../storage/index.ts';
import { MAX_NAME_BYTES } from '../../storage/operation.ts';
import {
  decodeExtra,
  decodeUndo,
  decodeVersions,
  encodeExtra,
  encodeUndo,
  encodeVersions,
} from '../../storage/row-bytes.ts';
import { APPLICATION_ID, FORMAT_VERSION } from '../../storage/tables.ts';

const page = readFileSync(new URL('../../docs/format.md', import.meta.url), 'utf8');

function example(kind: string): string {
  const [, found] = new RegExp(`\`\`\`\\w+ ${kind}\n([^\`]*)\`\`\``).exec(page) ?? [];
  if (found === undefined) expect.fail(`docs/format.md has no example of ${kind}`);
  return found;
}
const bytes = (kind: string): Uint8Array => Uint8Array.from(Buffer.from(example(kind).replace(/\s/g, ''), 'hex'));

const id = '01JD5Q8R1W4Y6Z8B0C2D4E6F8G' as OperationId;
const precursor = '01JD5Q8R1W3X5Y7Z9A1B3C5D7E' as OperationId;
const operation: Operation = {
  id,
  transaction: '01JD5Q8R1W00000000000000TX' as TransactionId,
  collection: 'flight',
  entity: '01JD5Q8R1V1A2B3C4D5E6F7G8H' as EntityId,
  precursors: [precursor],
  edits: [
    { kind: 'set', property: 'delay', value: 12n },
    { kind: 'set', property: 'origin', value: 'SFO' },
    { kind: 'unknown', property: 'stars', code: 5, payload: Uint8Array.of(2) },
  ],
  author: 'ana',
  salt: Uint8Array.of(0, 1, 2, 3, 4, 5, 6, 7),
};

test('the operation', () => {
  expect(decodeOperation(bytes('operation'))).toEqual(operation);
  expect(sameBytes(encodeOperation(operation), bytes('operation'))).toBe(true);
});

test('its digest, and the chain of a log that has it alone', () => {
  const digest = digestOf(bytes('operation'));
  expect(sameBytes(digest, bytes('digest'))).toBe(true);
  const chain = nextChain(CHAIN_START, 1 as Position, operation.transaction, [digest]);
  expect(sameBytes(chain, bytes('chain'))).toBe(true);
});

test('its skeleton', () => {
  const { edits: _, salt: __, ...rest } = operation;
  const skeleton = { ...rest, digest: digestOf(bytes('operation')) };
  expect(decodeSkeleton(bytes('skeleton'))).toEqual(skeleton);
  expect(sameBytes(encodeSkeleton(skeleton), bytes('skeleton'))).toBe(true);
});

test('versions, extra and undo', () => {
  const versions = decodeVersions(bytes('versions'));
  expect(versions).toEqual({
    base: precursor,
    listed: [
      ['delay', id],
      ['origin', id],
    ],
  });
  expect(sameBytes(encodeVersions(versions), bytes('versions'))).toBe(true);
  const extra = decodeExtra(bytes('extra'));
  expect(extra).toEqual([['gate', 'A7', id]]);
  expect(sameBytes(encodeExtra(extra)!, bytes('extra'))).toBe(true);
  const undo = decodeUndo(bytes('undo'));
  expect(undo).toEqual({
    registers: [
      { property: 'delay', value: null, winner: null },
      { property: 'origin', value: 'LAX', winner: precursor },
    ],
    head: [precursor],
    deleted: null,
    asOf: 300,
  });
  expect(sameBytes(encodeUndo(undo), bytes('undo'))).toBe(true);
});

test('the limits', () => {
  expect([MAX_PRECURSORS, MAX_EDITS, MAX_VALUE_BYTES, MAX_NAME_BYTES]).toEqual([8, 1_000, 512 * 1_024, 256]);
  expect([MAX_TRANSACTION_OPERATIONS, MAX_TRANSACTION_BYTES]).toEqual([10_000, 8 * 1_024 * 1_024]);
});

test('the natural key, the marks of the file and the descriptor', () => {
  expect(page).toContain(idFrom('airport', 'SFO'));
  expect(page).toContain(String(APPLICATION_ID));
  expect(page).toContain(`Format ${FORMAT_VERSION}.`);
  const described = describeCollection(collection('flight', { origin: text(), delay: integer().optional() }));
  expect(described.canonical).toBe(example('descriptor').trim());
});
