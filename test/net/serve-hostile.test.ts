/** Followers that are silent, slow, or hostile: each costs its own link, no memory without bound, and nobody else anything. */
import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Scheduler } from '../../engine/index.ts';
import { TendrilError } from '../../errors.ts';
import { MAX_FRAME_BYTES, MAX_GREETING_FRAME_BYTES } from '../../net/frames.ts';
import {
  LOW_WATER_BYTES,
  MAX_CLOSE_MS,
  MAX_HELLO_MS,
  MAX_IDLE_MS,
  MAX_JUDGING_MS,
  MAX_QUEUE_BYTES,
  PING_AFTER_MS,
} from '../../net/limits.ts';
import { webSocket } from '../../net/links/web-socket.ts';
import { type Message, PROTOCOL_VERSION } from '../../net/messages.ts';
import { type ServeOptions, type Server, serve } from '../../net/server.ts';
import { createTestScheduler, type TestScheduler } from '../support/ports.ts';
import { createRandom, runs, seedFor } from '../support/random.ts';
import { chunk, type FakeAuthority, fakeAuthority, step, subscribe } from './fake-authority.ts';
import { Follower, HELLO, RawFollower } from './followers.ts';

const REFUSAL = new TendrilError({ code: 'policy-denied', problem: 'No.', remedy: 'None.' });

let authority: FakeAuthority;
let scheduler: TestScheduler;
let server: Server;
let peaceful: Follower;

async function begin(options: ServeOptions = { access: 'open' }): Promise<void> {
  authority = fakeAuthority();
  scheduler = createTestScheduler();
  server = await serve(authority, { ports: { scheduler }, ...options });
}

beforeEach(async () => {
  await begin();
  peaceful = await new Follower(webSocket(server.url)).welcomed();
});

afterEach(async () => {
  // Whatever happened, the others are served.
  const before = peaceful.said.length;
  authority.say(step(99));
  await peaceful.until(() => peaceful.said.length > before || peaceful.ends.length > 0);
  expect(peaceful.ends).toEqual([]);
  await finish();
});

async function finish(): Promise<void> {
  const closed = server.close();
  await settled();
  scheduler.pass(MAX_CLOSE_MS);
  await closed;
}

const settled = (): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, 40));
const raw = () => new RawFollower(server.url).opened();

async function greeted(): Promise<RawFollower> {
  const follower = await raw();
  follower.send(HELLO);
  await follower.got(1);
  return follower;
}

describe('silence', () => {
  test('before the hello is borne for 5 s, and not longer', async () => {
    const follower = await raw();
    await settled();
    scheduler.pass(MAX_HELLO_MS - 1);
    await settled();
    expect([follower.messages.length, follower.isClosed]).toEqual([0, false]);
    scheduler.pass(1);
    await follower.closed();
    expect(follower.sentAwayWith()).toBe('offline');
  });

  test('after the welcome is broken by a ping, and ends the session at 60 s', async () => {
    const follower = await greeted();
    scheduler.pass(PING_AFTER_MS - 1);
    await settled();
    expect(follower.messages.length).toBe(1);
    scheduler.pass(1);
    expect((await follower.got(2))[1]).toEqual({ kind: 'ping' });
    scheduler.pass(MAX_IDLE_MS - PING_AFTER_MS - 1);
    await settled();
    expect(follower.isClosed).toBe(false);
    scheduler.pass(1);
    await follower.closed();
    expect(authority.sessions.at(-1)!.isClosed).toBe(true);
  });

  test('a pong, or anything else, keeps the session alive', async () => {
    const follower = await greeted();
    for (const message of [{ kind: 'pong' }, { kind: 'ping' }, subscribe(1)] as readonly Message[]) {
      scheduler.pass(MAX_IDLE_MS - PING_AFTER_MS);
      follower.send(message);
      await settled();
    }
    expect(follower.isClosed).toBe(false);
    expect(follower.messages.map(({ kind }) => kind)).toContain('pong');
  });

  test('of `authenticate` is borne for 10 s', async () => {
    await finish();
    await begin({ authenticate: (_, credential) => (credential === null ? new Promise(() => {}) : { actor: 'ben' }) });
    const follower = await raw();
    follower.send(HELLO);
    await settled();
    scheduler.pass(MAX_JUDGING_MS - 1);
    await settled();
    expect(follower.isClosed).toBe(false);
    scheduler.pass(1);
    await follower.closed();
    expect(follower.sentAwayWith()).toBe('offline');
    peaceful = await new Follower(webSocket(server.url, { credential: 'x' })).welcomed();
  });
});

describe('out of turn', () => {
  const before: readonly (readonly [string, readonly Message[], string])[] = [
    ['a request before the hello', [subscribe(1)], 'protocol-violation'],
    ['a ping before the hello', [{ kind: 'ping' }], 'protocol-violation'],
    ['two hellos in one frame', [HELLO, HELLO], 'protocol-violation'],
    ['a request behind the hello', [HELLO, subscribe(1)], 'protocol-violation'],
    ['what only an authority says', [step(1)], 'protocol-violation'],
    ['another version', [{ ...HELLO, protocol: PROTOCOL_VERSION + 1 }], 'protocol-mismatch'],
  ];

  test.each(before)('%s is refused before the feed hears of it', async (_, messages, code) => {
    const follower = await raw();
    follower.send(...messages);
    await follower.closed();
    expect(follower.sentAwayWith()).toBe(code);
    expect(authority.sessions.length).toBe(1);
    expect(follower.messages.length).toBe(1);
  });

  test.each([
    ['a second hello', HELLO],
    ['what only an authority says', step(1)],
    ['a goodbye that refuses', { kind: 'refuse', error: REFUSAL }],
  ] as readonly (readonly [string, Message])[])('%s after the welcome ends the session', async (_, message) => {
    const follower = await greeted();
    follower.send(message);
    await follower.closed();
    expect(follower.sentAwayWith()).toBe('protocol-violation');
    expect(authority.sessions.at(-1)).toMatchObject({ isClosed: true, taken: [] });
  });
});

describe('too much', () => {
  test('a frame at the limit before authentication is read, one past it ends the session', async () => {
    const at = await raw();
    at.socket.send(new Uint8Array(MAX_GREETING_FRAME_BYTES).fill(1));
    await at.closed();
    expect(at.sentAwayWith()).toBe('protocol-violation');
    const past = await raw();
    past.socket.send(new Uint8Array(MAX_GREETING_FRAME_BYTES + 1).fill(1));
    await past.closed();
    expect(past.sentAwayWith()).toBe('limit-exceeded');
  });

  test('a large frame before authentication is not even waited for', async () => {
    const follower = await raw();
    // A frame of 1 MiB is announced; 20 KiB of it come.
    const head = Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0]);
    const socket = (follower.socket as unknown as { readonly _socket: Socket })._socket;
    socket.write(Buffer.concat([head, Buffer.alloc(20 * 1_024)]));
    await follower.got(1);
    expect(follower.sentAwayWith()).toBe('limit-exceeded');
    await settled();
    follower.socket.terminate();
  });

  test('a frame past 1 MiB after authentication closes the link, and the process lives', async () => {
    const at = await greeted();
    at.socket.send(new Uint8Array(MAX_FRAME_BYTES).fill(3));
    await at.closed();
    expect(at.sentAwayWith()).toBe('protocol-violation');
    const past = await greeted();
    past.socket.send(new Uint8Array(MAX_FRAME_BYTES + 1));
    await past.closed();
    expect(authority.sessions.slice(1).map(({ isClosed }) => isClosed)).toEqual([true, true]);
  });

  test('text, empty frames and pieces are refused', async () => {
    const followers = [await greeted(), await greeted(), await greeted()];
    followers[0]!.socket.send('text');
    followers[1]!.socket.send(new Uint8Array(0));
    for (let piece = 0; piece < 100; piece += 1) followers[2]!.socket.send(Uint8Array.of(piece), { fin: piece === 99 });
    for (const follower of followers) await follower.closed();
    // Not data of this kind; and too many pieces.
    expect(followers.map(({ closeCode }) => closeCode)).toEqual([1003, 1000, 1008]);
    expect(authority.sessions.slice(1).every(({ isClosed }) => isClosed)).toBe(true);
  });

  test('frames of random bytes, before and after authentication, cost their links only', async () => {
    const random = createRandom(seedFor('serve-hostile'));
    for (let run = 0; run < runs(300); run += 1) {
      const follower = random.chance(0.5) ? await greeted() : await raw();
      const [frame = new Uint8Array(0)] = follower.frameOf(random.chance(0.5) ? HELLO : subscribe(run + 1));
      const bytes = Uint8Array.from(frame);
      for (let flips = random.integer(4); flips >= 0; flips -= 1)
        bytes[random.integer(bytes.length)] = random.integer(256);
      follower.socket.send(random.chance(0.2) ? bytes.subarray(0, random.integer(bytes.length)) : bytes);
      if (random.chance(0.3)) follower.socket.terminate();
      else follower.socket.close();
      await follower.closed();
    }
    while (server.report().sessions > 1) await settled();
    expect(authority.sessions.slice(1).every(({ isClosed }) => isClosed)).toBe(true);
  });
});

describe('a follower that reads too slowly', () => {
  /** Greets, and then reads nothing any more. */
  async function stuck(): Promise<RawFollower> {
    const follower = await greeted();
    follower.socket.pause();
    return follower;
  }

  test('is cut off when more than 4 MiB wait, with its reason; the others are told everything', async () => {
    const follower = await stuck();
    let most = 0;
    let told = 0;
    for (; told < 2_000 && server.report().sessions === 2; told += 1) {
      authority.say(step(told, 50_000));
      most = Math.max(most, server.report().queuedBytes);
      if (authority.sessions[1]!.isClosed) break;
      await new Promise(setImmediate);
    }
    expect(authority.sessions[1]!.isClosed).toBe(true);
    expect(server.report().ended).toEqual({ 'limit-exceeded': 1 });
    expect(most).toBeGreaterThan(MAX_QUEUE_BYTES / 2);
    expect(most).toBeLessThanOrEqual(2 * MAX_QUEUE_BYTES);
    await peaceful.until(() => peaceful.said.length > told);
    // What had left before is still read, and why it ended.
    follower.socket.resume();
    await follower.closed();
    expect(follower.sentAwayWith()).toBe('limit-exceeded');
    expect(server.report().queuedBytes).toBe(0);
  });

  test('that never reads again is closed all the same, in bounded time', async () => {
    const follower = await stuck();
    while (!authority.sessions[1]!.isClosed) {
      authority.say(step(1, 200_000));
      await new Promise(setImmediate);
    }
    await settled();
    expect(server.report().sessions).toBe(2);
    scheduler.pass(MAX_CLOSE_MS);
    expect(server.report().sessions).toBe(1);
    follower.socket.terminate();
  });

  test('is not made chunks or answers for: they are pulled while little waits', async () => {
    await finish();
    let turns = 0;
    const counting: Scheduler = {
      ...createTestScheduler(),
      next: (task) => {
        turns += 1;
        setImmediate(task);
      },
    };
    await begin({ access: 'open', ports: { scheduler: counting } });
    peaceful = await new Follower(webSocket(server.url)).welcomed();
    const follower = await stuck();
    const session = authority.sessions[1]!;
    const count = 400;
    for (let part = 0; part < count; part += 1) session.toPull.push(chunk(1, 100_000, part === count - 1));
    session.peer.hasMore();
    await settled();
    await settled();
    expect(session.toPull.length).toBeGreaterThan(0);
    // Nor is it looked after in a hot loop.
    expect(turns).toBeLessThanOrEqual(count);
    expect(server.report().queuedBytes).toBeLessThan(LOW_WATER_BYTES + 2 * 100_100);
    expect(session.isClosed).toBe(false);
    follower.socket.resume();
    await follower.got(count + 1);
    expect(follower.messages.length).toBe(count + 1);
  });
});

test('a queue of less than all chunks together ends nobody: each is made when there is room for it', async () => {
  await finish();
  await begin({ access: 'open', limits: { queueBytes: 64 * 1_024 } });
  peaceful = await new Follower(webSocket(server.url)).welcomed();
  const session = authority.sessions[0]!;
  const count = 40;
  for (let part = 0; part < count; part += 1)
    session.toPull.push(chunk(1, part === 3 ? 100_000 : 40_000, part === count - 1));
  session.peer.hasMore();
  await peaceful.until(() => peaceful.said.length === count || peaceful.ends.length > 0);
  expect(peaceful.ends).toEqual([]);
  expect(server.report().ended).toEqual({});
});

test.each([0, 12_000_000])('a close is bounded, whoever does not read, with %i bytes waiting', async (bytes) => {
  const follower = await greeted();
  follower.socket.pause();
  for (let left = bytes; left > 0; left -= 4_000_000) authority.say(step(left, 4_000_000));
  const beganMs = performance.now();
  await finish();
  // Of this machine's time: the deadlines are the test's, and none of ws was waited for.
  expect(performance.now() - beganMs).toBeLessThan(MAX_CLOSE_MS / 2);
  expect(server.report().sessions).toBe(0);
  follower.socket.terminate();
  await begin();
  peaceful = await new Follower(webSocket(server.url)).welcomed();
});

test('a socket that is cut while it upgrades, or says no HTTP, harms nobody', async () => {
  const port = Number(new URL(server.url).port);
  for (const text of [
    'GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n',
    'GARBAGE\r\n\r\n',
    'GET / HT',
  ]) {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {});
    await new Promise((resolve) => socket.on('connect', resolve));
    socket.write(text);
    await settled();
    socket.destroy();
  }
  expect(server.report().sessions).toBe(1);
});
