/** Serving real nodes: which may be served, how their end is told, and that one follower's greed is not another's loss. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { sqliteFile } from '../../bindings/node/index.ts';
import { MAX_WAITING_UPLOADS } from '../../engine/feed/limits.ts';
import type { Request, Said, Upstream } from '../../engine/index.ts';
import { systemScheduler } from '../../engine/ports/scheduler.ts';
import { MAX_GROUP_MEMBERS } from '../../engine/write/commit-queue.ts';
import { collection, inProcess, integer, memory, Node, type Storage, text, webSocket } from '../../index.ts';
import { MAX_QUEUE_BYTES } from '../../net/limits.ts';
import { memoryLink } from '../../net/links/memory.ts';
import type { Message } from '../../net/messages.ts';
import { serveLink } from '../../net/serve-link.ts';
import { serve } from '../../net/server.ts';
import { over } from '../../net/upstream.ts';
import type { Operation, TransactionId } from '../../storage/index.ts';
import { bytesOf, createAuthor } from '../support/author.ts';
import { fakeAuthority } from './fake-authority.ts';
import { Follower, GREETING, HELLO } from './followers.ts';
import { HandLink } from './hand-link.ts';

const Note = collection('note', { title: text(), stars: integer().default(0) });
const collections = [Note];
const until = { until: 'settled' } as const;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function authority(storage: Storage = memory()): Promise<Node> {
  const node = await Node.open({ collections, storage });
  closing.push(() => node.close());
  return node;
}

async function fileStorage(): Promise<Storage> {
  const folder = await mkdtemp(join(tmpdir(), 'tendril-serve-'));
  closing.push(() => rm(folder, { recursive: true }));
  return sqliteFile(join(folder, 'notes.db'));
}

const author = createAuthor('note');
function creation(): Operation {
  return { ...author.operation({ values: { title: 'a note', stars: 1n } }), author: 'ana' };
}
function upload(operation = creation()): Request & { readonly transaction: TransactionId } {
  const { transaction } = operation;
  return { kind: 'upload', transaction, attempt: 1, operations: bytesOf(operation) };
}
const subscribe: Extract<Request, { kind: 'subscribe' }> = {
  kind: 'subscribe',
  subscription: 1,
  collection: 'note',
  text: '',
  parameters: [],
  had: null,
};
const settled = (said: readonly Said[]) => said.filter((each) => each.kind === 'step' && each.settled !== null).length;

/** Uploads, for as long as its session lasts, so that as many as `count` always wait for their outcome. */
async function keepWaiting(follower: Follower, count: number): Promise<void> {
  let sent = 0;
  for (; follower.ends.length === 0; await turn()) {
    const free = count - (sent - settled(follower.said));
    follower.send(...Array.from({ length: free }, () => upload()));
    sent += free;
  }
}

describe('a node that closes', () => {
  test('tells its followers at once, and first what became of what they had sent', async () => {
    const node = await authority(await fileStorage());
    const upstream = inProcess(node, { access: 'open' });
    const followers = [await new Follower(upstream).welcomed(), await new Follower(upstream).welcomed()];
    followers[0]!.send(...Array.from({ length: 50 }, () => upload()));
    // Until it has arrived, and long before it is committed.
    for (let microtask = 0; microtask < 8; microtask += 1) await null;
    expect(node.report().position).toBe(0);
    await node.close();
    for (const follower of followers) {
      const { reason, final } = await follower.ended();
      // Not `closed`, as if their own node were.
      expect([reason.code, final]).toEqual(['offline', false]);
      expect(reason.problem).toContain("The server's node is closing");
      expect(reason.remedy).toContain('made by itself');
    }
    expect(settled(followers[0]!.said)).toBe(50);
    expect(upstream.report()).toMatchObject({ sessions: 0, ended: { offline: 2 } });
    const late = await new Follower(upstream).ended();
    expect([late.reason.code, late.final]).toEqual(['offline', false]);
    expect(late.reason.problem).toContain("The server's node is closing");
  });

  test('is not kept from it by one who uploads and uploads', async () => {
    const node = await authority(await fileStorage());
    const follower = await new Follower(inProcess(node, { access: 'open' })).welcomed();
    const flood = keepWaiting(follower, 3 * MAX_GROUP_MEMBERS);
    while (settled(follower.said) === 0) await turn();
    await node.close();
    await flood;
    expect((await follower.ended()).reason.code).toBe('offline');
  });

  test('leaves an ephemeral node offline, with what it holds and the reason', async () => {
    const node = await authority();
    const client = await Node.open({ collections, upstream: inProcess(node, { access: 'open' }) });
    closing.push(() => client.close());
    const live = client.live(Note);
    await live.ready;
    await client.transact((tx) => tx.create(Note, { title: 'kept' }), until);
    await node.close();
    while (live.status !== 'offline') await turn();
    expect(client.report().upstream!.error).toMatchObject({ code: 'offline' });
    expect(live.rows.map(({ title }) => title)).toEqual(['kept']);
  });
});

test('a relay that closes tells its followers that the server does, not that they are closed', async () => {
  const node = await authority();
  const relay = await Node.open({ collections, upstream: inProcess(node, { access: 'open' }) });
  await relay.reconnect();
  const client = await Node.open({ collections, upstream: inProcess(relay, { access: 'open' }) });
  closing.push(() => client.close());
  const live = client.live(Note);
  await live.ready;
  const asked = client.sql('SELECT count(*) AS notes FROM note WHERE title > ?', ['a']);
  const written = client.transact((tx) => tx.create(Note, { title: 'on its way' }));
  const [closed, question] = await Promise.allSettled([relay.close(), asked, written]);
  expect(closed.status).toBe('fulfilled');
  if (question.status === 'rejected') expect(question.reason).toMatchObject({ code: 'offline' });
  while (live.status !== 'offline') await turn();
  const why = { code: 'offline', problem: "The server's node is closing." };
  expect([live.error, client.report().upstream!.error]).toMatchObject([why, why]);
  await expect(client.reconnect()).rejects.toMatchObject(why);
});

test('an ephemeral node is served like a durable one, by whatever door', async () => {
  const node = await authority();
  await node.transact((tx) => tx.create(Note, { title: 'far' }));
  const relay = await Node.open({ collections, upstream: inProcess(node, { access: 'open' }) });
  closing.push(() => relay.close());
  await relay.reconnect();
  const server = await serve(relay, { access: 'open' });
  const [near, far] = memoryLink();
  const link = serveLink(relay, far, { access: 'open' });
  closing.push(
    () => server.close(),
    () => link.close(),
  );
  for (const upstream of [webSocket(server.url), over(near), inProcess(relay, { access: 'open' })]) {
    const client = await Node.open({ collections, upstream });
    closing.push(() => client.close());
    const live = client.live(Note);
    await live.ready;
    expect([live.status, live.rows.map(({ title }) => title)]).toEqual(['complete', ['far']]);
  }
  expect([node.role, relay.role]).toEqual(['durable', 'ephemeral']);
  expect([node.report().followers!.sessions, relay.report().followers!.sessions]).toEqual([1, 3]);
});

test('one that has not met its own upstream turns followers away, who try again by themselves', async () => {
  let way: Upstream = webSocket('ws://127.0.0.1:1');
  const upstream: Upstream = { name: 'later', connect: (...given) => way.connect(...given) };
  const relay = await Node.open({ collections, upstream });
  closing.push(() => relay.close());
  const client = await Node.open({ collections, upstream: inProcess(relay, { access: 'open' }) });
  closing.push(() => client.close());
  await expect(client.reconnect()).rejects.toMatchObject({ code: 'offline' });
  way = inProcess(await authority(), { access: 'open' });
  await relay.reconnect();
  while (client.report().upstream!.state !== 'connected') await turn();
});

test('a follower that goes before it was told anything is not looked after any more', async () => {
  const fake = fakeAuthority();
  let turns = 0;
  const scheduler = {
    ...systemScheduler,
    next: (task: () => void) => {
      turns += 1;
      systemScheduler.next(task);
    },
  };
  const upstream = inProcess(fake, { access: 'open', ports: { scheduler } });
  const follower = await new Follower(upstream).welcomed();
  fake.sessions[0]!.peer.hasMore();
  follower.session.close();
  await follower.ended();
  // As a feed that fails may say it.
  fake.sessions[0]!.peer.hasMore();
  for (let count = 0; count < 20; count += 1) await turn();
  expect(turns).toBeLessThanOrEqual(1);
});

describe('greed', () => {
  test('of one who uploads all it may costs another no more turns than there are groups before it', async () => {
    const node = await authority(await fileStorage());
    const upstream = inProcess(node, { access: 'open' });
    const greedy = await new Follower(upstream).welcomed();
    const modest = await new Follower(upstream).welcomed();
    const flood = keepWaiting(greedy, MAX_WAITING_UPLOADS);
    while (settled(greedy.said) === 0) await turn();
    modest.send(upload(), subscribe, {
      kind: 'ask',
      request: 1,
      collection: null,
      text: 'SELECT count(*) AS n FROM note',
      parameters: [],
    });
    let turns = 0;
    const kinds = () => new Set(modest.said.map(({ kind }) => kind));
    while (!(kinds().has('chunk') && kinds().has('answer') && settled(modest.said) === 1)) {
      await turn();
      turns += 1;
    }
    expect(turns).toBeLessThanOrEqual(MAX_WAITING_UPLOADS / MAX_GROUP_MEMBERS + 5);
    expect([modest.ends, greedy.ends]).toEqual([[], []]);
    expect(settled(greedy.said)).toBeGreaterThan(MAX_WAITING_UPLOADS / 2);
    greedy.session.close();
    await flood;
  });

  test('of one who asks for everything costs another a turn for each chunk', async () => {
    const node = await authority();
    for (let group = 0; group < 10; group += 1) {
      await node.transact((tx) => {
        for (let row = 0; row < 1_000; row += 1) tx.create(Note, { title: 'x'.repeat(200), stars: row });
      });
    }
    const upstream = inProcess(node, { access: 'open' });
    const [greedy, modest] = [await new Follower(upstream).welcomed(), await new Follower(upstream).welcomed()];
    const all = Array.from(
      { length: 100 },
      (_, at): Request => ({ ...subscribe, subscription: at + 1, text: `stars >= ${-at}` }),
    );
    greedy.send(...all);
    await turn();
    modest.send({ ...subscribe, text: 'stars = 7' });
    let turns = 0;
    for (; modest.said.length === 0; turns += 1) await turn();
    expect(turns).toBeLessThanOrEqual(4);
    expect(greedy.said.length).toBeLessThan(100);
  });
});

describe('a follower that takes nothing', () => {
  test('costs at most 4 MiB and the frame in hand, and is right after another session', async () => {
    const node = await authority();
    const link = new HandLink();
    const served = serveLink(node, link.connector, { access: 'open' });
    link.events.opened();
    link.tell(HELLO);
    link.tell(subscribe as Message);
    while (!link.kinds().includes('chunk')) await turn();
    link.isFree = false;
    let most = 0;
    const size = 100_000;
    const waiting = () => served.report().queuedBytes;
    let written = 0;
    for (; served.report().ended['limit-exceeded'] === undefined; written += 1) {
      await node.transact((tx) => tx.create(Note, { title: 'y'.repeat(size) }));
      most = Math.max(most, waiting());
      await turn();
      most = Math.max(most, waiting());
    }
    expect(most).toBeGreaterThan(MAX_QUEUE_BYTES - 2 * size);
    expect(most).toBeLessThanOrEqual(MAX_QUEUE_BYTES);
    expect(written * size).toBeGreaterThan(MAX_QUEUE_BYTES - 2 * size);
    // What the link was not given is forgotten at once.
    expect(waiting()).toBeLessThan(MAX_QUEUE_BYTES / 2);
    link.events.closed('gone');
    expect(served.report()).toMatchObject({ sessions: 0, queuedBytes: 0 });
    expect(node.report().position).toBe(written);
  });

  test('is not read for while it takes nothing: chunks wait, and no turn is spent on them', async () => {
    const node = await authority();
    for (let row = 0; row < 60; row += 1) await node.transact((tx) => tx.create(Note, { title: 'z'.repeat(100_000) }));
    const link = new HandLink();
    const served = serveLink(node, link.connector, { access: 'open' });
    link.events.opened();
    link.tell(HELLO);
    link.isFree = false;
    link.tell(subscribe as Message);
    for (let count = 0; count < 50; count += 1) await turn();
    const chunks = () => link.kinds().filter((kind) => kind === 'chunk').length;
    const [told, waiting] = [chunks(), served.report().queuedBytes];
    expect(waiting).toBeLessThan(1_024 * 1_024);
    expect(told).toBeLessThan(5);
    for (let count = 0; count < 50; count += 1) await turn();
    expect([chunks(), served.report().queuedBytes]).toEqual([told, waiting]);
    link.isFree = true;
    link.drain();
    while (!link.messages().some((message) => message.kind === 'chunk' && message.last)) await turn();
  });
});

test('followers over WebSocket are told too', async () => {
  const node = await authority();
  const server = await serve(node, { access: 'open' });
  closing.push(() => server.close());
  const follower = await new Follower(webSocket(server.url), GREETING).welcomed();
  await node.close();
  expect((await follower.ended()).reason.code).toBe('offline');
});
