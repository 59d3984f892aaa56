import { describe, expect, test } from 'vitest';
import {
  bigint,
  blob,
  boolean,
  type Collection,
  collection,
  describeCollection,
  descriptorOf,
  differenceOf,
  type EntityId,
  idFrom,
  integer,
  json,
  type OperationId,
  type Position,
  real,
  ref,
  type StoredRow,
  text,
  timestamp,
  translateRow,
} from '../../storage/index.ts';
import { codeOf } from './fixtures.ts';

const ID = idFrom('thing', 1) as EntityId;
const [FIRST, SECOND, THIRD] = [1, 2, 3].map((at) => `0000000000000000000000000${at}` as OperationId) as [
  OperationId,
  OperationId,
  OperationId,
];

const Full = collection('thing', {
  text: text().default("it's"),
  integer: integer().default(-7),
  bigint: bigint().default(2n ** 62n),
  real: real().default(2),
  negative: real().default(-0.5),
  boolean: boolean().default(true),
  timestamp: timestamp().default(new Date(0)),
  blob: blob().default(Uint8Array.of(0, 255)),
  json: json().optional(),
  ref: ref('other').optional(),
});

/** As a peer sees it: by its canonical text alone. */
const seen = (declared: Collection) => descriptorOf(describeCollection(declared).canonical);

function row(values: readonly unknown[], changes: Partial<StoredRow> = {}): StoredRow {
  const { listed = [] } = changes.versions ?? {};
  const rest = { head: [THIRD], deleted: null, asOf: 5 as Position, extra: [], ...changes };
  return { ...rest, values: [ID, ...values] as StoredRow['values'], versions: { base: FIRST, listed } };
}

describe('a descriptor read from its canonical text', () => {
  test('has the properties, types and defaults of the collection it came from', () => {
    const own = describeCollection(Full);
    const other = seen(Full);
    expect(other.collection).toBe('thing');
    expect(other.properties.map(({ name, type }) => [name, type])).toEqual(
      own.properties.map(({ name, type }) => [name, type]),
    );
    for (const { name } of own.properties) {
      const [mine, theirs] = [own.columnOf.get(name)!, other.columnOf.get(name)!];
      expect(other.unset[theirs], name).toEqual(own.unset[mine]);
      const { type, json: isJson } = own.table.columns[mine]!;
      expect(other.table.columns[theirs], name).toMatchObject({ name, type, json: isJson });
    }
    expect(differenceOf(own, other)).toBeNull();
  });

  test.each([
    ['nothing', ''],
    ['no JSON', '['],
    ['another shape', '{}'],
    ['a number as its name', '[1,[]]'],
    ['a property with too few parts', '["thing",[["a","text","register"]]]'],
    ['a property that is no text', '["thing",[["a","text","register",1]]]'],
    ['an unknown type', '["thing",[["a","tensor","register","NULL"]]]'],
    ['a default that is no literal', '["thing",[["a","real","register","much"]]]'],
  ])('is refused where it is %s', (_, canonical) => {
    expect(codeOf(() => descriptorOf(canonical))).toBe('protocol-violation');
  });
});

describe('two declarations', () => {
  const base = collection('thing', { name: text(), stars: integer().default(3) });
  const cases: readonly (readonly [string, Collection, string | null])[] = [
    ['the same in another order', collection('thing', { stars: integer().default(3), name: text() }), null],
    ['one property less', collection('thing', { name: text() }), null],
    ['one property more', collection('thing', { name: text(), stars: integer().default(3), more: blob() }), null],
    ['an enumeration', collection('thing', { name: text('a', 'b'), stars: integer().default(3) }), null],
    ['another type', collection('thing', { name: integer(), stars: integer().default(3) }), 'the type of name'],
    ['another default', collection('thing', { name: text(), stars: integer().default(4) }), 'the default of stars'],
    ['no default', collection('thing', { name: text(), stars: integer().optional() }), 'the default of stars'],
  ];
  test.each(cases)('with %s', (_, other, difference) => {
    const found = differenceOf(describeCollection(base), seen(other));
    if (difference === null) expect(found).toBeNull();
    else expect(found).toContain(difference);
  });

  test('that refer to different collections differ', () => {
    const [one, two] = [collection('thing', { to: ref('a') }), collection('thing', { to: ref('b') })];
    expect(differenceOf(describeCollection(one), seen(two))).toContain('ref(b)');
  });
});

describe('a translated row', () => {
  const Narrow = collection('thing', { name: text() });
  const Wide = collection('thing', { name: text(), stars: integer().default(3), weight: real().optional() });
  const [narrow, wide] = [describeCollection(Narrow), describeCollection(Wide)];
  // Columns of what was seen stand in the order of their names: name, stars, weight.
  const whole = row(['a', 5, 1.5], { versions: { base: FIRST, listed: [['stars', SECOND]] } });

  test('keeps beside, with its winner, what only the first has', () => {
    const kept = translateRow(seen(Wide), narrow, whole);
    expect(kept.values).toEqual([ID, 'a']);
    expect(kept.extra).toEqual([
      ['stars', 5n, SECOND],
      ['weight', 1.5, FIRST],
    ]);
    expect(kept).toMatchObject({ head: [THIRD], deleted: null, asOf: 5 });
  });

  test('takes out of what is beside what only the second has', () => {
    const kept = translateRow(seen(Wide), narrow, whole);
    const back = translateRow(seen(Narrow), wide, kept);
    expect(back.values).toEqual([ID, 'a', 5, 1.5]);
    expect(back.versions).toEqual(whole.versions);
    expect(back.extra).toEqual([]);
  });

  test('reads the default of what was never set, and stays without a winner of it', () => {
    const wider = translateRow(seen(Narrow), wide, row(['a']));
    expect(wider.values).toEqual([ID, 'a', 3, null]);
    expect(wider.versions).toEqual({ base: FIRST, listed: [] });
    expect(translateRow(seen(Wide), narrow, row(['a', 3, null])).extra).toEqual([]);
  });

  test('keeps a property set to its default as one that was set', () => {
    const set = row(['a', 3, null], { versions: { base: FIRST, listed: [['stars', SECOND]] } });
    const kept = translateRow(seen(Wide), narrow, set);
    expect(kept.extra).toEqual([['stars', 3n, SECOND]]);
    expect(translateRow(seen(Narrow), wide, kept).versions).toEqual(set.versions);
  });

  test('of a deleted entity stays deleted, by whom it was', () => {
    const deleted = row(['a', 5, 1.5], { deleted: THIRD, versions: { base: FIRST, listed: [['', THIRD]] } });
    const kept = translateRow(seen(Wide), narrow, deleted);
    expect(kept).toMatchObject({ deleted: THIRD, versions: { base: FIRST, listed: [['', THIRD]] } });
  });

  test('loses no bit of a 64-bit integer or a blob that is kept beside', () => {
    const Big = collection('thing', { name: text(), big: bigint(), bytes: blob() });
    const kept = translateRow(seen(Big), narrow, row([2n ** 62n + 1n, Uint8Array.of(1, 2), 'a']));
    expect(kept.extra).toEqual([
      ['big', 2n ** 62n + 1n, FIRST],
      ['bytes', Uint8Array.of(1, 2), FIRST],
    ]);
  });
});
