/** What is settled by a session that is not whole: out of order, or by a log that the next one has no more. */
import { expect, test } from 'vitest';
import { type LiveQuery, Node, type NodeOptions } from '../../index.ts';
import { createTestClock, createTestRandom, createTestScheduler } from '../support/ports.ts';
import { GatedUpstream, quiet } from '../upstream/gated-upstream.ts';
import { close, newFile, openServer } from '../upstream/other-logs-world.ts';
import { COLLECTIONS, Note, Tag } from '../upstream/world.ts';
import { createMixture } from './mixture-world.ts';
import { createRelayWorld } from './world.ts';

/** It connects again when it is told to. */
function open(seed: number, options: Partial<NodeOptions>): Promise<Node> {
  const ports = { clock: createTestClock(), random: createTestRandom(seed), scheduler: createTestScheduler() };
  return Node.open({ collections: [...COLLECTIONS], ports, ...options });
}

function titlesOf(live: LiveQuery<{ readonly title?: string | null }>): readonly unknown[] {
  return live.rows.map(({ title }) => title).sort();
}

test('a write of a follower that was settled by a log that is no more is settled again, and not forgotten before', async () => {
  const backup = newFile();
  const before = await openServer(newFile());
  let server = before;
  const id = await before.transact((tx) => tx.create(Note, { title: 'held' }));
  await before.backup(backup);
  const up = new GatedUpstream(() => server);
  const relay = await open(101, { upstream: up });
  await quiet(up);
  const lower = new GatedUpstream(() => relay);
  const ana = await open(102, { upstream: lower, author: 'ana' });
  const lives = [relay.live(Note), ana.live(Note)] as const;
  await Promise.all(lives.map(({ ready }) => ready));

  up.isReachable = false;
  up.cut();
  await ana.transact((tx) => tx.update(Note, id, { title: 'mine' }));
  await quiet(up, lower);
  up.isReachable = true;
  up.holdSaid = true;
  await relay.reconnect();
  await quiet(up, lower);
  expect(up.takeWaiting('chunk')).toHaveLength(1);
  up.holdSaid = false;
  await quiet(up, lower);
  expect(up.saidOf('step').filter(({ settled }) => settled !== null)).toHaveLength(1);
  expect(lives.map(({ status }) => status)).toEqual(['syncing', 'offline']);

  up.cut();
  await close(before);
  server = await openServer(backup);
  await relay.reconnect();
  await quiet(up, lower);
  // Its author has not come back yet.
  expect(lower.sessions).toBe(1);
  expect(up.saidOf('step').filter(({ settled }) => settled !== null)).toHaveLength(2);
  expect((await server.query(Note)).map(({ title }) => title)).toEqual(['mine']);
  expect(titlesOf(lives[0])).toEqual(['mine']);

  await server.transact((tx) => tx.update(Note, id, { stars: 5 }));
  await ana.reconnect();
  await quiet(up, lower);
  const rows = await server.query(Note);
  for (const live of lives) expect([live.status, live.rows]).toEqual(['complete', rows]);
  expect(ana.report().upstream?.outbox.transactions).toBe(0);
  for (const upstream of [lower, up]) upstream.cut();
  for (const node of [ana, relay]) await node.close();
});

test("a write of the relay's own, settled before it was whole, is pending for others of its author until the next is", async () => {
  const { world, settle } = await createMixture();
  const heard: string[] = [];
  const tab = world.relay().follow({
    author: world.relay().report().author,
    relays: true,
    greeting: { node: world.authority.report().node, cursor: null },
    say: (said) => heard.push(said.kind),
    hasMore: () => undefined,
    hasRoom: () => undefined,
  });
  tab.take({ kind: 'describe', collections: [] });
  const told = () => heard.filter((kind) => kind === 'pending' || kind === 'withdrawn');
  expect(told()).toEqual(['pending']);
  await settle();
  world.up.cut();
  await world.quiet();
  expect(told()).toEqual(['pending']);
  await world.reach();
  expect(told()).toEqual(['pending', 'withdrawn']);
});

test('a row that took a later write before the one that it stands on is told again, though its head and position are the same', async () => {
  const world = await createRelayWorld();
  const ana = await world.follow('ana');
  const live = ana.node.live(Note);
  const other = ana.node.live(Tag);
  await Promise.all([live.ready, other.ready]);
  const id = await ana.node.transact((tx) => tx.create(Note, { title: 'new' }), { until: 'settled' });
  await world.quiet();
  world.up.holdRequests = true;
  await ana.node.transact((tx) => tx.update(Note, id, { title: 'first' }));
  await world.authority.transact((tx) => tx.update(Note, id, { body: 'meanwhile' }));
  await world.quiet();
  world.up.holdSaid = true;
  world.up.holdRequests = false;
  await world.quiet();
  await world.cutOff();
  // It stands on both, so that nobody sees by its head that one is missing.
  await ana.node.transact((tx) => tx.update(Note, id, { stars: 2 }));
  await world.reach();
  const [notes, tags] = world.up.takeWaiting('chunk').sort((left, right) => left.subscription - right.subscription);
  const [first, second] = world.up.takeWaiting('step');
  world.up.holdSaid = false;
  // As the authority says it of one group: what it knew already is settled again after what is new.
  for (const said of [notes!, second!, first!]) world.up.plant(said);
  await world.quiet();
  expect(live.status).toBe('offline');
  world.up.plant(tags!);
  await world.quiet();
  expect([live.status, live.rows]).toEqual(['complete', await world.authority.query(Note)]);
});

test('a row that a follower is told with what is settled again stands where it says, for the next log', async () => {
  const backup = newFile();
  const before = await openServer(newFile());
  await before.transact((tx) => tx.create(Note, { title: 'held' }));
  const up = new GatedUpstream(() => before);
  const relay = await open(103, { upstream: up });
  await quiet(up);
  let above = relay;
  const lower = new GatedUpstream(() => above);
  const ana = await open(104, { upstream: lower, author: 'ana' });
  const live = ana.live(Note, "title = 'held'");
  await live.ready;
  up.holdSaid = true;
  const id = await ana.transact((tx) => tx.create(Note, { title: 'mine' }));
  await quiet(up, lower);
  up.cut();
  up.holdSaid = false;
  up.holdUploads = true;
  await relay.reconnect();
  await quiet(up, lower);
  expect([live.status, lower.sessions]).toEqual(['complete', 1]);
  await before.backup(backup);
  await before.transact((tx) => tx.update(Note, id, { title: 'lost' }));
  up.holdUploads = false;
  await quiet(up, lower);
  expect(ana.report().upstream?.outbox.transactions).toBe(0);
  expect(await ana.get(Note, id)).toMatchObject({ title: 'lost' });

  for (const upstream of [lower, up]) upstream.cut();
  await close(before);
  const restored = await openServer(backup);
  above = restored;
  await ana.reconnect();
  await quiet(lower);
  expect(await ana.get(Note, id)).toMatchObject({ title: 'mine' });
  expect([live.status, live.rows]).toEqual(['complete', await restored.query(Note, "title = 'held'")]);
  lower.cut();
  for (const node of [ana, relay]) await node.close();
});
