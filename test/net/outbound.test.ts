/** What waits to leave over one link: its bounds, its order, its frames. */
import { expect, test } from 'vitest';
import { systemScheduler } from '../../engine/ports/scheduler.ts';
import { createCodec } from '../../net/codec.ts';
import { createFrameWriter } from '../../net/frames.ts';
import { LINK_QUEUE_BYTES } from '../../net/limits.ts';
import type { Link } from '../../net/link.ts';
import { Outbound } from '../../net/outbound.ts';
import { createTraffic } from '../../net/traffic.ts';
import { createTurnEnd } from '../../net/turn-end.ts';
import { chunk, step } from './fake-authority.ts';
import { HandLink } from './hand-link.ts';

function begin(maxBytes: number) {
  const hand = new HandLink();
  const link: Link = hand.connector.connect(
    { opened: () => {}, frame: () => {}, drained: () => outbound.pump(), closed: () => {} },
    systemScheduler,
  );
  let progress = 0;
  const codec = createCodec();
  const outbound: Outbound = new Outbound({
    codec,
    write: createFrameWriter(),
    atTurnEnd: createTurnEnd(systemScheduler),
    traffic: createTraffic(),
    maxBytes,
    link: () => link,
    progress: () => {
      progress += 1;
    },
    failed: () => {},
  });
  const sizeOf = (bytes: number) => codec.encodeMessage(chunk(1, bytes)).length;
  return { hand, outbound, sizeOf, progress: () => progress };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('exactly the limit may wait, and not a byte more', async () => {
  const { hand, outbound, sizeOf } = begin(10_000);
  hand.isFree = false;
  const overhead = sizeOf(1_000) - 1_000;
  expect(outbound.say(chunk(1, 6_000 - overhead))).toBe(true);
  expect(outbound.say(chunk(1, 4_001 - overhead))).toBe(false);
  expect(outbound.say(chunk(1, 4_000 - overhead))).toBe(true);
  expect(outbound.waiting()).toBe(10_000);
  expect(outbound.say({ kind: 'ping' })).toBe(false);
  await turn();
  // The first byte of the frame.
  expect(outbound.waiting()).toBe(10_001);
  hand.drain(5_000);
  expect(outbound.say(chunk(1, 4_000))).toBe(true);
});

test('one message larger than the limit may wait beside the others, a second one may not until it has left', async () => {
  const { hand, outbound } = begin(10_000);
  hand.isFree = false;
  expect(outbound.say(chunk(1, 3_000))).toBe(true);
  expect(outbound.say(chunk(1, 200_000))).toBe(true);
  expect(outbound.say(chunk(1, 3_000))).toBe(true);
  expect(outbound.say(chunk(1, 200_000))).toBe(false);
  expect(outbound.say(chunk(1, 5_000))).toBe(false);
  await turn();
  hand.drain();
  expect(outbound.waiting()).toBe(0);
  expect(outbound.say(chunk(1, 200_000))).toBe(true);
});

test('one turn is one frame; a link that holds enough is given no other', async () => {
  const { hand, outbound, progress } = begin(64 * 1_024 * 1_024);
  hand.isFree = false;
  outbound.say(step(1));
  outbound.say(step(2));
  expect(hand.sent.length).toBe(0);
  await turn();
  expect(hand.sent.length).toBe(1);
  for (let position = 3; position < 40; position += 1) {
    outbound.say(step(position, 300_000));
    await turn();
  }
  expect(hand.queued).toBeLessThan(LINK_QUEUE_BYTES + 300_100);
  const before = progress();
  while (hand.queued > 0) hand.drain();
  expect(progress()).toBeGreaterThan(before);
  const positions = hand.messages().map((message) => (message.kind === 'step' ? message.position : null));
  expect(positions).toEqual(Array.from({ length: 39 }, (_, index) => index + 1));
});

test('what is dropped is not sent; what is said after it is, unless a message was cut in two', async () => {
  const { hand, outbound } = begin(64 * 1_024 * 1_024);
  hand.isFree = false;
  outbound.say(chunk(1, LINK_QUEUE_BYTES));
  outbound.say({ kind: 'pong' });
  await turn();
  outbound.say(step(2, 10));
  await turn();
  expect(hand.sent.length).toBeLessThan(3);
  hand.drain();
  outbound.say(step(3, 10));
  outbound.drop();
  outbound.say({ kind: 'bye', error: null });
  await turn();
  hand.drain();
  expect(hand.kinds()).toEqual(['chunk', 'pong', 'step', 'bye']);

  outbound.say(chunk(1, 5 * LINK_QUEUE_BYTES));
  await turn();
  outbound.drop();
  expect(outbound.say({ kind: 'bye', error: null })).toBe(true);
  await turn();
  hand.drain();
  expect(outbound.waiting()).toBe(0);
  expect(hand.kinds()).toEqual(['chunk', 'pong', 'step', 'bye']);
});
