/** A relay that outlives its process: what its followers find there before it has reached its own upstream again. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { sqliteFile } from '../../bindings/node/index.ts';
import { Note } from '../upstream/world.ts';
import { createRelayWorld } from './world.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

test('on a file it serves offline what it held, and forwards what is written meanwhile', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tendril-relay-'));
  folders.push(folder);
  const world = await createRelayWorld({ storage: sqliteFile(join(folder, 'relay.db')) });
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
