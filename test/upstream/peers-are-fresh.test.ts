/**
 * Peers: three ephemeral nodes of one authority, each with thirty live selections that open, close and change while all
 * four nodes write. Whenever all is quiet each live query equals the authority's SQL, and at all times the node's own
 * rows, cut at the window's edge (law 6).
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

const seed = seedFor('peers are fresh');
const IDS = Array.from({ length: 150 }, (_, at) => idFrom('thing', at));
/** So that what nobody uses is given up, and evicted, every now and then: minutes pass in milliseconds. */
const scheduler = {
  ...systemScheduler,
  after: (ms: number, task: () => void) => systemScheduler.after(ms / 20_000, task),
};
/** What the first, second and third peer choose from: where all rows are held, no edge matters. */
const WINDOWS = SELECTIONS.filter(({ text }) => text.includes('LIMIT') && !text.includes('LIMIT 20'));
const NARROW = SELECTIONS.filter(({ text }) => text !== '' && !text.startsWith('NOT done'));
const CHOICES = [SELECTIONS, WINDOWS, NARROW];
const LIVE_QUERIES = 30;
/** Steps after which all is awaited and everything compared. */
const ROUND = 100;

interface Watched {
  readonly live: LiveQuery<Thing>;
  asked: Asked;
  /** How often it has asked for something else, and which of these it shows. */
  turn: number;
  shown: number;
  folded: readonly Thing[];
  /** Told of a change since it was last compared with the node's own rows. */
  isDirty: boolean;
  /** The same, with the authority's. */
  isConcerned: boolean;
}

class Peer {
  readonly upstream: DirectUpstream;
  readonly parts: EphemeralParts;
  readonly choice: readonly Asked[];
  readonly watched: Watched[] = [];

  constructor(upstream: DirectUpstream, parts: EphemeralParts, choice: readonly Asked[]) {
    this.choice = choice;
    this.upstream = upstream;
    this.parts = parts;
  }

  isQuiet(): boolean {
    const { queue, replica } = this.parts;
    return this.upstream.isQuiet() && !queue.isDraining() && replica.outbox.size === 0;
  }

  open(asked: Asked): void {
    const live = this.parts.live(this.parts.core.catalog.entryOf(Thing), asked.text, asked.parameters);
    const watched: Watched = { live, asked, turn: 0, shown: 0, folded: live.rows, isDirty: true, isConcerned: true };
    live.onChange((change: ChangeSet<Thing>) => {
      watched.folded = applied(watched.folded, change);
      watched.isDirty = true;
      watched.isConcerned = true;
    });
    this.watched.push(watched);
  }

  /** What is shown equals the rows held, cut at the edge, and what the change sets told. */
  checkOwnRows(): void {
    if (this.parts.queue.isDraining()) return;
    for (const watched of this.watched) {
      if (!watched.isDirty) continue;
      watched.isDirty = false;
      expect(watched.folded, watched.asked.text).toEqual(watched.live.rows);
      if (watched.live.status !== 'complete') continue;
      expect(spell(watched.live.rows), watched.asked.text).toBe(spell(this.ownRows(watched.asked)));
    }
  }

  ownRows({ text, parameters }: Asked): readonly Thing[] {
    const { core, reader, replica } = this.parts;
    const entry = core.catalog.entryOf(Thing);
    const selection = reader.select(entry, text, parameters);
    const followed = replica.following.find('thing', selection)!;
    const bound = replica.following.boundOf(followed);
    const rows = reader.rows(selection);
    return rows.filter((row) => bound === null || followed.compare(row, bound) <= 0).map(entry.decode);
  }
}

test('every live query equals the authority whenever all is quiet, and the rows held at all times', async () => {
  const random = createRandom(seed);
  const errors: unknown[] = [];
  const onError = (error: unknown) => errors.push(error);
  const authority = await Node.open({ collections: [Thing], onError });
  const peers: Peer[] = [];
  for (const choice of CHOICES) {
    const upstream = directUpstream(() => authority);
    const parts = await openEphemeral({ collections: [Thing], onError, ports: { scheduler } }, upstream);
    const peer = new Peer(upstream, parts, choice);
    for (let query = 0; query < LIVE_QUERIES; query += 1) peer.open(random.pick(choice));
    peers.push(peer);
  }
  const steps = runs(100_000);
  let writes = 0;
  for (let step = 1; step <= steps; step += 1) {
    const peer = random.pick(peers);
    const chosen = random.next();
    if (chosen < 0.03) change(peer, random);
    else if (chosen < 0.06) peer.upstream.hold = !peer.upstream.hold;
    else if (chosen < 0.065) writes += await sweep(peer, random);
    else if (chosen < 0.067) void peer.parts.replica.connection.connect().catch(() => undefined);
    else writes += await write(chosen < 0.3 ? authority : peer.parts.transactor, random, IDS);
    if (random.chance(0.3)) await new Promise(setImmediate);
    for (let microtask = 0; microtask < 8; microtask += 1) await null;
    for (const each of peers) each.checkOwnRows();
    if (random.chance(0.03)) await compare(authority, peers, step % ROUND === 0);
    expect(errors, `step ${step}`).toEqual([]);
  }
  await compare(authority, peers, true);
  expect(errors).toEqual([]);
  expect(writes).toBeGreaterThan(steps / 10);
  for (const peer of peers) {
    for (const { live } of peer.watched) live.close();
    await peer.parts.replica.close(new TendrilError({ code: 'closed', problem: 'x', remedy: 'x' }));
    peer.parts.core.driver.close();
  }
  await authority.close();
});

/** Opens, closes, or asks for something else. */
function change(peer: Peer, random: Random): void {
  const at = random.integer(peer.watched.length);
  const watched = peer.watched[at]!;
  const asked = random.pick(peer.choice);
  if (random.chance(0.5)) {
    watched.live.close();
    peer.watched.splice(at, 1);
    peer.open(asked);
    return;
  }
  watched.turn += 1;
  const { turn } = watched;
  const told = () => {
    if (turn < watched.shown) return;
    watched.shown = turn;
    watched.asked = asked;
    watched.isDirty = true;
    watched.isConcerned = true;
  };
  // Closed meanwhile: it shows nothing any more.
  watched.live.reselect(asked.text, asked.parameters).then(told, (error) => expect(error.code).toBe('closed'));
}

/** Deletes what a live query shows, again and again: more than the slack of a window makes up for. */
async function sweep({ parts, watched }: Peer, random: Random): Promise<number> {
  const { live } = random.pick(watched);
  for (let turn = 0; turn < 5; turn += 1) {
    const ids = live.rows.map(({ id }) => id).slice(0, 6);
    await parts.transactor.transact((tx) => {
      for (const id of ids) if (tx.get(Thing, id) !== null) tx.delete(Thing, id);
    });
  }
  return 5;
}

/** Waits until nothing is on its way, and compares with the authority: all, or what changed since. */
async function compare(authority: Node, peers: readonly Peer[], all: boolean): Promise<void> {
  for (const peer of peers) peer.upstream.hold = false;
  do {
    await new Promise(setImmediate);
    for (const peer of peers) peer.checkOwnRows();
  } while (!peers.every((peer) => peer.isQuiet()));
  const fresh = new Map<string, string>();
  for (const peer of peers) {
    for (const watched of peer.watched) {
      if (!all && !watched.isConcerned) continue;
      watched.isConcerned = false;
      const { text, parameters } = watched.asked;
      const key = text + spell(parameters);
      if (!fresh.has(key)) fresh.set(key, spell(await authority.query(Thing, text, parameters)));
      expect(watched.live.status, text).toBe('complete');
      expect(spell(watched.live.rows), text).toBe(fresh.get(key));
    }
  }
}

function spell(values: readonly unknown[]): string {
  return JSON.stringify(values);
}
