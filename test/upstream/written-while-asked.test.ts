/**
 * Written while asked: an id that is written here while it is asked for, or while a session is not whole, is followed like any
 * that was written: its row is the authority's in the sessions that come, whichever of those before had ended early.
 */
import { beforeEach, expect, test } from 'vitest';
import { idFrom } from '../../index.ts';
import { createWorld, type Follower, Note, outbox, pass, type World } from './world.ts';

const A = idFrom('note', 'a');
/** An id that nobody uses is given up after that. */
const LINGER_MINUTES = 7;

let world: World;
let ana: Follower;
beforeEach(async () => {
  world = await createWorld();
  ana = await world.follow();
  await world.quiet();
});

const ask = () => void ana.node.get(Note, A).catch(() => undefined);
const create = () => ana.node.transact((tx) => tx.create(Note, { title: 'mine' }, { id: A }));

async function comeBack(): Promise<void> {
  ana.upstream.cut();
  await world.quiet();
  Object.assign(ana.upstream, { holdPull: false, holdSaid: false, holdUploads: false });
  await ana.node.reconnect();
  await world.quiet();
}

/** What ana holds is as the authority has it, and stays so. */
async function expectFollowed(): Promise<void> {
  expect(outbox(ana)).toBe(0);
  for (const body of ['first', 'second']) {
    await world.authority.transact((tx) => tx.update(Note, A, { body }));
    await world.quiet();
    expect(await ana.node.query(Note, '', [], { from: 'local' })).toEqual(await world.authority.query(Note, ''));
    await comeBack();
  }
  expect(ana.errors).toEqual([]);
}

test('it is followed where it was settled in a session that ends before it is whole, beside what somebody else wrote', async () => {
  await ana.node.live(Note, 'stars > 5').ready;
  ana.upstream.cut();
  await world.quiet();
  await world.authority.transact((tx) => tx.create(Note, { body: 'of another', stars: 3 }, { id: A }));
  ana.upstream.holdPull = true;
  await ana.node.reconnect();
  ask();
  await world.quiet();
  await create();
  await world.quiet();
  expect([ana.upstream.saidOf('held').length, outbox(ana)]).toEqual([1, 0]);
  await comeBack();
  await expectFollowed();
});

test('it is followed where the session ends before it arrived', async () => {
  ana.upstream.holdSaid = true;
  ana.upstream.holdUploads = true;
  ask();
  await world.quiet();
  await create();
  await comeBack();
  await expectFollowed();
});

test('it is followed where it was being given up when it was asked for again', async () => {
  await ana.node.get(Note, A).catch(() => undefined);
  ana.upstream.holdSaid = true;
  await pass(ana, LINGER_MINUTES);
  ask();
  await world.quiet();
  ana.upstream.holdUploads = true;
  await create();
  const [released] = ana.upstream.takeWaiting('released');
  ana.upstream.plantFrame(released!);
  await world.quiet();
  await comeBack();
  await expectFollowed();
});

test('it is told anew where it was settled again in a session that ends before it is whole', async () => {
  const { upstream, node } = ana;
  await node.live(Note, 'stars > 5').ready;
  await world.authority.transact((tx) => tx.create(Note, { body: 'of another', stars: 3 }, { id: A }));
  upstream.holdSaid = true;
  await create();
  await world.quiet();
  // The answer is lost, and the cursor passes what was settled.
  upstream.cut();
  await world.quiet();
  await world.authority.transact((tx) => tx.create(Note, { stars: 7 }));
  Object.assign(upstream, { holdSaid: false, holdUploads: true });
  await node.reconnect();
  await world.quiet();
  expect([node.report().upstream!.cursor!.position, outbox(ana)]).toEqual([3, 1]);
  upstream.cut();
  await world.quiet();
  Object.assign(upstream, { holdUploads: false, holdPull: true });
  await node.reconnect();
  await world.quiet();
  expect(outbox(ana)).toBe(0);
  await comeBack();
  const rows = await world.authority.query(Note, 'ORDER BY stars');
  expect(await node.query(Note, 'ORDER BY stars', [], { from: 'local' })).toEqual(rows);
  await expectFollowed();
});
