/**
 * A relay that is cut off, or has not been told yet what it missed, may hold what its upstream's log has no more, or a mixture
 * that stood at no position. Whoever follows it is told so before all else, and never shows it as `complete`.
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

/** Follows the relay, and asks for all that there is to hear. */
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
  while (session.pull());
  expect(heard.map(({ kind }) => kind)).toEqual(['linked', 'described', 'chunk', 'linked']);
  for (const at of [0, 3]) expect(heard[at]).toMatchObject({ online: false, error: { code: 'offline' } });
  return heard;
}

test('that the relay is behind is heard first, and once more after all that can be answered', async () => {
  const { world, settle, answer } = await createMixture();
  const heard = listen(world);
  await settle();
  expect(heard.slice(4).map(({ kind }) => kind)).toEqual(['step']);
  await answer();
  expect(heard.slice(5).filter(({ kind }) => kind === 'linked')).toEqual([
    { kind: 'linked', online: true, error: null },
  ]);
  expect(heard.at(-1)).toMatchObject({ kind: 'linked' });
});

test('also where the relay is told the rest in the same frame', async () => {
  const { world, answers } = await createMixture();
  const heard = listen(world);
  world.up.plantFrame(...world.up.takeWaiting('step'), ...answers);
  await world.quiet();
  const kinds = heard.slice(4).map((said) => (said.kind === 'linked' ? String(said.online) : said.kind));
  expect(kinds.at(-1)).toBe('true');
  expect(new Set(kinds.slice(0, -1))).toEqual(new Set(['step']));
});

test('what a relay that is cut off holds is never shown as complete, and `ready` waits for it', async () => {
  const world = await createRelayWorld();
  const before = await world.follow('ben');
  await Promise.all([before.node.live(Note, 'stars >= 0').ready, before.node.live(Note, 'ORDER BY title').ready]);
  await world.authority.transact((tx) => {
    for (let stars = 0; stars < 5; stars += 1) tx.create(Note, { title: String(stars), stars });
  });
  await world.quiet();
  await world.cutOff();

  const upstream = new GatedUpstream(world.relay);
  const edge = await Node.open({ collections: [...COLLECTIONS], upstream, author: 'ana' });
  const lives = [edge.live(Note, 'stars >= 0'), edge.live(Note, 'ORDER BY title')] as const;
  const shown: string[] = [];
  const stop = watchTurns(() => shown.push(...lives.map(({ status }) => status)));
  const ready = lives.map((live) => live.ready.then(() => titlesOf(live).join()));
  await quiet(upstream);
  expect(shown).not.toContain('complete');
  expect(await Promise.all(ready)).toEqual(['0,1,2,3,4', '0,1,2,3,4']);
  expect(lives.map(({ status }) => status)).toEqual(['offline', 'offline']);
  upstream.cut();
  stop();
  await edge.close();
});

test('nor is what one holds that follows it, is a relay itself and has been told all of that', async () => {
  const world = await createRelayWorld();
  const middle = await world.follow('middle');
  const lower = new GatedUpstream(() => middle.node);
  const edge = await world.follow('ana', { upstream: lower });
  const live = edge.node.live(Note);
  const still = () => quiet(world.up, middle.upstream, lower);
  await still();
  expect(live.status).toBe('complete');
  await world.cutOff();
  await still();

  const shown: string[] = [];
  const stop = watchTurns(() => shown.push(live.status));
  middle.upstream.holdSaid = true;
  await middle.node.reconnect();
  await still();
  const [first, last] = middle.upstream.takeWaiting('linked');
  middle.upstream.plantFrame(first!);
  middle.upstream.holdSaid = false;
  await still();
  expect(middle.node.report().upstream).toMatchObject({ state: 'connected', began: 'anew' });
  await edge.node.reconnect();
  await still();
  middle.upstream.plant(last!);
  await still();
  stop();
  expect(shown).not.toContain('complete');
  expect(lower.saidOf('linked').some(({ online }) => online)).toBe(false);
  expect(live.status).toBe('offline');
  await world.reach();
  await still();
  await edge.node.reconnect();
  await still();
  expect(live.status).toBe('complete');
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

test('words that the relay is linked, and cut off at once, are heard in their order, be they of one frame', async () => {
  const world = await createRelayWorld();
  const ana = await world.follow('ana');
  await ana.node.live(Note).ready;
  const off = { kind: 'linked', online: false, error: CUT } as const;
  ana.upstream.plantFrame(off, off);
  await world.quiet();
  ana.upstream.holdRequests = true;
  const live = ana.node.live(Note, 'stars = 9');
  ana.upstream.plantFrame({ kind: 'linked', online: true, error: null }, off, off);
  await live.ready;
  expect(live.status).toBe('offline');
});

test('of what cannot be answered now each live query is ready, also one that is opened when that is known', async () => {
  const world = await createRelayWorld();
  const ana = await world.follow('ana');
  await world.cutOff();
  const live = ana.node.live(Note, 'stars = 9');
  await live.ready;
  const again = ana.node.live(Note, 'stars = 9');
  await again.ready;
  expect([live.status, again.status]).toEqual(['offline', 'offline']);
  await again.reselect('stars = 9');
  await world.authority.transact((tx) => tx.create(Note, { stars: 9 }));
  await world.reach();
  expect([again.status, live.rows.length, again.rows.length]).toEqual(['complete', 1, 1]);
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
