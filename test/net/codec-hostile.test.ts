import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { TendrilError } from '../../errors.ts';
import { createCodec } from '../../net/codec.ts';
import type { Message } from '../../net/messages.ts';
import { failureOf } from '../support/failure.ts';
import { createRandom, type Random, runs, seedFor } from '../support/random.ts';
import { FAMILIES, GOOD, ID, packed, replaced, WIRE_ERROR } from './hostile-frames.ts';
import { anyMessage } from './messages.ts';

const MUTATED = 100_000;
const HAND_MADE = 10_000;
const HEAP_LIMIT_BYTES = 10 * 1_024 * 1_024;

const codec = createCodec();
const good: Message = { kind: 'ask', request: 7, collection: 'flight', text: 'a = ?', parameters: ['x', 2n ** 60n] };
const goodFrame = codec.encodeMessage(good);
let collect: () => void;

beforeAll(() => {
  setFlagsFromString('--expose-gc');
  collect = runInNewContext('gc') as () => void;
});

function heapBytes(): number {
  collect();
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** What was decoded, or null for a frame that was refused as it should be: with a TendrilError, and no trace. */
function offer(frame: Uint8Array): readonly Message[] | null {
  let decoded: readonly Message[] | null = null;
  try {
    decoded = codec.decodeMessages(frame);
  } catch (error) {
    if (!(error instanceof TendrilError) || error.code !== 'protocol-violation') throw error;
  }
  if (Object.keys(Object.prototype).length > 0) throw new Error('a prototype was polluted');
  return decoded;
}

function mutated(frame: Uint8Array, other: Uint8Array, random: Random): Uint8Array {
  let bytes = Buffer.from(frame);
  for (let times = 1 + random.integer(3); times > 0; times -= 1) {
    const at = random.integer(bytes.length + 1);
    const length = random.integer(9);
    const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)];
    const bytesOf = random.pick<() => Uint8Array[]>([
      () => [before, Buffer.of(random.integer(256)), after.subarray(1)],
      () => [before, Buffer.of((after[0] ?? 0) ^ (1 << random.integer(8))), after.subarray(1)],
      () => [before, Buffer.of(random.pick([0xdd, 0xdf, 0xc6, 0xdb, 0xd4, 0xc7, 0xcf, 0x9f, 0xff])), after],
      () => [before, after.subarray(length)],
      () => [before, after.subarray(0, length), after],
      () => [before],
      () => [before, other.subarray(random.integer(other.length))],
    ]);
    bytes = Buffer.concat(bytesOf());
  }
  return bytes;
}

describe('a frame that was changed on its way', () => {
  test(`is refused, or is some other good frame: ${MUTATED} of them leave nothing behind`, { timeout: 600_000 }, () => {
    const seed = seedFor('mutated frames');
    const random = createRandom(seed);
    const frames = fc.sample(anyMessage, { seed, numRuns: 500 }).map(codec.encodeMessage);
    frames.push(...GOOD.map(packed));
    const tally = { refused: 0, taken: 0 };
    const round = (count: number) => {
      for (let run = 0; run < count; run += 1) {
        const decoded = offer(mutated(random.pick(frames), random.pick(frames), random));
        tally[decoded === null ? 'refused' : 'taken'] += 1;
        // Whatever was let in is within every limit: it can be sent on.
        for (const message of decoded ?? []) offer(codec.encodeMessage(message)) ?? expect.fail('was refused again');
        if (run % 100 === 0) expect(codec.decodeMessages(goodFrame)).toEqual([good]);
      }
    };

    round(runs(MUTATED) / 10);
    const before = heapBytes();
    round(runs(MUTATED));
    expect(heapBytes() - before).toBeLessThan(HEAP_LIMIT_BYTES);
    expect(tally.refused).toBeGreaterThan(tally.taken);
    expect(tally.taken).toBeGreaterThan(0);
  });
});

describe('a frame that was made to do harm', () => {
  test('the frames that are made worse are good', () => {
    for (const message of GOOD) expect(offer(packed(message)), String(message[0])).toHaveLength(1);
  });

  test.each(Object.entries(FAMILIES))('is refused: %s', (family, make) => {
    const random = createRandom(seedFor(family));
    const count = Math.ceil(runs(HAND_MADE) / Object.keys(FAMILIES).length);
    for (let run = 0; run < count; run += 1) {
      const frame = make(random);
      expect(offer(frame), frame.subarray(0, 60).toString('hex')).toBeNull();
      expect(codec.decodeMessages(goodFrame)).toEqual([good]);
    }
  });

  test(`costs no memory: ${HAND_MADE} of all kinds`, { timeout: 600_000 }, () => {
    const random = createRandom(seedFor('hostile frames'));
    const families = Object.values(FAMILIES);
    for (const make of families) offer(make(random));
    const before = heapBytes();
    for (let run = 0; run < runs(HAND_MADE); run += 1) offer(random.pick(families)(random));
    expect(heapBytes() - before).toBeLessThan(HEAP_LIMIT_BYTES);
  });

  test('makes a few bytes out of a few bytes, whatever they announce', () => {
    for (const announced of ['dd00ffffff', 'df00ffffff', 'c600ffffff', 'db00ffffff']) {
      const frame = replaced(GOOD[1], [4], Buffer.from(announced, 'hex'));
      const before = process.memoryUsage();
      for (let run = 0; run < 100; run += 1) offer(frame);
      const after = process.memoryUsage();
      expect(after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers).toBeLessThan(
        HEAP_LIMIT_BYTES,
      );
    }
  });

  test('a parameter named __proto__ makes a property of its own and no prototype', () => {
    const [message] = offer(packed([2, 1, 'flight', 'a', new Map([['__proto__', 1]]), null])) ?? [];
    const { parameters } = message as Extract<Message, { kind: 'subscribe' }>;
    expect(Object.getPrototypeOf(parameters)).toBe(Object.prototype);
    expect(Object.keys(parameters)).toEqual(['__proto__']);
  });
});

describe('a field that is wrong is named, with its kind', () => {
  const bin = (length: number) => new Uint8Array(length);

  test.each<[string, unknown, string | null, string | null]>([
    ['no list', 7, null, null],
    ['an empty list', [], null, null],
    ['a kind that is no number', ['ping'], null, null],
    ['an unknown kind', [10, 1], null, null],
    ['a kind past the greatest', [128], null, null],
    ['a missing field', [3], 'unsubscribe', null],
    ['an additional field', [68, null], 'ping', null],
    ['a subscription of 0', [3, 0], 'unsubscribe', 'subscription'],
    ['a subscription below 0', [3, -1], 'unsubscribe', 'subscription'],
    ['a subscription past 2^53-1', [3, 2 ** 53], 'unsubscribe', 'subscription'],
    ['a subscription past 2^53-1, in 64 bits', [3, 2n ** 62n], 'unsubscribe', 'subscription'],
    ['half a subscription', [3, 0.5], 'unsubscribe', 'subscription'],
    ['a subscription in words', [3, '1'], 'unsubscribe', 'subscription'],
    ['no subscription', [3, null], 'unsubscribe', 'subscription'],
    ['a hash of 15 bytes', [1, [['a', bin(15)]]], 'describe', 'collections[0].hash'],
    ['a hash of 17 bytes', [1, [['a', bin(17)]]], 'describe', 'collections[0].hash'],
    ['a collection without a hash', [1, [['a']]], 'describe', 'collections[0]'],
    ['a name of 257 bytes', [4, 'x'.repeat(257), ID, true], 'hold', 'collection'],
    ['a name that is bytes', [4, bin(3), ID, true], 'hold', 'collection'],
    ['ids of 17 bytes', [4, 'flight', bin(17), true], 'hold', 'ids'],
    ['ids as text', [5, 'flight', '01ARZ3NDEKTSV4RRFFQ69G5FAV'], 'release', 'ids'],
    ['an id of 15 bytes', [6, bin(15), 1, []], 'upload', 'transaction'],
    ['an id as text', [6, '01ARZ3NDEKTSV4RRFFQ69G5FAV', 1, []], 'upload', 'transaction'],
    ['an operation that is text', [6, ID, 1, [bin(1), 'x']], 'upload', 'operations[1]'],
    ['10,001 operations', [6, ID, 1, Array(10_001).fill(bin(0))], 'upload', 'operations'],
    ['a parameter that is a boolean', [7, 1, null, '', [1, true]], 'ask', 'parameters[2]'],
    ['a parameter that is NaN', [7, 1, null, '', [Number.NaN]], 'ask', 'parameters[1]'],
    ['a parameter that is a list', [7, 1, null, '', [[]]], 'ask', 'parameters[1]'],
    ['a parameter past 64 bits', [7, 1, null, '', [2n ** 63n]], 'ask', 'parameters[1]'],
    ['a named parameter that is a Date', [7, 1, null, '', new Map([['x', new Date(0)]])], 'ask', 'parameters.x'],
    ['a parameter without a name', [7, 1, null, '', new Map([[1, 1]])], 'ask', 'parameters'],
    ['parameters that are text', [7, 1, null, '', 'x'], 'ask', 'parameters'],
    ['a descriptor that is a number', [32, [['a', 1]]], 'described', 'differing[0].canonical'],
    ['a had that is 1', [4, 'flight', ID, 1], 'hold', 'had'],
    ['a had that is a flag', [2, 1, 'a', '', [], true], 'subscribe', 'had'],
    ['a had of an unknown kind', [2, 1, 'a', '', [], [2, ID, ID]], 'subscribe', 'had'],
    ['a had without its edge', [2, 1, 'a', '', [], [0, ID]], 'subscribe', 'had.held'],
    ['a had through a text', [2, 1, 'a', '', [], [0, 'x', ID]], 'subscribe', 'had.held.through'],
    ['2,047 bytes of buckets', [2, 1, 'a', '', [], [1, bin(2_047)]], 'subscribe', 'had.buckets.hashes'],
    ['2,049 bytes of buckets', [2, 1, 'a', '', [], [1, bin(2_049)]], 'subscribe', 'had.buckets.hashes'],
    ['an offer at half a position', [9, 0.5, 0, []], 'offer', 'position'],
    ['a floor of text', [9, 1, 'x', []], 'offer', 'floor'],
    ['an offer of text', [9, 1, 0, ['x']], 'offer', 'operations[0]'],
    ['a position below 0', [33, 1, 1, -1, 'nothing', [], bin(0), bin(0), null, true, null], 'chunk', 'position'],
    ['an unknown basis', [33, 1, 1, 1, 'hope', [], bin(0), bin(0), null, true, null], 'chunk', 'basis'],
    ['half an id that left', [33, 1, 1, 1, 'held', [], bin(8), bin(0), null, true, null], 'chunk', 'left'],
    ['257 buckets', [33, 1, 1, 1, 'buckets', [], bin(0), bin(257), null, true, null], 'chunk', 'differing'],
    ['a bucket twice', [33, 1, 1, 1, 'buckets', [], bin(0), bin(2), null, true, null], 'chunk', null],
    ['buckets on no basis', [33, 1, 1, 1, 'held', [], bin(0), bin(1), null, true, null], 'chunk', null],
    ['what left on no basis', [33, 1, 1, 1, 'nothing', [], ID, bin(0), null, true, null], 'chunk', null],
    ['a total below 0', [33, 1, 1, 1, 'nothing', [], bin(0), bin(0), -1, true, null], 'chunk', 'total'],
    ['a last that is 1', [33, 1, 1, 1, 'nothing', [], bin(0), bin(0), null, 1, null], 'chunk', 'last'],
    ['an edge before the last chunk', [33, 1, 1, 1, 'nothing', [], bin(0), bin(0), null, false, ID], 'chunk', null],
    ['a held on buckets', [36, 'a', 1, 'buckets', ID, []], 'held', 'basis'],
    ['more rows than ids', [36, 'a', 1, 'nothing', bin(0), [bin(1)]], 'held', null],
    ['an at below 0', [43, -1], 'at', 'position'],
    ['an unreadable row without an error', [44, 'a', ID, null], 'unreadable', 'error'],
    ['a log without its operations', [45, 0, [[1, ID]]], 'logged', 'transactions[0]'],
    ['a log of text', [45, 0, [[1, ID, [bin(1), 'x']]]], 'logged', 'transactions[0].operations[1]'],
    ['a taken that is true', [46, 1, null, true], 'taken', 'error'],
    ['a pending of no transaction', [47, null, []], 'pending', 'transaction'],
    ['a withdrawn of 17 bytes', [48, bin(17)], 'withdrawn', 'transaction'],
    ['an online that is null', [49, null, null], 'linked', 'online'],
    ['a part of an unknown kind', [38, 1, [[3, 'a', ID]], [], null], 'step', 'parts[0]'],
    ['a part without its row', [38, 1, [[0, 'a']], [], null], 'step', 'parts[0].whole'],
    [
      'a head of 17 bytes',
      [
        38,
        1,
        [
          [2, 'a', ID],
          [1, 'a', ID, bin(1), bin(17)],
        ],
        [],
        null,
      ],
      'step',
      'parts[1].items.head',
    ],
    ['an edge that is text', [38, 1, [], [[1, 'x']], null], 'step', 'edges[0].entity'],
    ['a settled of 1 byte', [38, 1, [], [], bin(1)], 'step', 'settled'],
    ['an error in three parts', [39, ID, 1, WIRE_ERROR.slice(1)], 'refused', 'error'],
    ['a code in capitals', [39, ID, 1, ['CONFLICT', '', '', '{}']], 'refused', 'error.code'],
    ['facts that are a list', [39, ID, 1, ['conflict', '', '', '[]']], 'refused', 'error.facts'],
    ['a long problem', [39, ID, 1, ['conflict', 'x'.repeat(4_097), '', '{}']], 'refused', 'error.problem'],
    ['no error', [39, ID, 1, null], 'refused', 'error'],
    ['another reason', [40, ID, 1, 'weather', 1], 'rebase', 'reason'],
    ['a time past every Date', [40, ID, 1, 'author', 8.64e15 + 2], 'rebase', 'time'],
    ['an unknown type', [41, 1, [['n', 'uuid']], [], 0, true], 'answer', 'columns[0].type'],
    ['a cell that is a map', [41, 1, [['n', null]], [[1], [new Map()]], 0, true], 'answer', 'rows[1][0]'],
    ['a row that is too long', [41, 1, [['n', null]], [[1, 2]], 0, true], 'answer', null],
    ['a row that is too short', [41, 1, [['n', null]], [[]], 0, true], 'answer', null],
    ['changes below 0', [41, 1, [], [], -1, true], 'answer', 'changes'],
    ['a long credential', [64, 2, ID, 'a', null, 'x'.repeat(8_193), null], 'hello', 'credential'],
    ['a cursor without its epoch', [64, 2, ID, 'a', null, null, [null, 1]], 'hello', 'cursor.epoch'],
    ['a cursor that is a position', [64, 2, ID, 'a', null, null, 1], 'hello', 'cursor'],
    ['a hello without a cursor', [64, 2, ID, 'a', null, null], 'hello', null],
    ['a hello of four fields, of another version', [64, 3, ID, 'a', null], 'hello', null],
    ['a protocol of 65,536', [64, 65_536, ID, 'a', null, null, null], 'hello', 'protocol'],
    ['a system as text', [64, 1, ID, 'a', 'x', null, null], 'hello', 'system'],
    ['a welcome that does not say whether it resumes', [65, ID, ID, ID, 1, 1, null, 'a', null], 'welcome', 'resumes'],
    ['no epoch', [65, ID, ID, null, 1, 1, null, 'a', true], 'welcome', 'epoch'],
  ])('%s', (_, message, kind, field) => {
    const error = failureOf(() => codec.decodeMessages(packed(message)));
    expect(error).toBeInstanceOf(TendrilError);
    expect(error.code).toBe('protocol-violation');
    expect(error.facts).toMatchObject({ kind, field });
    expect(error.problem.length).toBeLessThan(300);
  });

  test('the offset and the place in the frame are told', () => {
    const frame = Buffer.concat([packed([68]), packed([68]), packed([200])]);
    const error = failureOf(() => codec.decodeMessages(frame));
    expect(error.facts.offset).toBe(7);
    expect(error.problem).toContain('Message 2 of a frame');
  });
});
