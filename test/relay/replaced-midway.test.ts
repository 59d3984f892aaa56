/**
 * Replaced midway: a relay whose authority was restored from a backup, where the session that replaces what was held is lost
 * in between, and the next one goes on with it: positions are those of the other log all the same.
 */
import { expect, test } from 'vitest';
import { Node, type NodeOptions } from '../../index.ts';
import { createTestClock, createTestRandom, createTestScheduler } from '../support/ports.ts';
import { GatedUpstream, quiet } from '../upstream/gated-upstream.ts';
import { close, newFile, openServer } from '../upstream/other-logs-world.ts';
import { COLLECTIONS, Note } from '../upstream/world.ts';

const LOST = 20;

/** It connects again when it is told to. */
function open(seed: number, options: Partial<NodeOptions>): Promise<Node> {
  const ports = { clock: createTestClock(), random: createTestRandom(seed), scheduler: createTestScheduler() };
  return Node.open({ collections: [...COLLECTIONS], ports, ...options });
}

test.each([
  ['was there before', true],
  ['comes in between', false],
])('a follower that %s begins anew', async (_, isThereBefore) => {
  const backup = newFile();
  let server = await openServer(newFile());
  const id = await server.transact((tx) => tx.create(Note, { title: 'first' }));
  await server.backup(backup);
  for (let at = 0; at < LOST; at += 1) await server.transact((tx) => tx.update(Note, id, { title: 'lost' }));
  const up = new GatedUpstream(() => server);
  const relay = await open(1, { upstream: up });
  await Promise.all([relay.live(Note).ready, relay.live(Note, 'stars = 3').ready]);
  const lower = new GatedUpstream(() => relay);
  const follow = async () => {
    const ana = await open(2, { upstream: lower, author: 'ana' });
    const live = ana.live(Note);
    await quiet(up, lower);
    expect(live.rows).toMatchObject([{ title: 'lost' }]);
    return { ana, live };
  };
  const before = isThereBefore ? await follow() : null;

  up.cut();
  await close(server);
  server = await openServer(backup);
  up.holdSaid = true;
  await relay.reconnect();
  await quiet(up);
  const [chunk] = up.takeWaiting('chunk');
  up.plantFrame(...up.takeWaiting('described'), chunk!);
  await quiet(up);
  expect(relay.report().upstream).toMatchObject({ began: 'anew' });
  up.cut();
  await relay.reconnect();
  await quiet(up);
  const { ana, live } = before ?? (await follow());
  up.holdSaid = false;
  await quiet(up, lower);
  expect(relay.report().upstream).toMatchObject({ began: 'resumed' });
  expect(ana.report().upstream).toMatchObject({ state: 'offline' });
  await server.transact((tx) => tx.update(Note, id, { stars: 5 }));
  await ana.reconnect();
  await quiet(up, lower);
  expect([live.status, live.rows]).toEqual(['complete', await server.query(Note)]);
  for (const upstream of [lower, up]) upstream.cut();
  for (const node of [ana, relay]) await node.close();
});
