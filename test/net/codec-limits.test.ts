import { describe, expect, test } from 'vitest';
import { createCodec, MAX_FRAME_MESSAGES } from '../../net/codec.ts';
import { MAX_CREDENTIAL_BYTES } from '../../net/limits.ts';
import { type Message, PROTOCOL_VERSION } from '../../net/messages.ts';
import {
  MAX_COLLECTIONS,
  MAX_COLUMNS,
  MAX_DESCRIPTOR_BYTES,
  MAX_EDGES,
  MAX_IDS,
  MAX_LOGGED,
  MAX_LOGGED_OPERATIONS,
  MAX_MESSAGE_BYTES,
  MAX_ROWS,
  MAX_TEXT_BYTES,
} from '../../net/wire/message-field.ts';
import { MAX_PARAMETER_NAME_BYTES } from '../../net/wire/value-field.ts';
import { MAX_PARAMETERS } from '../../query/limits.ts';
import {
  idFrom,
  MAX_LOGGED_TRANSACTION_OPERATIONS,
  MAX_NAME_BYTES,
  MAX_TRANSACTION_OPERATIONS,
  MAX_VALUE_BYTES,
} from '../../storage/index.ts';
import { failureOf } from '../support/failure.ts';
import { ID, packed } from './hostile-frames.ts';

const codec = createCodec();
const id = idFrom('limits', '1');
const HASH = new Uint8Array(16);
const NONE = new Uint8Array(0);
const TWO_POWER_53 = 2 ** 53;

function there(message: Message): Message {
  return codec.decodeMessages(codec.encodeMessage(message))[0]!;
}

function ask(text: string): Message {
  return { kind: 'ask', request: 1, collection: null, text, parameters: [] };
}

function letters(count: number): string {
  return 'x'.repeat(count);
}

function times<Item>(count: number, item: Item): Item[] {
  return Array<Item>(count).fill(item);
}

/** What has a size, its limit, a message of that size, and the same on the wire, checked by nothing. */
type Limit = readonly [string, number, (size: number) => object, (size: number) => unknown];

const step = { kind: 'step', position: 1, parts: [], edges: [], settled: null };
const chunk = {
  ...{ kind: 'chunk', subscription: 1, selection: 1, position: 1, basis: 'nothing', rows: [], left: [] },
  ...{ differing: NONE, total: null, last: true, edge: null },
};
const answer = { kind: 'answer', request: 1, columns: [], rows: [], changes: 0, last: true };
const question = { kind: 'ask', request: 1, collection: null, text: '', parameters: [] };
const hello = {
  kind: 'hello',
  protocol: PROTOCOL_VERSION,
  node: id,
  author: 'a',
  system: null,
  credential: null,
  cursor: null,
};
const leave = { kind: 'leave', collection: 'a', entity: id };

/** So many operations, in transactions of 1,000. */
function logOf(operations: number): readonly Uint8Array[][] {
  const full = Array.from({ length: Math.floor(operations / 1_000) }, () => times(1_000, NONE));
  return [...full, times(operations % 1_000, NONE)];
}

const LIMITS: readonly Limit[] = [
  ['bytes of statement text', MAX_TEXT_BYTES, (n) => ask(letters(n)), (n) => [7, 1, null, letters(n), []]],
  [
    'parameters by position',
    MAX_PARAMETERS,
    (n) => ({ ...question, parameters: times(n, 1) }),
    (n) => [7, 1, null, '', times(n, 1)],
  ],
  [
    'parameters by name',
    MAX_PARAMETERS,
    (n) => ({ ...question, parameters: Object.fromEntries(times(n, 1).map((one, index) => [`p${index}`, one])) }),
    (n) => [7, 1, null, '', new Map(times(n, 1).map((one, index) => [`p${index}`, one]))],
  ],
  [
    "bytes of a parameter's name",
    MAX_PARAMETER_NAME_BYTES,
    (n) => ({ ...question, parameters: { [letters(n)]: 1 } }),
    (n) => [7, 1, null, '', new Map([[letters(n), 1]])],
  ],
  [
    'bytes of a blob',
    MAX_VALUE_BYTES,
    (n) => ({ ...question, parameters: [new Uint8Array(n)] }),
    (n) => [7, 1, null, '', [new Uint8Array(n)]],
  ],
  [
    'bytes of a value that is text',
    MAX_VALUE_BYTES,
    (n) => ({ ...question, parameters: [letters(n)] }),
    (n) => [7, 1, null, '', [letters(n)]],
  ],
  [
    'bytes of a name',
    MAX_NAME_BYTES,
    (n) => ({ ...question, collection: letters(n) }),
    (n) => [7, 1, letters(n), '', []],
  ],
  [
    'bytes of a credential',
    MAX_CREDENTIAL_BYTES,
    (n) => ({ ...hello, credential: letters(n) }),
    (n) => [64, PROTOCOL_VERSION, ID, 'a', null, letters(n), null],
  ],
  [
    'collections',
    MAX_COLLECTIONS,
    (n) => ({ kind: 'describe', collections: times(n, { name: 'a', hash: HASH }) }),
    (n) => [1, times(n, ['a', HASH])],
  ],
  [
    'collections that differ',
    MAX_COLLECTIONS,
    (n) => ({ kind: 'described', differing: times(n, { name: 'a', canonical: null }) }),
    (n) => [32, times(n, ['a', null])],
  ],
  [
    'bytes of a descriptor',
    MAX_DESCRIPTOR_BYTES,
    (n) => ({ kind: 'described', differing: [{ name: 'a', canonical: letters(n) }] }),
    (n) => [32, [['a', letters(n)]]],
  ],
  [
    'ids',
    MAX_IDS,
    (n) => ({ kind: 'hold', collection: 'a', ids: times(n, id), had: false }),
    (n) => [4, 'a', new Uint8Array(n * 16), false],
  ],
  [
    'operations',
    MAX_TRANSACTION_OPERATIONS,
    (n) => ({ kind: 'upload', transaction: id, attempt: 1, operations: times(n, NONE) }),
    (n) => [6, ID, 1, times(n, NONE)],
  ],
  [
    'rows of a chunk',
    MAX_ROWS,
    (n) => ({ ...chunk, rows: times(n, NONE) }),
    (n) => [33, 1, 1, 1, 'nothing', times(n, NONE), NONE, NONE, null, true, null],
  ],
  [
    'rows that left, of a chunk',
    MAX_IDS,
    (n) => ({ ...chunk, basis: 'held', left: times(n, id) }),
    (n) => [33, 1, 1, 1, 'held', [], new Uint8Array(n * 16), NONE, null, true, null],
  ],
  [
    'operations that are offered',
    MAX_LOGGED_TRANSACTION_OPERATIONS,
    (n) => ({ kind: 'offer', position: 1, floor: 0, operations: times(n, NONE) }),
    (n) => [9, 1, 0, times(n, NONE)],
  ],
  [
    'operations that are pending',
    MAX_TRANSACTION_OPERATIONS,
    (n) => ({ kind: 'pending', transaction: id, operations: times(n, NONE) }),
    (n) => [47, ID, times(n, NONE)],
  ],
  [
    'transactions of a log',
    MAX_LOGGED,
    (n) => ({ kind: 'logged', floor: 0, transactions: times(n, { position: 1, transaction: id, operations: [] }) }),
    (n) => [45, 0, times(n, [1, ID, []])],
  ],
  [
    'operations of one transaction of a log',
    MAX_LOGGED_TRANSACTION_OPERATIONS,
    (n) => ({ kind: 'logged', floor: 0, transactions: [{ position: 1, transaction: id, operations: times(n, NONE) }] }),
    (n) => [45, 0, [[1, ID, times(n, NONE)]]],
  ],
  [
    'operations of all transactions of a log',
    MAX_LOGGED_OPERATIONS,
    (n) => ({
      kind: 'logged',
      floor: 0,
      transactions: logOf(n).map((operations) => ({ position: 1, transaction: id, operations })),
    }),
    (n) => [45, 0, logOf(n).map((operations) => [1, ID, operations])],
  ],
  [
    'rows of an answer',
    MAX_ROWS,
    (n) => ({ ...answer, rows: times(n, []) }),
    (n) => [41, 1, [], times(n, []), 0, true],
  ],
  [
    'columns',
    MAX_COLUMNS,
    (n) => ({ ...answer, columns: times(n, { name: 'a', type: null }), rows: [times(n, 1)] }),
    (n) => [41, 1, times(n, ['a', null]), [times(n, 1)], 0, true],
  ],
  ['parts', MAX_ROWS, (n) => ({ ...step, parts: times(n, leave) }), (n) => [38, 1, times(n, [2, 'a', ID]), [], null]],
  [
    'edges',
    MAX_EDGES,
    (n) => ({ ...step, edges: times(n, { selection: 1, entity: null }) }),
    (n) => [38, 1, [], times(n, [1, null]), null],
  ],
];

describe('limits, at which a message still travels and one past which neither side lets it', () => {
  test.each(LIMITS)('%s: %i', (_, limit, messageOf, wireOf) => {
    const arrived = codec.encodeMessage(messageOf(limit) as Message);
    expect(codec.decodeMessages(arrived)).toHaveLength(1);
    expect(codec.decodeMessages(packed(wireOf(limit)))).toHaveLength(1);
    expect(failureOf(() => codec.encodeMessage(messageOf(limit + 1) as Message)).code).toBe('limit-exceeded');
    expect(failureOf(() => codec.decodeMessages(packed(wireOf(limit + 1)))).code).toBe('protocol-violation');
  });

  test('a position of 2^53-1 arrives, one more is refused', () => {
    expect(codec.decodeMessages(packed([3, TWO_POWER_53 - 1]))).toEqual([
      { kind: 'unsubscribe', subscription: TWO_POWER_53 - 1 },
    ]);
    expect(failureOf(() => codec.decodeMessages(packed([3, TWO_POWER_53]))).code).toBe('protocol-violation');
  });

  test('text is measured in bytes of UTF-8', () => {
    const longest = 'é'.repeat(MAX_TEXT_BYTES / 2);
    expect(there(ask(longest))).toMatchObject({ text: longest });
    expect(failureOf(() => codec.encodeMessage(ask(`${longest}x`))).code).toBe('limit-exceeded');
  });

  test(`a message has ${MAX_MESSAGE_BYTES} bytes at most`, () => {
    const answer = (bytes: number): Message => ({
      kind: 'answer',
      request: 1,
      columns: [{ name: 'x', type: null }],
      rows: [[new Uint8Array(bytes)]],
      changes: 0,
      last: true,
    });
    const around = codec.encodeMessage(answer(100_000)).length - 100_000;
    expect(codec.encodeMessage(answer(MAX_MESSAGE_BYTES - around)).length).toBe(MAX_MESSAGE_BYTES);
    const error = failureOf(() => codec.encodeMessage(answer(MAX_MESSAGE_BYTES - around + 1)));
    expect(error).toMatchObject({ code: 'limit-exceeded', facts: { kind: 'answer', limit: MAX_MESSAGE_BYTES } });
  });

  test(`a frame has ${MAX_FRAME_MESSAGES} messages at most`, () => {
    const pings = (count: number) => Buffer.alloc(count * 2, Buffer.of(0x91, 68));
    expect(codec.decodeMessages(pings(MAX_FRAME_MESSAGES))).toHaveLength(MAX_FRAME_MESSAGES);
    expect(failureOf(() => codec.decodeMessages(pings(MAX_FRAME_MESSAGES + 1))).code).toBe('protocol-violation');
  });
});
