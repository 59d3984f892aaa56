/** Two durable nodes that follow each other's log: whatever is cut, both end with the same operations and rows. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { MAX_DRIFT_MS } from '../../engine/feed/limits.ts';
import { ASK_AGAIN_MS } from '../../engine/logs/limits.ts';
import { collection, integer, type Node, type NodeOptions, TendrilError, text } from '../../index.ts';
import { sqliteFile } from '../../storage/drivers/index.ts';
import { encodeOperation } from '../../storage/index.ts';
import { createAuthor } from '../support/author.ts';
import { type DirectUpstream, directUpstream } from '../support/direct-upstream.ts';
import { createTestClock, createTestRandom, createTestScheduler } from '../support/ports.ts';
import { createRandom, type Random, runs, seedFor } from '../support/random.ts';
import { createNodes, turn, until } from './logs-world.ts';

const seed = seedFor('logs');
const Note = collection('note', { title: text().optional(), stars: integer().default(3) });
const { open, close } = createNodes([Note], 1);
const Tag = collection('tag', { name: text() });

const folder = mkdtempSync(join(tmpdir(), 'logs-'));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;

interface Pair {
  authority: Node;
  copy: Node;
  readonly link: DirectUpstream;
}

async function pair(ofCopy: Partial<NodeOptions> = {}): Promise<Pair> {
  const authority = await open();
  const link = directUpstream(() => world.authority);
  const world: Pair = { authority, copy: authority, link };
  world.copy = await open({ role: 'durable', upstream: link, ...ofCopy });
  await until(() => world.copy.report().upstream?.state === 'connected');
  return world;
}

async function logOf(node: Node): Promise<readonly string[]> {
  const all: string[] = [];
  for (let after = 0; ; ) {
    const some = await node.operations(after, 1_000);
    if (some.length === 0) return all.sort();
    all.push(...some.map(({ bytes }) => Buffer.from(bytes).toString('hex')));
    after = some.at(-1)!.position;
  }
}

const positionOf = (node: Node) => node.report().position;
const equal = async ({ authority, copy }: Pair) =>
  JSON.stringify(await logOf(authority)) === JSON.stringify(await logOf(copy));
const rowsOf = async (node: Node) => node.query(Note);
const create = (node: Node, title: string) => node.transact((tx) => tx.create(Note, { title }));

async function expectEqual(world: Pair): Promise<void> {
  await until(() => equal(world));
  expect(await rowsOf(world.copy)).toEqual(await rowsOf(world.authority));
  await until(() => world.copy.report().upstream?.outbox.transactions === 0);
}

describe('a durable node with an upstream', () => {
  test('is told the whole log, and then each transaction as it is committed', async () => {
    const world = await pair();
    for (const title of ['a', 'b', 'c']) await create(world.authority, title);
    await expectEqual(world);
    expect(world.copy.role).toBe('durable');
    expect(world.copy.report()).toMatchObject({
      position: 3,
      upstream: { quarantined: { transactions: [] }, cursor: { position: 3 } },
    });
    expect(world.copy.report().system).toBe(world.authority.report().system);
  });

  test('tells what it wrote itself, which is not told back, and settled means that the upstream has it', async () => {
    const world = await pair();
    const id = await world.copy.transact((tx) => tx.create(Note, { title: 'own' }), { until: 'settled' });
    expect(await world.authority.get(Note, id)).toMatchObject({ title: 'own' });
    world.link.hold = true;
    let settled = false;
    const settling = world.copy.transact((tx) => tx.update(Note, id, { stars: 1 }), { until: 'settled' });
    void settling.then(() => {
      settled = true;
    });
    await until(async () => (await world.authority.get(Note, id))?.stars === 1);
    await turn(20);
    expect(settled).toBe(false);
    world.link.hold = false;
    await settling;
    await expectEqual(world);
    expect([positionOf(world.authority), positionOf(world.copy)]).toEqual([2, 2]);
  });

  test('of another system, having written, is refused for good, and nothing is exchanged', async () => {
    const authority = await open();
    await create(authority, 'theirs');
    const link = directUpstream(() => authority);
    const path = join(folder, `${++files}.db`);
    const before = await open({ storage: sqliteFile(path) });
    await create(before, 'own');
    await close(before);
    const copy = await open({ role: 'durable', storage: sqliteFile(path), upstream: link });
    await until(() => copy.report().upstream?.state === 'offline');
    expect(copy.report().upstream?.error).toMatchObject({ code: 'system-mismatch' });
    await turn(20);
    expect([positionOf(authority), positionOf(copy)]).toEqual([1, 1]);
  });

  test('that wrote before it met its upstream stays in its own system', async () => {
    const authority = await open();
    const direct = directUpstream(() => authority);
    let isReachable = false;
    const connect: DirectUpstream['connect'] = (greeting, receiver, ports) => {
      if (isReachable) return direct.connect(greeting, receiver, ports);
      const reason = new TendrilError({ code: 'offline', problem: 'Nobody is there.', remedy: 'Wait.' });
      setImmediate(() => receiver.ended(reason, false));
      return { send: () => undefined, close: () => undefined };
    };
    const node = await open({ role: 'durable', upstream: { name: 'away', connect } });
    await create(node, 'early');
    isReachable = true;
    await node.reconnect();
    await until(() => node.report().upstream?.state === 'offline');
    expect(node.report().upstream?.error).toMatchObject({ code: 'system-mismatch' });
    expect(positionOf(authority)).toBe(0);
  });

  test('may be written to as soon as it is open', async () => {
    const world = await pair();
    const copy = await open({ role: 'durable', upstream: world.link });
    await copy.transact((tx) => tx.create(Note, { title: 'first' }), { until: 'settled' });
    expect(positionOf(world.authority)).toBe(1);
  });

  test('keeps the system that it joined, its cursor and what it has told, over a restart', async () => {
    const path = join(folder, `${++files}.db`);
    const world = await pair({ storage: sqliteFile(path) });
    await create(world.authority, 'theirs');
    await create(world.copy, 'own');
    await expectEqual(world);
    await close(world.copy);
    await create(world.authority, 'meanwhile');
    world.copy = await open({ role: 'durable', storage: sqliteFile(path), upstream: world.link });
    expect(world.copy.report()).toMatchObject({ upstream: { cursor: { position: 2 }, outbox: { transactions: 0 } } });
    await expectEqual(world);
    expect(world.copy.report().upstream?.began).toBe('resumed');
    expect(world.copy.report().system).toBe(world.authority.report().system);
  });

  test('whatever is cut, both end with the same operations, each once', { timeout: 60_000 }, async () => {
    const random = createRandom(seed);
    for (let run = 0; run < runs(60); run += 1) {
      const world = await pair();
      const ids: string[] = [];
      for (let step = 0; step < 40; step += 1) await act(world, ids, random);
      world.link.hold = false;
      if (world.copy.report().upstream?.state !== 'connected') await world.copy.reconnect();
      await expectEqual(world);
      const log = await logOf(world.copy);
      expect(new Set(log).size).toBe(log.length);
      for (const node of [world.copy, world.authority]) await close(node);
    }
  });

  test('takes a compacted log with its floor, and tells rows as they stood from there on', async () => {
    const authority = await open();
    const id = await create(authority, 'a');
    for (const title of ['b', 'c', 'd']) await authority.transact((tx) => tx.update(Note, id, { title }));
    expect(await authority.compact({ keepMs: 0, keepOperations: 1 })).toMatchObject({ floor: 3, dropped: 1 });
    const link = directUpstream(() => authority);
    const copy = await open({ role: 'durable', upstream: link });
    await expectEqual({ authority, copy, link });
    for (const node of [authority, copy]) {
      expect(await node.get(Note, id, { at: 3 })).toMatchObject({ title: 'c' });
      await expect(node.get(Note, id, { at: 2 })).rejects.toMatchObject({ code: 'history-unavailable' });
    }
    expect((await copy.history(Note, id)).map(({ edits }) => edits === null)).toEqual([false, true, false, false]);
  });

  test('compacts nothing that it has still to tell, and its upstream nothing that it still needs', async () => {
    const world = await pair();
    const id = await create(world.copy, 'a');
    await expectEqual(world);
    world.link.cut();
    for (const title of ['b', 'c']) await world.copy.transact((tx) => tx.update(Note, id, { title }));
    for (const title of ['d', 'e']) await world.authority.transact((tx) => tx.update(Note, id, { title }));
    const { node: upstream } = world.authority.report();
    const { node: own } = world.copy.report();
    expect(await world.copy.compact({ keepMs: 0 })).toMatchObject({ floor: 1, keptFor: upstream });
    expect(await world.authority.compact({ keepMs: 0 })).toMatchObject({ floor: 1, keptFor: own });
    await world.copy.reconnect();
    await expectEqual(world);
    expect(await world.copy.compact({ keepMs: 0 })).toMatchObject({ floor: 5, keptFor: null });
    expect(await world.authority.compact({ keepMs: 0 })).toMatchObject({ floor: 5, keptFor: null });
    expect(await rowsOf(world.copy)).toEqual(await rowsOf(world.authority));
  });

  test('what it cannot take is noted with its reason and its peer, and taken when it can be; the rest goes on', async () => {
    const path = join(folder, `${++files}.db`);
    const authority = await open({ collections: [Note, Tag] });
    const link = directUpstream(() => authority);
    const copy = await open({ role: 'durable', storage: sqliteFile(path), upstream: link });
    await create(authority, 'before');
    const tag = await authority.transact((tx) => tx.create(Tag, { name: 'red' }));
    await authority.transact((tx) => [tx.create(Note, { title: 'with' }), tx.update(Tag, tag, { name: 'blue' })]);
    await create(authority, 'after');
    await until(() => positionOf(copy) === 2 && copy.report().upstream!.quarantined.transactions.length === 2);
    expect(copy.report().upstream!.quarantined.transactions).toMatchObject([
      { position: 2, peer: authority.report().node, reason: { code: 'unknown-collection' } },
      { position: 3, reason: { code: 'unknown-collection' } },
    ]);
    expect(copy.report().upstream?.cursor?.position).toBe(1);
    await close(copy);
    const whole = await open({ collections: [Note, Tag], role: 'durable', storage: sqliteFile(path), upstream: link });
    await expectEqual({ authority, copy: whole, link });
    expect(whole.report()).toMatchObject({ upstream: { quarantined: { transactions: [] }, cursor: { position: 4 } } });
    expect(await whole.get(Tag, tag)).toMatchObject({ name: 'blue' });
  });

  test('what could not be taken is asked for again after 10 minutes', async () => {
    const authority = await open({ collections: [Note, Tag] });
    const sessions: string[] = [];
    const direct = directUpstream(() => authority);
    const connect: DirectUpstream['connect'] = (...given) => {
      sessions.push('begun');
      return direct.connect(...given);
    };
    const scheduler = createTestScheduler();
    const ports = { clock: createTestClock(), random: createTestRandom(99), scheduler };
    const copy = await open({ role: 'durable', upstream: { name: 'counted', connect }, ports });
    await until(() => copy.report().upstream?.state === 'connected');
    scheduler.pass(ASK_AGAIN_MS);
    await turn(10);
    expect(sessions).toHaveLength(1);
    await authority.transact((tx) => tx.create(Tag, { name: 'red' }));
    await until(() => copy.report().upstream!.quarantined.transactions.length === 1);
    scheduler.pass(ASK_AGAIN_MS - 1);
    await turn(10);
    expect(sessions).toHaveLength(1);
    scheduler.pass(1);
    await turn(10);
    expect(sessions).toHaveLength(2);
    await until(() => copy.report().upstream!.quarantined.transactions.length === 1);
  });

  test('what is ahead of the clock of the upstream is offered again every 10 minutes, and taken when its time has come', async () => {
    const HOUR_MS = 3_600_000;
    const clock = createTestClock();
    const authority = await open({ ports: { clock, random: createTestRandom(97), scheduler: createTestScheduler() } });
    const scheduler = createTestScheduler();
    const ports = { clock: createTestClock(clock.now() + HOUR_MS), random: createTestRandom(98), scheduler };
    const copy = await open({ role: 'durable', upstream: directUpstream(() => authority), ports });
    await until(() => copy.report().upstream?.state === 'connected');
    await create(copy, 'early');
    const isRefused = () => (copy.report().upstream?.error as TendrilError | null)?.code === 'clock-drift';
    await until(isRefused);
    scheduler.pass(ASK_AGAIN_MS);
    await until(isRefused);
    expect([positionOf(authority), await rowsOf(copy)]).toMatchObject([0, [{ title: 'early' }]]);
    clock.advance(HOUR_MS - MAX_DRIFT_MS);
    scheduler.pass(ASK_AGAIN_MS);
    await until(() => copy.report().upstream?.outbox.transactions === 0);
    expect(await rowsOf(authority)).toEqual(await rowsOf(copy));
  });

  test('a transaction that waits for another is absent until that has come, by whatever way', async () => {
    const world = await pair();
    const somebody = createAuthor('note');
    const root = somebody.operation({});
    const child = somebody.operation({ entity: root.entity, precursors: [root.id], values: { title: 'child' } });
    // Only a log that was tampered with has the child alone.
    world.link.alter = (said) =>
      said.kind === 'logged'
        ? { ...said, transactions: said.transactions.filter(({ transaction }) => transaction !== root.transaction) }
        : said;
    await world.authority.ingest([root, child].map(encodeOperation));
    await until(() => world.copy.report().upstream!.quarantined.transactions.length === 1);
    expect(world.copy.report().upstream!.quarantined.transactions).toMatchObject([
      { transaction: child.transaction, position: 2, reason: null },
    ]);
    await world.copy.ingest([encodeOperation(root)]);
    await until(() => positionOf(world.copy) === 2);
    await create(world.authority, 'next');
    await until(() => world.copy.report().upstream!.quarantined.transactions.length === 0);
    await expectEqual(world);
  });

  test('a log restored from an earlier copy is told again all that it has lost', async () => {
    const path = join(folder, `${++files}.db`);
    const backup = join(folder, `${++files}.db`);
    const world = await pair();
    await close(world.copy);
    await close(world.authority);
    world.authority = await open({ storage: sqliteFile(path) });
    world.copy = await open({ role: 'durable', upstream: world.link });
    await create(world.authority, 'kept');
    await expectEqual(world);
    await world.authority.backup(backup);
    await create(world.authority, 'lost');
    await create(world.copy, 'own');
    await expectEqual(world);
    await close(world.authority);
    world.authority = await open({ storage: sqliteFile(backup) });
    world.link.cut();
    expect(positionOf(world.authority)).toBe(1);
    await world.copy.reconnect();
    await expectEqual(world);
    expect(positionOf(world.authority)).toBe(3);
    expect(world.copy.report().upstream?.began).toBe('anew');
  });
});

async function act({ authority, copy, link }: Pair, ids: string[], random: Random): Promise<void> {
  const node = random.pick([authority, copy]);
  if (random.chance(0.1)) link.cut();
  if (random.chance(0.1)) link.hold = !link.hold;
  if (random.chance(0.2) && copy.report().upstream?.state === 'offline') void copy.reconnect().catch(() => undefined);
  if (random.chance(0.3)) await turn(random.integer(6));
  const id = ids.length === 0 ? undefined : random.pick(ids);
  const known = id === undefined ? null : await node.get(Note, id);
  if (known === null) ids.push(await create(node, `t${ids.length}`));
  else await node.transact((tx) => tx.update(Note, known.id, { stars: random.integer(100) }));
}
