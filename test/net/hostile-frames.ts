/**
 * Hostile frames: bytes that no well-behaved node sends. All of them are to be refused, so each is wrong for one reason
 * at least; the families say which.
 */
import { Packr } from 'msgpackr/pack';
import { PROTOCOL_VERSION } from '../../net/messages.ts';
import type { Random } from '../support/random.ts';

const packr = new Packr({ useRecords: false });

/** As msgpackr would write it, checked by nothing. */
export function packed(value: unknown): Buffer {
  return Buffer.from(packr.pack(value));
}

function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(' ', ''), 'hex');
}

export const ID = new Uint8Array(16).fill(3);
const HASH = new Uint8Array(16);
export const WIRE_ERROR = ['conflict', 'It moved.', 'Run it again.', '{"a":1}'];

/** One good message of each kind, as the list that it is on the wire, no list in it empty. */
export const GOOD: readonly (readonly unknown[])[] = [
  [1, [['flight', HASH]]],
  [2, 1, 'flight', 'a = ?', [1, 'x'], [0, ID, ID]],
  [3, 1],
  [4, 'flight', ID, true],
  [5, 'flight', ID],
  [6, ID, 1, [Uint8Array.of(1)]],
  [7, 1, null, 'SELECT 1', new Map([['x', 1]])],
  [8],
  [9, 5, 0, [Uint8Array.of(1)]],
  [32, [['flight', 'text']]],
  [33, 1, 1, 5, 'held', [Uint8Array.of(1)], ID, new Uint8Array(0), 7, true, ID],
  [34, 1, WIRE_ERROR],
  [35, 1],
  [36, 'flight', 5, 'nothing', ID, [Uint8Array.of(1)]],
  [37, 'flight', ID],
  [
    38,
    5,
    [
      [0, 'flight', Uint8Array.of(1)],
      [1, 'flight', ID, Uint8Array.of(1), ID],
      [2, 'flight', ID],
    ],
    [[1, ID]],
    ID,
  ],
  [39, ID, 1, WIRE_ERROR],
  [40, ID, 1, 'author', 5],
  [41, 1, [['n', 'integer']], [[1], [2]], 0, true],
  [42, 1, WIRE_ERROR],
  [43, 5],
  [44, 'flight', ID, WIRE_ERROR],
  [45, 0, [[5, ID, [Uint8Array.of(1)]]]],
  [46, 5, 7, WIRE_ERROR],
  [47, ID, [Uint8Array.of(1)]],
  [48, ID],
  [49, false, WIRE_ERROR],
  [64, PROTOCOL_VERSION, ID, 'ana', null, null, [ID, 5]],
  [65, ID, ID, ID, 5, 5, null, 'ana', true],
  [66, WIRE_ERROR],
  [67, WIRE_ERROR],
  [68],
  [69],
];

/** In no field of `GOOD`, whatever its type. */
const NEVER_RIGHT: readonly Buffer[] = [
  packed(2n ** 63n),
  packed(Number.NaN),
  packed(undefined),
  packed(new Date(0)),
  hex('a2c328'),
  hex('a3eda080'),
  hex('c1'),
  packed(new Map([['__proto__', new Map([['polluted', true]])]])),
  packed([[[[]]]]),
];

/** Where one value of `GOOD` stands: the way to it. */
function places(value: unknown, path: readonly number[] = []): readonly (readonly number[])[] {
  if (!Array.isArray(value)) return [path];
  return [path, ...value.flatMap((element, index) => places(element, [...path, index]))];
}

const SENTINEL = 'a sentinel that stands nowhere else';

/** `message` with other bytes at `path`. */
export function replaced(message: unknown, path: readonly number[], bytes: Uint8Array): Buffer {
  const withSentinel = (value: unknown, [first, ...rest]: readonly number[]): unknown =>
    first === undefined
      ? SENTINEL
      : (value as readonly unknown[]).map((element, index) =>
          index === first ? withSentinel(element, rest) : element,
        );
  const whole = packed(withSentinel(message, path));
  const mark = packed(SENTINEL);
  const at = whole.indexOf(mark);
  return Buffer.concat([whole.subarray(0, at), bytes, whole.subarray(at + mark.length)]);
}

type Family = (random: Random) => Buffer;

function anyReplaced(random: Random, bytes: Uint8Array): Buffer {
  const message = random.pick(GOOD);
  return replaced(message, random.pick(places(message)), bytes);
}

function header(random: Random, tokens: readonly string[]): Buffer {
  return hex(random.pick(tokens));
}

const HUGE = ['dcffff', 'ddffffffff', 'dd7fffffff', 'dd00ffffff', 'deffff', 'dfffffffff', 'df00ffffff'];
const HUGE_BYTES = ['c4ff', 'c5ffff', 'c6ffffffff', 'c67fffffff', 'd9ff', 'daffff', 'dbffffffff', 'db7fffffff'];

export const FAMILIES: Readonly<Record<string, Family>> = {
  truncated: (random) => {
    const bytes = packed(random.pick(GOOD));
    return bytes.subarray(0, 1 + random.integer(bytes.length - 1));
  },
  'with bytes after it': (random) => Buffer.concat([packed(random.pick(GOOD)), Buffer.of(random.integer(0x91))]),
  'huge counts': (random) => anyReplaced(random, header(random, HUGE)),
  'huge lengths': (random) => anyReplaced(random, header(random, HUGE_BYTES)),
  'deep lists': (random) => anyReplaced(random, Buffer.alloc(1 + random.integer(50_000), 0x91)),
  'deep maps': (random) => anyReplaced(random, Buffer.alloc(3 * (1 + random.integer(20_000)), hex('81a161'))),
  'duplicate keys': (random) => {
    const name = random.pick(['a', '', '__proto__', 'constructor', 'x'.repeat(300)]);
    const pair = Buffer.concat([packed(name), packed(random.integer(9))]);
    const map = Buffer.concat([Buffer.of(0x83), pair, packed('other'), packed(1), pair]);
    return replaced(random.pick(GOOD.slice(1, 2)), [4], map);
  },
  'wrong types': (random) => anyReplaced(random, random.pick(NEVER_RIGHT)),
  'missing fields': (random) => {
    const message = random.pick(GOOD.filter(({ length }) => length > 1));
    return packed(message.filter((_, index) => index !== message.length - 1));
  },
  'additional fields': (random) => packed([...random.pick(GOOD), random.pick([null, 1, 'x', []])]),
  'unknown kinds': (random) => {
    const known = new Set(GOOD.map(([code]) => code));
    const code = random.pick(Array.from({ length: 256 }, (_, each) => each).filter((each) => !known.has(each)));
    return packed([code, ...random.pick(GOOD).slice(1)]);
  },
  'messages that are maps': (random) =>
    packed(new Map<string, unknown>([[random.pick(['__proto__', 'kind', 'constructor']), random.pick(GOOD)]])),
  'definitions of records': (random) => {
    const id = 0x40 + random.integer(32);
    const name = random.pick(['__proto__', 'toString', 'kind', 'a']);
    const one = [Buffer.of(0xd4, 0x72, id), packed([name]), packed(1)];
    const two = [Buffer.of(0xd5, 0x72, id, random.integer(4)), packed([name, 'b']), packed(1), packed(2)];
    return anyReplaced(random, Buffer.concat(random.pick([one, two, [...one, Buffer.of(id), packed(2)]])));
  },
  extensions: (random) => {
    const type = random.pick([0, 0x42, 0x62, 0x65, 0x69, 0x70, 0x72, 0x73, 0x74, 0x78, 0xff, random.integer(256)]);
    const length = random.pick([1, 2, 4, 8, 16]);
    const fixed = Buffer.of(0xd4 + Math.log2(length), type, ...Array.from({ length }, () => random.integer(256)));
    const sized = Buffer.of(0xc7, length, type, ...Array.from({ length }, () => random.integer(256)));
    const huge = Buffer.of(0xc9, 0xff, 0xff, 0xff, 0xff, type);
    return anyReplaced(random, random.pick([fixed, sized, huge, Buffer.of(0xc1), Buffer.of(0xc8, 0xff, 0xff, type)]));
  },
  'giant integers': (random) => {
    const bytes = 8 * (1 + random.integer(1_000));
    const giant = Buffer.concat([Buffer.of(0xc8, bytes >> 8, bytes & 255, 0x42), Buffer.alloc(bytes, 0x7f)]);
    return anyReplaced(random, random.pick([giant, hex('cfffffffffffffffff'), hex('cf8000000000000000')]));
  },
  'too many messages': (random) => Buffer.alloc(2 * (10_001 + random.integer(500_000)), Buffer.of(0x91, 68)),
  'facts that are no object': (random) => {
    const facts = ['', '[]', '1', 'null', '"x"', '{', '{"a":', `${'['.repeat(4_000)}`, '{"__proto__":{"polluted":1}}'];
    const deep = `{"a":${'['.repeat(9)}${']'.repeat(9)}}`;
    const inner = '{"a":{"b":[{"__proto__":{"polluted":1}}]}}';
    const lone = '{"a":"\\ud800"}';
    return packed([
      66,
      ['conflict', 'a', 'b', random.pick([...facts, deep, inner, lone, `{"a":"${'x'.repeat(4_096)}"}`])],
    ]);
  },
  'forged codes': (random) =>
    packed([66, [random.pick(['', '__proto__', 'Conflict', 'a b', 'a'.repeat(65), '-', 'a-']), 'a', 'b', '{}']]),
  noise: (random) => Buffer.from(Array.from({ length: 1 + random.integer(200) }, () => random.integer(0x90))),
};
