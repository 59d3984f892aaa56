/** Hostile sessions: what to send after a hello, or in its place, and what must be heard of it. Each does one kind of harm. */

import { MAX_HELD_IDS, MAX_OPEN_ASKS, MAX_SUBSCRIPTIONS, MAX_WINDOW_LIMIT } from '../../engine/feed/limits.ts';
import { createSystemRandom } from '../../engine/ports/random.ts';
import { createMint } from '../../engine/write/mint.ts';
import { MAX_GREETING_FRAME_BYTES } from '../../net/frames.ts';
import { type Hello, PROTOCOL_VERSION } from '../../net/messages.ts';
import {
  BUCKETS_BYTES,
  type Edit,
  type EntityId,
  type EpochId,
  encodeOperation,
  MAX_VALUE_BYTES,
  type OperationId,
  type Position,
  type SystemId,
  type TransactionId,
} from '../../storage/index.ts';
import { FAMILIES as BYTES, packed } from './hostile-frames.ts';
import {
  ask,
  BROKEN,
  CREATE,
  type Family,
  frames,
  greeted,
  hello,
  operation,
  PART_FRAME,
  patched,
  raw,
  subscribe,
  TOO_LARGE_FRAME,
  upload,
  uploadOf,
} from './hostile-kit.ts';
import { FAMILIES as OF_LOGS } from './hostile-logs.ts';
import { Prey, Vault } from './hostile-world.ts';

function bytesOfFrames(names: readonly string[]): Family {
  return {
    make: (kit, random) => raw(kit, random, BYTES[random.pick(names)]!(random)),
    hears: [...BROKEN, 'bye limit-exceeded'],
  };
}

/* ------------------------------------------------------------------ the families */

/** The family that fills what a node remembers of texts, up to its limits. */
export const GIANT = 'giant texts, never the same';
const DAY_MS = 86_400_000;
const FORBIDDEN = [
  'DROP TABLE prey',
  'DELETE FROM tendril_log',
  'UPDATE _prey SET name = 1',
  'PRAGMA writable_schema = 1',
  "ATTACH 'x' AS y",
  'VACUUM',
  'BEGIN',
  'SELECT 1; SELECT 2',
  'INSERT INTO prey (name) VALUES (NULL)',
  'SELECT * FROM sqlite_master',
  'SELECT load_extension(1)',
  'SELEC',
  `SELECT ${'('.repeat(500)}1`,
];
const SELECTIONS_REFUSED = [
  `rank > 1 LIMIT ${MAX_WINDOW_LIMIT + 1}`,
  'rank > 1 LIMIT 1 OFFSET 1',
  'rank >',
  'nope = 1',
  `${'NOT '.repeat(100)}1`,
  `rank IN (${Array(1_001).fill('1').join()})`,
  'name = (SELECT name FROM vault)',
  'random() > 0',
];

const ofBytes: Readonly<Record<string, Family>> = {
  'truncated and noise': bytesOfFrames(['truncated', 'noise', 'missing fields']),
  deep: bytesOfFrames(['deep lists', 'deep maps']),
  'huge counts and lengths': bytesOfFrames(['huge counts', 'huge lengths', 'giant integers', 'too many messages']),
  'duplicate fields': bytesOfFrames(['duplicate keys', 'additional fields', 'definitions of records']),
  'wrong types': bytesOfFrames(['wrong types', 'unknown kinds', 'messages that are maps', 'extensions']),
  oversized: {
    make: (kit, random) =>
      random.chance(0.5)
        ? [new Uint8Array(MAX_GREETING_FRAME_BYTES + 1 + random.integer(9))]
        : [...greeted(kit), TOO_LARGE_FRAME],
    hears: ['bye limit-exceeded'],
    weight: 2,
  },
  'parts never finished': {
    make: (kit, random) => [...greeted(kit), ...Array<Uint8Array>(1 + random.integer(3)).fill(PART_FRAME)],
    hears: ['welcome'],
    weight: 5,
  },
  'parts out of place': {
    make: (kit, random) =>
      random.pick([
        [...greeted(kit), PART_FRAME, Uint8Array.of(0, 0x91, 68)],
        [...greeted(kit), Uint8Array.of(2, 0x91, 68)],
        [...greeted(kit), Uint8Array.of(1, 0x91, 68)],
        [...greeted(kit), PART_FRAME, Uint8Array.of(2, 0x91, 68)],
      ]),
    hears: BROKEN,
    weight: 2,
  },
  'parts past every message': {
    make: (kit) => [...greeted(kit), ...Array<Uint8Array>(17).fill(PART_FRAME)],
    hears: ['bye limit-exceeded'],
    weight: 20,
  },
};

const ofSessions: Readonly<Record<string, Family>> = {
  'let in by nobody': {
    make: (kit, random) =>
      frames(
        hello(
          kit,
          random.pick<Partial<Hello>>([
            { protocol: PROTOCOL_VERSION + 1 },
            { system: kit.mint.next() as SystemId },
            { credential: 'eve' },
            { credential: null },
            { credential: 'x'.repeat(8_000) },
          ]),
        ),
      ),
    hears: ['refuse protocol-mismatch', 'refuse system-mismatch', 'refuse policy-denied'],
  },
  'out of turn': {
    make: (kit, random) =>
      random.pick([
        frames(subscribe(1, '')),
        frames({ kind: 'ping' }),
        frames(hello(kit), subscribe(1, '')),
        greeted(kit, hello(kit)),
        greeted(kit, { kind: 'step', position: 1 as Position, parts: [], edges: [], settled: null }),
        greeted(kit, { kind: 'unsubscribed', subscription: 1 }),
      ]),
    hears: BROKEN,
  },
  'numbers used twice': {
    make: (kit, random) =>
      random.pick([
        greeted(kit, subscribe(1, ''), subscribe(1, '')),
        greeted(kit, subscribe(5, ''), subscribe(4, '')),
        greeted(kit, subscribe(1, ''), { kind: 'unsubscribe', subscription: 2 }),
        greeted(kit, subscribe(1, 'nope'), subscribe(1, '')),
      ]),
    hears: BROKEN,
  },
  'more subscriptions than there may be': {
    make: (kit) =>
      greeted(
        kit,
        ...Array.from({ length: MAX_SUBSCRIPTIONS + 5 }, (_, at) => subscribe(at + 1, 'rank = ?', [at % 7])),
      ),
    hears: ['denied limit-exceeded'],
    weight: 10,
  },
  'selections that cannot be': {
    make: (kit, random) => greeted(kit, subscribe(1, random.pick(SELECTIONS_REFUSED))),
    hears: ['query-unsupported', 'query-syntax', 'limit-exceeded', 'unknown-property'].map((code) => `denied ${code}`),
  },
  [GIANT]: {
    make: (kit, random) => {
      const terms = (count: number) =>
        Array.from({ length: count }, () => `rank ${random.pick(['=', '<', '>', '<>', '<=', '>='])} 1`).join(' OR ');
      const text = random.chance(0.5) ? terms(240) : `${' '.repeat(60_000)}${terms(20)}`;
      return greeted(kit, subscribe(1, text), ask(1, `SELECT id FROM prey WHERE ${text}`), subscribe(2, terms(300)));
    },
    hears: ['denied limit-exceeded'],
    weight: 10,
  },
  'unknown collections': {
    make: (kit, random) => {
      const collection = random.pick(['nope', 'Prey', '_prey', 'tendril_log', '__proto__', 'sqlite_master', '']);
      return greeted(
        kit,
        { kind: 'describe', collections: [{ name: collection, hash: new Uint8Array(16) }] },
        { kind: 'subscribe', subscription: 1, collection, text: '', parameters: [], had: null },
        { kind: 'hold', collection, ids: [kit.own.entity], had: false },
        { kind: 'release', collection, ids: [kit.own.entity] },
        { kind: 'ask', request: 1, collection, text: '', parameters: [] },
        ...(collection === '' ? [] : [upload(operation(kit, { collection }))]),
      );
    },
    hears: ['denied unknown-collection'],
  },
  'cursors that never were': {
    make: (kit, random) => {
      const position = random.pick([0, 1, Number.MAX_SAFE_INTEGER]) as Position;
      const cursor = { epoch: kit.mint.next() as string as EpochId, position };
      const had = { kind: 'held', through: null, edge: null } as const;
      return [...frames(hello(kit, { cursor })), ...frames({ ...subscribe(1, ''), had })];
    },
    hears: BROKEN,
  },
  'buckets of nothing': {
    make: (kit, random) => {
      const hashes = Uint8Array.from({ length: BUCKETS_BYTES }, () => random.integer(256));
      return greeted(kit, { ...subscribe(1, 'rank > 2'), had: { kind: 'buckets', hashes } });
    },
    hears: ['chunk'],
  },
  'floods of asks': {
    make: (kit) =>
      greeted(kit, ...Array.from({ length: 2 * MAX_OPEN_ASKS }, (_, at) => ask(at + 1, 'SELECT count(*) FROM prey'))),
    hears: ['unanswered limit-exceeded'],
    weight: 5,
  },
  'floods of holds': {
    make: (kit) => {
      const more = kit.crowd.map((id) => `${id.slice(0, -1)}${id.endsWith('Z') ? 'Y' : 'Z'}` as EntityId);
      return [
        ...frames(hello(kit)),
        ...frames({ kind: 'hold', collection: Prey.name, ids: kit.crowd, had: false }),
        ...frames({ kind: 'hold', collection: Vault.name, ids: more.slice(0, MAX_HELD_IDS), had: false }),
      ];
    },
    hears: ['bye limit-exceeded'],
    weight: 100,
  },
  'giant parameters': {
    make: (kit, random) =>
      random.chance(0.9)
        ? raw(kit, random, packed([7, 1, null, 'SELECT ?', Array(32_767 + random.integer(9)).fill(null)]))
        : [
            ...greeted(kit),
            new Uint8Array(
              Buffer.concat([Buffer.of(0), packed([2, 1, 'prey', 'name = ?', ['x'.repeat(MAX_VALUE_BYTES + 1)]])]),
            ),
          ],
    hears: [...BROKEN, 'bye limit-exceeded'],
  },
  'statements that may not be': {
    make: (kit, random) => greeted(kit, ...FORBIDDEN.map((text, at) => ask(at + 1, text)).slice(random.integer(4))),
    hears: ['unanswered query-unsupported'],
  },
  'answers without end': {
    make: (kit, random) =>
      greeted(
        kit,
        ask(
          1,
          `WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT ${100_001 + random.integer(99)}) SELECT n FROM c`,
        ),
      ),
    hears: ['unanswered limit-exceeded'],
    weight: 50,
  },
  'statements that write': {
    make: (kit, random) =>
      greeted(
        kit,
        ask(1, 'UPDATE prey SET rank = ? WHERE id = ?', [random.integer(9), kit.own.entity]),
        ask(2, 'DELETE FROM prey WHERE rank > ?', [1_000]),
        ask(3, "UPDATE prey SET nope = 1 WHERE name = 'deer'"),
      ),
    hears: ['unanswered unknown-property'],
  },
};

const ofUploads: Readonly<Record<string, Family>> = {
  'forged author': {
    make: (kit, random) => {
      const author = random.pick(['ana', 'node', 'mallory ', kit.foreign.author]);
      const { entity, id } = kit.foreign;
      const edits: readonly Edit[] = [{ kind: 'set', property: 'amount', value: 0n }];
      return greeted(kit, upload(operation(kit, { author, collection: Vault.name, entity, precursors: [id], edits })));
    },
    hears: ['refused policy-denied'],
  },
  'foreign transactions': {
    make: (kit) => greeted(kit, uploadOf(kit.mint.next() as TransactionId, [encodeOperation(operation(kit))])),
    hears: ['refused invalid-operation'],
  },
  'transactions of others': {
    make: (kit) => greeted(kit, upload(operation(kit, { transaction: kit.foreign.transaction }))),
    hears: ['refused identity-clash'],
  },
  'identity clashes': {
    make: (kit, random) => {
      const { id, precursors } = random.pick([kit.own, kit.foreign]);
      const twin = operation(kit);
      return random.chance(0.5)
        ? greeted(kit, upload(operation(kit, { id, precursors, edits: [CREATE] })))
        : greeted(kit, upload(twin, { ...twin, salt: new Uint8Array(8).fill(7) }));
    },
    hears: ['refused identity-clash'],
  },
  'edits of wrong types': {
    make: (kit, random) => {
      const [property, value] = random.pick<readonly [string, bigint | number | string | Uint8Array]>([
        ['name', 7n],
        ['rank', 'seven'],
        ['rank', 0.5],
        ['note', new Uint8Array(3)],
      ]);
      return greeted(kit, upload(operation(kit, { edits: [CREATE, { kind: 'set', property, value }] })));
    },
    hears: ['refused schema-mismatch'],
  },
  'ids not above their precursors': {
    make: (kit, random) => {
      const { id, entity } = kit.own;
      const bytes = encodeOperation(operation(kit, { entity, precursors: [id] }));
      // The id follows the format byte; it is made the smallest there is, or the precursor's own.
      const at = Buffer.from(bytes).indexOf(Buffer.from(encodeOperation(kit.own).subarray(1, 17)));
      const other = random.chance(0.5) ? new Uint8Array(16) : bytes.subarray(at, at + 16);
      const transaction = operation(kit).transaction;
      const transactionBytes = encodeOperation(operation(kit, { transaction })).subarray(17, 33);
      return greeted(kit, uploadOf(transaction, [patched(patched(bytes, 1, other), 17, transactionBytes)]));
    },
    hears: ['refused invalid-operation'],
  },
  'built on what is not theirs': {
    make: (kit, random) => {
      const { id, entity } = random.pick([kit.foreign, kit.own]);
      const stranger = random.chance(0.5) ? kit.crowd[0]! : entity;
      const collection = stranger === entity && id === kit.own.id ? Vault.name : Prey.name;
      return greeted(kit, upload(operation(kit, { entity: stranger, collection, precursors: [id] })));
    },
    hears: ['refused invalid-operation'],
  },
  'built on what never was': {
    make: (kit) => greeted(kit, upload(operation(kit, { precursors: [kit.mint.next() as OperationId] }))),
    hears: ['rebase missing-precursor'],
  },
  'from the future': {
    make: (kit, random) => {
      const ahead = createMint({ now: () => Date.now() + DAY_MS * (1 + random.integer(999)) }, createSystemRandom());
      return greeted(kit, upload(operation(kit, { id: ahead.next() as OperationId })));
    },
    hears: ['rebase clock-drift'],
  },
  'no operations at all': {
    make: (kit, random) => {
      const noise = Uint8Array.from({ length: random.integer(90) }, () => random.integer(256));
      const cut = encodeOperation(kit.own).subarray(0, 5 + random.integer(40));
      return greeted(
        kit,
        uploadOf(kit.mint.next() as TransactionId, random.pick([[], [noise], [cut], [new Uint8Array(0)]])),
      );
    },
    hears: ['refused invalid-operation'],
  },
  'uploads in floods': {
    make: (kit) => {
      const transaction = kit.mint.next() as TransactionId;
      return greeted(kit, ...Array.from({ length: 10_000 }, () => uploadOf(transaction, [])));
    },
    hears: ['refused invalid-operation'],
    weight: 100,
  },
};

export const FAMILIES: Readonly<Record<string, Family>> = { ...ofBytes, ...ofSessions, ...ofUploads, ...OF_LOGS };
