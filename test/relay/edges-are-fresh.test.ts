/**
 * Edges: three nodes that follow a relay, each with live selections that open, close and change, while the edges, the relay
 * and the authority write, and links break. Whenever all is quiet each live query equals the authority's SQL (law 6), and
 * whatever several of them follow the relay follows once.
 */
import { expect, test } from 'vitest';
import { applied, type ChangeSet } from '../../engine/live/change-set.ts';
import type { LiveQuery } from '../../engine/live/live-query.ts';
import { type EphemeralParts, openEphemeral } from '../../engine/open-ephemeral.ts';
import { systemScheduler } from '../../engine/ports/scheduler.ts';
import { idFrom, Node, TendrilError } from '../../index.ts';
import { type DirectUpstream, directUpstream } from '../support/direct-upstream.ts';
import { type Asked, SELECTIONS, Thing, write } from '../support/live-selections.ts';
import { createRandom, type Random, runs, seedFor } from '../support/random.ts';

const seed = seedFor('edges are fresh');
const IDS = Array.from({ length: 100 }, (_, at) => idFrom('thing', at));
/** So that what nobody uses is given up, and evicted, every now and then: minutes pass in milliseconds. */
const scheduler = {
  ...systemScheduler,
  after: (ms: number, task: () => void) => systemScheduler.after(ms / 20_000, task),
};
const WINDOWS = SELECTIONS.filter(({ text }) => text.includes('LIMIT') && !text.includes('LIMIT 20'));
const NARROW = SELECTIONS.filter(({ text }) => text !== '' && !text.startsWith('NOT done'));
const CHOICES = [WINDOWS, NARROW, SELECTIONS];
const LIVE_QUERIES = 12;

interface Watched {
  readonly live: LiveQuery<Thing>;
  readonly asked: Asked;
  folded: readonly Thing[];
}

class Edge {
  readonly upstream: DirectUpstream;
  readonly parts: EphemeralParts;
  readonly choice: readonly Asked[];
  readonly watched: Watched[] = [];

  constructor(upstream: DirectUpstream, parts: EphemeralParts, choice: readonly Asked[]) {
    this.upstream = upstream;
    this.parts = parts;
    this.choice = choice;
  }

  open(asked: Asked): void {
    const live = this.parts.live(this.parts.core.catalog.entryOf(Thing), asked.text, asked.parameters);
    const watched: Watched = { live, asked, folded: live.rows };
    live.onChange((change: ChangeSet<Thing>) => {
      watched.folded = applied(watched.folded, change);
    });
    this.watched.push(watched);
  }
}

test('every live query behind a relay equals the authority whenever all is quiet', { timeout: 600_000 }, async () => {
  const random = createRandom(seed);
  const errors: unknown[] = [];
  const onError = (error: unknown) => errors.push(error);
  const authority = await Node.open({ collections: [Thing], onError });
  const up = directUpstream(() => authority);
  const relay = await openEphemeral({ collections: [Thing], onError, ports: { scheduler } }, up);
  while (relay.replica.standing.kept === null) await new Promise(setImmediate);
  const middle = new Edge(up, relay, SELECTIONS);
  const edges: Edge[] = [];
  for (const choice of CHOICES) {
    const upstream = directUpstream(() => ({ follow: (peer) => relay.followers.open(peer) }));
    // The first two are tabs of one actor, which see each other's pending writes.
    const author = edges.length < 2 ? 'ana' : 'ben';
    const parts = await openEphemeral({ collections: [Thing], author, onError, ports: { scheduler } }, upstream);
    const edge = new Edge(upstream, parts, choice);
    for (let query = 0; query < LIVE_QUERIES; query += 1) edge.open(random.pick(choice));
    edges.push(edge);
  }
  // The relay holds some of it for itself.
  for (let query = 0; query < 3; query += 1) middle.open(random.pick(NARROW));
  const all = [middle, ...edges];
  const steps = runs(10_000);
  let writes = 0;
  for (let step = 1; step <= steps; step += 1) {
    const edge = random.pick(edges);
    const chosen = random.next();
    if (chosen < 0.03) change(edge, random);
    else if (chosen < 0.06) random.pick(all).upstream.hold = random.chance(0.5);
    else if (chosen < 0.064) random.pick(all).upstream.cut();
    else if (chosen < 0.066)
      void random
        .pick(all)
        .parts.replica.connection.connect()
        .catch(() => undefined);
    else if (chosen < 0.076) writes += await sweep(authority, edge, random);
    else writes += await write(chosen < 0.25 ? authority : random.pick(all).parts.transactor, random, IDS);
    if (random.chance(0.3)) await new Promise(setImmediate);
    for (let microtask = 0; microtask < 8; microtask += 1) await null;
    if (random.chance(0.03)) await compare(authority, all, `step ${step}`);
    expect(errors, `step ${step}`).toEqual([]);
  }
  await compare(authority, all, 'the end');
  expect(errors).toEqual([]);
  expect(writes).toBeGreaterThan(steps / 10);
  const asked = new Set(
    edges.flatMap(({ watched }) => watched.map(({ asked: { text, parameters } }) => text + spell(parameters))),
  );
  const { selections } = relay.followers.report()!;
  expect(selections.distinct).toBeGreaterThanOrEqual(asked.size);
  for (const edge of [...edges, middle]) {
    for (const { live } of edge.watched) live.close();
    edge.parts.followers.close();
    await edge.parts.replica.close(new TendrilError({ code: 'closed', problem: 'x', remedy: 'x' }));
    edge.parts.core.driver.close();
  }
  await authority.close();
});

function change(edge: Edge, random: Random): void {
  const at = random.integer(edge.watched.length);
  edge.watched[at]!.live.close();
  edge.watched.splice(at, 1);
  edge.open(random.pick(edge.choice));
}

/** Deletes what a live query shows, again and again: more than the slack of a window makes up for. */
async function sweep(authority: Node, { watched }: Edge, random: Random): Promise<number> {
  const { asked } = random.pick(watched);
  for (let turn = 0; turn < 5; turn += 1) {
    const rows = await authority.query(Thing, asked.text, asked.parameters);
    await authority.transact((tx) => {
      for (const { id } of rows.slice(0, 6)) tx.delete(Thing, id);
    });
  }
  return 5;
}

/** Waits until nothing is on its way, and compares with the authority. */
async function compare(authority: Node, all: readonly Edge[], when: string): Promise<void> {
  const deadline = Date.now() + 20_000;
  let quiet = 0;
  while (quiet < 5) {
    for (const edge of all) edge.upstream.hold = false;
    await new Promise(setImmediate);
    quiet = all.every(isQuiet) ? quiet + 1 : 0;
    if (Date.now() > deadline) throw new Error(`not quiet at ${when}: ${all.map(describe).join('; ')}`);
  }
  for (const [index, edge] of all.entries()) {
    for (const { live, asked, folded } of edge.watched) {
      const context = `${when}, node ${index}: ${asked.text} ${spell(asked.parameters)}`;
      expect(live.status, context).toBe('complete');
      expect(spell(live.rows), context).toBe(spell(await authority.query(Thing, asked.text, asked.parameters)));
      expect(folded, context).toEqual(live.rows);
    }
  }
}

function isQuiet({ upstream, parts: { queue, replica }, watched }: Edge): boolean {
  const isComplete = watched.every(({ live }) => live.status === 'complete');
  return upstream.isQuiet() && !queue.isDraining() && replica.outbox.size === 0 && isComplete;
}

function describe({ parts: { replica }, watched, upstream }: Edge): string {
  const waiting = watched
    .filter(({ live }) => live.status !== 'complete')
    .map(({ asked, live }) => `${asked.text}: ${live.status}`);
  return `${spell([replica.connection.state()])} ${upstream.isQuiet()} outbox ${replica.outbox.size} ${waiting.join()}`;
}

function spell(values: readonly unknown[]): string {
  return JSON.stringify(values);
}
