/** A relay that outlives its process: what its followers find there before it has reached its own upstream again. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { sqliteFile } from '../../bindings/node/index.ts';
import { GatedUpstream, quiet } from '../upstream/gated-upstream.ts';
import { Note } from '../upstream/world.ts';
import { createMixture, newFolder } from './mixture-world.ts';
import { createRelayWorld } from './world.ts';

test('on a file it serves offline what it held, and forwards what is written meanwhile', async () => {
  const world = await createRelayWorld({ storage: sqliteFile(join(newFolder(), 'relay.db')) });
  for (let stars = 1; stars <= 30; stars += 1) await world.authority.transact((tx) => tx.create(Note, { stars }));
  const texts = ['stars > 20', 'stars > 0 ORDER BY stars DESC LIMIT 3'];
  const before = await world.follow('ben');
  for (const text of texts) await before.node.live(Note, text).ready;
  await world.relay().transact((tx) => tx.create(Note, { title: 'its own', stars: 25 }), { until: 'settled' });

  world.up.isReachable = false;
  before.upstream.isReachable = false;
  await world.restart();
  const ana = await world.follow('ana');
  const lives = texts.map((text) => ana.node.live(Note, text));
  await world.quiet();
  expect(lives.map(({ status }) => status)).toEqual(['offline', 'offline']);
  expect(lives[0]!.rows).toHaveLength(11);
  expect(lives[1]!.rows.map(({ stars }) => stars)).toEqual([30, 29, 28]);
  await ana.node.transact((tx) => tx.create(Note, { title: 'meanwhile', stars: 40 }));
  await world.authority.transact((tx) => tx.create(Note, { title: 'elsewhere', stars: 50 }));
  await world.quiet();

  await world.reach();
  expect(lives.map(({ status }) => status)).toEqual(['complete', 'complete']);
  expect(lives[0]!.rows).toHaveLength(13);
  expect(lives[1]!.rows.map(({ stars }) => stars)).toEqual([50, 40, 30]);
  expect(await world.authority.query(Note, 'stars >= 40')).toHaveLength(2);
  expect(ana.upstream.sessions).toBe(1);
  expect(world.errors).toEqual([]);
});

test('while it has not been told all that it missed it says so: what was settled meanwhile may be all that it has of it', async () => {
  const { world, settle, answer } = await createMixture();
  await settle();

  const ana = await world.follow('ana');
  const live = ana.node.live(Note);
  await live.ready;
  expect(live.rows.map(({ title }) => title).sort()).toEqual(['held', 'its own']);
  expect(live.status).toBe('offline');
  expect(live.error).toMatchObject({ code: 'offline' });
  await answer();
  expect(live.rows.map(({ title }) => title).sort()).toEqual(['elsewhere', 'held', 'its own']);
  expect(live.status).toBe('complete');
  expect(ana.upstream.sessions).toBe(1);
  expect(world.errors).toEqual([]);
});

test('nor is it at one with its upstream when that, a relay, is, before it has been told what that missed', async () => {
  const world = await createRelayWorld();
  const middle = await world.follow('middle');
  const lower = new GatedUpstream(() => middle.node);
  const edge = await world.follow('ana', { upstream: lower });
  const still = () => quiet(world.up, middle.upstream, lower);
  const live = edge.node.live(Note, 'stars = 1');
  await still();
  expect(live.status).toBe('complete');

  await world.cutOff();
  middle.node.live(Note, 'stars = 2');
  await middle.node.reconnect();
  await still();
  expect(live.status).toBe('offline');
  middle.upstream.holdSaid = true;
  await world.reach();
  const answers = middle.upstream.takeWaiting('chunk');
  expect(answers).not.toHaveLength(0);
  middle.upstream.holdSaid = false;
  await still();
  expect(middle.upstream.saidOf('linked').map(({ online }) => online)).toContain(true);
  expect(live.status).toBe('offline');
  for (const answer of answers) middle.upstream.plant(answer);
  await still();
  // Its rows were compared anew with those of another relay, and so are its own followers' with them.
  await edge.node.reconnect();
  await still();
  expect(live.status).toBe('complete');
});
