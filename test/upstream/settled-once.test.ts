/**
 * Settled once: the link is cut, the client's process ends, or the server's, at every message between a commit and its
 * acknowledgement, and at every moment of the server's disk. What a client was told is settled is in the log that is found,
 * and all that it wrote stands there once, in order, when both have met again.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Upstream } from '../../engine/stream.ts';
import { idFrom, type LiveQuery, Node, type NodeOptions, type RowOf } from '../../index.ts';
import { decodeOperation } from '../../storage/index.ts';
import { diskStorage } from '../durability/disk-storage.ts';
import { createForgetfulDisk, type ForgetfulDisk, type Image } from '../support/forgetful-disk.ts';
import { createTestClock, createTestRandom, createTestScheduler, type TestClock } from '../support/ports.ts';
import { GatedUpstream, quiet } from './gated-upstream.ts';
import { COLLECTIONS, Note } from './world.ts';

const [A, B, NEW] = [idFrom('note', 'a'), idFrom('note', 'b'), idFrom('note', 'new')];
const MORE = Array.from({ length: 20 }, (_, at) => idFrom('note', at));
const TEXTS = ['', 'ORDER BY stars DESC LIMIT 2', "body = 'its own'"];
/** Transactions of the client, made one after the other; each sets `stars` to 1,000 and its number. */
const WRITES = 4;

let seeds = 0;
let clock: TestClock;
let opened: Node[] = [];
beforeEach(() => {
  clock = createTestClock();
});
afterEach(async () => {
  for (const node of opened.reverse()) await node.close();
  opened = [];
});

async function open(disk: ForgetfulDisk, options: Partial<NodeOptions>): Promise<Node> {
  seeds += 1;
  const ports = { clock, random: createTestRandom(seeds), scheduler: createTestScheduler() };
  const node = await Node.open({ collections: COLLECTIONS, storage: diskStorage(disk, 'wal'), ports, ...options });
  opened.push(node);
  return node;
}

/** One process after the other, each on the disk that the one before it left. */
class Pair {
  serverDisk = createForgetfulDisk();
  clientDisk = createForgetfulDisk();
  server!: Node;
  client!: Node;
  upstream!: GatedUpstream;
  lives: readonly LiveQuery<RowOf<typeof Note>>[] = [];
  readonly errors: unknown[] = [];
  /** The numbers of the writes that were said to be settled. */
  readonly settled: number[] = [];
  /** When a session ends, at once. */
  onEnd = () => {};

  static async begin(): Promise<Pair> {
    const pair = new Pair();
    await pair.openServer();
    await pair.server.transact((tx) => {
      tx.create(Note, { title: 'a', stars: 1 }, { id: A });
      tx.create(Note, { title: 'b', stars: 2 }, { id: B });
      for (const [at, id] of MORE.entries()) tx.create(Note, { title: 'more', stars: 10 + at }, { id });
    });
    await pair.openClient();
    await quiet(pair.upstream);
    return pair;
  }

  async openServer(image?: Image): Promise<void> {
    if (image !== undefined) this.serverDisk = createForgetfulDisk(image);
    this.server = await open(this.serverDisk, {});
  }

  async openClient(image?: Image): Promise<void> {
    if (image !== undefined) this.clientDisk = createForgetfulDisk(image);
    this.upstream = new GatedUpstream(() => this.server);
    this.upstream.isReachable = image === undefined;
    const upstream: Upstream = {
      name: 'ending',
      connect: (greeting, receiver) => {
        const ended: typeof receiver.ended = (reason, final) => {
          this.onEnd();
          receiver.ended(reason, final);
        };
        return this.upstream.connect(greeting, { ...receiver, ended });
      },
    };
    this.client = await open(this.clientDisk, { upstream, onError: (error) => this.errors.push(error) });
    this.lives = TEXTS.map((text) => this.client.live(Note, text));
  }

  /** Does not wait for outcomes. */
  write(): void {
    const until = { until: 'settled' } as const;
    const writes = [
      this.client.transact((tx) => tx.create(Note, { body: 'its own', stars: 1_001 }, { id: NEW }), until),
      this.client.transact((tx) => {
        tx.update(Note, NEW, { title: 'changed', stars: 1_002 });
        tx.update(Note, A, { body: 'its own', stars: 1_002 });
      }, until),
      this.client.transact((tx) => tx.update(Note, A, { stars: 1_003 }), until),
      this.client.transact((tx) => {
        tx.update(Note, B, { stars: 1_004 });
        tx.delete(Note, B);
      }, until),
    ];
    for (const [at, write] of writes.entries()) {
      write.then(
        () => this.settled.push(at + 1),
        () => undefined,
      );
    }
    expect(writes).toHaveLength(WRITES);
  }

  /** Somebody else has written meanwhile. */
  async meetAgain(): Promise<void> {
    await this.server.transact((tx) => {
      for (const id of MORE) tx.update(Note, id, { title: 'of another' });
      tx.update(Note, A, { title: 'of another' });
    });
    this.upstream.cutAfter = Number.POSITIVE_INFINITY;
    this.upstream.isReachable = true;
    await this.client.reconnect();
    await quiet(this.upstream);
  }

  /** The numbers of the client's writes as they stand in the server's log. */
  async logged(): Promise<readonly number[]> {
    const logged = new Map<string, number>();
    for (const { bytes } of await this.server.operations(1, 1_000)) {
      const { transaction, edits } = decodeOperation(bytes);
      for (const edit of edits) {
        if (edit.kind === 'set' && edit.property === 'stars') logged.set(transaction, Number(edit.value) - 1_000);
      }
    }
    return [...logged.values()];
  }

  async expectSettledOnce(why: string): Promise<void> {
    expect(await this.logged(), why).toEqual([1, 2, 3, 4]);
    expect((await this.server.operations(1, 1_000)).length, why).toBe(new Set(await this.operationIds()).size);
    const { outbox, began, error } = this.client.report().upstream!;
    expect([outbox.transactions, began, error, this.errors], why).toEqual([0, 'resumed', null, []]);
    for (const [at, live] of this.lives.entries()) {
      expect(live.status, why).toBe('complete');
      expect(live.rows, why).toEqual(await this.server.query(Note, TEXTS[at]!));
    }
    expect(await this.client.refused.query(), why).toEqual([]);
  }

  async operationIds(): Promise<readonly string[]> {
    return (await this.server.operations(1, 1_000)).map(({ bytes }) => decodeOperation(bytes).id);
  }

  /** What was acknowledged is in the log that the server found. */
  async expectKept(acknowledged: readonly number[], why: string): Promise<void> {
    const logged = await this.logged();
    expect(logged, why).toEqual([...new Set(logged)]);
    expect(logged, why).toEqual(expect.arrayContaining([...acknowledged]));
  }

  async close(): Promise<void> {
    this.upstream.cut();
    for (const node of opened.reverse()) await node.close();
    opened = [];
  }
}

/** How many messages pass from the first write on. */
async function messagesOfAll(): Promise<number> {
  const pair = await Pair.begin();
  const before = pair.upstream.requests.length + pair.upstream.said.length;
  pair.write();
  await quiet(pair.upstream);
  expect(pair.settled).toEqual([1, 2, 3, 4]);
  const messages = pair.upstream.requests.length + pair.upstream.said.length - before;
  await pair.close();
  return messages;
}

interface Ending {
  readonly server: Image;
  readonly acknowledged: readonly number[];
}

/** The session of all writes is cut after so many messages: what is on the server's disk at that moment. */
async function cutAfter(messages: number): Promise<Pair & { readonly ending: Ending }> {
  const pair = await Pair.begin();
  let ending: Ending | null = null;
  pair.onEnd = () => {
    ending ??= { server: pair.serverDisk.crashImage(), acknowledged: [...pair.settled] };
    pair.upstream.isReachable = false;
  };
  pair.upstream.cutAfter = messages;
  pair.write();
  while (ending === null) await new Promise(setImmediate);
  return Object.assign(pair, { ending });
}

const WAYS = {
  'the link is cut': async (pair) => {
    await quiet(pair.upstream);
  },
  'the process of the client ends': async (pair) => {
    const image = pair.clientDisk.crashImage();
    await pair.openClient(image);
  },
  'the server is killed': async (pair) => {
    await pair.openServer(pair.ending.server);
    await pair.expectKept(pair.ending.acknowledged, 'at once');
  },
  'the server is killed when it has committed what it took': async (pair) => {
    await quiet(pair.upstream);
    await pair.openServer(pair.serverDisk.crashImage());
    await pair.expectKept(pair.settled, 'a turn later');
  },
  'both are killed': async (pair) => {
    const image = pair.clientDisk.crashImage();
    await pair.openServer(pair.ending.server);
    await pair.openClient(image);
  },
} satisfies Record<string, (pair: Awaited<ReturnType<typeof cutAfter>>) => Promise<void>>;

describe.each(Object.entries(WAYS))('when %s', (_, end) => {
  test('after any message, all that the client wrote is settled once, in order', async () => {
    const messages = await messagesOfAll();
    expect(messages).toBeGreaterThanOrEqual(2 * WRITES);
    for (let after = 1; after <= messages; after += 1) {
      const pair = await cutAfter(after);
      await end(pair);
      pair.onEnd = () => {};
      await pair.meetAgain();
      await pair.expectSettledOnce(`after message ${after}`);
      await pair.close();
    }
  });
});

test('whatever the power cut leaves on the disks at any moment, what was acknowledged is there, and all is settled once', async () => {
  const pair = await Pair.begin();
  const { serverDisk, clientDisk, settled, upstream } = pair;
  const moments: { readonly server: number; readonly client: number; readonly acknowledged: readonly number[] }[] = [];
  let isWriting = true;
  let before = 0;
  const watch = () => {
    // What the server did since, it did while the client was where it is now at the latest.
    for (; before <= serverDisk.moment(); before += 1) {
      moments.push({ server: before, client: clientDisk.moment(), acknowledged: [...settled] });
    }
    if (isWriting) setImmediate(watch);
  };
  upstream.holdRequests = true;
  pair.write();
  const pending = () => pair.client.report().upstream!.outbox.transactions;
  while (pending() < WRITES) await new Promise(setImmediate);
  before = serverDisk.moment();
  const client = clientDisk.moment();
  upstream.holdRequests = false;
  watch();
  await quiet(upstream);
  isWriting = false;
  await new Promise(setImmediate);
  expect(settled).toEqual([1, 2, 3, 4]);
  expect(moments.length).toBeGreaterThan(WRITES);
  const crashes = moments.map((moment) => ({
    ...moment,
    images: [serverDisk.crashImage(moment.server), clientDisk.crashImage(moment.client)] as const,
  }));
  expect(clientDisk.moment()).toBeGreaterThan(client);
  await pair.close();
  for (const { images, acknowledged, server } of crashes) {
    await pair.openServer(images[0]);
    await pair.expectKept(acknowledged, `at moment ${server}`);
    await pair.openClient(images[1]);
    await pair.meetAgain();
    await pair.expectSettledOnce(`at moment ${server}`);
    await pair.close();
  }
});
