/** A durable follower in a simulated world: whatever breaks meanwhile, all nodes end with the rows of the authority. */
import { expect, test } from 'vitest';
import { mesh } from '../../bindings/testing/index.ts';
import { collection, integer, TendrilError, text } from '../../index.ts';
import { createRandom, type Random, runs, seedFor } from '../support/random.ts';

const Todo = collection('todo', { title: text(), stars: integer().default(0) });
const collections = [Todo];
const NAMES = ['server', 'mirror', 'ana', 'ben'] as const;
type Name = (typeof NAMES)[number];
/** Each follower with its upstream: ben follows the log that the mirror keeps. */
const WAYS: readonly (readonly [Name, Name])[] = [
  ['mirror', 'server'],
  ['ana', 'server'],
  ['ben', 'mirror'],
];
const STEPS = 150;
const CHECK_EVERY_STEPS = 10;
const ALL = 'ORDER BY title, id';

type OpenWorld = Awaited<ReturnType<typeof openWorld>>;

function openWorld(seed: number) {
  const nodes = {
    server: { collections },
    mirror: { role: 'durable', upstream: 'server', collections },
    ana: { upstream: 'server', collections },
    ben: { upstream: 'mirror', collections },
  } as const;
  return mesh({ seed, nodes });
}

/** What was written is in `ids`. */
async function write(world: OpenWorld, name: Name, random: Random, ids: string[], step: number): Promise<void> {
  const id = ids.length > 0 && random.chance(0.5) ? random.pick(ids) : null;
  const node = world.nodes[name];
  try {
    if (id === null) ids.push(await world.until(node.transact((tx) => tx.create(Todo, { title: `${name} ${step}` }))));
    else if (random.chance(0.1)) await world.until(node.transact((tx) => tx.delete(Todo, id)));
    else await world.until(node.transact((tx) => tx.update(Todo, id, { stars: step })));
  } catch (error) {
    // It is deleted, or not here.
    if (!(error instanceof TendrilError) || id === null) throw error;
  }
}

async function restart(world: OpenWorld, name: Name, isSilent: boolean): Promise<void> {
  world.crash(name, isSilent);
  await world.until(world.restart(name));
  world.nodes[name].live(Todo, ALL);
}

async function breakSomething(world: OpenWorld, random: Random): Promise<void> {
  const [follower, upstream] = random.pick(WAYS);
  switch (random.integer(5)) {
    case 0:
      return world.cut(follower, upstream);
    case 1:
      return world.reset(follower, upstream);
    case 2:
      return random.chance(0.5) ? world.block(follower, upstream) : world.block(upstream, follower);
    case 3:
      return world.heal();
    case 4:
      return restart(world, random.pick(NAMES), random.chance(0.5));
  }
}

const COUNT = runs(200);
const first = seedFor('mirrors converge');

test(`${COUNT} worlds with a durable follower end equal`, async () => {
  for (let seed = first; seed < first + COUNT; seed += 1) {
    const world = await openWorld(seed);
    const random = createRandom(seed);
    const ids: string[] = [];
    try {
      for (const name of NAMES) world.nodes[name].live(Todo, ALL);
      await world.quiet();
      for (let step = 1; step <= STEPS; step += 1) {
        const chance = random.next();
        if (chance < 0.5) await write(world, random.pick(NAMES), random, ids, step);
        else if (chance < 0.7) await breakSomething(world, random);
        else await world.run(random.integer(200));
        if (step % CHECK_EVERY_STEPS === 0) expect(await world.violations(), `seed ${seed}, step ${step}`).toEqual([]);
      }
      world.heal();
      await world.quiet();
      await world.check();
      const [rows, ...others] = NAMES.map((name) => JSON.stringify(world.nodes[name].live(Todo, ALL).rows));
      for (const each of others) expect(each, `seed ${seed}`).toBe(rows);
      expect(ids.length, `seed ${seed}`).toBeGreaterThan(10);
    } finally {
      world.close();
    }
  }
});
