import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { mergeOperation } from '../../engine/write/merge.ts';
import { type Cell, compareText, type SqlValue } from '../../query/index.ts';
import {
  bigint,
  blob,
  boolean,
  collection,
  decodeItems,
  decodeRow,
  describeCollection,
  type Edit,
  encodeItems,
  encodeRow,
  type Item,
  idFrom,
  integer as integerProperty,
  json,
  MAX_VALUE_BYTES,
  type OperationId,
  type Position,
  type Property,
  positionOfRow,
  readId,
  real as realProperty,
  ref,
  type StoredRow,
  sameBytes,
  text as textProperty,
  timestamp,
} from '../../storage/index.ts';
import { runs, seedFor } from '../support/random.ts';
import { codeOf, createIds, Everything, Flight, operationWith } from './fixtures.ts';

const seed = seedFor('row stream');
const everything = describeCollection(Everything);
const flight = describeCollection(Flight);

const text = fc.string({ unit: 'binary', maxLength: 60 }).filter((value) => !/[\0\p{Cs}]/u.test(value));
const id = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => readId<OperationId>(bytes, 0));
const integer = (most: bigint) =>
  fc.oneof(fc.integer().map(BigInt), fc.bigInt({ min: -most, max: most }), fc.constantFrom(-most, most, 0n));
const edge = fc.constantFrom(-(2n ** 52n) - 1n, -(2n ** 52n), 2n ** 52n - 1n, 2n ** 52n, 2n ** 53n, -(2n ** 63n));
const real = fc.oneof(
  fc.double({ noNaN: true }).map((value) => (value === 0 ? 0 : value)),
  fc.constantFrom(0, 1, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
);
const date = fc.date({
  min: new Date('0000-01-01T00:00:00.000Z'),
  max: new Date('9999-12-31T23:59:59.999Z'),
  noInvalidDate: true,
});
/** What each property of `Everything` may be set to; and two that it does not have. */
const values: Readonly<Record<string, fc.Arbitrary<SqlValue>>> = {
  name: text,
  state: fc.constantFrom('open', 'done'),
  count: integer(2n ** 53n - 1n),
  large: fc.oneof(integer(2n ** 63n - 1n), edge),
  ratio: real,
  done: fc.constantFrom(0n, 1n),
  at: fc.oneof(date, fc.constantFrom(new Date(0), new Date(-1))).map((value) => value.toISOString()),
  bytes: fc.uint8Array({ maxLength: 40 }),
  notes: fc.json({ maxDepth: 2 }).filter((value) => !/[\0\p{Cs}]/u.test(value)),
  flight: id,
  aGate: fc.oneof(fc.constant(null), text, real, integer(2n ** 63n - 1n), fc.uint8Array({ maxLength: 9 })),
  zone: text,
};

const sets = fc.record(
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, fc.oneof(value, fc.constant(null))])),
  { requiredKeys: [] },
);
const change = fc.record({
  sets,
  existence: fc.constantFrom(null, null, null, 'delete' as const, 'restore' as const),
  /** The head's tips that it is built on; none makes it concurrent with all. */
  built: fc.integer({ min: 0, max: 3 }),
});

/** Rows as merging makes them: with extras, deletions, concurrent tips, versions listed and not. */
const row: fc.Arbitrary<StoredRow> = fc.array(change, { minLength: 1, maxLength: 6 }).map((changes) => {
  const ids = createIds();
  const root = ids.operation();
  const entity = ids.entity();
  let stored: StoredRow | null = null;
  for (const { sets, existence, built } of changes) {
    const head: readonly OperationId[] = stored?.head ?? [];
    const precursors = stored === null ? [] : head.slice(0, built).length === 0 ? [root] : head.slice(0, built);
    const existing: Edit[] =
      stored === null
        ? [{ kind: 'create', property: '' }]
        : existence === null
          ? []
          : [{ kind: existence, property: '' }];
    const operation = operationWith(ids, {
      id: stored === null ? root : ids.operation(),
      collection: 'everything',
      entity,
      precursors,
      edits: [...existing, ...editsOf(sets)],
    });
    stored = mergeOperation(everything, stored, operation, (changes.length * 1_000) as Position).after;
  }
  return stored!;
});

function editsOf(sets: Readonly<Record<string, SqlValue | undefined>>): Edit[] {
  const edits = Object.entries(sets).map(
    ([property, value]): Edit => ({ kind: 'set', property, value: value ?? null }),
  );
  return edits.sort((left, right) => compareText(left.property, right.property));
}

const edit = fc.oneof(
  sets.map(editsOf),
  sets.map((given): Edit[] => [{ kind: 'delete', property: '' }, ...editsOf(given)]),
  fc.uint8Array({ maxLength: 9 }).map((payload): Edit[] => [{ kind: 'unknown', property: 'stars', code: 5, payload }]),
);
const items: fc.Arbitrary<readonly Item[]> = fc
  .tuple(fc.uniqueArray(id, { maxLength: 4 }), fc.array(edit, { minLength: 4, maxLength: 4 }))
  .map(([unsorted, edits]) => unsorted.sort().map((each, index) => ({ id: each, edits: edits[index]! })));

describe('a row and its bytes', () => {
  test('are one to one', () => {
    const property = fc.property(row, (given) => {
      const bytes = encodeRow(everything, given);
      const again = decodeRow(everything, bytes);
      expect(again).toEqual(given);
      expect(sameBytes(encodeRow(everything, again), bytes)).toBe(true);
    });
    fc.assert(property, { seed, numRuns: runs(10_000) });
  });

  test('say where the row stands, and any others that are too few that it stands nowhere', () => {
    const property = fc.property(row, fc.nat(Number.MAX_SAFE_INTEGER), fc.nat(), (given, asOf, place) => {
      const bytes = encodeRow(everything, { ...given, asOf: asOf as Position });
      expect(positionOfRow(bytes)).toBe(asOf);
      const cut = positionOfRow(bytes.subarray(0, place % bytes.length));
      expect(cut === null || cut === asOf).toBe(true);
      expect(positionOfRow(bytes.subarray(0, 33))).toBeNull();
    });
    fc.assert(property, { seed, numRuns: runs(2_000) });
  });

  test('a changed byte is another row or refused, and never a failure of ours', () => {
    const property = fc.property(row, fc.nat(), fc.integer({ min: 1, max: 255 }), (given, place, mask) => {
      const bytes = encodeRow(everything, given).slice();
      bytes[place % bytes.length]! ^= mask;
      if (codeOf(() => decodeRow(everything, bytes)) === 'protocol-violation') return;
      expect(sameBytes(encodeRow(everything, decodeRow(everything, bytes)), bytes)).toBe(true);
    });
    fc.assert(property, { seed, numRuns: runs(50_000) });
  });

  test('cut short, or with something after it, it is refused', () => {
    const property = fc.property(row, (given) => {
      const bytes = encodeRow(everything, given);
      for (let length = 0; length < bytes.length; length += 1) {
        expect(codeOf(() => decodeRow(everything, bytes.subarray(0, length)))).toBe('protocol-violation');
      }
      expect(codeOf(() => decodeRow(everything, Uint8Array.of(...bytes, 0)))).toBe('protocol-violation');
    });
    fc.assert(property, { seed, numRuns: runs(200) });
  });

  test('any bytes at all are a row or refused', () => {
    const property = fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      expect(['protocol-violation', 'no error']).toContain(codeOf(() => decodeRow(everything, bytes)));
    });
    fc.assert(property, { seed, numRuns: runs(20_000) });
  });

  test('a usual flight takes at most 100 bytes', () => {
    const ids = createIds();
    const given: StoredRow = {
      ...createdFlight(ids.operation()),
      asOf: 100_000 as Position,
    };
    expect(encodeRow(flight, given).length).toBeLessThanOrEqual(100);
    expect(decodeRow(flight, encodeRow(flight, given))).toEqual(given);
  });

  test('a value of the greatest size comes out whole, and one byte more is refused', () => {
    const base = createIds().operation();
    const withOrigin = (origin: string): StoredRow => ({
      ...createdFlight(base),
      values: createdFlight(base).values.with(flight.columnOf.get('origin')!, origin),
    });
    const most = withOrigin('x'.repeat(MAX_VALUE_BYTES));
    expect(decodeRow(flight, encodeRow(flight, most))).toEqual(most);
    const more = encodeRow(flight, withOrigin('x'.repeat(MAX_VALUE_BYTES + 1)));
    expect(codeOf(() => decodeRow(flight, more))).toBe('protocol-violation');
  });

  test('a row in other than its one form is refused', () => {
    const [first, second] = [createIds(1).operation(), createIds(2).operation()].sort() as [OperationId, OperationId];
    const sound = createdFlight(first);
    const wrong: Readonly<Record<string, Partial<StoredRow>>> = {
      'a head that is not ascending': { head: [second, first] },
      'a head of one id twice': { head: [second, second] },
      'no head': { head: [] },
      'versions that list what the base won': { versions: { base: first, listed: [['origin', first]] } },
      'versions below the base': { versions: { base: second, listed: [['origin', first]] }, head: [second] },
      'a version of no property': { versions: { base: first, listed: [['gate', second]] } },
      'an extra property that is none': { extra: [['origin', 'SFO', first]] },
      'extras that are not ascending': {
        extra: [
          ['zone', 'a', first],
          ['gate', 'b', first],
        ],
      },
    };
    expect(codeOf(() => decodeRow(flight, encodeRow(flight, sound)))).toBe('no error');
    for (const [what, parts] of Object.entries(wrong)) {
      const bytes = encodeRow(flight, { ...sound, ...parts });
      expect([what, codeOf(() => decodeRow(flight, bytes))]).toEqual([what, 'protocol-violation']);
    }
  });
});

describe('a value in another form than that of its type is refused', () => {
  const base = createIds().operation();
  const at = '2026-03-01T12:00:00.000Z';
  test.each<[string, Property, Property, Cell]>([
    ['a timestamp as text', textProperty(), timestamp(), at],
    ['a ref as text', textProperty(), ref('flight'), base],
    ['a text as a timestamp', timestamp(), textProperty(), at],
    ['a text as a ref', ref('flight'), textProperty(), base],
    ['a boolean as a greater integer', integerProperty(), boolean(), 2],
    ['an integer beyond 2^53', bigint(), integerProperty(), 2n ** 60n],
    ['a real as an integer', integerProperty(), realProperty(), 1],
    ['an integer as a real', realProperty(), integerProperty(), 1],
    ['JSON that is none', textProperty(), json(), '{'],
    ['a blob as text', textProperty(), blob(), 'x'],
  ])('%s', (_, written, read, cell) => {
    const describe = (value: Property) => describeCollection(collection('one', { value: value as never }));
    const row = { head: [base], versions: { base, listed: [] }, deleted: null, asOf: 1 as Position, extra: [] };
    const bytes = encodeRow(describe(written), { ...row, values: [base, cell] });
    expect(codeOf(() => decodeRow(describe(written), bytes))).toBe('no error');
    expect(codeOf(() => decodeRow(describe(read), bytes))).toBe('protocol-violation');
  });
});

describe('items and their bytes', () => {
  test('are one to one, and a changed byte is other items or refused', () => {
    const property = fc.property(items, fc.nat(), fc.integer({ min: 1, max: 255 }), (given, place, mask) => {
      const bytes = encodeItems(given).slice();
      expect(decodeItems(bytes)).toEqual(given);
      bytes[place % bytes.length]! ^= mask;
      if (codeOf(() => decodeItems(bytes)) === 'protocol-violation') return;
      expect(sameBytes(encodeItems(decodeItems(bytes)), bytes)).toBe(true);
    });
    fc.assert(property, { seed, numRuns: runs(20_000) });
  });

  test('with edits that no operation may have, they are refused', () => {
    const set = (property: string): Edit => ({ kind: 'set', property, value: 1n });
    for (const edits of [[set('b'), set('a')], [set('a'), set('a')], [set('')]]) {
      const bytes = encodeItems([{ id: createIds().operation(), edits }]);
      expect(codeOf(() => decodeItems(bytes))).toBe('protocol-violation');
    }
  });

  test('cut short, with something after them, or not ascending, they are refused', () => {
    const [first, second] = [createIds(1).operation(), createIds(2).operation()].sort() as [OperationId, OperationId];
    const edits: Edit[] = [{ kind: 'set', property: 'delay', value: 12n }];
    const bytes = encodeItems([
      { id: first, edits },
      { id: second, edits: [] },
    ]);
    expect(codeOf(() => decodeItems(bytes))).toBe('no error');
    for (let length = 0; length < bytes.length; length += 1) {
      expect(codeOf(() => decodeItems(bytes.subarray(0, length)))).toBe('protocol-violation');
    }
    expect(codeOf(() => decodeItems(Uint8Array.of(...bytes, 0)))).toBe('protocol-violation');
    const reversed = encodeItems([
      { id: second, edits: [] },
      { id: first, edits },
    ]);
    expect(codeOf(() => decodeItems(reversed))).toBe('protocol-violation');
  });
});

function createdFlight(base: OperationId): StoredRow {
  const values = flight.unset.slice();
  values[0] = idFrom('flight', 1);
  const cells = { origin: 'SFO', destination: 'JFK', departs: '2026-03-01T12:00:00.000Z', distance: 2586, delay: -12 };
  for (const [name, cell] of Object.entries(cells)) values[flight.columnOf.get(name)!] = cell;
  return { values, head: [base], versions: { base, listed: [] }, deleted: null, asOf: 1 as Position, extra: [] };
}
