/**
 * Troubled peers: two nodes whose transactions are refused and sent back at random, whose links are held and cut at any
 * message, and whose selections come and go. Whenever all is quiet, everything that anybody shows is the authority's.
 */
import { expect, test } from 'vitest';
import type { Said } from '../../engine/stream.ts';
import { idFrom, type LiveQuery, type RowOf, type TendrilError, type Transaction } from '../../index.ts';
import { createRandom, type Random, runs, seedFor } from '../support/random.ts';
import type { UploadRequest } from './gated-upstream.ts';
import { createWorld, type Follower, Note, outbox, pass, refusal, type World } from './world.ts';

const seed = seedFor('troubled peers');
const IDS = Array.from({ length: 24 }, (_, at) => idFrom('note', at));
const TEXTS = [
  '',
  'stars > 3',
  'stars = 5',
  "title = 'a' OR title = 'b'",
  "title = 'c' ORDER BY stars DESC, id",
  'ORDER BY stars LIMIT 2',
  'stars > 1 ORDER BY title, stars LIMIT 3',
  `id IN ('${IDS[0]}', '${IDS[1]}')`,
];

interface Peer {
  readonly follower: Follower;
  readonly lives: { readonly text: string; readonly live: LiveQuery<RowOf<typeof Note>> }[];
}

test('whatever is refused, sent back, held or cut, all are equal when all is quiet', async () => {
  const random = createRandom(seed);
  let refusals = 0;
  /** What the authority may have applied, nobody else judges. */
  const passed = new Set<string>();
  const judge = ({ transaction, attempt }: UploadRequest): Said | null => {
    const chosen = passed.has(transaction) ? 1 : random.next();
    if (chosen < 0.1) {
      refusals += 1;
      return { kind: 'refused', transaction, attempt, error: refusal() };
    }
    const reason = chosen < 0.15 ? 'missing-precursor' : 'clock-drift';
    if (chosen < 0.2) return { kind: 'rebase', transaction, attempt, reason, time: world.clock.now() };
    passed.add(transaction);
    return null;
  };
  const world = await createWorld();
  const peers: Peer[] = [];
  for (let count = 0; count < 2; count += 1) {
    const follower = await world.follow();
    follower.upstream.judge = judge;
    peers.push({ follower, lives: [] });
  }
  const steps = runs(20_000);
  for (let step = 1; step <= steps; step += 1) {
    const peer = random.pick(peers);
    const { upstream, node } = peer.follower;
    const chosen = random.next();
    if (chosen < 0.1) await reselect(peer, random);
    else if (chosen < 0.15) upstream.holdRequests = !upstream.holdRequests;
    else if (chosen < 0.2) upstream.holdSaid = !upstream.holdSaid;
    else if (chosen < 0.23) upstream.cutAfter = 1 + random.integer(8);
    else if (chosen < 0.26) node.reconnect().catch(() => undefined);
    else if (chosen < 0.28) peer.follower.scheduler.pass(60_000);
    else if (chosen < 0.33) void node.get(Note, random.pick(IDS)).catch(() => undefined);
    else await write(chosen < 0.45 ? world.authority : node, random);
    if (random.chance(0.5)) await new Promise(setImmediate);
    if (step % 40 === 0) await compare(world, peers, `step ${step} of seed ${seed}`);
  }
  await compare(world, peers, 'at the end');
  expect(refusals).toBeGreaterThan(0);
});

async function reselect({ follower, lives }: Peer, random: Random): Promise<void> {
  if (lives.length > 2) lives.splice(random.integer(lives.length), 1)[0]!.live.close();
  const text = random.pick(TEXTS);
  lives.push({ text, live: follower.node.live(Note, text) });
}

async function write(node: World['authority'], random: Random): Promise<void> {
  const size = 1 + random.integer(3);
  const body = (tx: Transaction) => {
    for (let edit = 0; edit < size; edit += 1) randomStep(tx, random);
  };
  await node.transact(body).catch((error: TendrilError) => {
    expect(['not-covered', 'not-found']).toContain(error.code);
  });
}

function randomStep(tx: Transaction, random: Random): void {
  const id = random.pick(IDS);
  const chosen = random.next();
  const values = random.pick([{ title: random.pick(['a', 'b', 'c']) }, { stars: random.integer(7) }]);
  if (chosen < 0.25) tx.create(Note, { title: 'a', ...values }, { id });
  else if (chosen < 0.35) tx.delete(Note, id);
  else if (chosen < 0.45) tx.restore(Note, id);
  else tx.update(Note, id, values);
}

async function compare(world: World, peers: readonly Peer[], when: string): Promise<void> {
  for (const { follower } of peers) {
    Object.assign(follower.upstream, { holdRequests: false, holdSaid: false, cutAfter: Number.POSITIVE_INFINITY });
    await world.quiet();
    if (follower.node.report().upstream!.state === 'offline') await follower.node.reconnect();
  }
  await world.quiet();
  for (const { follower, lives } of peers) {
    expect(outbox(follower), when).toBe(0);
    expect(
      follower.errors.filter((error) => (error as TendrilError).code !== 'policy-denied'),
      when,
    ).toEqual([]);
    for (const { text, live } of lives) {
      expect([live.status, String(live.error)], `${when}: ${text}`).toEqual(['complete', 'null']);
      expect(live.rows, `${when}: ${text}`).toEqual(await world.authority.query(Note, text));
    }
    // What nothing covers is not kept: all that is held is true.
    const held = await follower.node.query(Note, '', [], { from: 'local' });
    for (const row of held) expect(row, when).toEqual(await world.authority.get(Note, row.id));
    await pass(follower, 1);
  }
}
