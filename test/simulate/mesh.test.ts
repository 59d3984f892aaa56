/** The world of tendril/testing: the program of docs/testing.md runs as written, and what can go wrong does. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { type MeshOptions, mesh, Violation, type World } from '../../bindings/testing/index.ts';
import { boolean, collection, text } from '../../index.ts';

const ROOT = join(import.meta.dirname, '../..');
const Todo = collection('todo', { title: text(), done: boolean().default(false) });
const collections = [Todo];
type Name = 'server' | 'ana' | 'ben';

let world: World<Name>;
afterEach(() => world?.close());

async function open(options: Partial<MeshOptions<Name>> = {}): Promise<World<Name>> {
  const follower = { upstream: 'server', collections } as const;
  world = await mesh({ seed: 5, nodes: { server: { collections }, ana: follower, ben: follower }, ...options });
  return world;
}

function titles(name: Name): readonly string[] {
  return world.nodes[name].live(Todo, 'ORDER BY title').rows.map(({ title }) => title);
}

function create(name: Name, title: string): Promise<string> {
  return world.nodes[name].transact((tx) => tx.create(Todo, { title }));
}

/** Both follow everything. */
async function followAll(): Promise<void> {
  for (const name of ['ana', 'ben'] as const) world.nodes[name].live(Todo, 'ORDER BY title');
  await world.quiet();
}

test('the program of docs/testing.md runs as written and prints what it promises', async () => {
  const [, program = ''] = /```ts\n([\s\S]*?)```/.exec(readFileSync(join(ROOT, 'docs/testing.md'), 'utf8')) ?? [];
  const folder = join(ROOT, '.cache');
  const path = join(folder, `testing-${process.pid}.ts`);
  mkdirSync(folder, { recursive: true });
  const imports = program
    .replace("'tendril'", "'../index.ts'")
    .replace("'tendril/testing'", "'../bindings/testing/index.ts'");
  writeFileSync(path, imports);
  try {
    const child = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), path]);
    let printed = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (bytes: Buffer) => {
        printed += bytes;
      });
    }
    await once(child, 'close');
    expect(printed).toBe('1\n0\n');
  } finally {
    rmSync(path);
  }
});

describe('time', () => {
  test('a local write can be awaited, and what needs the network takes virtual time', async () => {
    await open();
    await world.quiet();
    const before = world.now;
    await create('ana', 'milk');
    expect(world.now - before).toBeLessThan(1);
    expect(titles('server')).toEqual([]);
    await world.quiet();
    expect(world.now).toBeGreaterThan(before + 1);
    expect(titles('server')).toEqual(['milk']);
  });

  test('until gives what the promise gave, and throws what it threw', async () => {
    await open();
    expect(await world.until(world.nodes.ana.query(Todo, 'done'))).toEqual([]);
    await expect(world.until(world.nodes.ana.query(Todo, 'nonsense'))).rejects.toMatchObject({
      code: 'unknown-property',
    });
  });

  test('quiet is given up, and says why, where it does not come', async () => {
    await open();
    const quiet = world.quiet(0.001);
    await expect(quiet).rejects.toThrow(Violation);
    await expect(quiet).rejects.toThrow(/seed 5/);
  });
});

describe('what goes wrong', () => {
  test('nothing passes a cut, and everything after it is healed', async () => {
    await open();
    await followAll();
    world.cut('ana', 'server');
    await create('ana', 'milk');
    await world.run(60_000);
    expect(world.nodes.ana.report().upstream).toMatchObject({ state: 'offline', outbox: { transactions: 1 } });
    expect(titles('ben')).toEqual([]);
    world.heal('ana', 'server');
    await world.quiet();
    expect(titles('ben')).toEqual(['milk']);
    await world.check();
  });

  test('one way blocked: the write arrives, its outcome does not', async () => {
    await open();
    await followAll();
    world.block('server', 'ana');
    await create('ana', 'milk');
    await world.run(1_000);
    expect(titles('ben')).toEqual(['milk']);
    expect(world.nodes.ana.report().upstream!.outbox.transactions).toBe(1);
    world.heal();
    await world.quiet();
    expect(world.nodes.ana.report().upstream!.outbox.transactions).toBe(0);
  });

  test('a node that crashes before its COMMIT has lost the write, one that crashes after it has not', async () => {
    await open();
    for (const [at, kept] of [
      ['before-commit', []],
      ['after-commit', ['milk']],
    ] as const) {
      world.crashLater('server', at);
      await expect(create('server', 'milk')).rejects.toMatchObject({ code: 'closed' });
      expect(world.isUp('server')).toBe(false);
      expect(() => world.nodes.server).toThrow(/restart/i);
      await world.restart('server');
      expect(titles('server')).toEqual(kept);
    }
  });

  test('nothing is quiet while a follower has not noticed that its server died without a word', async () => {
    await open();
    await followAll();
    world.crash('server', true);
    await world.restart('server');
    await create('server', 'milk');
    await world.check();
    await world.quiet();
    expect([titles('ana'), titles('ben')]).toEqual([['milk'], ['milk']]);
    await world.check();
  });

  test('a node that is stopped has its writes settled first, is down, and is opened again on its disk', async () => {
    await open();
    await followAll();
    await create('ana', 'milk');
    const stopped = world.stop('ana');
    expect(world.isUp('ana')).toBe(false);
    await world.until(stopped);
    expect(titles('server')).toEqual(['milk']);
    await create('server', 'bread');
    await world.restart('ana');
    await world.quiet();
    expect(titles('ana')).toEqual(['bread', 'milk']);
    await world.check();
  });

  test('what was stopped leaves nothing behind: no session, and no attempt at one', async () => {
    const attempts: string[] = [];
    await open({ onEvent: ({ what }) => what === 'ana>server open' && attempts.push(what) });
    await followAll();
    world.cut('ana', 'server');
    // By now it waits long for its next attempt.
    await world.run(20_000);
    await world.until(world.stop('ana'));
    world.heal();
    attempts.length = 0;
    await world.run(120_000);
    expect(attempts).toEqual([]);
    expect(world.nodes.server.report().followers!.sessions).toBe(1);
    await world.restart('ana');
    await world.quiet();
    expect(attempts).toHaveLength(1);
    expect(world.nodes.server.report().followers!.sessions).toBe(2);
  });

  test('a node that crashes while it is stopped is not waited for', async () => {
    await open();
    await followAll();
    world.block('ana', 'server');
    await create('ana', 'milk');
    let isStopped = false;
    void world.stop('ana').then(() => {
      isStopped = true;
    });
    await world.run(1_000);
    await world.restart('ana');
    world.heal();
    await world.quiet();
    expect(titles('server')).toEqual(['milk']);
    expect(isStopped).toBe(false);
  });

  test('a storage failure fails one transaction, and the next succeeds', async () => {
    await open();
    world.failStorage('server', { call: 2, code: 'SQLITE_FULL' });
    await expect(create('server', 'milk')).rejects.toMatchObject({ code: 'storage-failed' });
    await create('server', 'bread');
    expect(titles('server')).toEqual(['bread']);
  });

  test('a backup that is put back is what the log begins from again', async () => {
    await open();
    await followAll();
    await create('ana', 'milk');
    await world.quiet();
    const image = world.backup('server');
    await create('ana', 'bread');
    await world.quiet();
    await world.restore('server', image);
    await world.quiet();
    expect(titles('server')).toEqual(['milk']);
    await world.check();
  });

  test('who begins to follow one that does not know of it yet is judged by the log that it had', async () => {
    const nodes = { ana: { upstream: 'server', collections }, ben: { upstream: 'ana', collections } } as const;
    const found: string[] = [];
    let isLooking = false;
    const onEvent = async () => {
      if (isLooking) found.push(...(await world.freshViolations()));
    };
    await open({ nodes: { server: { collections }, ...nodes }, onEvent });
    isLooking = true;
    await followAll();
    const image = world.backup('server');
    await create('server', 'lost');
    await world.quiet();
    world.block('server', 'ana');
    await world.restore('server', image);
    world.reset('ben', 'ana');
    await world.run(5_000);
    const live = world.nodes.ben.live(Todo, 'ORDER BY title');
    await world.until(live.ready);
    expect([live.status, ...live.rows.map(({ title }) => title)]).toEqual(['complete', 'lost']);
    expect(found).toEqual([]);
  });

  test('a snapshot comes in pieces of so many rows, and shows when it is whole', async () => {
    const nodes = { server: { collections, chunkRows: 2 }, ana: { upstream: 'server', collections } } as const;
    world = (await mesh({ seed: 5, nodes })) as World<Name>;
    for (let at = 0; at < 5; at += 1) await create('server', `${at}`);
    const live = world.nodes.ana.live(Todo);
    const received = new Set<number>();
    while (live.status !== 'complete') {
      expect(live.rows).toEqual([]);
      if (live.progress !== null) received.add(live.progress.received);
      await world.step();
    }
    expect([...received]).toEqual([0, 2, 4]);
    expect(live.rows).toHaveLength(5);
  });

  test("a check sees a row that is held and is not the authority's, though nothing is on its way", async () => {
    await open();
    await followAll();
    const id = await create('server', 'milk');
    await world.quiet();
    const before = world.backup('ana');
    await world.nodes.server.transact((tx) => tx.update(Todo, id, { title: 'bread' }));
    await world.quiet();
    await world.check();
    const image = world.backup('ana');
    const stale = before.tables.filter(({ name }) => name === '_todo');
    const tables = [...image.tables.filter(({ name }) => name !== '_todo'), ...stale];
    await world.restore('ana', { ...image, tables });
    await world.quiet();
    await expect(world.check()).rejects.toThrow(/ana: a row of todo is not as the authority has it/);
  });

  test('a skewed clock shows in what is written', async () => {
    await open();
    world.skew('server', 86_400_000);
    const [first, second] = [await create('server', 'milk'), await create('server', 'bread')];
    expect(first < second).toBe(true);
    expect(world.nodes.server.now()).toBe(Math.floor(Date.UTC(2024, 0, 2) + world.now));
  });
});

test('a durable follower keeps an order of its own, and is judged with those behind it when all has arrived', async () => {
  const mirrored = await mesh({
    seed: 7,
    nodes: {
      server: { collections },
      mirror: { role: 'durable', upstream: 'server', collections },
      ben: { upstream: 'mirror', collections },
    },
  });
  const shown = (name: 'server' | 'mirror' | 'ben') => mirrored.nodes[name].live(Todo, 'ORDER BY title').rows;
  const writeAt = (name: 'server' | 'mirror') =>
    mirrored.nodes[name].transact((tx) => tx.create(Todo, { title: name }));
  try {
    for (const name of ['server', 'mirror', 'ben'] as const) shown(name);
    await mirrored.quiet();
    mirrored.cut('mirror', 'server');
    await writeAt('server');
    const id = await writeAt('mirror');
    await mirrored.run(1_000);
    expect(shown('ben').map(({ title }) => title)).toEqual(['mirror']);
    expect(await mirrored.violations()).toEqual([]);
    mirrored.crash('mirror');
    mirrored.heal();
    await mirrored.until(mirrored.restart('mirror'));
    await mirrored.quiet();
    await mirrored.check();
    expect(shown('ben').map(({ title }) => title)).toEqual(['mirror', 'server']);
    await mirrored.nodes.ben.transact((tx) => tx.update(Todo, id, { done: true }));
    await mirrored.quiet();
    await mirrored.check();
    expect(shown('server').map(({ done }) => done)).toEqual([true, false]);
  } finally {
    mirrored.close();
  }
});

test('the check sees a row that is not what the log says', async () => {
  await open();
  await followAll();
  await create('server', 'milk');
  await world.quiet();
  await world.check();
  const image = world.backup('server');
  const tables = image.tables.map((table) => {
    const at = table.columns.indexOf('title');
    if (table.name !== '_todo') return table;
    return { ...table, rows: table.rows.map((row) => row.map((cell, column) => (column === at ? 'mink' : cell))) };
  });
  await world.restore('server', { ...image, tables });
  await expect(world.check()).rejects.toThrow(/not the fold of its log/);
});

test('nodes that are no tree below one authority are refused', async () => {
  const nodes = { server: { collections }, other: { collections } };
  await expect(mesh({ seed: 1, nodes })).rejects.toMatchObject({ code: 'invalid-option' });
  await expect(mesh({ seed: 1, nodes: {} })).rejects.toMatchObject({ code: 'invalid-option' });
});

test.each([-1, 0.5, Number.NaN, 2 ** 53, '7' as unknown as number])('a seed of %s is refused', async (seed) => {
  const nodes = { server: { collections } };
  await expect(mesh({ seed, nodes })).rejects.toMatchObject({ code: 'invalid-option', facts: { option: 'seed' } });
});
