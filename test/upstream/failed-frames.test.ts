/**
 * Failed frames: what the upstream says cannot be committed, because the disk fails: at whichever call that is, the next
 * session finds what the tables have, and ends with what the upstream has. And ids of which a verdict comes with the answer.
 */
import { afterEach, describe, expect, test } from 'vitest';
import { mesh, type World } from '../../bindings/testing/index.ts';
import { collection, idFrom, integer, text } from '../../index.ts';

const Thing = collection('thing', { kind: text(), rank: integer(), name: text().optional() });
const collections = [Thing];
const IDS = Array.from({ length: 12 }, (_, at) => idFrom('thing', at));
const IS_FULL = process.env.TENDRIL_FULL === '1';
/** What nobody uses is given up by then. */
const LINGERED_MS = 6 * 60_000;
/** Calls of SQLite that a session makes in the programs below, and more. */
const CALLS = Array.from({ length: 36 }, (_, at) => at + 1).filter((call) => IS_FULL || call % 3 === 1);
type Name = 'server' | 'ana';

let world: World<Name>;
afterEach(() => world?.close());

async function open(chunkRows: number): Promise<void> {
  world?.close();
  world = await mesh({
    seed: 3,
    nodes: { server: { collections, chunkRows }, ana: { upstream: 'server', collections } },
  });
  await world.nodes.server.transact((tx) => {
    for (const [rank, id] of IDS.entries()) tx.create(Thing, { kind: rank < 6 ? 'red' : 'green', rank }, { id });
  });
}

/** Rows that move in, out and away, and that change where they are. */
async function change(gone: string): Promise<void> {
  const { server } = world.nodes;
  await server.transact((tx) => tx.update(Thing, IDS[0]!, { kind: 'green' }));
  await server.transact((tx) => tx.delete(Thing, gone));
  await server.transact((tx) => tx.update(Thing, IDS[2]!, { name: `without ${gone}` }));
  await server.transact((tx) => tx.update(Thing, IDS[7]!, { kind: 'red', rank: 1 }));
  await server.transact((tx) => tx.update(Thing, IDS[8]!, { name: `without ${gone}` }));
}

/** All is as the server has it: at once, and in another life. */
async function expectSound(): Promise<void> {
  world.heal();
  await world.quiet();
  await world.check();
  await change(IDS[4]!);
  await world.quiet();
  await world.check();
  await world.restart('ana');
  await world.quiet();
  await world.check();
}

describe.each([1, 1_000])('in snapshots of %i rows', (chunkRows) => {
  test('a session that catches up is made again, whichever call of it fails', async () => {
    for (const call of CALLS) {
      await open(chunkRows);
      const { ana } = world.nodes;
      const lives = [ana.live(Thing, "kind = 'red'"), ana.live(Thing, 'ORDER BY rank LIMIT 3')];
      await world.quiet();
      await world.until(ana.get(Thing, IDS[8]!));
      world.cut('ana', 'server');
      await ana.transact((tx) => tx.update(Thing, IDS[3]!, { name: 'pending' }));
      await change(IDS[1]!);
      await world.run(1_000);
      world.failStorage('ana', { call, code: 'SQLITE_FULL' });
      world.heal('ana', 'server');
      await world.run(3_000);
      await expectSound();
      for (const live of lives) live.close();
    }
  });

  test('a first answer is asked for again, whichever call of it fails', async () => {
    for (const call of CALLS) {
      await open(chunkRows);
      await world.run(100);
      world.failStorage('ana', { call, code: 'SQLITE_FULL' });
      world.nodes.ana.live(Thing, "kind = 'red'");
      world.nodes.ana.live(Thing, 'ORDER BY rank DESC LIMIT 3');
      await world.run(3_000);
      await expectSound();
    }
  });

  test('what is given up goes, whichever call of that fails', async () => {
    for (const call of CALLS.filter((call) => call <= 24)) {
      await open(chunkRows);
      const { ana } = world.nodes;
      ana.live(Thing, "kind = 'red'");
      const closing = [ana.live(Thing, "kind = 'green'"), ana.live(Thing, 'ORDER BY rank DESC LIMIT 8')];
      await world.quiet();
      await world.until(ana.get(Thing, IDS[8]!));
      for (const live of closing) live.close();
      world.failStorage('ana', { call, code: 'SQLITE_FULL' });
      await world.run(LINGERED_MS);
      await expectSound();
    }
  });
});

test('an id whose write is taken back in the step that answers it is followed until it is released', async () => {
  await open(1_000);
  const id = idFrom('thing', 'lost');
  const image = world.backup('server');
  await world.nodes.server.transact((tx) => tx.create(Thing, { kind: 'blue', rank: 1 }, { id }));
  world.nodes.ana.live(Thing, "kind = 'blue'");
  await world.quiet();
  world.cut('ana', 'server');
  await world.nodes.ana.transact((tx) => tx.update(Thing, id, { name: 'pending' }));
  await world.restore('server', image);
  world.heal();
  await world.quiet();
  expect(await world.nodes.ana.refused.query()).toHaveLength(1);
  await world.nodes.server.transact((tx) => tx.create(Thing, { kind: 'green', rank: 1 }, { id }));
  await world.quiet();
  await world.restart('ana');
  await world.nodes.server.transact((tx) => tx.update(Thing, id, { name: 'later' }));
  await world.quiet();
  const held = await world.nodes.ana.query(Thing, "kind = 'green'", [], { from: 'local' });
  expect(held.map(({ name }) => name)).toEqual(['later']);
  await world.check();
});
