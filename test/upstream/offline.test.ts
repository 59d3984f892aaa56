/** Offline: a node whose link is lost, or never was, goes on with what it holds; a new session makes it equal again. */
import { beforeEach, describe, expect, test } from 'vitest';
import { MAX_CLOSE_MS } from '../../engine/upstream/limits.ts';
import { idFrom, Node, TendrilError, type Upstream } from '../../index.ts';
import type { SystemId } from '../../storage/index.ts';
import { createWorld, type Follower, Note, pass, Tag, type World } from './world.ts';

const IDS = Array.from({ length: 30 }, (_, at) => idFrom('note', at)).sort();
const [A, B, C] = [IDS[0]!, IDS[1]!, IDS[2]!];

let world: World;
let ana: Follower;

beforeEach(async () => {
  world = await createWorld();
  await world.authority.transact((tx) => {
    for (const [stars, id] of IDS.entries()) tx.create(Note, { title: `${stars}`, stars }, { id });
  });
  ana = await world.follow();
});

async function lose(follower = ana): Promise<void> {
  follower.upstream.cut();
  await world.quiet();
}

const titles = (rows: readonly { readonly title: unknown }[]) => rows.map(({ title }) => title);

describe('a lost link', () => {
  test('shows offline and why; the rows stay, and what is written goes on and is visible', async () => {
    const live = ana.node.live(Note, 'stars < 3 ORDER BY stars');
    await live.ready;
    await lose();
    expect(live).toMatchObject({ status: 'offline', error: { code: 'offline' } });
    expect(ana.node.report().upstream).toMatchObject({ state: 'offline', error: { code: 'offline' }, node: null });
    expect(titles(live.rows)).toEqual(['0', '1', '2']);
    await ana.node.transact((tx) => {
      tx.update(Note, A, { title: 'mine' });
      tx.delete(Note, B);
      tx.create(Note, { title: 'new', stars: 2 }, { id: idFrom('note', 'new') });
    });
    expect(new Set(titles(live.rows))).toEqual(new Set(['mine', '2', 'new']));
    expect(await ana.node.query(Note, 'stars < 3')).toHaveLength(3);
    expect(ana.node.report().upstream!.outbox.transactions).toBe(1);
  });

  test('makes what is not held not-covered, outside of transactions too', async () => {
    await ana.node.live(Note, 'stars < 3').ready;
    await lose();
    const reads = [
      () => ana.node.query(Note, 'stars > 15'),
      () => ana.node.get(Note, IDS[20]!),
      () => ana.node.sql('SELECT count(*) FROM note'),
      () => ana.node.sql('UPDATE note SET stars = 1'),
    ];
    for (const read of reads) await expect(read()).rejects.toMatchObject({ code: 'not-covered' });
    expect(await ana.node.get(Note, A)).toMatchObject({ title: '0' });
  });

  test('ends what was asked and is not answered, with the reason', async () => {
    ana.upstream.holdSaid = true;
    const open = [ana.node.query(Note, 'stars > 5'), ana.node.get(Note, A), ana.node.sql('DELETE FROM tag')];
    const outcomes = Promise.allSettled(open);
    await world.quiet();
    await lose();
    const codes = (await outcomes).map((outcome) => outcome.status === 'rejected' && outcome.reason.code);
    expect(codes).toEqual(['offline', 'offline', 'offline']);
  });

  test('leaves until: settled waiting for the outcome, over reconnect()', async () => {
    await ana.node.live(Note).ready;
    await lose();
    let isSettled = false;
    const write = ana.node.transact((tx) => tx.update(Note, A, { title: 'mine' }), { until: 'settled' });
    void write.then(() => {
      isSettled = true;
    });
    await world.quiet();
    expect(isSettled).toBe(false);
    await ana.node.reconnect();
    await write;
    expect(await world.authority.get(Note, A)).toMatchObject({ title: 'mine' });
  });
});

describe('reconnect()', () => {
  test('ends equal to the authority: what was changed, deleted, created, and what left or entered meanwhile', async () => {
    const few = ana.node.live(Note, 'stars < 10 ORDER BY stars');
    const top = ana.node.live(Note, 'ORDER BY stars DESC LIMIT 3');
    await Promise.all([few.ready, top.ready]);
    await ana.node.get(Note, IDS[15]!);
    await lose();
    await world.authority.transact((tx) => {
      tx.update(Note, A, { title: 'changed' });
      tx.delete(Note, B);
      tx.update(Note, C, { stars: 99 });
      tx.update(Note, IDS[29]!, { stars: 5 });
      tx.update(Note, IDS[15]!, { title: 'fifteen' });
      tx.create(Note, { title: 'new', stars: 7 });
      tx.create(Note, { title: 'newest', stars: 100 });
    });
    await ana.node.transact((tx) => {
      tx.update(Note, IDS[3]!, { title: 'mine' });
      tx.delete(Note, IDS[4]!);
      tx.update(Note, B, { title: 'mine, of a deleted one' });
      tx.update(Note, C, { title: 'mine, of one that left' });
    });
    let changes = 0;
    few.onChange(() => {
      changes += 1;
    });
    await ana.node.reconnect();
    expect([few.status, few.rows.length > 0]).toEqual(['syncing', true]);
    await world.quiet();
    expect([few.status, top.status]).toEqual(['complete', 'complete']);
    expect(few.rows).toEqual(await world.authority.query(Note, 'stars < 10 ORDER BY stars'));
    expect(top.rows).toEqual(await world.authority.query(Note, 'ORDER BY stars DESC LIMIT 3'));
    expect(await ana.node.get(Note, IDS[15]!)).toMatchObject({ title: 'fifteen' });
    expect(await ana.node.get(Note, C)).toMatchObject({ title: 'mine, of one that left', stars: 99 });
    expect(changes).toBeGreaterThan(0);
    expect(ana.errors).toEqual([]);
    await world.authority.transact((tx) => tx.update(Note, A, { title: 'after' }));
    await world.quiet();
    expect(titles(few.rows)).toContain('after');
  });

  test('replaces what was held in one change set', async () => {
    const live = ana.node.live(Note, 'stars < 3');
    const other = ana.node.live(Note, 'stars > 25');
    await Promise.all([live.ready, other.ready]);
    await lose();
    await world.authority.transact((tx) => {
      tx.update(Note, A, { title: 'a' });
      tx.delete(Note, B);
    });
    await world.authority.transact((tx) => tx.update(Note, A, { title: 'aa' }));
    const changes: unknown[] = [];
    live.onChange(({ removed, added, updated }) => changes.push([removed.length, added.length, updated.length]));
    await ana.node.reconnect();
    await world.quiet();
    expect(changes).toEqual([[1, 0, 1]]);
  });

  test('in the middle of a resync, again and again, ends equal all the same', async () => {
    const live = ana.node.live(Note);
    const window = ana.node.live(Note, 'ORDER BY stars LIMIT 4');
    await Promise.all([live.ready, window.ready]);
    for (let messages = 1; messages < 14; messages += 1) {
      await ana.node.transact((tx) => tx.update(Note, IDS[messages]!, { title: `mine ${messages}` }));
      await world.authority.transact((tx) => {
        tx.update(Note, IDS[29 - messages]!, { stars: -messages });
        tx.create(Tag, { name: `${messages}` });
      });
      ana.upstream.cutAfter = messages;
      await ana.node.reconnect().catch(() => undefined);
      await world.quiet();
      expect(live.rows).toHaveLength(30);
      expect(window.rows.length).toBe(4);
      ana.upstream.cutAfter = Number.POSITIVE_INFINITY;
      await Promise.allSettled([ana.node.reconnect(), ana.node.reconnect()]);
      await world.quiet();
      expect(live.rows, `${messages}`).toEqual(await world.authority.query(Note));
      expect(window.rows).toEqual(await world.authority.query(Note, 'ORDER BY stars LIMIT 4'));
    }
    expect([ana.errors, ana.node.report().upstream!.outbox.transactions]).toEqual([[], 0]);
  });

  test('when nothing is asked for drops what was held', async () => {
    (await ana.node.live(Note, 'stars < 3')).close();
    const live = ana.node.live(Note, 'stars < 3');
    await live.ready;
    live.close();
    await lose();
    await pass(ana, 6);
    expect(await ana.node.query(Note, 'stars < 3')).toHaveLength(3);
    await ana.node.reconnect();
    await world.quiet();
    expect(await ana.node.query(Note, '', [], { from: 'local' })).toEqual([]);
    expect(ana.node.report().upstream!.following.selections).toBe(0);
  });

  test('rejects when nobody answers, and the node stays as it was', async () => {
    const live = ana.node.live(Note, 'stars < 3');
    await live.ready;
    ana.upstream.isReachable = false;
    await expect(ana.node.reconnect()).rejects.toMatchObject({ code: 'offline' });
    expect([live.status, live.rows.length]).toEqual(['offline', 3]);
    ana.upstream.isReachable = true;
    await ana.node.reconnect();
    await world.quiet();
    expect(live.status).toBe('complete');
  });

  test('of a durable node is refused', async () => {
    await expect(world.authority.reconnect()).rejects.toMatchObject({ code: 'invalid-option' });
  });
});

describe('ready', () => {
  test('resolves when the node is offline, with the rows held', async () => {
    await ana.node.live(Note, 'stars < 3').ready;
    await lose();
    const live = ana.node.live(Note, 'stars < 2');
    await live.ready;
    expect([live.status, live.rows.length]).toEqual(['offline', 2]);
    const statement = ana.node.live('SELECT count(*) AS n FROM note');
    await statement.ready;
    expect([statement.status, statement.rows]).toEqual(['offline', [{ n: 3 }]]);
  });

  test('resolves when the link is lost before the answer has come', async () => {
    ana.upstream.holdSaid = true;
    const live = ana.node.live(Note, 'stars < 3');
    await world.quiet();
    expect(live.status).toBe('syncing');
    await lose();
    await live.ready;
    expect([live.status, live.rows]).toEqual(['offline', []]);
    ana.upstream.holdSaid = false;
    await ana.node.reconnect();
    await world.quiet();
    expect([live.status, live.rows.length]).toEqual(['complete', 3]);
  });

  test('rejects with the error when the authority denies the selection', async () => {
    const live = ana.node.live(Note, 'ORDER BY stars LIMIT 10001');
    await expect(live.ready).rejects.toMatchObject({ code: 'limit-exceeded' });
    expect(live).toMatchObject({ status: 'denied', error: { code: 'limit-exceeded' }, rows: [] });
    live.close();
    const shown = ana.node.live(Note, 'stars < 3');
    await shown.ready;
    await expect(shown.reselect('ORDER BY stars LIMIT 10001')).rejects.toMatchObject({ code: 'limit-exceeded' });
    expect([shown.status, shown.rows.length]).toEqual(['complete', 3]);
  });
});

describe('an upstream that can never be reached', () => {
  test('leaves a node that opens, writes and reads, and says so', async () => {
    const ben = await world.follow({ unreachable: true });
    const live = ben.node.live(Note);
    await live.ready;
    expect(live.status).toBe('offline');
    const id = await ben.node.transact((tx) => tx.create(Note, { title: 'mine' }));
    expect(await ben.node.get(Note, id)).toMatchObject({ title: 'mine' });
    expect(live.rows).toHaveLength(1);
    await expect(ben.node.query(Tag)).rejects.toMatchObject({ code: 'not-covered' });
    expect(ben.node.report()).toMatchObject({ system: null, upstream: { state: 'offline', node: null } });
    ben.upstream.isReachable = true;
    await ben.node.reconnect();
    await world.quiet();
    expect(live.rows).toHaveLength(31);
    expect(await world.authority.get(Note, id)).toMatchObject({ title: 'mine' });
    expect(ben.node.report().system).toBe(world.authority.report().system);
  });

  test('may say so at once', async () => {
    const reason = new TendrilError({ code: 'offline', problem: 'At once.', remedy: 'None.' });
    const upstream: Upstream = {
      name: 'never',
      connect: (_, receiver) => {
        receiver.ended(reason, true);
        return { send: () => undefined, close: () => undefined };
      },
    };
    const node = await Node.open({ collections: [Note], upstream });
    expect(node.report().upstream).toMatchObject({ state: 'offline', error: reason });
    await expect(node.reconnect()).rejects.toBe(reason);
    await node.live(Note).ready;
    await node.close();
  });
});

test('an upstream of another system is refused, and nothing is touched', async () => {
  const live = ana.node.live(Note, 'stars < 3');
  await live.ready;
  await lose();
  await ana.node.transact((tx) => tx.update(Note, A, { title: 'mine' }));
  ana.upstream.welcome = (welcome) => ({ ...welcome, system: idFrom('system', 'other') as string as SystemId });
  const before = [...live.rows];
  await expect(ana.node.reconnect()).rejects.toMatchObject({ code: 'system-mismatch' });
  await world.quiet();
  expect(live.rows).toEqual(before);
  expect(live).toMatchObject({ status: 'offline', error: { code: 'system-mismatch' } });
  expect(ana.node.report().upstream!.outbox.transactions).toBe(1);
  expect(ana.node.report().system).toBe(world.authority.report().system);
  ana.upstream.welcome = (welcome) => welcome;
  await ana.node.reconnect();
  await world.quiet();
  expect(live.status).toBe('complete');
  expect(await world.authority.get(Note, A)).toMatchObject({ title: 'mine' });
});

describe('close()', () => {
  test('waits until the authority has settled what is on its way', async () => {
    const writes = Array.from({ length: 20 }, (_, at) => ana.node.transact((tx) => tx.create(Tag, { name: `${at}` })));
    await ana.node.close();
    await Promise.all(writes);
    expect(await world.authority.query(Tag)).toHaveLength(20);
  });

  test('waits MAX_CLOSE_MS at most, and rejects who waits for an outcome', async () => {
    ana.upstream.holdSaid = true;
    const write = ana.node.transact((tx) => tx.create(Tag, { name: 'x' }), { until: 'settled' });
    const outcome = write.catch((error) => error.code);
    await world.quiet();
    let isClosed = false;
    const closing = ana.node.close().then(() => {
      isClosed = true;
    });
    await world.quiet();
    ana.scheduler.pass(MAX_CLOSE_MS - 1);
    await world.quiet();
    expect(isClosed).toBe(false);
    ana.scheduler.pass(1);
    await closing;
    expect(await outcome).toBe('closed');
    expect(ana.scheduler.waiting()).toBe(0);
  });

  test('does not wait when the link is lost meanwhile, nor when there is none', async () => {
    ana.upstream.holdSaid = true;
    await ana.node.transact((tx) => tx.create(Tag, { name: 'x' }));
    const closing = ana.node.close();
    await lose();
    await closing;
    const ben = await world.follow({ unreachable: true });
    await ben.node.transact((tx) => tx.create(Tag, { name: 'x' }));
    await ben.node.close();
  });
});
