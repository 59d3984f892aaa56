/** Any message of any kind, for tests that want all of them. */
import fc from 'fast-check';
import type { AnswerColumn, Had, Part } from '../../engine/index.ts';
import { type ErrorCode, TendrilError } from '../../errors.ts';
import { type Message, type MessageKind, PROTOCOL_VERSION } from '../../net/messages.ts';
import type { Cell, SqlInput } from '../../query/index.ts';
import { type AnyId, readId } from '../../storage/index.ts';

const WORDS: readonly ErrorCode[] = ['not-found', 'conflict', 'schema-mismatch', 'protocol-mismatch', 'offline'];

export function anyId<Id extends AnyId>(): fc.Arbitrary<Id> {
  return fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => readId<Id>(bytes, 0));
}

export const anyText = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.string({ unit: 'binary', maxLength: 120 }),
  fc.string({ unit: 'binary', maxLength: 90 }).map((text) => `\uFEFF${text}`),
  fc.constantFrom('', '\0', '\uFFFD', '\u{10FFFF}'.repeat(40), 'a'.repeat(31), 'a'.repeat(256), 'é'.repeat(128)),
);
const anyName = anyText.filter((text) => Buffer.byteLength(text) <= 256);
const anyBytes = fc.oneof(fc.uint8Array({ maxLength: 24 }), fc.uint8Array({ minLength: 250, maxLength: 300 }));

const anyReal = fc.double({ noNaN: true }).map((real) => (Object.is(real, -0) ? 0 : real));
const anyBigint = fc
  .bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
  .filter((value) => !Number.isSafeInteger(Number(value)));
const edges = [0, 63, 64, 127, 128, 255, 256, 65_535, 65_536, 2 ** 31, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER];
const anyInteger = fc.oneof(fc.constantFrom(...edges, ...edges.map((edge) => 0 - edge)), fc.maxSafeInteger());

/** What arrives as it was sent. */
export const anyCell: fc.Arbitrary<Cell> = fc.oneof(
  fc.constant(null),
  anyInteger.map((value) => value + 0),
  anyReal,
  anyBigint,
  anyText,
  anyBytes,
);
/** What arrives as another spelling of the same value too. */
export const anyInput: fc.Arbitrary<SqlInput> = fc.oneof(
  anyCell,
  fc.boolean(),
  fc.bigInt({ min: -100n, max: 100n }),
  fc.constant(-0),
  fc.date({ min: new Date('0000-01-01'), max: new Date('9999-12-31'), noInvalidDate: true }),
);

const anyCount = fc.constantFrom(0, ...edges);
const anyCounted = fc.constantFrom(1, ...edges.slice(1));
function record<Fields extends object>(fields: { [Name in keyof Fields]: fc.Arbitrary<Fields[Name]> }) {
  return fc.record<Fields>(fields, { noNullPrototype: true });
}

const anyError = record({
  code: fc.constantFrom(...WORDS),
  problem: anyText,
  remedy: anyText,
  facts: fc.dictionary(
    fc.string({ maxLength: 8 }).filter((name) => name !== '__proto__'),
    fc.oneof(anyText, anyInteger, fc.boolean(), fc.constant(null), fc.array(anyInteger, { maxLength: 3 })),
    { maxKeys: 3, noNullPrototype: true },
  ),
}).map((failure) => new TendrilError(failure));

const anyRows = fc.array(anyBytes, { maxLength: 4 });
const anyIds = fc.array(anyId(), { maxLength: 4 });
const anyParameters = fc.oneof(
  fc.array(anyInput, { maxLength: 4 }),
  fc.dictionary(anyName, anyInput, { maxKeys: 4, noNullPrototype: true }),
);
const anyHad = fc.oneof(
  record({ kind: fc.constant('held'), through: fc.option(anyId()), edge: fc.option(anyId()) }),
  record({ kind: fc.constant('buckets'), hashes: fc.uint8Array({ minLength: 2_048, maxLength: 2_048 }) }),
) as fc.Arbitrary<Had>;
const anyPart = fc.oneof(
  record({ kind: fc.constant('whole'), collection: anyName, row: anyBytes }),
  record({ kind: fc.constant('items'), collection: anyName, entity: anyId(), items: anyBytes, head: anyIds }),
  record({ kind: fc.constant('leave'), collection: anyName, entity: anyId() }),
) as fc.Arbitrary<Part>;
const anyColumn = record({
  name: anyText,
  type: fc.constantFrom(null, 'text', 'integer', 'bigint', 'real', 'boolean', 'timestamp', 'blob', 'json', 'ref'),
}) as fc.Arbitrary<AnswerColumn>;
const anyTable = fc.array(anyColumn, { maxLength: 3 }).chain((columns) =>
  record({
    columns: fc.constant(columns),
    rows: fc.array(fc.array(anyCell, { minLength: columns.length, maxLength: columns.length }), { maxLength: 4 }),
  }),
);

/** The fields of each kind. */
const FIELDS: { readonly [Kind in MessageKind]: fc.Arbitrary<object> } = {
  describe: record({
    collections: fc.array(record({ name: anyName, hash: fc.uint8Array({ minLength: 16, maxLength: 16 }) }), {
      maxLength: 3,
    }),
  }),
  subscribe: record({
    subscription: anyCounted,
    collection: anyName,
    text: anyText,
    parameters: anyParameters,
    had: fc.option(anyHad),
  }),
  unsubscribe: record({ subscription: anyCounted }),
  hold: record({ collection: anyName, ids: anyIds, had: fc.boolean() }),
  release: record({ collection: anyName, ids: anyIds }),
  upload: record({ transaction: anyId(), attempt: anyCounted, operations: anyRows }),
  ask: record({
    request: anyCounted,
    collection: fc.option(anyName),
    text: anyText,
    parameters: anyParameters,
  }),
  log: record({}),
  offer: record({ position: anyCount, floor: anyCount, operations: anyRows }),
  described: record({
    differing: fc.array(record({ name: anyName, canonical: fc.option(anyText) }), { maxLength: 3 }),
  }),
  chunk: record({
    subscription: anyCounted,
    selection: anyCounted,
    position: anyCount,
    basis: fc.constantFrom('nothing', 'held', 'buckets'),
    rows: anyRows,
    left: anyIds,
    differing: fc.uniqueArray(fc.nat(255), { maxLength: 256 }).map((buckets) => Uint8Array.from(buckets).sort()),
    total: fc.option(anyCount),
    last: fc.boolean(),
    edge: fc.option(anyId()),
  }).map((chunk) => ({
    ...chunk,
    edge: chunk.last ? chunk.edge : null,
    left: chunk.basis === 'held' ? chunk.left : [],
    differing: chunk.basis === 'buckets' ? chunk.differing : new Uint8Array(0),
  })),
  denied: record({ subscription: anyCounted, error: anyError }),
  unsubscribed: record({ subscription: anyCounted }),
  held: record({
    collection: anyName,
    position: anyCount,
    basis: fc.constantFrom('nothing', 'held'),
    ids: anyIds,
    rows: anyRows,
  }).map((held) => ({ ...held, rows: held.rows.slice(0, held.ids.length) })),
  released: record({ collection: anyName, ids: anyIds }),
  step: record({
    position: anyCount,
    parts: fc.array(anyPart, { maxLength: 4 }),
    edges: fc.array(record({ selection: anyCounted, entity: fc.option(anyId()) }), { maxLength: 3 }),
    settled: fc.option(anyId()),
  }),
  refused: record({ transaction: anyId(), attempt: anyCounted, error: anyError }),
  rebase: record({
    transaction: anyId(),
    attempt: anyCounted,
    reason: fc.constantFrom('clock-drift', 'missing-precursor', 'author'),
    time: fc.constantFrom(0, 1_790_000_000_000, 8_640_000_000_000_000),
  }),
  answer: record({ request: anyCounted, table: anyTable, changes: anyCount, last: fc.boolean() }).map(
    ({ table, ...answer }) => ({ ...answer, ...table }),
  ),
  unanswered: record({ request: anyCounted, error: anyError }),
  at: record({ position: anyCount }),
  unreadable: record({ collection: anyName, entity: anyId(), error: anyError }),
  logged: record({
    floor: anyCount,
    transactions: fc.array(record({ position: anyCount, transaction: anyId(), operations: anyRows }), { maxLength: 3 }),
  }),
  taken: record({ position: anyCount, at: fc.option(anyCount), error: fc.option(anyError) }),
  pending: record({ transaction: anyId(), operations: anyRows }),
  withdrawn: record({ transaction: anyId() }),
  linked: record({ online: fc.boolean(), error: fc.option(anyError) }),
  hello: record({
    // Of another version's, neither all of it nor what follows would be read.
    protocol: fc.constant(PROTOCOL_VERSION),
    node: anyId(),
    author: anyName,
    system: fc.option(anyId()),
    credential: fc.option(anyText),
    cursor: fc.option(record({ epoch: anyId(), position: anyCount })),
  }),
  welcome: record({
    system: anyId(),
    node: anyId(),
    epoch: anyId(),
    position: anyCount,
    time: fc.constantFrom(0, 1_790_000_000_000),
    maxId: fc.option(anyId()),
    author: anyName,
    resumes: fc.boolean(),
  }),
  refuse: record({ error: anyError }),
  bye: record({ error: fc.option(anyError) }),
  ping: record({}),
  pong: record({}),
};

export const MESSAGE_KINDS = Object.keys(FIELDS) as readonly MessageKind[];

export function anyMessageOf(kind: MessageKind): fc.Arbitrary<Message> {
  return FIELDS[kind].map((fields) => ({ kind, ...fields }) as unknown as Message);
}

export const anyMessage: fc.Arbitrary<Message> = fc.constantFrom(...MESSAGE_KINDS).chain(anyMessageOf);
