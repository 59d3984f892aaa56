import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Said, Step } from '../../engine/index.ts';
import { TendrilError } from '../../errors.ts';
import { createCodec } from '../../net/codec.ts';
import { MAX_GREETING_FRAME_BYTES } from '../../net/frames.ts';
import { MAX_CREDENTIAL_BYTES } from '../../net/limits.ts';
import type { Message } from '../../net/messages.ts';
import { MAX_FACTS_BYTES, MAX_SENTENCE_BYTES } from '../../net/wire/error-field.ts';
import type { SqlInput, SqlParameters } from '../../query/index.ts';
import { bytesOfId, idFrom, type NodeId, type Position } from '../../storage/index.ts';
import { failureOf } from '../support/failure.ts';
import { runs, seedFor } from '../support/random.ts';
import { packed } from './hostile-frames.ts';
import { anyMessage, anyMessageOf, MESSAGE_KINDS } from './messages.ts';

const codec = createCodec();
const node = idFrom('node', 'ana') as string as NodeId;

function there(message: Message): Message {
  const [arrived, ...more] = codec.decodeMessages(codec.encodeMessage(message));
  expect(more).toEqual([]);
  return arrived!;
}

function ask(parameters: SqlParameters): Message {
  return { kind: 'ask', request: 1, collection: 'flight', text: 'a = ?', parameters };
}

function parametersThere(parameters: SqlParameters): SqlParameters {
  return (there(ask(parameters)) as Extract<Message, { kind: 'ask' }>).parameters;
}

function errorThere(error: TendrilError): TendrilError {
  return (there({ kind: 'refuse', error }) as Extract<Message, { kind: 'refuse' }>).error;
}

/** An input as the cell that arrives for it. */
function arriving(input: SqlInput): SqlInput {
  if (input instanceof Date) return input.toISOString();
  if (typeof input === 'boolean') return input ? 1 : 0;
  if (typeof input === 'bigint') return Number.isSafeInteger(Number(input)) ? Number(input) : input;
  return Object.is(input, -0) ? 0 : input;
}

function asItArrives(message: Message): Message {
  if (message.kind !== 'ask' && message.kind !== 'subscribe') return message;
  const { parameters } = message;
  const cells = Array.isArray(parameters)
    ? parameters.map(arriving)
    : Object.fromEntries(Object.entries(parameters).map(([name, input]) => [name, arriving(input)]));
  return { ...message, parameters: cells };
}

/** With its error, if it has one, as an object that compares by everything that travels. */
function plain(message: Message): object {
  if (!('error' in message) || message.error === null) return message;
  expect(message.error).toBeInstanceOf(TendrilError);
  const { code, problem, remedy, facts } = message.error;
  return { ...message, error: { code, problem, remedy, facts } };
}

describe('a message arrives as it was sent', () => {
  const seed = seedFor('codec');

  test.each(MESSAGE_KINDS)('%s', (kind) => {
    fc.assert(
      fc.property(anyMessageOf(kind), (message) => {
        expect(plain(there(message))).toStrictEqual(plain(asItArrives(message)));
      }),
      { seed, numRuns: runs(1_000) },
    );
  });

  test('the messages of a frame stand in their order', () => {
    fc.assert(
      fc.property(fc.array(anyMessage, { maxLength: 8 }), (messages) => {
        const frame = Buffer.concat(messages.map((message) => codec.encodeMessage(message)));
        expect(codec.decodeMessages(frame).map(plain)).toStrictEqual(messages.map(asItArrives).map(plain));
      }),
      { seed, numRuns: runs(500) },
    );
  });
});

describe('the bytes', () => {
  test('of a hello are these, the first five of its fields in every version', () => {
    const hello: Message = {
      kind: 'hello',
      protocol: 2,
      node,
      author: 'ana',
      system: null,
      credential: 'é',
      cursor: null,
    };
    const id = Buffer.from(codec.encodeMessage(hello)).subarray(5, 21).toString('hex');
    expect(Buffer.from(codec.encodeMessage(hello)).toString('hex')).toBe(
      `9740 02 c410${id} a3616e61 c0 a2c3a9 c0`.replaceAll(' ', ''),
    );
    expect(id).toMatch(/^0{12}/);
  });

  test.each([
    ['without what came later', [64, 1, bytesOfId(node), 'ana', null, 'é']],
    ['with what will come', [64, 3, bytesOfId(node), 'ana', null, 'é', 1, new Map([['x', [true]]]), new Date(0)]],
  ])('of a hello of another version are read as far as all versions agree: one %s', (_, wire) => {
    const frame = Buffer.concat([packed(wire), Buffer.of(0xc1, 0xff)]);
    const protocol = Number(wire[1]);
    const shared = { kind: 'hello', protocol, node, author: 'ana', system: null, credential: 'é' };
    expect(codec.decodeMessages(frame)).toEqual([{ ...shared, cursor: null }]);
  });

  test('of a step are these', () => {
    const step: Step = {
      kind: 'step',
      position: 300 as Position,
      parts: [{ kind: 'whole', collection: 'note', row: Uint8Array.of(7, 8) }],
      edges: [{ selection: 2, entity: null }],
      settled: null,
    };
    expect(Buffer.from(codec.encodeMessage(step)).toString('hex')).toBe(
      '9526cd012c91' + '9300a46e6f7465c4020708' + '919202c0' + 'c0',
    );
  });

  test('of a step or a chunk that sessions share are made once, those of an equal one again', () => {
    const step: Step = { kind: 'step', position: 1 as Position, parts: [], edges: [], settled: null };
    const [rows, left, differing] = [[], [], new Uint8Array(0)];
    const chunk: Said = {
      ...{ kind: 'chunk', subscription: 1, selection: 1, position: 1 as Position, basis: 'nothing', rows, left },
      ...{ differing, total: null, last: true, edge: null },
    };
    for (const shared of [step, chunk]) {
      const { encodeMessage, encodings } = createCodec();
      const bytes = encodeMessage(shared);
      for (let session = 0; session < 1_000; session += 1) expect(encodeMessage(shared)).toBe(bytes);
      expect(encodings()).toBe(1);

      expect(encodeMessage({ ...shared })).not.toBe(bytes);
      expect(encodings()).toBe(2);
    }
  });

  test('are not written to again, nor do they keep a larger buffer', () => {
    const messages = [
      ask(['first']),
      ask([new Uint8Array(20_000)]),
      ask([new Uint8Array(20_000).fill(1)]),
      ask(['last']),
    ];
    const encoded = messages.map((message) => codec.encodeMessage(message));
    expect(encoded.map((bytes) => codec.decodeMessages(bytes)[0])).toEqual(messages);
    for (const bytes of encoded) expect(bytes.buffer.byteLength).toBe(bytes.length);
  });

  test('are right after a message that needed much scratch space, and after one that failed', () => {
    const { encodeMessage, decodeMessages } = createCodec();
    const operations = Array.from({ length: 5 }, () => new Uint8Array(400_000));
    encodeMessage({ kind: 'upload', transaction: idFrom('t', '1') as never, attempt: 1, operations });
    failureOf(() => encodeMessage(ask([Number.NaN])));
    expect(decodeMessages(encodeMessage(ask(['x'.repeat(500)])))).toEqual([ask(['x'.repeat(500)])]);
  });
});

describe('what arrives of bytes', () => {
  test('rows and operations are views of the frame; a parameter and a hash are copies; none is a Buffer', () => {
    const upload: Message = {
      kind: 'upload',
      transaction: idFrom('t', '1') as never,
      attempt: 1,
      operations: [Uint8Array.of(1, 2)],
    };
    const describeAll: Message = { kind: 'describe', collections: [{ name: 'a', hash: new Uint8Array(16) }] };
    const frame = Buffer.concat([upload, ask([Uint8Array.of(3)]), describeAll].map(codec.encodeMessage));

    const arrived = codec.decodeMessages(frame);
    const uploaded = arrived[0] as Extract<Message, { kind: 'upload' }>;
    const asked = arrived[1] as Extract<Message, { kind: 'ask' }>;
    const described = arrived[2] as Extract<Message, { kind: 'describe' }>;

    expect(uploaded.operations[0]!.buffer).toBe(frame.buffer);
    const blob = (asked.parameters as readonly Uint8Array[])[0]!;
    expect(blob.buffer.byteLength).toBe(1);
    expect(described.collections[0]!.hash.buffer.byteLength).toBe(16);
    for (const bytes of [uploaded.operations[0]!, blob, described.collections[0]!.hash]) {
      expect(Object.getPrototypeOf(bytes)).toBe(Uint8Array.prototype);
    }
  });
});

describe('values', () => {
  test.each<[string, SqlInput, SqlInput]>([
    ['-0, as 0', -0, 0],
    ['the REAL 2^53', 2 ** 53, 2 ** 53],
    ['the INTEGER 2^53', 2n ** 53n, 2n ** 53n],
    ['a bigint of 2^53-1, as a number', 2n ** 53n - 1n, 2 ** 53 - 1],
    ['-2^63', -(2n ** 63n), -(2n ** 63n)],
    ['2^63-1', 2n ** 63n - 1n, 2n ** 63n - 1n],
    ['infinity', Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
    ['true, as 1', true, 1],
    ['a Date, as the text of a timestamp', new Date(1_234), '1970-01-01T00:00:01.234Z'],
    ['a lone surrogate, as U+FFFD', '\ud800a', '\uFFFDa'],
    ['a lone surrogate in a long text', `${'b'.repeat(70)}\udfff`, `${'b'.repeat(70)}\uFFFD`],
    ['a long text that begins with U+FEFF', `\uFEFF${'c'.repeat(70)}`, `\uFEFF${'c'.repeat(70)}`],
    ['U+0000', '\0', '\0'],
  ])('%s', (_, sent, arrived) => {
    expect(parametersThere([sent])).toStrictEqual([arrived]);
    expect(parametersThere({ x: sent })).toStrictEqual({ x: arrived });
  });

  test.each<[string, unknown, string]>([
    ['NaN', Number.NaN, 'NaN'],
    ['2^63', 2n ** 63n, 'beyond 64 bits'],
    ['-2^63-1', -(2n ** 63n) - 1n, 'beyond 64 bits'],
    ['an invalid Date', new Date(Number.NaN), 'neither'],
    ['the year 10000', new Date('+010000-01-01'), 'neither'],
    ['an object', { a: 1 }, 'neither'],
    ['undefined', undefined, 'undefined'],
    ['a function', () => 1, 'function'],
  ])('%s is refused before it is sent, and named', (_, input, words) => {
    const error = failureOf(() => codec.encodeMessage(ask({ x: input as SqlInput })));
    expect(error).toBeInstanceOf(TendrilError);
    expect(error.code).toBe('invalid-parameter');
    expect(error.facts).toEqual({ kind: 'ask', field: 'parameters.x' });
    expect(error.problem).toContain(words);
  });

  test('a parameter named __proto__ is one like any other', () => {
    const parameters = JSON.parse('{"__proto__": 1, "constructor": 2}') as Record<string, SqlInput>;
    const arrived = parametersThere(parameters) as Record<string, SqlInput>;
    expect(Object.entries(arrived)).toEqual([
      ['__proto__', 1],
      ['constructor', 2],
    ]);
    expect(Object.getPrototypeOf(arrived)).toBe(Object.prototype);
  });

  test('a single-precision float and an unsigned 64-bit integer, which other writers use, are numbers too', () => {
    const bytes = Buffer.from('9507 01 c0 a0 92 ca3fc00000 cf0000000000000005'.replaceAll(' ', ''), 'hex');
    expect(codec.decodeMessages(bytes)).toMatchObject([{ parameters: [1.5, 5] }]);
  });
});

describe('errors', () => {
  const failure = { code: 'conflict', problem: 'It moved.', remedy: 'Run it again.' } as const;

  test('keep their sentences and plain facts; a bigint and a Date arrive as text, other facts not at all', () => {
    const facts = {
      limit: 7,
      ids: ['a', null, { deep: true }],
      big: 2n ** 70n,
      since: new Date(0),
      lone: '\ud800',
      missing: undefined,
      call: () => 1,
      nan: Number.NaN,
      map: new Map(),
      partly: [1, undefined],
    };
    const arrived = errorThere(new TendrilError({ ...failure, facts }));
    expect(arrived).toBeInstanceOf(TendrilError);
    expect(arrived).toMatchObject(failure);
    expect(arrived.facts).toEqual({
      limit: 7,
      ids: ['a', null, { deep: true }],
      big: '1180591620717411303424',
      since: '1970-01-01T00:00:00.000Z',
      lone: '\uFFFD',
    });
  });

  test('a code of a newer version arrives as protocol-mismatch, with its sentences and itself among the facts', () => {
    const arrived = errorThere(new TendrilError({ ...failure, code: 'too-modern' as 'closed', facts: { a: 1 } }));
    expect(arrived).toMatchObject({ ...failure, code: 'protocol-mismatch', facts: { a: 1, code: 'too-modern' } });
  });

  test(`a sentence of ${MAX_SENTENCE_BYTES} bytes stays, one of a byte more is cut between two characters`, () => {
    const longest = 'é'.repeat(MAX_SENTENCE_BYTES / 2);
    expect(errorThere(new TendrilError({ ...failure, problem: longest })).problem).toBe(longest);
    const cut = (problem: string) => errorThere(new TendrilError({ ...failure, problem })).problem;
    expect(cut(`x${longest}`)).toMatch(/^xé+…$/u);
    expect(Buffer.byteLength(cut(`x${longest}`))).toBe(MAX_SENTENCE_BYTES);
    expect(cut(`${longest}x`)).toMatch(/^é+…$/u);
    expect(Buffer.byteLength(cut(`${longest}x`))).toBe(MAX_SENTENCE_BYTES - 1);
  });

  test(`facts of ${MAX_FACTS_BYTES} bytes stay; of more, those that fit`, () => {
    const text = 'x'.repeat(MAX_FACTS_BYTES - '{"text":""}'.length);
    expect(errorThere(new TendrilError({ ...failure, facts: { text } })).facts).toEqual({ text });
    const facts = { text: `${text}x`, offset: 3 };
    expect(errorThere(new TendrilError({ ...failure, facts })).facts).toEqual({ offset: 3 });
  });

  test('facts that nest eight deep stay, deeper ones and those that hold themselves do not', () => {
    const nested = (depth: number): unknown => (depth === 0 ? 1 : { in: nested(depth - 1) });
    const circle: Record<string, unknown> = {};
    circle.self = circle;
    const facts = { deep: nested(7), deeper: nested(8), circle };
    expect(errorThere(new TendrilError({ ...failure, facts })).facts).toEqual({ deep: nested(7) });
  });

  test('the longest greetings fit a greeting frame', () => {
    const sentence = 'x'.repeat(100_000);
    const facts = Object.fromEntries(Array.from({ length: 900 }, (_, index) => [`f${index}`, index]));
    const error = new TendrilError({ code: 'conflict', problem: sentence, remedy: sentence, facts });
    const credential = 'x'.repeat(MAX_CREDENTIAL_BYTES);
    const cursor = { epoch: node as never, position: Number.MAX_SAFE_INTEGER as Position };
    const greetings: readonly Message[] = [
      { kind: 'refuse', error },
      { kind: 'hello', protocol: 65_535, node, author: 'x'.repeat(256), system: node as never, credential, cursor },
    ];
    for (const greeting of greetings) {
      expect(codec.encodeMessage(greeting).length).toBeLessThan(MAX_GREETING_FRAME_BYTES);
    }
  });
});
