/** The follower's side: what it says, what it takes, what a hostile authority or a bad link does to it. */
import { describe, expect, test } from 'vitest';
import type { Receiver, Request, Said, Welcome } from '../../engine/index.ts';
import { systemClock } from '../../engine/ports/clock.ts';
import { createSystemRandom } from '../../engine/ports/random.ts';
import { TendrilError } from '../../errors.ts';
import {
  MAX_CLOSE_MS,
  MAX_IDLE_MS,
  MAX_OPENING_MS,
  MAX_UPLOAD_QUEUE_BYTES,
  MAX_WELCOME_MS,
  PING_AFTER_MS,
} from '../../net/limits.ts';
import { webSocket } from '../../net/links/web-socket.ts';
import type { Message, WelcomeMessage } from '../../net/messages.ts';
import { over, type UpstreamOptions } from '../../net/upstream.ts';
import type { TransactionId } from '../../storage/index.ts';
import { createTestScheduler } from '../support/ports.ts';
import { step, subscribe, WELCOME } from './fake-authority.ts';
import { type End, GREETING, HELLO } from './followers.ts';
import { HandLink } from './hand-link.ts';

const WELCOMED: WelcomeMessage = { kind: 'welcome', ...WELCOME, author: 'ana' };
const turn = () => new Promise((resolve) => setImmediate(resolve));

function begin(options: UpstreamOptions = {}, said: (messages: readonly Said[]) => void = () => {}) {
  const hand = new HandLink();
  const scheduler = createTestScheduler();
  const told = { welcomes: 0, said: [] as (readonly Said[])[], ends: [] as End[] };
  const receiver: Receiver = {
    welcomed: () => {
      told.welcomes += 1;
    },
    said: (messages) => {
      told.said.push(messages);
      said(messages);
    },
    ended: (reason, final) => told.ends.push({ reason, final }),
  };
  const ports = { clock: systemClock, random: createSystemRandom(), scheduler };
  const session = over(hand.connector, options).connect(GREETING, receiver, ports);
  return { hand, scheduler, told, session };
}

async function welcomed(options: UpstreamOptions = {}, said: (messages: readonly Said[]) => void = () => {}) {
  const begun = begin(options, said);
  begun.hand.events.opened();
  await turn();
  begun.hand.tell(WELCOMED);
  return begun;
}

test('it says from which cursor on it asks, and is told whether that can be', async () => {
  const hand = new HandLink();
  const welcomes: Welcome[] = [];
  const receiver: Receiver = { welcomed: (welcome) => welcomes.push(welcome), said: () => {}, ended: () => {} };
  const ports = { clock: systemClock, random: createSystemRandom(), scheduler: createTestScheduler() };
  const cursor = { epoch: WELCOME.epoch, position: WELCOME.position };
  over(hand.connector).connect({ ...GREETING, cursor }, receiver, ports);
  hand.events.opened();
  await turn();
  expect(hand.messages()).toEqual([{ ...HELLO, cursor }]);
  hand.tell({ ...WELCOMED, resumes: true });
  expect(welcomes).toEqual([{ ...WELCOME, author: 'ana', resumes: true }]);
});

describe('that it may be reached again', () => {
  const platform = globalThis as { addEventListener?: unknown; removeEventListener?: unknown };

  test('is told where the platform tells it, until it is not wanted any more', () => {
    const target = new EventTarget();
    const before = { ...platform };
    platform.addEventListener = target.addEventListener.bind(target);
    platform.removeEventListener = target.removeEventListener.bind(target);
    try {
      let woken = 0;
      const upstream = webSocket('ws://localhost:1');
      const stop = upstream.onReachable!(() => {
        woken += 1;
      });
      expect(woken).toBe(0);
      target.dispatchEvent(new Event('offline'));
      target.dispatchEvent(new Event('online'));
      target.dispatchEvent(new Event('online'));
      expect(woken).toBe(2);
      stop();
      target.dispatchEvent(new Event('online'));
      expect(woken).toBe(2);
    } finally {
      platform.addEventListener = before.addEventListener;
      platform.removeEventListener = before.removeEventListener;
      if (before.addEventListener === undefined) delete platform.addEventListener;
      if (before.removeEventListener === undefined) delete platform.removeEventListener;
    }
  });

  test('is never told in Node, nor by a connector that cannot know', () => {
    expect(platform.addEventListener).toBeUndefined();
    const stop = webSocket('ws://localhost:1').onReachable!(() => expect.fail('nobody can know'));
    stop();
    expect(over(new HandLink().connector).onReachable).toBeUndefined();
  });
});

test('it says hello, and nothing else before it is welcomed', async () => {
  const { hand, session, told } = begin();
  session.send(subscribe(1));
  hand.events.opened();
  session.send(subscribe(2));
  await turn();
  expect(hand.messages()).toEqual([HELLO]);
  hand.tell(WELCOMED);
  expect(told.welcomes).toBe(1);
  session.send(subscribe(3));
  session.send(subscribe(4));
  await turn();
  expect(hand.messages()).toEqual([HELLO, subscribe(3), subscribe(4)]);
  expect(hand.sent.length).toBe(2);
});

test('what one frame held is told at once', async () => {
  const { hand, told } = await welcomed();
  hand.tell(step(1), step(2), step(3));
  hand.tell(step(4));
  expect(told.said).toEqual([[step(1), step(2), step(3)], [step(4)]]);
});

test('closed, it sends what was asked, says goodbye, and ends when that has left; nothing is told any more', async () => {
  const { hand, session, told } = await welcomed();
  await turn();
  hand.isFree = false;
  session.send(subscribe(1));
  session.close();
  expect(told.ends).toEqual([]);
  await turn();
  expect(hand.kinds()).toEqual(['hello', 'subscribe', 'bye']);
  hand.tell(step(1));
  expect([told.said.length, told.ends.length, hand.closes.length]).toEqual([0, 0, 0]);
  hand.drain();
  expect(told.ends.map(({ reason, final }) => [reason.code, final])).toEqual([['closed', false]]);
  expect(hand.closes.length).toBe(1);
  hand.events.closed('done');
  hand.tell(step(2));
  session.send(subscribe(2));
  await turn();
  expect([told.said.length, told.ends.length, hand.kinds().length]).toEqual([0, 1, 3]);
});

test('closed on a link that takes nothing, it ends all the same', async () => {
  const { hand, session, told, scheduler } = await welcomed();
  hand.isFree = false;
  session.send(subscribe(1));
  session.close();
  await turn();
  scheduler.pass(MAX_CLOSE_MS - 1);
  expect(told.ends.length).toBe(0);
  scheduler.pass(1);
  expect([told.ends.length, hand.closes.length, scheduler.waiting()]).toEqual([1, 1, 0]);
});

describe('deadlines', () => {
  test('a link that does not open, and a hello that is not answered, end it', async () => {
    const unopened = begin();
    unopened.scheduler.pass(MAX_OPENING_MS - 1);
    expect(unopened.told.ends).toEqual([]);
    unopened.scheduler.pass(1);
    expect(unopened.told.ends[0]!.reason.code).toBe('offline');
    expect(unopened.hand.closes.length).toBe(1);

    const { hand, scheduler, told } = begin();
    hand.events.opened();
    await turn();
    scheduler.pass(MAX_WELCOME_MS - 1);
    expect(told.ends).toEqual([]);
    scheduler.pass(1);
    expect(told.ends.map(({ reason, final }) => [reason.code, final])).toEqual([['offline', false]]);
  });

  test('a silent authority is pinged, then given up', async () => {
    const { hand, scheduler, told } = await welcomed();
    scheduler.pass(PING_AFTER_MS);
    await turn();
    expect(hand.kinds().at(-1)).toBe('ping');
    hand.tell({ kind: 'pong' });
    scheduler.pass(PING_AFTER_MS);
    scheduler.pass(MAX_IDLE_MS - PING_AFTER_MS - 1);
    expect(told.ends).toEqual([]);
    scheduler.pass(1);
    expect(told.ends[0]!.reason.code).toBe('offline');
    expect(scheduler.waiting()).toBe(0);
  });
});

describe('an authority that keeps no order', () => {
  test.each([
    ['news before the welcome', [step(1)], []],
    ['a goodbye before the welcome', [{ kind: 'ping' }], []],
    ['a request', [WELCOMED, subscribe(1)], []],
    ['a second welcome', [WELCOMED, WELCOMED], []],
    ['a hello', [WELCOMED, HELLO], []],
    ['a request behind news', [WELCOMED, step(1), subscribe(1), step(2)], [[step(1)]]],
  ] as readonly (readonly [string, readonly Message[], readonly unknown[]])[])(
    '%s ends it for good',
    async (_, messages, said) => {
      const { hand, told } = begin();
      hand.events.opened();
      hand.tell(...messages);
      await turn();
      expect(told.ends.map(({ reason, final }) => [reason.code, final])).toEqual([['protocol-violation', true]]);
      expect(told.said).toEqual(said);
      expect(hand.kinds().at(-1)).toBe('bye');
      expect(hand.closes.length).toBe(1);
    },
  );

  test('bytes that mean nothing end it for good', async () => {
    const { hand, told } = await welcomed();
    hand.events.frame(Uint8Array.of(9, 9, 9));
    hand.tell(step(1));
    await turn();
    expect(told.ends.map(({ reason, final }) => [reason.code, final])).toEqual([['protocol-violation', true]]);
    expect(told.said).toEqual([]);
  });

  test.each([
    [new TendrilError({ code: 'protocol-violation', problem: 'P.', remedy: 'R.' }), 'protocol-violation', true],
    [new RangeError('a bug'), 'offline', false],
  ] as const)('what the engine cannot take (%s) ends it, once', async (error, code, final) => {
    const { hand, told } = await welcomed({}, () => {
      throw error;
    });
    hand.tell(step(1));
    hand.tell(step(2));
    await turn();
    expect(told.ends.map(({ reason, final: isFinal }) => [reason.code, isFinal])).toEqual([[code, final]]);
    expect(told.said.length).toBe(1);
    if (code === 'offline') expect(told.ends[0]!.reason.cause).toBe(error);
  });
});

test('a link that is lost ends it at once, and a connector that throws is one that is lost', async () => {
  const { hand, told, scheduler } = await welcomed();
  hand.events.closed('cable');
  expect(told.ends[0]!.reason.problem).toContain('by hand was lost (cable)');
  expect(scheduler.waiting()).toBe(0);

  const ends: End[] = [];
  const broken = over({
    name: 'broken',
    connect: () => {
      throw new RangeError('no');
    },
  });
  const receiver: Receiver = {
    welcomed: () => {},
    said: () => {},
    ended: (reason, final) => ends.push({ reason, final }),
  };
  broken.connect(GREETING, receiver, { clock: systemClock, random: createSystemRandom(), scheduler });
  expect(ends).toEqual([]);
  await turn();
  expect(ends.map(({ reason, final }) => [reason.code, final])).toEqual([['offline', false]]);
});

test('a link that throws as it sends is one that is lost', async () => {
  const { hand, told, session } = await welcomed();
  Object.defineProperty(hand, 'sent', {
    get: () => {
      throw new RangeError('no');
    },
  });
  session.send(subscribe(1));
  await turn();
  expect(told.ends.map(({ reason, final }) => [reason.code, final])).toEqual([['offline', false]]);
});

test('a whole outbox may wait, and what is past it ends the session without calling back inside `send`', async () => {
  const { hand, told, session } = await welcomed();
  hand.isFree = false;
  const upload: Request = {
    kind: 'upload',
    transaction: '01J0000000000000000000TXTX' as TransactionId,
    attempt: 1,
    operations: [new Uint8Array(1_000_000)],
  };
  const fitting = Math.floor(MAX_UPLOAD_QUEUE_BYTES / 1_000_100);
  for (let count = 0; count < fitting; count += 1) session.send(upload);
  await turn();
  expect(told.ends).toEqual([]);
  session.send(upload);
  session.send(upload);
  expect(told.ends).toEqual([]);
  await turn();
  expect(told.ends.map(({ reason, final }) => [reason.code, final])).toEqual([['limit-exceeded', false]]);
});

test('a credential that takes its time is awaited; the session may end meanwhile', async () => {
  let give = (_: string) => {};
  const credential = () =>
    new Promise<string>((resolve) => {
      give = resolve;
    });
  const { hand } = begin({ credential });
  hand.events.opened();
  await turn();
  expect(hand.sent).toEqual([]);
  give('secret');
  await turn();
  expect(hand.messages()).toEqual([{ ...HELLO, credential: 'secret' }]);

  const late = begin({ credential });
  late.hand.events.opened();
  late.hand.events.closed('gone');
  give('secret');
  await turn();
  expect(late.hand.sent).toEqual([]);
  expect(late.told.ends.length).toBe(1);
});
