/** What a change costs on the wire, counted at a real node that 100 followers of equal, or of different, selections follow. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Request, Step, Upstream } from '../../engine/index.ts';
import { collection, inProcess, integer, Node, text, webSocket } from '../../index.ts';
import { serve } from '../../net/server.ts';
import type { ServingReport } from '../../net/serving.ts';
import { bytesOf, createAuthor } from '../support/author.ts';
import { Follower } from './followers.ts';

const Flight = collection('flight', { origin: text(), delay: integer().default(0) });
const FOLLOWERS = 100;

interface Served {
  readonly upstream: Upstream;
  readonly report: () => ServingReport;
  readonly close: () => Promise<void>;
}

const REACHES: Readonly<Record<string, (node: Node) => Promise<Served>>> = {
  'in process': async (node) => {
    const upstream = inProcess(node, { access: 'open' });
    return { upstream, report: upstream.report, close: async () => undefined };
  },
  'over WebSocket': async (node) => {
    const server = await serve(node, { access: 'open' });
    return { upstream: webSocket(server.url), report: server.report, close: server.close };
  },
};

function subscribe(textOf: string, subscription = 1): Request {
  return { kind: 'subscribe', subscription, collection: 'flight', text: textOf, parameters: [], had: null };
}

describe.each(Object.entries(REACHES))('%s', (_, reach) => {
  let node: Node;
  let served: Served;
  let followers: readonly Follower[];
  let sfo: string;

  beforeEach(async () => {
    node = await Node.open({ collections: [Flight] });
    sfo = await create('SFO');
    await create('LAX');
    served = await reach(node);
  });

  afterEach(async () => {
    for (const { session } of followers) session.close();
    await served.close();
    await node.close();
  });

  function create(origin: string, delay = 0): Promise<string> {
    return node.transact((tx) => tx.create(Flight, { origin, delay }));
  }

  /** As many followers, of one selection after the other, hydrated. */
  async function follow(...selections: readonly string[]): Promise<void> {
    const all = Array.from({ length: FOLLOWERS }, () => new Follower(served.upstream).welcomed());
    followers = await Promise.all(all);
    for (const [at, follower] of followers.entries()) {
      follower.send(subscribe(selections[at % selections.length]!));
      await follower.until(() => follower.said.length === 1);
    }
  }

  const stepsOf = (follower: Follower) => follower.said.filter(({ kind }) => kind === 'step') as Step[];
  const told = () => followers.map((follower) => stepsOf(follower).length);

  /** Does it, and waits until it is over, and a little for what should not come. */
  async function costOf(change: () => Promise<unknown>, isOver: () => boolean) {
    const before = served.report();
    await change();
    while (!isOver()) await new Promise(setImmediate);
    for (let turns = 0; turns < 5; turns += 1) await new Promise(setImmediate);
    const after = served.report();
    return {
      encodings: after.encodings - before.encodings,
      frames: after.traffic.framesSent - before.traffic.framesSent,
      bytes: after.traffic.bytesSent - before.traffic.bytesSent,
      taken: after.traffic.framesTaken - before.traffic.framesTaken,
    };
  }

  const allTold = (count: number) => () => told().every((each) => each >= count);

  test('a change that concerns nobody sends nothing', async () => {
    await follow("origin = 'SFO'");
    const nothing = { encodings: 0, frames: 0, bytes: 0, taken: 0 };
    expect(
      await costOf(
        () => create('LAX'),
        () => true,
      ),
    ).toEqual(nothing);
    const change = () => node.sql("UPDATE flight SET delay = 5 WHERE origin = 'LAX'");
    expect(await costOf(change, () => true)).toEqual(nothing);
    expect(told()).toEqual(Array(FOLLOWERS).fill(0));
  });

  test('one beyond the edge of a window sends nothing, one within it a step', async () => {
    // More than a window and its slack hold.
    for (let delay = 10; delay < 60; delay += 1) await create('SFO', delay);
    await follow("origin = 'SFO' ORDER BY delay DESC LIMIT 2");
    expect(
      await costOf(
        () => create('SFO', 1),
        () => true,
      ),
    ).toMatchObject({ encodings: 0, frames: 0, bytes: 0 });
    expect(await costOf(() => create('SFO', 70), allTold(1))).toMatchObject({ encodings: 1, frames: FOLLOWERS });
  });

  test('one that concerns all is encoded once, and is one frame for each', async () => {
    await follow("origin = 'SFO'");
    const cost = await costOf(() => create('SFO'), allTold(1));
    expect(cost).toMatchObject({ encodings: 1, frames: FOLLOWERS, taken: 0 });
    expect(cost.bytes % FOLLOWERS).toBe(0);
    const change = () => node.transact((tx) => tx.update(Flight, sfo, { delay: 5 }));
    expect(await costOf(change, allTold(2))).toMatchObject({ encodings: 1, frames: FOLLOWERS });
    for (const follower of followers) {
      expect(follower.frames.map((frame) => frame.map(({ kind }) => kind))).toEqual([['chunk'], ['step'], ['step']]);
    }
  });

  test('selections that are spelled differently and mean the same share it too', async () => {
    await follow("origin = 'SFO'", "(origin) = 'SFO'");
    expect(await costOf(() => create('SFO'), allTold(1))).toMatchObject({ encodings: 1, frames: FOLLOWERS });
  });

  test('one of two selections reaches its followers alone; what means the same to both is one message', async () => {
    await follow("origin = 'SFO'", "origin = 'LAX' OR delay > 100");
    const half = () => told().filter((count) => count === 1).length === FOLLOWERS / 2;
    expect(await costOf(() => create('SFO'), half)).toMatchObject({ encodings: 1, frames: FOLLOWERS / 2 });
    expect(told()).toEqual(followers.map((__, at) => (at % 2 === 0 ? 1 : 0)));
    const both = () => told().every((count, at) => count === (at % 2 === 0 ? 2 : 1));
    expect(await costOf(() => create('SFO', 200), both)).toMatchObject({ encodings: 1, frames: FOLLOWERS });
    // Leaves for some, enters for the others.
    const moved = () => node.transact((tx) => tx.update(Flight, sfo, { origin: 'LAX' }));
    const all = () => told().every((count, at) => count === (at % 2 === 0 ? 3 : 2));
    expect(await costOf(moved, all)).toMatchObject({ encodings: 2, frames: FOLLOWERS });
  });

  test('what one turn produced leaves in one frame: a group of several transactions', async () => {
    await follow("origin = 'SFO'");
    const group = 20;
    const change = () => Promise.all(Array.from({ length: group }, (__, delay) => create('SFO', delay)));
    expect(await costOf(change, allTold(group))).toMatchObject({ encodings: group, frames: FOLLOWERS });
    for (const follower of followers) {
      expect(follower.frames.map(({ length }) => length)).toEqual([1, group]);
      const positions = stepsOf(follower).map(({ position }) => position);
      expect(positions).toEqual([...positions].sort((left, right) => left - right));
    }
  });

  test('an upload costs one message for its author and one for all others', async () => {
    await follow("origin = 'SFO'");
    const operation = { ...createAuthor('flight').operation({ values: { origin: 'SFO', delay: 1n } }), author: 'ana' };
    const { transaction } = operation;
    const [first] = followers;
    const change = async () => first!.send({ kind: 'upload', transaction, attempt: 1, operations: bytesOf(operation) });
    expect(await costOf(change, allTold(1))).toMatchObject({ encodings: 2, frames: FOLLOWERS, taken: 1 });
    expect(followers.map((follower) => stepsOf(follower)[0]!.settled)).toEqual([
      transaction,
      ...Array(FOLLOWERS - 1).fill(null),
    ]);
  });
});
