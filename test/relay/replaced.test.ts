/**
 * Replaced: a relay whose authority was restored from a backup, while it was away: what its followers had of the log before
 * is told to nobody any more, however late their sessions come to their end.
 */
import { expect, test } from 'vitest';
import { Node, type NodeOptions } from '../../index.ts';
import { createTestClock, createTestRandom, createTestScheduler } from '../support/ports.ts';
import { GatedUpstream, quiet } from '../upstream/gated-upstream.ts';
import { close, newFile, openServer } from '../upstream/other-logs-world.ts';
import { COLLECTIONS, Note } from '../upstream/world.ts';
import { openSession } from './session-by-hand.ts';

const WINDOW = 'stars > 3 ORDER BY stars DESC LIMIT 1';

/** It connects again when it is told to. */
function open(seed: number, options: Partial<NodeOptions>): Promise<Node> {
  const ports = { clock: createTestClock(), random: createTestRandom(seed), scheduler: createTestScheduler() };
  return Node.open({ collections: [...COLLECTIONS], ports, ...options });
}

test('a follower that comes before the sessions of the log before have come to their end is told no row of that log', async () => {
  const backup = newFile();
  let server = await openServer(newFile());
  await server.transact((tx) => tx.create(Note, { title: 'first', stars: 5 }));
  await server.backup(backup);
  await server.transact((tx) => tx.create(Note, { title: 'lost', stars: 9 }));
  const up = new GatedUpstream(() => server);
  const errors: unknown[] = [];
  const relay = await open(1, { upstream: up, onError: (error) => errors.push(error) });
  await relay.live(Note, WINDOW).ready;
  // Nobody pulls it.
  const { session } = openSession(relay);
  session.take({ kind: 'subscribe', subscription: 1, collection: 'note', text: WINDOW, parameters: [], had: null });

  up.cut();
  await close(server);
  server = await openServer(backup);
  await relay.reconnect();
  await quiet(up);
  expect(relay.report().upstream).toMatchObject({ began: 'anew' });
  const lower = new GatedUpstream(() => relay);
  const ben = await open(2, { upstream: lower, author: 'ben' });
  const live = ben.live(Note, WINDOW);
  await quiet(up, lower);
  expect([live.status, live.rows]).toEqual(['complete', await server.query(Note)]);
  expect(errors).toEqual([]);
  expect(() => session.pull()).toThrow(/begin anew/);
  expect(relay.report().followers).toMatchObject({ sessions: 1 });
  for (const upstream of [lower, up]) upstream.cut();
  for (const node of [ben, relay]) await node.close();
});
