/** A feed that takes no more: the follower is not read, keeps what it sends, and goes on as if nothing had been. */
import { MessageChannel } from 'node:worker_threads';
import { afterEach, describe, expect, test } from 'vitest';
import type { Request, Upstream } from '../../engine/index.ts';
import { MAX_PAUSE_MS, MAX_PAUSED_BYTES, PING_AFTER_MS } from '../../net/limits.ts';
import { messagePort, messagePortConnector } from '../../net/links/message-port.ts';
import { webSocket } from '../../net/links/web-socket.ts';
import { inProcess, serveLink } from '../../net/serve-link.ts';
import { serve } from '../../net/server.ts';
import type { TransactionId } from '../../storage/index.ts';
import { createTestScheduler } from '../support/ports.ts';
import { type FakeAuthority, fakeAuthority, step, subscribe, WELCOME } from './fake-authority.ts';
import { Follower, HELLO } from './followers.ts';
import { HandLink } from './hand-link.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const turns = async (count = 30): Promise<void> => {
  for (let passed = 0; passed < count; passed += 1) await turn();
};
const MIB = 1_024 * 1_024;

function upload(attempt: number, bytes = MIB - 1_000): Request {
  const transaction = WELCOME.node as string as TransactionId;
  return { kind: 'upload', transaction, attempt, operations: [new Uint8Array(bytes)] };
}

const attempts = (taken: readonly Request[]) => taken.flatMap((each) => (each.kind === 'upload' ? [each.attempt] : []));
const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

const REACHES: Readonly<Record<string, (authority: FakeAuthority) => Promise<Upstream>>> = {
  'in process': async (authority) => inProcess(authority, { access: 'open' }),
  'over WebSocket': async (authority) => {
    const server = await serve(authority, { access: 'open' });
    closing.push(server.close);
    return webSocket(server.url);
  },
  'over a message port': async (authority) => {
    const { port1, port2 } = new MessageChannel();
    closing.push(serveLink(authority, messagePortConnector(port2), { access: 'open' }).close);
    return messagePort(port1);
  },
};

describe.each(Object.entries(REACHES))('%s', (_, reach) => {
  async function begin() {
    const authority = fakeAuthority();
    const follower = await new Follower(await reach(authority)).welcomed();
    const session = authority.sessions[0]!;
    const took = async (count: number) => {
      while (session.taken.length < count) await turn();
    };
    return { authority, follower, session, took };
  }

  test('nothing is read until there is room; then all of it is, once and in order', async () => {
    const { follower, session, took } = await begin();
    session.isFull = true;
    for (const attempt of upTo(40)) {
      follower.send(upload(attempt));
      await turn();
    }
    await took(1);
    await turns();
    expect(attempts(session.taken)).toEqual([1]);
    session.isFull = false;
    session.peer.hasRoom();
    expect(attempts(session.taken)).toEqual([1]);
    await took(40);
    expect(attempts(session.taken)).toEqual(upTo(40));
    expect(follower.ends).toEqual([]);
  });

  test('what stands behind in the same frame waits too, and each time there is room, some of it goes on', async () => {
    const { follower, session, took } = await begin();
    session.isFull = true;
    follower.send(...upTo(5).map((attempt) => upload(attempt, 10)));
    for (const count of upTo(5)) {
      await took(count);
      await turns(5);
      expect(attempts(session.taken)).toEqual(upTo(count));
      session.peer.hasRoom();
    }
    session.isFull = false;
    await turns(5);
    follower.send(upload(6, 10));
    await took(6);
  });

  test('the follower is told all the while, and its goodbye is heard in the end', async () => {
    const { authority, follower, session, took } = await begin();
    session.isFull = true;
    follower.send(upload(1, 10), upload(2, 10));
    await took(1);
    authority.say(step(8));
    await follower.until(() => follower.said.length === 1);
    follower.session.close();
    await turns(5);
    expect(session.isClosed).toBe(false);
    while (!session.isClosed) {
      session.peer.hasRoom();
      await turn();
    }
    await follower.ended();
    expect(attempts(session.taken)).toEqual([1, 2]);
  });

  test('what the feed throws at what waited ends the session', async () => {
    const { follower, session, took } = await begin();
    session.isFull = true;
    follower.send(upload(1, 10), subscribe(1, 'fail'), upload(2, 10));
    await took(1);
    session.peer.hasRoom();
    expect((await follower.ended()).reason.code).toBe('protocol-violation');
    await turns(5);
    expect([attempts(session.taken), session.isClosed]).toEqual([[1], true]);
  });

  test('of what comes at once, one turn takes a frame, and others have theirs in between', async () => {
    const { follower, session, took } = await begin();
    const tookAt: number[] = [];
    let now = 0;
    const count = async () => {
      for (; session.taken.length < 24; now += 1) {
        while (tookAt.length < session.taken.length) tookAt.push(now);
        await turn();
      }
    };
    const counting = count();
    follower.send(...upTo(24).map((attempt) => upload(attempt)));
    await took(24);
    await counting;
    for (const at of new Set(tookAt)) expect(tookAt.filter((each) => each === at).length).toBeLessThanOrEqual(2);
  });
});

describe('a link that nobody reads', () => {
  async function begin() {
    const authority = fakeAuthority();
    const scheduler = createTestScheduler();
    const link = new HandLink();
    const served = serveLink(authority, link.connector, { access: 'open', ports: { scheduler } });
    link.events.opened();
    link.tell(HELLO);
    await turn();
    const session = authority.sessions[0]!;
    session.isFull = true;
    link.tell(upload(1, 10));
    return { session, scheduler, link, served };
  }

  test('is pinged as often as promised, and ended when it was for too long', async () => {
    const { session, scheduler, link, served } = await begin();
    for (let waited = PING_AFTER_MS; waited < MAX_PAUSE_MS; waited += PING_AFTER_MS) {
      scheduler.pass(PING_AFTER_MS);
      await turn();
      expect(link.kinds().filter((kind) => kind === 'ping').length).toBe(waited / PING_AFTER_MS);
    }
    expect(session.isClosed).toBe(false);
    scheduler.pass(PING_AFTER_MS);
    await turn();
    expect(session.isClosed).toBe(true);
    expect(served.report().ended).toEqual({ offline: 1 });
    expect(link.messages().at(-1)).toMatchObject({ kind: 'bye', error: { code: 'offline' } });
  });

  test('is measured as before once it is read again', async () => {
    const { session, scheduler, link } = await begin();
    scheduler.pass(PING_AFTER_MS);
    session.isFull = false;
    session.peer.hasRoom();
    await turns(5);
    link.tell(upload(2, 10));
    expect(attempts(session.taken)).toEqual([1, 2]);
    scheduler.pass(PING_AFTER_MS);
    scheduler.pass(MAX_PAUSE_MS);
    expect(session.isClosed).toBe(true);
  });

  test('that cannot be paused either is ended when too much has come', async () => {
    const { session, link, served } = await begin();
    const frames = MAX_PAUSED_BYTES / MIB;
    for (const attempt of upTo(frames)) link.tell(upload(attempt + 1));
    expect(session.isClosed).toBe(false);
    link.tell(upload(frames + 2));
    await turn();
    expect([session.isClosed, attempts(session.taken)]).toEqual([true, [1]]);
    expect(served.report().ended).toEqual({ 'limit-exceeded': 1 });
    session.peer.hasRoom();
    await turns(5);
    expect(attempts(session.taken)).toEqual([1]);
  });

  test('and is gone, is forgotten at once', async () => {
    const { session, link, served } = await begin();
    link.tell(upload(2, 10));
    link.events.closed('gone');
    expect([session.isClosed, served.report().sessions]).toEqual([true, 0]);
  });
});
