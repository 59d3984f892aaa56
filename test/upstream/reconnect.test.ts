/** Reconnecting: by itself, after a while that grows, at once where that makes sense, and never against a final word. */
import { expect, test } from 'vitest';
import type { Upstream } from '../../engine/stream.ts';
import { FIRST_DELAY_MS, MAX_DELAY_MS, STABLE_MS } from '../../engine/upstream/limits.ts';
import { delayAfter } from '../../engine/upstream/session/backoff.ts';
import { Node, TendrilError } from '../../index.ts';
import { createTestClock, createTestRandom, createTestScheduler } from '../support/ports.ts';
import { COLLECTIONS, createWorld, Note } from './world.ts';

const LEAST = { bits48: () => 0, bytes: () => new Uint8Array() };
const GREATEST = { bits48: () => 2 ** 48 - 1, bytes: () => new Uint8Array() };

test('a delay is anything from nothing to a bound that doubles until it is as long as it gets', () => {
  expect([1, 2, 3, 4].map((failures) => delayAfter(failures, GREATEST))).toEqual(
    [1, 2, 4, 8].map((times) => FIRST_DELAY_MS * times),
  );
  expect([10, 100, 10_000].map((failures) => delayAfter(failures, GREATEST))).toEqual(Array(3).fill(MAX_DELAY_MS));
  expect([1, 5, 10_000].map((failures) => delayAfter(failures, LEAST))).toEqual([0, 0, 0]);
});

test('a session that is lost is made again, and what was written meanwhile arrives', async () => {
  const world = await createWorld();
  const ana = await world.follow();
  await world.quiet();
  ana.upstream.cut();
  const live = ana.node.live(Note, '');
  expect(live.status).toBe('offline');
  const id = await ana.node.transact((tx) => tx.create(Note, { title: 'offline' }));
  ana.scheduler.pass(FIRST_DELAY_MS);
  await world.quiet();
  expect(live.status).toBe('complete');
  expect(await world.authority.get(Note, id)).toMatchObject({ title: 'offline' });
});

test('it stays offline, and says why, while an attempt is under way', async () => {
  const world = await createWorld();
  const ana = await world.follow();
  await world.quiet();
  const live = ana.node.live(Note, '');
  await live.ready;
  ana.upstream.holdWelcome = true;
  ana.upstream.cut();
  ana.scheduler.pass(FIRST_DELAY_MS);
  await world.quiet();
  expect(ana.upstream.sessions).toBe(2);
  expect(live.status).toBe('offline');
  expect(live.error).toMatchObject({ code: 'offline' });
  expect(ana.node.report().upstream).toMatchObject({ state: 'offline' });
  ana.upstream.holdWelcome = false;
  await world.quiet();
  expect(live.status).toBe('complete');
  expect(live.error).toBe(null);
});

test('attempts come later and later, and a stable session makes up for those that failed', async () => {
  const world = await createWorld();
  const clock = createTestClock();
  const scheduler = createTestScheduler();
  const { upstream } = await world.follow({
    options: { ports: { clock, scheduler, random: { ...createTestRandom(5), bits48: GREATEST.bits48 } } },
  });
  await world.quiet();
  const attempts: number[] = [];
  const second = async () => {
    scheduler.pass(FIRST_DELAY_MS);
    await world.quiet();
    attempts.push(upstream.sessions);
  };
  upstream.isReachable = false;
  upstream.cut();
  for (let passed = 0; passed < 7; passed += 1) await second();
  // After 1, 3 and 7 of the first delay.
  expect(attempts).toEqual([2, 2, 3, 3, 3, 3, 4]);
  upstream.isReachable = true;
  scheduler.pass(8 * FIRST_DELAY_MS);
  await world.quiet();
  scheduler.pass(STABLE_MS);
  const before = upstream.sessions;
  upstream.cut();
  await second();
  expect(upstream.sessions).toBe(before + 1);
});

test('one that was lost before it was stable counts as a failure', async () => {
  const world = await createWorld();
  const scheduler = createTestScheduler();
  const { upstream } = await world.follow({
    options: { ports: { scheduler, random: { ...createTestRandom(5), bits48: GREATEST.bits48 } } },
  });
  await world.quiet();
  upstream.cut();
  scheduler.pass(FIRST_DELAY_MS);
  await world.quiet();
  upstream.cut();
  scheduler.pass(FIRST_DELAY_MS);
  await world.quiet();
  expect(upstream.sessions).toBe(2);
  scheduler.pass(FIRST_DELAY_MS);
  await world.quiet();
  expect(upstream.sessions).toBe(3);
});

test('reconnect() does not wait, and takes the place of the attempt that waits', async () => {
  const world = await createWorld();
  const ana = await world.follow();
  await world.quiet();
  ana.upstream.cut();
  await ana.node.reconnect();
  expect(ana.upstream.sessions).toBe(2);
  ana.scheduler.pass(MAX_DELAY_MS);
  await world.quiet();
  expect(ana.upstream.sessions).toBe(2);
});

/** An upstream that ends each session as it is told, and counts them. */
function hopeless(final: boolean) {
  const upstream = {
    name: 'hopeless',
    sessions: 0,
    wake: () => {},
    stopped: 0,
    connect: (_, receiver) => {
      upstream.sessions += 1;
      setImmediate(() =>
        receiver.ended(new TendrilError({ code: 'policy-denied', problem: 'No.', remedy: 'None.' }), final),
      );
      return { send: () => {}, close: () => {} };
    },
    onReachable: (wake) => {
      upstream.wake = wake;
      return () => {
        upstream.stopped += 1;
      };
    },
  } satisfies Upstream & { sessions: number; wake: () => void; stopped: number };
  return upstream;
}

const aTurn = () => new Promise(setImmediate).then(() => new Promise(setImmediate));

test('a final refusal is not tried again but by reconnect()', async () => {
  const upstream = hopeless(true);
  const scheduler = createTestScheduler();
  const node = await Node.open({ collections: COLLECTIONS, upstream, ports: { scheduler } });
  await aTurn();
  scheduler.pass(10 * MAX_DELAY_MS);
  await aTurn();
  upstream.wake();
  await aTurn();
  expect(upstream.sessions).toBe(1);
  await expect(node.reconnect()).rejects.toMatchObject({ code: 'policy-denied' });
  expect(upstream.sessions).toBe(2);
  await node.close();
});

test('an upstream that may be reachable again is tried at once, unless there is a session', async () => {
  const upstream = hopeless(false);
  const scheduler = createTestScheduler();
  const node = await Node.open({ collections: COLLECTIONS, upstream, ports: { scheduler } });
  await aTurn();
  expect(upstream.sessions).toBe(1);
  upstream.wake();
  upstream.wake();
  expect(upstream.sessions).toBe(2);
  await aTurn();
  await node.close();
  expect(upstream.stopped).toBe(1);
  upstream.wake();
  scheduler.pass(MAX_DELAY_MS);
  await aTurn();
  expect(upstream.sessions).toBe(2);
});
