/** Mixture world: a relay that has begun to hear what it missed, and holds what was settled later already. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect } from 'vitest';
import { sqliteFile } from '../../bindings/node/index.ts';
import type { Said } from '../../engine/stream.ts';
import { Note } from '../upstream/world.ts';
import { createRelayWorld, type RelayWorld } from './world.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

export interface Mixture {
  readonly world: RelayWorld;
  /** What its upstream says comes again, but for its answers: all else is settled then. */
  readonly settle: () => Promise<void>;
  /** Those come, too. */
  readonly answer: () => Promise<void>;
  readonly answers: readonly Said[];
}

/**
 * A relay, opened again on its file, that has begun to hear what it missed: a row made elsewhere, then one of its own. Its
 * follower of before is gone.
 */
export async function createMixture(): Promise<Mixture> {
  const world = await createRelayWorld({ storage: sqliteFile(join(newFolder(), 'relay.db')) });
  await world.authority.transact((tx) => tx.create(Note, { title: 'held' }));
  const before = await world.follow('ben');
  await before.node.live(Note).ready;
  before.upstream.isReachable = false;
  await world.cutOff();
  await world.relay().transact((tx) => tx.create(Note, { title: 'its own' }));
  await world.authority.transact((tx) => tx.create(Note, { title: 'elsewhere' }));
  world.up.isReachable = true;
  world.up.holdWelcome = true;
  await world.restart();
  world.up.holdSaid = true;
  world.up.holdWelcome = false;
  await world.quiet();
  const answers = world.up.takeWaiting('chunk');
  expect(answers).toHaveLength(1);
  return {
    ...{ world, answers },
    settle: async () => {
      world.up.holdSaid = false;
      await world.quiet();
      expect(world.relay().report().upstream?.outbox.transactions).toBe(0);
    },
    answer: async () => {
      for (const each of answers) world.up.plant(each);
      await world.quiet();
    },
  };
}

export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'tendril-relay-'));
  folders.push(folder);
  return folder;
}
