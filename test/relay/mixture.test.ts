/**
 * A relay whose own session is not whole holds what was settled meanwhile, and not what stood before that in the log: a
 * state of no position. Whoever follows it is told so first, and never shows it as `complete`.
 */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { sqliteFile } from '../../bindings/node/index.ts';
import type { Said } from '../../engine/stream.ts';
import { type LiveQuery, Node, TendrilError } from '../../index.ts';
import type { NodeId } from '../../storage/index.ts';
import { GatedUpstream, quiet } from '../upstream/gated-upstream.ts';
import { close, newFile, openServer } from '../upstream/other-logs-world.ts';
import { COLLECTIONS, Note } from '../upstream/world.ts';
import { createMixture, newFolder } from './mixture-world.ts';
import { createRelayWorld, type RelayWorld } from './world.ts';

const CUT = new TendrilError({ code: 'offline', problem: 'Cut off.', remedy: 'Wait.' });

function titlesOf(live: LiveQuery<{ readonly title?: string | null }>): readonly unknown[] {
  return live.rows.map(({ title }) => title).sort();
}

test('a follower that comes meanwhile shows it as offline from the first moment on', async () => {
  const { world, settle, answer } = await createMixture();
  await settle();
  const upstream = new GatedUpstream(world.relay);
  const edge = await Node.open({ collections: [...COLLECTIONS], upstream, author: 'ana' });
  const live = edge.live(Note);
  const shown: string[] = [];
  const stop = watchTurns(() => shown.push(`${live.status}: ${titlesOf(live).join()}`));
  await quiet(upstream);
  expect(shown.at(-1)).toBe('offline: held,its own');
  await answer();
  await quiet(upstream);
  stop();
  expect(shown.at(-1)).toBe('complete: elsewhere,held,its own');
  expect(shown.filter((each) => each.startsWith('complete') && !each.endsWith('elsewhere,held,its own'))).toEqual([]);
  expect(upstream.sessions).toBe(1);
  upstream.cut();
  await edge.close();
});

/** Follows the relay, and asks no more than once for what there is to hear. */
function listen(world: RelayWorld): readonly Said[] {
  const heard: Said[] = [];
  const session = world.relay().follow({
    author: 'ana',
    relays: true,
    greeting: { node: 'edge' as NodeId, cursor: null },
    say: (said) => heard.push(said),
    hasMore: () => undefined,
    hasRoom: () => undefined,
  });
  session.take({ kind: 'describe', collections: [] });
  session.take({ kind: 'subscribe', subscription: 1, collection: 'note', text: '', parameters: [], had: null });
  session.pull();
  expect(heard.map(({ kind }) => kind)).toEqual(['described', 'chunk']);
  return heard;
}

test('one that has not heard that the relay is behind hears it before what is settled', async () => {
  const { world, settle, answer } = await createMixture();
  const heard = listen(world);
  await settle();
  expect(heard.slice(2).map(({ kind }) => kind)).toEqual(['linked', 'step']);
  expect(heard[2]).toMatchObject({ online: false, error: { code: 'offline' } });
  await answer();
  expect(heard.at(-1)).toMatchObject({ kind: 'linked', online: true });
});

test('also where the relay is told the rest in the same frame', async () => {
  const { world, answers } = await createMixture();
  const heard = listen(world);
  world.up.plantFrame(...world.up.takeWaiting('step'), ...answers);
  await world.quiet();
  const kinds = heard.slice(2).map((said) => (said.kind === 'linked' ? String(said.online) : said.kind));
  expect(kinds[0]).toBe('false');
  expect(kinds.at(-1)).toBe('true');
  expect(new Set(kinds.slice(1, -1))).toEqual(new Set(['step']));
});

test('what comes in one frame with the word that the upstream, a relay, is cut off is not shown as complete, here nor further on', async () => {
  const world = await createRelayWorld();
  const middle = await world.follow('middle');
  const lower = new GatedUpstream(() => middle.node);
  const edge = await world.follow('ana', { upstream: lower });
  const still = () => quiet(world.up, middle.upstream, lower);
  const lives = [middle.node.live(Note), edge.node.live(Note)];
  await still();
  middle.upstream.holdSaid = true;
  await world.authority.transact((tx) => tx.create(Note, { title: 'of a mixture' }));
  await still();
  const steps = middle.upstream.takeWaiting('step');
  expect(steps).toHaveLength(1);

  const shown: string[] = [];
  for (const live of lives) live.onChange(() => shown.push(live.status));
  middle.upstream.plantFrame({ kind: 'linked', online: false, error: CUT }, ...steps);
  middle.upstream.holdSaid = false;
  await still();
  expect(shown).toEqual(['offline', 'offline']);
  expect(lower.said.map(({ kind }) => kind).filter((kind) => kind === 'linked' || kind === 'step')).toEqual([
    'linked',
    'step',
  ]);
});

test('what a file holds of it is not taken for a state of the log by another upstream', async () => {
  const { world, settle } = await createMixture();
  await settle();
  const file = join(newFolder(), 'edge.db');
  const ana = await world.follow('ana', { storage: sqliteFile(file) });
  const live = ana.node.live(Note);
  await world.quiet();
  expect(titlesOf(live)).toEqual(['held', 'its own']);
  await ana.node.close();
  const [own] = await world.authority.query(Note, "title = 'its own'");
  await world.authority.transact((tx) => tx.delete(Note, own!.id));

  const upstream = new GatedUpstream(() => world.authority);
  const edge = await Node.open({ collections: [...COLLECTIONS], upstream, author: 'ana', storage: sqliteFile(file) });
  const again = edge.live(Note);
  await quiet(upstream);
  expect(again.status).toBe('complete');
  expect(titlesOf(again)).toEqual(['elsewhere', 'held']);
  upstream.cut();
  await edge.close();
});

test('nor is what was held before the log was restored, by a follower that comes before that has been replaced', async () => {
  const backup = newFile();
  const before = await openServer(newFile());
  let server = before;
  await before.transact((tx) => tx.create(Note, { title: 'held' }));
  await before.backup(backup);
  await before.transact((tx) => tx.create(Note, { title: 'lost' }));
  const up = new GatedUpstream(() => server);
  const relay = await Node.open({ collections: [...COLLECTIONS], upstream: up });
  await relay.live(Note).ready;
  await close(before);
  up.cut();
  server = await openServer(backup);
  await server.transact((tx) => tx.create(Note, { title: 'since' }));
  up.holdSaid = true;
  await relay.reconnect();
  await quiet(up);

  const upstream = new GatedUpstream(() => relay);
  const edge = await Node.open({ collections: [...COLLECTIONS], upstream, author: 'ana' });
  const live = edge.live(Note);
  const shown: string[] = [];
  const stop = watchTurns(() => shown.push(`${live.status}: ${titlesOf(live).join()}`));
  await quiet(up, upstream);
  expect(shown.at(-1)).toBe('offline: held,lost');
  up.holdSaid = false;
  await quiet(up, upstream);
  // It was ended from there: the positions that it was told are those of the other log.
  expect(live.status).toBe('offline');
  await edge.reconnect();
  await quiet(up, upstream);
  stop();
  expect(shown.at(-1)).toBe('complete: held,since');
  expect(shown.filter((each) => each.startsWith('complete') && each.includes('lost'))).toEqual([]);
  for (const each of [upstream, up]) each.cut();
  for (const node of [edge, relay]) await node.close();
});

/** Calls `look` in every turn of the host, until the returned is called. */
function watchTurns(look: () => void): () => void {
  let isOver = false;
  const turn = () => {
    if (isOver) return;
    look();
    setImmediate(turn);
  };
  turn();
  return () => {
    isOver = true;
  };
}
