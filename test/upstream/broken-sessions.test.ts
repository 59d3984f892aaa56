/** Sessions that end at the worst moment, and what the next one makes of what they left behind. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { Said } from '../../engine/stream.ts';
import { MAX_QUARANTINED } from '../../engine/upstream/limits.ts';
import { collection, idFrom, integer, Node, type NodeOptions, TendrilError, text } from '../../index.ts';
import { sqliteFile } from '../../storage/drivers/index.ts';
import { type EntityId, memory, type Storage } from '../../storage/index.ts';
import { createTestClock, createTestRandom, createTestScheduler } from '../support/ports.ts';
import { GatedUpstream, quiet } from './gated-upstream.ts';
import { COLLECTIONS, createWorld, Note, pass, refusal, refusing, Tag } from './world.ts';

const closings: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closings.splice(0).reverse()) await close();
});

/** Notes with titles, in the order of their ids. */
async function write(node: Node, count: number): Promise<readonly EntityId[]> {
  const ids = Array.from({ length: count }, (_, at) => idFrom('note', at) as EntityId).sort();
  await node.transact((tx) => {
    for (const [at, id] of ids.entries()) tx.create(Note, { title: `note ${at}`, stars: at }, { id });
  });
  return ids;
}

const changedTitle = { title: 'changed' };

/** Until so many messages of a kind have come. */
async function until(upstream: GatedUpstream, kind: Said['kind'], count = 1): Promise<void> {
  while (upstream.saidOf(kind).length < count) await new Promise(setImmediate);
}

/** A storage in memory whose next COMMIT fails once `fail` was called. */
function failingStorage() {
  let isToFail = false;
  const storage: Storage = {
    open: async () => {
      const sound = await memory().open();
      return {
        ...sound,
        transaction: (body) =>
          sound.transaction(() => {
            const result = body();
            if (!isToFail) return result;
            isToFail = false;
            throw new TendrilError({ code: 'storage-failed', problem: 'The disk is full.', remedy: 'Make room.' });
          }),
      };
    },
  };
  const fail = () => {
    isToFail = true;
  };
  return { storage, fail, isToFail: () => isToFail };
}

describe('a frame that cannot be taken', () => {
  test('takes those that came behind it with it: the next session begins before it', async () => {
    const world = await createWorld();
    const ids = await write(world.authority, 3);
    const ana = await world.follow();
    const live = ana.node.live(Note, '');
    await world.quiet();
    ana.upstream.holdSaid = true;
    await world.authority.transact((tx) => tx.update(Note, ids[0]!, changedTitle));
    await world.authority.transact((tx) => tx.update(Note, ids[1]!, changedTitle));
    await world.quiet();
    const [first, second] = ana.upstream.takeWaiting('step');
    const unknown = { kind: 'leave', collection: 'nobody has it', entity: ids[0]! } as const;
    ana.upstream.plantFrame({ ...first!, parts: [...first!.parts, unknown] });
    ana.upstream.plantFrame(second!);
    ana.upstream.holdSaid = false;
    await world.quiet();
    await ana.node.reconnect();
    await world.quiet();
    expect(live.rows).toEqual(await world.authority.query(Note));
  });
});

describe('a session with another log', () => {
  /** A follower of a log, whose upstream then leads to a backup of that. */
  async function otherLog(count: number, live: (node: Node, ids: readonly EntityId[]) => Promise<unknown>) {
    const folder = mkdtempSync(join(tmpdir(), 'tendril-broken-'));
    const options = { collections: COLLECTIONS, ports: { clock: createTestClock(), random: createTestRandom(1) } };
    const original = await Node.open({ ...options, storage: sqliteFile(join(folder, 'original.db')) });
    const ids = await write(original, count);
    let authority = original;
    const upstream = new GatedUpstream(() => authority);
    const errors: unknown[] = [];
    const node = await Node.open({
      collections: COLLECTIONS,
      upstream,
      ports: { clock: createTestClock(), random: createTestRandom(2), scheduler: createTestScheduler() },
      onError: (error) => errors.push(error),
    });
    await quiet(upstream);
    await live(node, ids);
    await quiet(upstream);
    await original.backup(join(folder, 'backup.db'));
    const backup = await Node.open({ ...options, storage: sqliteFile(join(folder, 'backup.db')) });
    closings.push(async () => {
      upstream.cut();
      for (const each of [node, backup, original]) await each.close();
      rmSync(folder, { recursive: true });
    });
    /** The upstream has the backup; a session begins and is cut at the message. */
    const meet = async (cut: () => Promise<void>) => {
      upstream.cut();
      authority = backup;
      upstream.said.length = 0;
      await node.reconnect();
      await cut();
      upstream.cut();
      upstream.holdSaid = false;
      upstream.alter = (said) => said;
      await quiet(upstream);
    };
    const goOn = async () => {
      await node.reconnect();
      await quiet(upstream);
    };
    return { node, upstream, ids, original, backup, errors, meet, goOn };
  }

  test('that was cut when one selection had been compared keeps the rows of its equal buckets', async () => {
    const lives: { readonly rows: readonly unknown[] }[] = [];
    const { original, backup, upstream, meet, goOn } = await otherLog(300, async (node) => {
      lives.push(node.live(Note, ''), node.live(Tag, ''));
    });
    await original.transact((tx) => tx.create(Note, { title: 'lost' }));
    await quiet(upstream);
    await meet(async () => {
      upstream.alter = (said) => {
        if (said.kind !== 'chunk') return said;
        // Of the other one nothing comes.
        if (said.subscription === 2) return { kind: 'at', position: said.position };
        expect(said.basis).toBe('buckets');
        return said;
      };
      await quiet(upstream);
      expect(upstream.saidOf('chunk').length).toBe(1);
    });
    await goOn();
    expect(lives[0]!.rows).toEqual(await backup.query(Note));
  });

  test('that was cut before an id was answered asks for it as if it had nothing', async () => {
    const { node, original, backup, ids, upstream, meet, goOn } = await otherLog(5, async (node, made) => {
      node.live(Tag, '');
      await node.get(Note, made[0]!);
    });
    await original.transact((tx) => tx.update(Note, ids[0]!, { title: 'lost' }));
    await quiet(upstream);
    await meet(async () => {
      upstream.holdRequests = true;
      await quiet(upstream);
    });
    upstream.holdRequests = false;
    await goOn();
    expect(await node.get(Note, ids[0]!)).toEqual(await backup.get(Note, ids[0]!));
  });

  test('that was cut takes what is pending only when all of it is here', async () => {
    const { node, original, backup, ids, upstream, errors, meet, goOn } = await otherLog(5, async (node) => {
      node.live(Tag, '');
      node.live(Note, '');
    });
    for (let turn = 0; turn < 50; turn += 1) {
      await original.transact((tx) => tx.update(Note, ids[0]!, { title: `lost ${turn}` }));
    }
    await quiet(upstream);
    upstream.isReachable = false;
    upstream.cut();
    await node.transact((tx) => tx.update(Note, ids[0]!, { body: 'pending' }));
    upstream.isReachable = true;
    await meet(async () => {
      upstream.holdRequests = true;
      await quiet(upstream);
    });
    upstream.holdRequests = false;
    upstream.requests.length = 0;
    await goOn();
    // It stood on what was lost, and so was made anew once.
    expect(upstream.askedOf('upload').length).toBe(2);
    expect(await backup.get(Note, ids[0]!)).toMatchObject({ title: 'note 0', body: 'pending' });
    expect(await node.get(Note, ids[0]!)).toMatchObject({ title: 'note 0', body: 'pending' });
    expect(await node.refused.query()).toEqual([]);
    expect(errors).toEqual([]);
  });
});

test('a row that came for an id, before its session was whole, goes with the session if nobody else asks for it', async () => {
  const world = await createWorld();
  const ids = await write(world.authority, 3);
  const ana = await world.follow({ unwelcome: true });
  ana.node.live(Tag, '');
  ana.upstream.holdWelcome = false;
  ana.upstream.alter = (said) => {
    if (said.kind === 'held') ana.upstream.holdSaid = true;
    return said;
  };
  const got = ana.node.get(Note, ids[0]!);
  got.catch(() => undefined);
  await until(ana.upstream, 'held');
  await world.quiet();
  ana.upstream.cut();
  ana.upstream.holdSaid = false;
  ana.upstream.alter = (said) => said;
  await expect(got).rejects.toMatchObject({ code: expect.any(String) });
  await ana.node.reconnect();
  await world.quiet();
  await world.authority.transact((tx) => tx.update(Note, ids[0]!, changedTitle));
  await world.quiet();
  expect(await ana.node.get(Note, ids[0]!)).toMatchObject(changedTitle);
});

describe('a COMMIT that fails', () => {
  async function failing(options: Partial<NodeOptions> = {}) {
    const world = await createWorld();
    const ids = await write(world.authority, 3);
    const { storage, fail, isToFail } = failingStorage();
    const ana = await world.follow({ options: { ...options, storage } });
    const goOn = async () => {
      expect(isToFail()).toBe(false);
      await world.authority.transact((tx) => {
        for (const id of ids) tx.update(Note, id, changedTitle);
      });
      await ana.node.reconnect();
      await world.quiet();
    };
    return { world, ids, ana, fail, goOn };
  }

  test('as a selection is given up leaves no row that nobody follows', async () => {
    const { world, ids, ana, fail, goOn } = await failing();
    const live = ana.node.live(Note, '');
    await world.quiet();
    live.close();
    ana.upstream.holdSaid = true;
    await pass(ana, 5);
    fail();
    ana.upstream.holdSaid = false;
    await world.quiet();
    await goOn();
    expect(await ana.node.get(Note, ids[0]!)).toMatchObject(changedTitle);
  });

  test('as an id is released leaves no row that nobody follows', async () => {
    const { world, ids, ana, fail, goOn } = await failing();
    await ana.node.get(Note, ids[0]!);
    ana.upstream.holdSaid = true;
    await pass(ana, 7);
    expect(ana.upstream.askedOf('release').length).toBe(1);
    fail();
    ana.upstream.holdSaid = false;
    await world.quiet();
    await goOn();
    expect(await ana.node.get(Note, ids[0]!)).toMatchObject(changedTitle);
  });

  test('as a session becomes whole leaves no row of what was given up while there was none', async () => {
    const { world, ids, ana, fail, goOn } = await failing();
    const live = ana.node.live(Note, '');
    await world.quiet();
    ana.upstream.cut();
    live.close();
    // Five hundred others take its place.
    for (let at = 0; at < 500; at += 1) ana.node.live(Note, 'stars > ?', [1_000 + at]);
    ana.upstream.alter = (said) => {
      if (said.kind === 'chunk' && said.subscription === 500) fail();
      return said;
    };
    await ana.node.reconnect();
    await world.quiet();
    ana.upstream.alter = (said) => said;
    await goOn();
    expect(await ana.node.get(Note, ids[0]!)).toMatchObject(changedTitle);
  });

  test('as a row comes that could not be read before leaves it noted', async () => {
    const { world, ids, ana, fail } = await failing();
    const error = refusal();
    ana.upstream.alter = (said) => {
      if (said.kind !== 'chunk') return said;
      ana.upstream.plant({ kind: 'unreadable', collection: 'note', entity: ids[0]!, error });
      return { ...said, rows: said.rows.slice(1) };
    };
    const live = ana.node.live(Note, '');
    await world.quiet();
    expect(live.rows.length).toBe(2);
    ana.upstream.alter = (said) => {
      if (said.kind === 'held') fail();
      return said;
    };
    await ana.node.reconnect();
    await world.quiet();
    ana.upstream.alter = (said) => said;
    await ana.node.reconnect();
    await world.quiet();
    expect(live.rows).toEqual(await world.authority.query(Note));
    expect(ana.node.report().upstream!.quarantined.rows).toEqual([]);
  });
});

test(`of more rows that cannot be read than are noted, what changes one is no violation`, async () => {
  const world = await createWorld();
  const ids = await write(world.authority, MAX_QUARANTINED + 1);
  const ana = await world.follow();
  const error = refusal();
  ana.upstream.alter = (said) => {
    if (said.kind !== 'chunk') return said;
    for (const entity of ids) ana.upstream.plant({ kind: 'unreadable', collection: 'note', entity, error });
    return { ...said, rows: [] };
  };
  const live = ana.node.live(Note, '');
  await world.quiet();
  ana.upstream.alter = (said) => said;
  expect(live.rows).toEqual([]);
  await world.authority.transact((tx) => tx.update(Note, ids[0]!, changedTitle));
  await world.quiet();
  expect([live.status, ana.errors]).toEqual(['complete', []]);
  expect(ana.node.report().upstream!.quarantined.rows.length).toBe(MAX_QUARANTINED);
});

test('an id that is asked for again while it is held is held still when the session is lost before the answer', async () => {
  const world = await createWorld();
  const ids = await write(world.authority, 3);
  const ana = await world.follow();
  await ana.node.get(Note, ids[0]!);
  ana.upstream.holdRequests = true;
  await pass(ana, 7);
  // Written while it was being given up, and refused.
  await ana.node.transact((tx) => tx.update(Note, ids[0]!, { body: 'refused' }), { staging: 'hold' });
  ana.upstream.cut();
  ana.upstream.holdRequests = false;
  ana.upstream.judge = refusing(() => true);
  await ana.node.reconnect();
  await world.quiet();
  expect(await ana.node.flush()).toEqual({ applied: 0, refused: 1 });
  await world.quiet();
  await world.authority.transact((tx) => tx.update(Note, ids[0]!, changedTitle));
  await world.quiet();
  expect(await ana.node.get(Note, ids[0]!)).toMatchObject(changedTitle);
});

test('rows that came before the authority got another property are read as they were sent', async () => {
  const Wide = collection('note', {
    title: text().optional(),
    body: text().optional(),
    stars: integer().default(0),
    weight: integer().default(7),
  });
  const folder = mkdtempSync(join(tmpdir(), 'tendril-broken-'));
  const ports = { clock: createTestClock(), random: createTestRandom(1) };
  const open = (note: typeof Note | typeof Wide) => {
    return Node.open({ collections: [note, Tag], storage: sqliteFile(join(folder, 'a.db')), ports });
  };
  let authority = await open(Note);
  const ids = await write(authority, 5);
  const upstream = new GatedUpstream(() => authority);
  upstream.holdWelcome = true;
  const errors: unknown[] = [];
  const node = await Node.open({
    collections: [Note, Tag],
    upstream,
    ports: { clock: createTestClock(), random: createTestRandom(2), scheduler: createTestScheduler() },
    onError: (error) => errors.push(error),
  });
  closings.push(async () => {
    upstream.cut();
    await node.close();
    await authority.close();
    rmSync(folder, { recursive: true });
  });
  const live = node.live(Note, '');
  node.live(Tag, '');
  upstream.holdWelcome = false;
  upstream.alter = (said) => {
    // Of the other one nothing comes.
    if (said.kind === 'chunk' && said.subscription === 2) return { kind: 'at', position: said.position };
    return said;
  };
  await quiet(upstream);
  upstream.cut();
  upstream.alter = (said) => said;
  await authority.close();
  authority = await open(Wide);
  await node.reconnect();
  await quiet(upstream);
  expect(live.rows.map(({ id, title }) => [id, title])).toEqual(ids.map((id, at) => [id, `note ${at}`]));
  expect([node.report().upstream!.quarantined.rows, errors]).toEqual([[], []]);
});
