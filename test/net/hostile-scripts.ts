/** Hostile scripts: what well-behaved nodes of mallory's and ana's send, recorded, and the same with changes on its way. */
import { idFrom, type Node } from '../../index.ts';
import type { Random } from '../support/random.ts';
import { type HostileWorld, Prey } from './hostile-world.ts';

/** The frames of one session. */
export type Script = readonly Uint8Array[];

/** What well-behaved nodes send, session by session: some as mallory, one as ana. */
export async function record(world: HostileWorld): Promise<readonly Script[]> {
  const sessions: Uint8Array[][] = [[], [], [], []];
  for (const [index, frames] of sessions.entries()) {
    const actor = index === 0 ? 'ana' : 'mallory';
    const node = await world.follower(actor, frames);
    const live = node.live(Prey, 'rank > ? ORDER BY rank DESC LIMIT 5', [index]);
    await live.ready;
    await node.sql('SELECT name, count(*) AS n FROM vault WHERE amount > ? GROUP BY name', [2]);
    await node.query(Prey, 'note LIKE ?', ['a%']);
    if (actor === 'mallory') await hunt(node, index);
    else await world.writeAs(node);
    await node.get(Prey, idFrom('prey', index));
    live.close();
    await node.close();
    // Its goodbye: whoever does harm stays.
    frames.pop();
  }
  return world.relay === null ? [...sessions, await recordLog(world)] : sessions;
}

/** What a durable node of mallory's sends, which speaks for itself only. A relay has no log that it could follow. */
async function recordLog(world: HostileWorld): Promise<Script> {
  const frames: Uint8Array[] = [];
  const node = await world.follower('mallory', frames, 'durable');
  await hunt(node, 4);
  await node.close();
  frames.pop();
  return frames;
}

async function hunt(node: Node, rank: number): Promise<void> {
  const until = { until: 'settled' } as const;
  const id = await node.transact((tx) => tx.create(Prey, { name: 'hare', rank }), until);
  await node.transact((tx) => tx.update(Prey, id, { note: 'a note', rank: 7 }), until);
  await node.transact((tx) => tx.delete(Prey, id), until);
  await node.transact((tx) => tx.restore(Prey, id), until);
  await node.transact((tx) => [1, 2, 3].map((each) => tx.create(Prey, { name: 'kid', rank: each })), until);
}

function changedBytes(frame: Uint8Array, other: Uint8Array, random: Random): Uint8Array {
  const bytes = Buffer.from(frame);
  const at = random.integer(bytes.length);
  const chosen = random.next();
  if (chosen < 0.5) {
    for (let flips = 1 + random.integer(3); flips > 0; flips -= 1)
      bytes[random.integer(bytes.length)]! ^= 1 << random.integer(8);
    return new Uint8Array(bytes);
  }
  if (chosen < 0.65) return new Uint8Array(bytes.subarray(0, at));
  // Whole messages after whole messages, or any two pieces.
  if (chosen < 0.75) return new Uint8Array(Buffer.concat([bytes, other.subarray(1)]));
  if (chosen < 0.9)
    return new Uint8Array(Buffer.concat([bytes.subarray(0, at), other.subarray(random.integer(other.length))]));
  return new Uint8Array(Buffer.concat([bytes.subarray(0, at), Buffer.from([random.integer(256)]), bytes.subarray(at)]));
}

/** A recorded session with a few things changed. */
export function changedSession(scripts: readonly Script[], random: Random, changes: number): Script {
  const frames = [...random.pick(scripts)];
  for (let change = 0; change < changes; change += 1) {
    const [at, to] = [random.integer(frames.length), random.integer(frames.length)];
    const chosen = random.next();
    if (chosen < 0.7) frames[at] = changedBytes(frames[at]!, random.pick(random.pick(scripts)), random);
    else if (chosen < 0.8) frames.splice(to, 0, frames[at]!);
    else if (chosen < 0.9) frames.splice(to, 0, ...frames.splice(at, 1));
    else frames.splice(to, 0, random.pick(random.pick(scripts)));
  }
  return frames;
}
