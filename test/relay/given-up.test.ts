/**
 * Given up: a follower's session that it has given up, of which frames that were long under way still arrive. The relay
 * knows the follower's next session already, and what it brings belongs to that one.
 */
import { expect, test } from 'vitest';
import { Note } from '../upstream/world.ts';
import { openSession } from './session-by-hand.ts';
import { createRelayWorld, type RelayWorld } from './world.ts';

/** As one of ana's, by hand. */
function follow(world: RelayWorld) {
  const { session, said } = openSession(world.relay());
  const ofUploads = () => said.filter(({ kind }) => kind === 'step' || kind === 'rebase' || kind === 'refused');
  return { session, ofUploads };
}

test('what a session brings late that its follower has given up takes no outcome from the one that follows it', async () => {
  const world = await createRelayWorld();
  const { session, ofUploads } = follow(world);
  const ana = await world.follow('ana');
  world.up.holdSaid = true;
  const id = await ana.node.transact((tx) => tx.create(Note, { title: 'brought twice' }));
  await world.quiet();
  session.take(ana.upstream.askedOf('upload')[0]!);
  expect(() => session.pull()).toThrow(/brought by a later one/);
  session.close();
  world.up.holdSaid = false;
  await world.quiet();
  expect(ana.node.report().upstream).toMatchObject({ state: 'connected', outbox: { transactions: 0 } });
  expect(ofUploads()).toEqual([]);
  expect(await world.authority.history(Note, id)).toHaveLength(1);
  expect(world.relay().report().followers).toMatchObject({ sessions: 1, waitingUploads: 0 });
});

test('an attempt that comes late in a session that was given up does not replace a later one', async () => {
  const world = await createRelayWorld();
  const { session } = follow(world);
  const ana = await world.follow('ana');
  world.up.judge = ({ transaction, attempt }) => {
    world.up.holdSaid = attempt === 2;
    if (attempt === 2) return null;
    return { kind: 'rebase', transaction, attempt, reason: 'missing-precursor', time: 0 };
  };
  const id = await ana.node.transact((tx) => tx.create(Note, { title: 'made anew' }));
  await world.quiet();
  const uploads = ana.upstream.askedOf('upload');
  expect(uploads.map(({ attempt }) => attempt)).toEqual([1, 2]);
  session.take(uploads[0]!);
  expect(() => session.pull()).toThrow(/brought by a later one/);
  session.close();
  world.up.holdSaid = false;
  await world.quiet();
  expect(world.up.askedOf('upload').map(({ attempt }) => attempt)).toEqual([1, 2]);
  expect(ana.node.report().upstream).toMatchObject({ state: 'connected', outbox: { transactions: 0 } });
  expect(await world.authority.history(Note, id)).toHaveLength(1);
});

test('a session takes over what one before it has on its way, and that one is ended', async () => {
  const world = await createRelayWorld();
  const ana = await world.follow('ana');
  world.up.holdSaid = true;
  await ana.node.transact((tx) => tx.create(Note, { title: 'taken over' }));
  await world.quiet();
  const { session, ofUploads } = follow(world);
  session.take(ana.upstream.askedOf('upload')[0]!);
  await world.quiet();
  expect(ana.node.report().upstream).toMatchObject({ state: 'offline' });
  world.up.holdSaid = false;
  await world.quiet();
  expect(ofUploads()).toMatchObject([{ kind: 'step' }]);
  session.close();
  await ana.node.reconnect();
  await world.quiet();
  expect(ana.node.report().upstream).toMatchObject({ state: 'connected', outbox: { transactions: 0 } });
  expect(await world.authority.query(Note)).toHaveLength(1);
});
