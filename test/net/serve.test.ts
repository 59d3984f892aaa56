/** Serving over real sockets: who is let in, what is carried, and how it ends. */
import { createServer, get } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import type { Said } from '../../engine/index.ts';
import { type ErrorCode, TendrilError } from '../../errors.ts';
import { MAX_CREDENTIAL_BYTES } from '../../net/limits.ts';
import { webSocket } from '../../net/links/web-socket.ts';
import type { Context } from '../../net/serve-session.ts';
import { type ServeOptions, type Server, serve, type UpgradeRequest } from '../../net/server.ts';
import type { SystemId } from '../../storage/index.ts';
import { failureOf } from '../support/failure.ts';
import { chunk, type FakeAuthority, fakeAuthority, step, subscribe, WELCOME } from './fake-authority.ts';
import { Follower, GREETING, RawFollower } from './followers.ts';

const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

async function begin(authority: FakeAuthority, options: ServeOptions = { access: 'open' }): Promise<Server> {
  const server = await serve(authority, options);
  servers.push(server);
  return server;
}

async function joined(server: Server, greeting = GREETING): Promise<Follower> {
  return new Follower(webSocket(server.url), greeting).welcomed();
}

const soon = (): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, 50));

/** The platform's own WebSocket (Node 22 and later) keeps an HTTP status to itself. */
const TELLS_STATUS = !('WebSocket' in globalThis);

describe('what is carried', () => {
  test('a follower is welcomed as the author it says it is, asks, and is told', async () => {
    const authority = fakeAuthority();
    const follower = await joined(await begin(authority));
    expect(follower.welcomes).toEqual([{ ...WELCOME, author: 'ana' }]);

    follower.send(subscribe(1), subscribe(2));
    while (authority.sessions[0]!.taken.length < 2) await soon();
    expect(authority.sessions[0]!.taken).toEqual([subscribe(1), subscribe(2)]);

    authority.say(step(8));
    await follower.until(() => follower.said.length === 1);
    expect(follower.said).toEqual([step(8)]);
  });

  test('what one turn says leaves in one frame, in both directions', async () => {
    const authority = fakeAuthority();
    const server = await begin(authority);
    const follower = await joined(server);
    const before = server.report().traffic;
    follower.send(...Array.from({ length: 50 }, (_, index) => subscribe(index + 1)));
    while (authority.sessions[0]!.taken.length < 50) await soon();
    for (let position = 1; position <= 50; position += 1) authority.say(step(position));
    await follower.until(() => follower.said.length === 50);
    const after = server.report().traffic;
    expect([after.framesTaken - before.framesTaken, after.framesSent - before.framesSent]).toEqual([1, 1]);
    expect(follower.frames.length).toBe(1);
  });

  test('a step that 100 sessions are told is encoded once', async () => {
    const authority = fakeAuthority();
    const server = await begin(authority);
    const followers = await Promise.all(Array.from({ length: 100 }, () => joined(server)));
    const before = server.report();
    authority.say(step(8));
    await Promise.all(followers.map((follower) => follower.until(() => follower.said.length === 1)));
    const after = server.report();
    expect(after.encodings - before.encodings).toBe(1);
    expect(after.traffic.framesSent - before.traffic.framesSent).toBe(100);
  });

  test('a message larger than a frame arrives whole', async () => {
    const authority = fakeAuthority();
    const follower = await joined(await begin(authority));
    authority.say(chunk(1, 5_000_000, true));
    authority.say(step(9));
    await follower.until(() => follower.said.length === 2);
    const [large, small] = follower.said;
    expect(small).toEqual(step(9));
    const { rows, ...rest } = large as Extract<Said, { readonly kind: 'chunk' }>;
    expect(rest).toMatchObject({ kind: 'chunk', subscription: 1, last: true });
    expect(rows.map((row) => Buffer.compare(row, Buffer.alloc(5_000_000)))).toEqual([0]);
  });

  test('chunks are pulled until there are no more', async () => {
    const authority = fakeAuthority();
    const follower = await joined(await begin(authority));
    const [session] = authority.sessions;
    for (let count = 0; count < 40; count += 1) session!.toPull.push(chunk(1, 100_000, count === 39));
    session!.peer.hasMore();
    await follower.until(() => follower.said.length === 40);
    session!.toPull.push(chunk(2, 10, true));
    session!.peer.hasMore();
    await follower.until(() => follower.said.length === 41);
  });
});

describe('who is let in', () => {
  test('a server that was not told does not start, nor one that was told both', async () => {
    const authority = fakeAuthority();
    const authenticate = () => null;
    for (const options of [{}, { access: 'open', authenticate }, { access: 'all' }, { authenticate: 'me' }]) {
      await expect(serve(authority, options as ServeOptions)).rejects.toMatchObject({ code: 'invalid-option' });
    }
  });

  test('authenticate sees request and credential, and its actor is the author', async () => {
    const authority = fakeAuthority();
    const asked: unknown[] = [];
    const server = await begin(authority, {
      authenticate: async ({ url, headers }, credential) => {
        asked.push([url, typeof headers.host, credential]);
        return { actor: 'the real ana' };
      },
    });
    const follower = await new Follower(
      webSocket(`${server.url}/any?where`, { credential: async () => 'secret' }),
    ).welcomed();
    expect(asked).toEqual([['/any?where', 'string', 'secret']]);
    expect(follower.welcomes[0]!.author).toBe('the real ana');
    expect(authority.sessions[0]!.peer.author).toBe('the real ana');
  });

  test('the feed is told which node asks, from which cursor on, and whether it may speak for others', async () => {
    const authority = fakeAuthority();
    const relays = async (options: ServeOptions, greeting = GREETING) => {
      await joined(await begin(authority, options), greeting);
      return authority.sessions.at(-1)!.peer;
    };
    const cursor = { epoch: WELCOME.epoch, position: WELCOME.position };
    const peer = await relays({ access: 'open' }, { ...GREETING, cursor });
    expect([peer.greeting, peer.relays]).toEqual([{ node: GREETING.node, cursor }, true]);
    expect((await relays({ authenticate: () => ({ actor: 'ana' }) })).relays).toBe(false);
    expect((await relays({ authenticate: () => ({ actor: 'ana', relays: true }) })).relays).toBe(true);
    expect((await relays({ authenticate: () => ({ actor: 'ana', relays: 'yes' }) as never })).relays).toBe(false);
    expect(peer.greeting.cursor).toEqual(cursor);
    expect(authority.sessions.at(-1)!.peer.greeting.cursor).toBeNull();
  });

  const refusals: readonly (readonly [string, () => Context | null | Promise<Context>, ErrorCode, boolean])[] = [
    ['null', () => null, 'policy-denied', true],
    [
      'a typed error',
      () => thrown(new TendrilError({ code: 'unknown-property', problem: 'P.', remedy: 'R.' })),
      'unknown-property',
      true,
    ],
    [
      'a typed error, later',
      async () => thrown(new TendrilError({ code: 'policy-denied', problem: 'P.', remedy: 'R.' })),
      'policy-denied',
      true,
    ],
    ['a failure of its own', () => thrown(new RangeError('the database is away')), 'offline', false],
    ['a failure of its own, later', async () => thrown(new RangeError('away')), 'offline', false],
    ['an actor that is none', () => ({ actor: '' }), 'offline', false],
  ];

  test.each(refusals)('refused with %s: the feed never hears of it', async (_, authenticate, code, final) => {
    const authority = fakeAuthority();
    const errors: unknown[] = [];
    const server = await begin(authority, { authenticate, onError: (error) => errors.push(error) });
    const follower = new Follower(webSocket(server.url));
    const end = await follower.ended();
    expect([end.reason.code, end.final]).toEqual([code, final]);
    expect(end.reason.message).not.toContain('away');
    expect(errors.length).toBe(final ? 0 : 1);
    expect(authority.sessions).toEqual([]);
    expect(follower.welcomes).toEqual([]);
    expect(server.report().ended).toEqual({ [code]: 1 });
  });

  test('a node of another system is refused for good, one of this system is not', async () => {
    const authority = fakeAuthority();
    const server = await begin(authority);
    const other = new Follower(webSocket(server.url), {
      ...GREETING,
      system: '01J0000000000000000000TH3R' as SystemId,
    });
    const { reason, final } = await other.ended();
    expect([reason.code, final]).toEqual(['system-mismatch', true]);
    expect(authority.sessions[0]!.isClosed).toBe(true);
    expect((await joined(server, { ...GREETING, system: WELCOME.system })).welcomes.length).toBe(1);
  });

  test('a credential at the limit is carried; one past it, or none where a function gives it, ends the session', async () => {
    const seen: (number | undefined)[] = [];
    const server = await begin(fakeAuthority(), {
      authenticate: (_: UpgradeRequest, credential: string | null) => {
        seen.push(credential?.length);
        return { actor: 'ana' };
      },
    });
    const long = 'x'.repeat(MAX_CREDENTIAL_BYTES);
    await new Follower(webSocket(server.url, { credential: long })).welcomed();
    expect(seen).toEqual([MAX_CREDENTIAL_BYTES]);
    expect(failureOf(() => webSocket(server.url, { credential: `${long}x` })).code).toBe('invalid-option');
    const late = new Follower(webSocket(server.url, { credential: () => `${long}x` }));
    expect((await late.ended()).reason.code).toBe('invalid-option');
    const failing = new Follower(webSocket(server.url, { credential: () => thrown(new RangeError('no')) }));
    expect((await failing.ended()).reason.code).toBe('offline');
  });

  test('at the limit of sessions nobody else is taken, until one has gone', async () => {
    const server = await begin(fakeAuthority(), { access: 'open', limits: { sessions: 2 } });
    const followers = [await joined(server), await joined(server)];
    const third = new Follower(webSocket(server.url));
    const { reason, final } = await third.ended();
    expect([reason.code, final]).toEqual(['offline', false]);
    if (TELLS_STATUS) expect(reason.problem).toContain('503');
    followers[0]!.session.close();
    while (server.report().sessions > 1) await soon();
    expect((await joined(server)).ends).toEqual([]);
  });
});

function thrown(error: Error): never {
  throw error;
}

describe('how a session ends', () => {
  test('closed by the follower: what it had asked for is taken, and the feed forgets it', async () => {
    const authority = fakeAuthority();
    const server = await begin(authority);
    const follower = await joined(server);
    follower.send(subscribe(1));
    follower.session.close();
    follower.session.close();
    const { reason, final } = await follower.ended();
    expect([reason.code, final]).toEqual(['closed', false]);
    while (server.report().sessions > 0) await soon();
    expect(authority.sessions[0]!.taken).toEqual([subscribe(1)]);
    expect(authority.sessions[0]!.isClosed).toBe(true);
    expect(server.report().ended).toEqual({ closed: 1 });
    follower.send(subscribe(2));
    expect(follower.ends.length).toBe(1);
  });

  test.each([
    ['fail', 'protocol-violation', true, 0],
    ['bug', 'offline', false, 1],
  ] as const)('what the feed throws (%s) costs its session alone', async (collection, code, final, told) => {
    const authority = fakeAuthority();
    const errors: unknown[] = [];
    const server = await begin(authority, { access: 'open', onError: (error) => errors.push(error) });
    const [hostile, peaceful] = [await joined(server), await joined(server)];
    hostile.send(subscribe(1, collection), subscribe(2));
    const { reason, final: isFinal } = await hostile.ended();
    expect([reason.code, isFinal, errors.length]).toEqual([code, final, told]);
    expect(authority.sessions[0]!.taken.length).toBe(1);
    expect(authority.sessions.map(({ isClosed }) => isClosed)).toEqual([true, false]);
    authority.say(step(8));
    await peaceful.until(() => peaceful.said.length === 1);
  });

  test('a server that closes sends what was said, says goodbye, and leaves nothing open', async () => {
    const authority = fakeAuthority();
    const server = await begin(authority);
    const followers = [await joined(server), await joined(server)];
    for (let position = 1; position <= 30; position += 1) authority.say(step(position, 100_000));
    const silent = await new RawFollower(server.url).opened();
    await server.close();
    await server.close();
    for (const follower of followers) {
      const { reason, final } = await follower.ended();
      expect([reason.code, final, follower.said.length]).toEqual(['offline', false, 30]);
    }
    await silent.closed();
    expect(server.report()).toMatchObject({ sessions: 0, queuedBytes: 0 });
    const late = new Follower(webSocket(server.url));
    expect((await late.ended()).reason.code).toBe('offline');
  });

  test('nobody there: the session ends, offline, and may be begun again', async () => {
    const follower = new Follower(webSocket('ws://127.0.0.1:1'));
    const { reason, final } = await follower.ended();
    expect([reason.code, final]).toEqual(['offline', false]);
    expect(reason.problem).toContain('ws://127.0.0.1:1');
  });
});

describe('on an HTTP server of yours', () => {
  async function httpServer() {
    const http = createServer((_, response) => response.end('a page'));
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
    const { port } = http.address() as AddressInfo;
    const page = () =>
      new Promise<string>((resolve, reject) => {
        get({ port, host: '127.0.0.1', agent: false }, (response) =>
          response.setEncoding('utf8').on('data', resolve),
        ).on('error', reject);
      });
    const close = () => new Promise((resolve) => http.close(resolve));
    return { http, port, page, close };
  }

  test('only its path is touched: another WebSocket server beside it works, and pages are served', async () => {
    const { http, port, page, close } = await httpServer();
    const others = new WebSocketServer({ noServer: true });
    http.on('upgrade', (request, socket, head) => {
      if (request.url === '/other') others.handleUpgrade(request, socket, head, (other) => other.send('hello'));
    });
    const server = await serve(fakeAuthority(), { server: http, path: '/sync', access: 'open' });
    expect(server.url).toBe(`ws://localhost:${port}/sync`);
    expect((await joined(server)).welcomes.length).toBe(1);
    expect((await new Follower(webSocket(`ws://127.0.0.1:${port}/sync?of=me`)).welcomed()).welcomes.length).toBe(1);

    const other = new WebSocket(`ws://127.0.0.1:${port}/other`);
    expect(`${await new Promise((resolve) => other.on('message', resolve))}`).toBe('hello');
    expect(await page()).toBe('a page');

    await server.close();
    expect(http.listening).toBe(true);
    expect(http.listenerCount('upgrade')).toBe(1);
    expect(await page()).toBe('a page');
    expect(other.readyState).toBe(WebSocket.OPEN);
    other.terminate();
    await close();
  });

  test('where nobody else takes upgrades, those to other paths are answered rather than left hanging', async () => {
    const { http, port, close } = await httpServer();
    const server = await serve(fakeAuthority(), { server: http, path: '/sync', access: 'open' });
    const lost = new Follower(webSocket(`ws://127.0.0.1:${port}/elsewhere`));
    const { reason } = await lost.ended();
    expect(reason.code).toBe('offline');
    if (TELLS_STATUS) expect(reason.problem).toContain('404');
    await server.close();
    await close();
  });
});

describe('options', () => {
  test('the address is told; plain HTTP is told what this is', async () => {
    const server = await begin(fakeAuthority());
    expect(server.url).toMatch(/^ws:\/\/localhost:\d+$/);
    expect(server.report().url).toBe(server.url);
    const status = await new Promise((resolve) => {
      get(server.url.replace('ws:', 'http:'), ({ statusCode }) => resolve(statusCode));
    });
    expect(status).toBe(426);
  });

  test.each([
    [{ port: -1 }],
    [{ port: 65_536 }],
    [{ port: 80.5 }],
    [{ path: 'sync' }],
    [{ path: '/sync?x' }],
    [{ server: createServer(), port: 1 }],
    [{ limits: { sessions: 0 } }],
    [{ limits: { queueBytes: 1.5 } }],
    [{ limits: { chunkRows: 0 } }],
    [{ host: '203.0.113.77' }],
  ] as readonly [ServeOptions][])('%o is refused', async (options) => {
    await expect(serve(fakeAuthority(), { access: 'open', ...options })).rejects.toMatchObject({
      code: 'invalid-option',
    });
  });

  test('a port that is taken is told as what it is', async () => {
    const server = await begin(fakeAuthority());
    const port = Number(new URL(server.url).port);
    await expect(serve(fakeAuthority(), { access: 'open', port })).rejects.toThrow('EADDRINUSE');
  });

  test.each(['http://localhost', 'localhost:80', 'ws://', 'ws://localhost/#x'])('%s is no address', (url) => {
    expect(failureOf(() => webSocket(url)).code).toBe('invalid-option');
  });

  test('the name of an upstream says where it leads, without its secrets', () => {
    expect(webSocket('wss://ana:secret@example.org:8443/sync?token=secret').name).toBe('wss://example.org:8443/sync');
  });
});
