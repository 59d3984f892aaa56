/**
 * Durable followers in a simulated world: whatever breaks meanwhile, all logs end with the same operations and all nodes with
 * the same rows. The collections of some are unknown to others until the end.
 */
import { expect, test } from 'vitest';
import { mesh } from '../../bindings/testing/index.ts';
import { collection, integer, type Node, TendrilError, text } from '../../index.ts';
import { decodeKept } from '../../storage/index.ts';
import { createRandom, type Random, runs, seedFor } from '../support/random.ts';

const Note = collection('note', { title: text(), stars: integer().default(0) });
const Tag = collection('tag', { title: text() });
const Draft = collection('draft', { title: text() });
const ALL_COLLECTIONS = [Note, Tag, Draft];
const DURABLE = ['server', 'middle', 'twin'] as const;
const NAMES = [...DURABLE, 'edge'] as const;
type Name = (typeof NAMES)[number];
/** Each follower with its upstream. */
const WAYS = [
  ['middle', 'server'],
  ['twin', 'server'],
  ['edge', 'middle'],
] as const;
/** Written by one node that has it, and quarantined or refused by those that have not. */
const OWN = { server: Tag, middle: Draft } as const;
const STEPS = 120;
/** Beyond what an upload may be ahead. */
const SKEW_MS = 400_000;
/** What could not be taken, or was too early, is asked for every 10 minutes. */
const SETTLING_MS = 31 * 60_000;
const EVERYTHING = 'ORDER BY title, id';

type OpenWorld = Awaited<ReturnType<typeof openWorld>>;
type Image = ReturnType<OpenWorld['backup']>;

interface Play {
  readonly world: OpenWorld;
  readonly random: Random;
  readonly images: Map<Name, Image>;
  /** A world in which logs are compacted is not judged by the world's own check: what they were is not known then. */
  readonly compacts: boolean;
}

function openWorld(seed: number) {
  const nodes = {
    server: { collections: [Note, Tag] },
    middle: { role: 'durable', upstream: 'server', collections: [Note, Draft] },
    twin: { role: 'durable', upstream: 'server', collections: [Note] },
    edge: { upstream: 'middle', collections: [Note] },
  } as const;
  return mesh({ seed, nodes });
}

/** It may not come to that: a node crashes, a disk fails, a row is deleted or not here. */
function attempt(promise: Promise<unknown>): void {
  promise.catch((error) => {
    if (!(error instanceof TendrilError)) throw error;
  });
}

async function open(world: OpenWorld, opened: () => Promise<unknown>): Promise<void> {
  await world.until(opened().catch(() => undefined));
}

function create(node: Node, count: number): void {
  for (let at = 0; at < count; at += 1) attempt(node.transact((tx) => tx.create(Note, { title: `${at}` })));
}

function change({ world, random }: Play, name: Name): void {
  const node = world.nodes[name];
  const row = node.live(Note, EVERYTHING).rows.at(random.integer(20));
  if (row === undefined) return;
  const stars = random.integer(100);
  if (random.chance(0.2)) attempt(node.transact((tx) => tx.delete(Note, row.id)));
  else attempt(node.transact((tx) => tx.update(Note, row.id, { stars })));
}

function createOwn({ world, random }: Play): void {
  const name = random.pick(['server', 'middle'] as const);
  if (!world.isUp(name)) return;
  const isMixed = random.chance(0.5);
  attempt(
    world.nodes[name].transact((tx) => {
      if (isMixed) tx.create(Note, { title: 'with another' });
      tx.create(OWN[name], { title: 'own' });
    }),
  );
}

function breakWay({ world, random }: Play): void {
  const way = random.pick(WAYS);
  const [from, to] = random.chance(0.5) ? way : ([way[1], way[0]] as const);
  const faults = [
    () => world.cut(from, to),
    () => world.block(from, to),
    () => world.slow(from, to, 200 + random.integer(3_000)),
    () => world.reset(from, to),
    () => world.heal(from, to),
    () => world.heal(from, to),
  ];
  random.pick(faults)();
}

function breakNode({ world, random, images, compacts }: Play, name: Name): unknown {
  const isUp = world.isUp(name);
  const faults = [
    () => world.crash(name, random.chance(0.3)),
    () => isUp && world.crashLater(name, random.pick(['before-commit', 'after-commit'])),
    () => world.failStorage(name, { call: 1 + random.integer(30), code: 'SQLITE_IOERR' }),
    () => isUp && attempt(world.stop(name)),
    () => world.skew(name, random.pick([0, 0, SKEW_MS, -SKEW_MS])),
    () =>
      compacts && isUp && name !== 'edge' && attempt(world.nodes[name].compact({ keepMs: random.pick([0, 5_000]) })),
    () => name !== 'edge' && images.set(name, world.backup(name)),
    () => images.has(name) && open(world, () => world.restore(name, images.get(name)!)),
  ];
  return random.pick(faults)();
}

async function step(play: Play): Promise<void> {
  const { world, random } = play;
  const name = random.pick(NAMES);
  const chance = random.next();
  if (chance < 0.2) breakWay(play);
  else if (chance < 0.5) await breakNode(play, name);
  else if (chance < 0.6) createOwn(play);
  else if (!world.isUp(name)) await open(world, () => world.restart(name));
  else if (chance < 0.75) change(play, name);
  else create(world.nodes[name], random.chance(0.2) ? 40 : 1);
  await world.run(random.chance(0.1) ? random.integer(20_000) : random.integer(60));
}

/** Nothing is broken any more, and all know all collections. */
async function settle({ world }: Play): Promise<void> {
  world.heal();
  for (const name of NAMES) world.skew(name, 0);
  for (const name of NAMES) await open(world, () => world.restart(name, ALL_COLLECTIONS));
  for (const name of NAMES) if (!world.isUp(name)) await open(world, () => world.restart(name));
  await world.run(SETTLING_MS);
}

/** Ids of all operations of its log. */
async function operationsOf(node: Node): Promise<string> {
  const ids: string[] = [];
  for (let after = 0; ; ) {
    const some = await node.operations(after, 1_000);
    if (some.length === 0) return ids.sort().join();
    ids.push(...some.map(({ bytes }) => decodeKept(new Uint8Array(bytes)).operation.id));
    after = some.at(-1)!.position;
  }
}

async function expectEqual({ world, compacts }: Play): Promise<number> {
  for (const name of NAMES) world.nodes[name].live(Note, EVERYTHING);
  await world.quiet();
  if (!compacts) await world.check();
  const [log, ...others] = await Promise.all(DURABLE.map((name) => operationsOf(world.nodes[name])));
  for (const other of others) expect(other).toBe(log);
  const [rows, ...shown] = NAMES.map((name) => JSON.stringify(world.nodes[name].live(Note, EVERYTHING).rows));
  for (const each of shown) expect(each).toBe(rows);
  return log!.length;
}

const COUNT = runs(300);
const FIRST = seedFor('mirrors converge');

test(`${COUNT} worlds with durable followers end equal`, async () => {
  for (let seed = FIRST; seed < FIRST + COUNT; seed += 1) {
    const world = await openWorld(seed);
    const random = createRandom(seed);
    const play = { world, random, images: new Map<Name, Image>(), compacts: random.chance(0.5) };
    try {
      await world.run(1_000);
      for (let at = 0; at < STEPS; at += 1) await step(play);
      await settle(play);
      expect(await expectEqual(play)).toBeGreaterThan(0);
    } catch (error) {
      throw new Error(`The world of seed ${seed} did not end equal.`, { cause: error });
    } finally {
      world.close();
    }
  }
});
