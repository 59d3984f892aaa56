/** Who subscribed to a live query is called for a change of status, error or progress too. */
import { beforeEach, expect, test } from 'vitest';
import { bigint, collection, Node, TendrilError } from '../../index.ts';
import { createWorld, Note, refusal, type World } from './world.ts';

let world: World;
beforeEach(async () => {
  world = await createWorld();
  await world.authority.transact((tx) => tx.create(Note, { title: 'a', stars: 1 }));
});

/** Where status stays, progress has changed. */
const withoutRepeats = (drawn: readonly string[]) => drawn.filter((one, at) => one !== drawn[at - 1]);

test('each change of status is told, with the rows; onChange is told rows only', async () => {
  const { node, upstream } = await world.follow({ unwelcome: true });
  const live = node.live(Note);
  const drawn: string[] = [];
  let changes = 0;
  live.subscribe((rows) => drawn.push(`${live.status} ${rows.length}`));
  live.onChange(() => {
    changes += 1;
  });
  upstream.holdWelcome = false;
  await world.quiet();
  expect(withoutRepeats(drawn)).toEqual(['syncing 0', 'complete 1']);
  drawn.length = 0;
  upstream.isReachable = false;
  upstream.cut();
  await world.quiet();
  expect([drawn, live.error?.code, changes]).toEqual([['offline 1'], 'offline', 1]);
  upstream.isReachable = true;
  await node.reconnect();
  await world.quiet();
  expect(withoutRepeats(drawn)).toEqual(['offline 1', 'syncing 1', 'complete 1']);
  expect(changes).toBe(1);
});

test('an answer without rows is told, and so is a denial', async () => {
  const { node, upstream } = await world.follow();
  const empty = node.live(Note, 'stars = 7');
  const drawn: string[] = [];
  empty.subscribe((rows) => drawn.push(`${empty.status} ${rows.length}`));
  await world.quiet();
  expect([drawn[0], drawn.at(-1)]).toEqual(['syncing 0', 'complete 0']);
  upstream.alter = (said) =>
    said.kind === 'chunk' ? { kind: 'denied', subscription: said.subscription, error: refusal() } : said;
  const denied = node.live(Note, 'stars = 8');
  const told: (string | undefined)[] = [];
  denied.subscribe(() => told.push(denied.error?.code));
  await world.quiet();
  expect([denied.status, told.at(-1)]).toEqual(['denied', 'policy-denied']);
});

test('progress is told while rows are coming', async () => {
  await world.authority.transact((tx) => {
    for (let count = 0; count < 2_000; count += 1) tx.create(Note, { title: 'x'.repeat(300), stars: 2 });
  });
  const { node } = await world.follow();
  const live = node.live(Note);
  const received: number[] = [];
  live.subscribe(() => received.push(live.progress?.received ?? -1));
  await world.quiet();
  const coming = received.filter((count) => count > 0);
  expect(coming.length).toBeGreaterThan(0);
  expect(coming).toEqual([...new Set(coming)].sort((left, right) => left - right));
  expect(received.at(-1)).toBe(-1);
});

test('a lost connection calls each of 1,000 live queries once; who stopped, closed or asked for something else, not', async () => {
  const { node, upstream } = await world.follow();
  const texts = Array.from({ length: 100 }, (_, at) => `stars = ${at}`);
  const lives = Array.from({ length: 1_000 }, (_, at) => node.live(Note, texts[at % texts.length]!));
  await Promise.all(lives.map(({ ready }) => ready));
  const called = lives.map(() => -1);
  const stops = lives.map((live, at) =>
    live.subscribe(() => {
      called[at]! += 1;
    }),
  );
  const local = lives[2]!;
  await local.reselect('_pending');
  stops[0]!();
  lives[1]!.close();
  await world.quiet();
  const before = [...called];
  upstream.isReachable = false;
  upstream.cut();
  await world.quiet();
  expect(called.map((count, at) => count - before[at]!)).toEqual(lives.map((_, at) => (at < 3 ? 0 : 1)));
});

test('a second one that subscribes in the turn of a change takes nothing from the first', async () => {
  const { node, upstream } = await world.follow();
  const live = node.live(Note);
  await live.ready;
  const first: string[] = [];
  live.subscribe(() => {
    first.push(live.status);
  });
  upstream.isReachable = false;
  upstream.cut();
  live.subscribe(() => undefined);
  await world.quiet();
  expect(first).toEqual(['complete', 'offline']);
});

test('who closes the node is not told that it is offline then', async () => {
  const { node } = await world.follow();
  const live = node.live(Note);
  await live.ready;
  const drawn: string[] = [];
  live.subscribe(() => drawn.push(live.status));
  await node.close();
  await world.quiet();
  expect(drawn).toEqual(['complete']);
});

test('rows that cannot be computed any more are told, at a durable node too', async () => {
  const Amount = collection('amount', { cents: bigint() });
  const node = await Node.open({ collections: [Amount], onError: () => undefined });
  const id = await node.transact((tx) => tx.create(Amount, { cents: 1n }));
  const live = node.live(Amount, 'abs(cents) > 0');
  await live.ready;
  const told: string[] = [];
  live.subscribe((rows) => told.push(`${live.status} ${live.error instanceof TendrilError} ${rows.length}`));
  // Of the least integer SQLite has no absolute value.
  await node.transact((tx) => tx.update(Amount, id, { cents: -(2n ** 63n) }));
  await Promise.resolve();
  expect([live.status, told.at(-1)?.slice(0, 10)]).toEqual(['local', 'local true']);
  await node.transact((tx) => tx.update(Amount, id, { cents: 2n }));
  await Promise.resolve();
  expect(told.at(-1)).toBe('complete false 1');
  await node.close();
});
