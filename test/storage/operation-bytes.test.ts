import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compareText, type SqlValue } from '../../query/index.ts';
import {
  decodeOperation,
  digestOf,
  type Edit,
  type EntityId,
  encodeOperation,
  MAX_EDITS,
  MAX_PRECURSORS,
  MAX_VALUE_BYTES,
  type Operation,
  type OperationId,
  readId,
  sameBytes,
  type TransactionId,
} from '../../storage/index.ts';
import { MAX_NAME_BYTES } from '../../storage/operation.ts';
import { runs, seedFor } from '../support/random.ts';
import { codeOf, createIds, operationWith } from './fixtures.ts';

const seed = seedFor('operation bytes');
const ids = createIds();

const text = fc.string({ unit: 'binary', maxLength: 60 }).filter((value) => !/[\0\p{Cs}]/u.test(value));
const name = fc.string({ unit: 'binary', minLength: 1, maxLength: 12 }).filter((value) => !/[\0\p{Cs}]/u.test(value));
const id = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => readId<OperationId>(bytes, 0));
const value: fc.Arbitrary<SqlValue> = fc.oneof(
  fc.constant(null),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.double({ noNaN: true }).map((real) => (real === 0 ? 0 : real)),
  text,
  fc.uint8Array({ maxLength: 40 }),
);
const edit: fc.Arbitrary<Edit> = fc.oneof(
  fc.record({ kind: fc.constant('set' as const), property: name, value }),
  fc.record({
    kind: fc.constant('unknown' as const),
    property: name,
    code: fc.integer({ min: 5, max: 16_383 }),
    payload: fc.uint8Array({ maxLength: 30 }),
  }),
);
const operation: fc.Arbitrary<Operation> = fc
  .record({
    heads: fc.uniqueArray(id, { minLength: 1, maxLength: MAX_PRECURSORS + 1 }),
    transaction: id as fc.Arbitrary<unknown> as fc.Arbitrary<TransactionId>,
    collection: name,
    entity: id as fc.Arbitrary<unknown> as fc.Arbitrary<EntityId>,
    existence: fc.constantFrom('create' as const, 'restore' as const, 'delete' as const),
    edits: fc.uniqueArray(edit, { selector: ({ property }) => property, maxLength: 8 }),
    author: name,
    salt: fc.uint8Array({ minLength: 8, maxLength: 8 }),
  })
  .map(({ heads, existence, edits, ...rest }) => {
    const sorted = [...heads].sort();
    const kind = sorted.length === 1 ? 'create' : existence;
    const ordered = edits.toSorted((left, right) => compareText(left.property, right.property));
    return { ...rest, id: sorted.pop()!, precursors: sorted, edits: [{ kind, property: '' } as Edit, ...ordered] };
  });

describe('an operation and its bytes', () => {
  test('are one to one', () => {
    const property = fc.property(operation, (given) => {
      const bytes = encodeOperation(given);
      expect(decodeOperation(bytes)).toEqual(given);
      expect(encodeOperation(decodeOperation(bytes))).toEqual(bytes);
    });
    fc.assert(property, { seed, numRuns: runs(10_000) });
  });

  test('no two texts are one operation: a changed byte is another operation or none', () => {
    const property = fc.property(operation, fc.nat(), fc.integer({ min: 1, max: 255 }), (given, place, change) => {
      const bytes = encodeOperation(given).slice();
      bytes[place % bytes.length]! ^= change;
      if (codeOf(() => decodeOperation(bytes)) === 'invalid-operation') return;
      expect(sameBytes(encodeOperation(decodeOperation(bytes)), bytes)).toBe(true);
    });
    fc.assert(property, { seed, numRuns: runs(100_000) });
  });

  test('every change of any one byte of a small operation is another operation or refused', () => {
    const bytes = encodeOperation(operationWith(ids)).slice();
    for (let place = 0; place < bytes.length; place += 1) {
      for (let change = 1; change < 256; change += 1) {
        const changed = bytes.slice();
        changed[place]! ^= change;
        if (codeOf(() => decodeOperation(changed)) !== 'invalid-operation') {
          expect(sameBytes(encodeOperation(decodeOperation(changed)), changed)).toBe(true);
        }
      }
    }
  });

  test('cut short or with something after it, it is refused', () => {
    const bytes = encodeOperation(operationWith(ids));
    for (let length = 0; length < bytes.length; length += 1) {
      expect(codeOf(() => decodeOperation(bytes.subarray(0, length)))).toBe('invalid-operation');
    }
    expect(codeOf(() => decodeOperation(Uint8Array.of(...bytes, 0)))).toBe('invalid-operation');
  });

  test.each(['\ufeff', '\ufeffmark', 'é', '😀', 'x'.repeat(200), 'é'.repeat(200)])(
    'text comes back whole: %j',
    (given) => {
      const edits: Edit[] = [
        { kind: 'create', property: '' },
        { kind: 'set', property: given.slice(0, 40), value: given },
      ];
      expect(decodeOperation(encodeOperation(operationWith(ids, { edits }))).edits).toEqual(edits);
    },
  );

  test('an unknown kind of edit is kept as it came', () => {
    const unknown: Edit = { kind: 'unknown', property: 'stars', code: 5, payload: Uint8Array.of(1, 2, 3) };
    const given = operationWith(ids, { edits: [{ kind: 'create', property: '' }, unknown] });
    const bytes = encodeOperation(given);
    expect(decodeOperation(bytes).edits[1]).toEqual(unknown);
  });

  test('a digest is 16 bytes that differ with the salt alone', () => {
    const given = operationWith(ids);
    const digest = digestOf(encodeOperation(given));
    expect(digest).toHaveLength(16);
    expect(digestOf(encodeOperation({ ...given, salt: new Uint8Array(8) }))).not.toEqual(digest);
    expect(digestOf(encodeOperation(given))).toEqual(digest);
  });

  test('what was encoded stays as it was while others are', () => {
    const first = encodeOperation(operationWith(ids));
    const copy = first.slice();
    for (let round = 0; round < 1_000; round += 1) encodeOperation(operationWith(ids));
    expect(first).toEqual(copy);
  });
});

describe('an operation that breaks its rules has no bytes', () => {
  const set = (property: string): Edit => ({ kind: 'set', property, value: 1n });
  const create: Edit = { kind: 'create', property: '' };
  const [early, late] = [ids.operation(), ids.operation()];
  const cases: [string, Partial<Operation>][] = [
    ['precursors that descend', { precursors: [late, early] }],
    ['a precursor twice', { precursors: [early, early] }],
    ['a precursor that is itself', { id: late, precursors: [late] }],
    ['a precursor above it', { id: early, precursors: [late] }],
    ['edits that descend', { edits: [create, set('b'), set('a')] }],
    ['two edits of one property', { edits: [create, set('a'), set('a')] }],
    ['edits in the order of UTF-16', { edits: [create, set('\u{1f600}'), set('\uffee')] }],
    ['no precursors and no creation', { edits: [set('a')] }],
    ['existence that is set', { edits: [create, { kind: 'set', property: '', value: 1n }] }],
    [
      'an unknown edit with a known code',
      { edits: [create, { kind: 'unknown', property: 'a', code: 4, payload: new Uint8Array() }] },
    ],
    ['a short salt', { salt: new Uint8Array(7) }],
    ['no collection', { collection: '' }],
    ['no author', { author: '' }],
  ];
  test.each(cases)('%s', (_, changes) => {
    expect(codeOf(() => encodeOperation(operationWith(ids, changes)))).toBe('invalid-operation');
  });

  test.each([Number.NaN, 2n ** 63n, '\ud800', 'a\0b'])('the value %s', (given) => {
    const edits: Edit[] = [create, { kind: 'set', property: 'a', value: given }];
    expect(codeOf(() => encodeOperation(operationWith(ids, { edits })))).toBe('invalid-value');
    expect(codeOf(() => encodeOperation(operationWith(ids)))).toBe('no error');
  });
});

describe('bytes of another spelling are refused', () => {
  const body = (edits: readonly (readonly number[])[]): Uint8Array => {
    const sample = encodeOperation(operationWith(ids, { edits: [{ kind: 'create', property: '' }] }));
    const creation = [0, 1, 0];
    const at = 1 + 16 + 16 + 7 + 16 + 1;
    const tail = sample.subarray(at + 1 + creation.length);
    return Uint8Array.of(...sample.subarray(0, at), edits.length + 1, ...creation, ...edits.flat(), ...tail);
  };
  const a = [1, 0x61];
  const cases: [string, readonly number[], string][] = [
    ['a set of null', [...a, 4, 1, 0], 'no error'],
    ['a set of an int64', [...a, 4, 9, 1, 0, 0, 0, 0, 0, 0, 0, 5], 'no error'],
    ['a set of a float64', [...a, 4, 9, 2, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0], 'no error'],
    ['a set of text', [...a, 4, 3, 3, 1, 0x62], 'no error'],
    ['a value of no kind', [...a, 4, 1, 5], 'invalid-operation'],
    ['-0', [...a, 4, 9, 2, 0x80, 0, 0, 0, 0, 0, 0, 0], 'invalid-operation'],
    ['NaN', [...a, 4, 9, 2, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0], 'invalid-operation'],
    ['text that is not UTF-8', [...a, 4, 3, 3, 1, 0xff], 'invalid-operation'],
    ['a lone surrogate', [...a, 4, 5, 3, 3, 0xed, 0xa0, 0x80], 'invalid-operation'],
    ['an overlong character', [...a, 4, 4, 3, 2, 0xc1, 0xa2], 'invalid-operation'],
    ['U+0000', [...a, 4, 3, 3, 1, 0], 'invalid-operation'],
    ['a length in two bytes where one does', [...a, 4, 0x81, 0, 0], 'invalid-operation'],
    ['a code in two bytes where one does', [...a, 0x84, 0, 1, 0], 'invalid-operation'],
    ['a length that is not the content', [...a, 4, 2, 0, 0], 'invalid-operation'],
    ['a creation that is not of existence', [...a, 1, 0], 'invalid-operation'],
    ['a kind 0', [...a, 0, 0], 'invalid-operation'],
    ['a second creation', [0, 1, 0], 'invalid-operation'],
  ];
  test.each(cases)('%s: %j is %s', (_, edit, expected) => {
    expect(codeOf(() => decodeOperation(body([edit])))).toBe(expected);
  });

  test('another format', () => {
    const bytes = encodeOperation(operationWith(ids)).slice();
    bytes[0] = 2;
    expect(codeOf(() => decodeOperation(bytes))).toBe('invalid-operation');
  });
});

describe('limits of one operation, at each and one past it', () => {
  const withEdits = (count: number) => {
    const names = Array.from({ length: count - 1 }, (_, index) => `p${String(index).padStart(4, '0')}`);
    const edits = names.map((property): Edit => ({ kind: 'set', property, value: null }));
    return operationWith(ids, { edits: [{ kind: 'create', property: '' }, ...edits] });
  };
  const withPrecursors = (count: number) => {
    const precursors = Array.from({ length: count }, ids.operation);
    return operationWith(ids, { id: ids.operation(), precursors });
  };
  const withValue = (given: SqlValue) =>
    operationWith(ids, {
      edits: [
        { kind: 'create', property: '' },
        { kind: 'set', property: 'a', value: given },
      ],
    });
  const cases: [string, Operation, Operation][] = [
    ['edits', withEdits(MAX_EDITS), withEdits(MAX_EDITS + 1)],
    ['precursors', withPrecursors(MAX_PRECURSORS), withPrecursors(MAX_PRECURSORS + 1)],
    ['bytes of text', withValue('x'.repeat(MAX_VALUE_BYTES)), withValue('x'.repeat(MAX_VALUE_BYTES + 1))],
    [
      'bytes of text, not units',
      withValue('é'.repeat(MAX_VALUE_BYTES / 2)),
      withValue('é'.repeat(MAX_VALUE_BYTES / 2 + 1)),
    ],
    ['bytes of blob', withValue(new Uint8Array(MAX_VALUE_BYTES)), withValue(new Uint8Array(MAX_VALUE_BYTES + 1))],
    [
      'bytes of a name',
      operationWith(ids, { author: 'x'.repeat(MAX_NAME_BYTES) }),
      operationWith(ids, { author: 'x'.repeat(MAX_NAME_BYTES + 1) }),
    ],
  ];
  test.each(cases)('%s', (_, most, more) => {
    const bytes = encodeOperation(most);
    expect(sameBytes(encodeOperation(decodeOperation(bytes)), bytes)).toBe(true);
    expect(codeOf(() => encodeOperation(more))).toBe('invalid-operation');
  });
});
