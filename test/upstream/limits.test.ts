/** What an ephemeral node keeps and asks for at most: at the limit, and one past it. */
import { expect, test } from 'vitest';
import { MAX_CHUNK_ROWS } from '../../engine/feed/limits.ts';
import type { Request } from '../../engine/stream.ts';
import { HeldIds } from '../../engine/upstream/following/held-ids.ts';
import {
  LINGER_MS,
  MAX_FOLLOWED_SELECTIONS,
  MAX_HELD_IDS,
  MAX_IN_FLIGHT_BYTES,
  MAX_IN_FLIGHT_TRANSACTIONS,
  MAX_OPEN_QUESTIONS,
  MAX_OUTBOX_BYTES,
  MAX_OUTBOX_TRANSACTIONS,
} from '../../engine/upstream/limits.ts';
import { Outbox } from '../../engine/upstream/outbox/outbox.ts';
import { Sender } from '../../engine/upstream/outbox/sender.ts';
import { Journal } from '../../engine/write/journal.ts';
import { idFrom } from '../../index.ts';
import type { EntityId, TransactionId } from '../../storage/index.ts';
import { failureOf } from '../support/failure.ts';
import { pendingOf } from './pending.ts';
import { createWorld, Note, pass, Tag } from './world.ts';

const transaction = (at: number) => idFrom('transaction', at) as string as TransactionId;

test('LINGER_MS to the millisecond: a selection is given up then, and not before', async () => {
  const world = await createWorld();
  const ana = await world.follow();
  const live = ana.node.live(Note);
  await live.ready;
  live.close();
  ana.scheduler.pass(LINGER_MS - 1);
  await world.quiet();
  expect(ana.upstream.askedOf('unsubscribe')).toHaveLength(0);
  ana.scheduler.pass(1);
  await world.quiet();
  expect(ana.upstream.askedOf('unsubscribe')).toHaveLength(1);
});

test('MAX_OUTBOX_TRANSACTIONS wait; the next write is refused and leaves no trace, and there is room again later', async () => {
  const world = await createWorld();
  const ana = await world.follow({ unreachable: true });
  const live = ana.node.live(Tag);
  await world.quiet();
  const write = () => ana.node.transact((tx) => tx.create(Tag, { name: 'x' }));
  await Promise.all(Array.from({ length: MAX_OUTBOX_TRANSACTIONS }, write));
  await expect(write()).rejects.toMatchObject({ code: 'limit-exceeded', facts: { limit: MAX_OUTBOX_TRANSACTIONS } });
  expect(live.rows).toHaveLength(MAX_OUTBOX_TRANSACTIONS);
  expect(ana.node.report().upstream!.outbox.transactions).toBe(MAX_OUTBOX_TRANSACTIONS);
  ana.upstream.isReachable = true;
  await ana.node.reconnect();
  await world.quiet();
  await write();
  await world.quiet();
  expect(await world.authority.sql('SELECT count(*) AS n FROM tag')).toMatchObject([
    { n: MAX_OUTBOX_TRANSACTIONS + 1 },
  ]);
}, 60_000);

test('MAX_OUTBOX_BYTES wait; one byte more is refused', () => {
  const outbox = new Outbox(new Journal());
  outbox.add(transaction(1), [pendingOf(transaction(1), 1, MAX_OUTBOX_BYTES - 10)]);
  expect(failureOf(() => outbox.add(transaction(2), [pendingOf(transaction(2), 2, 11)])).code).toBe('limit-exceeded');
  outbox.add(transaction(3), [pendingOf(transaction(3), 3, 10)]);
  expect([outbox.size, outbox.bytes]).toEqual([2, MAX_OUTBOX_BYTES]);
});

test('MAX_IN_FLIGHT_TRANSACTIONS are on their way; each outcome lets one more go, in order, and a question after all before it', () => {
  const outbox = new Outbox(new Journal());
  const sent: Request[] = [];
  const sender = new Sender(outbox);
  for (let at = 1; at <= MAX_IN_FLIGHT_TRANSACTIONS + 2; at += 1) {
    outbox.add(transaction(at), [pendingOf(transaction(at), at, 1)]);
  }
  sender.begin((request) => sent.push(request));
  const question = { kind: 'ask', request: 1, collection: null, text: '', parameters: [] } as const;
  sender.requestInTurn(question);
  expect(sent).toHaveLength(MAX_IN_FLIGHT_TRANSACTIONS);
  sender.arrived(transaction(5));
  expect(sent.slice(MAX_IN_FLIGHT_TRANSACTIONS)).toMatchObject([
    { transaction: transaction(MAX_IN_FLIGHT_TRANSACTIONS + 1) },
  ]);
  sender.arrived(transaction(9_999));
  expect(sent).toHaveLength(MAX_IN_FLIGHT_TRANSACTIONS + 1);
  sender.arrived(transaction(6));
  expect(sent.slice(MAX_IN_FLIGHT_TRANSACTIONS + 1)).toMatchObject([
    { transaction: transaction(MAX_IN_FLIGHT_TRANSACTIONS + 2) },
    question,
  ]);
});

test('MAX_IN_FLIGHT_BYTES are on their way, passed by the last transaction at most', () => {
  const outbox = new Outbox(new Journal());
  const sent: Request[] = [];
  const sender = new Sender(outbox);
  for (const [at, bytes] of [MAX_IN_FLIGHT_BYTES - 1, 1, 1].entries()) {
    outbox.add(transaction(at), [pendingOf(transaction(at), at, bytes)]);
  }
  sender.begin((request) => sent.push(request));
  expect(sent).toHaveLength(2);
  sender.arrived(transaction(1));
  expect(sent).toHaveLength(3);
});

test('MAX_FOLLOWED_SELECTIONS are followed; one more is refused while all are used, else the longest unused gives way', async () => {
  const world = await createWorld();
  const ana = await world.follow();
  const open = (at: number) => ana.node.live(Note, 'stars = ?', [at]);
  const lives = Array.from({ length: MAX_FOLLOWED_SELECTIONS }, (_, at) => open(at));
  await Promise.all(lives.map(({ ready }) => ready));
  expect(failureOf(() => open(-1)).code).toBe('limit-exceeded');
  expect(failureOf(() => ana.node.live('SELECT * FROM note')).code).toBe('limit-exceeded');
  expect(ana.node.report().upstream!.following.selections).toBe(MAX_FOLLOWED_SELECTIONS);
  lives[7]!.close();
  lives[3]!.close();
  const another = open(-1);
  await another.ready;
  expect(ana.upstream.askedOf('unsubscribe')).toEqual([{ kind: 'unsubscribe', subscription: 8 }]);
  expect(another.status).toBe('complete');
  expect(failureOf(() => ana.node.live('SELECT note.id, tag.name FROM note JOIN tag ON tag.id = note.id')).code).toBe(
    'limit-exceeded',
  );
  await world.quiet();
  // What half of it had begun to use lingers, and gives way again.
  await open(-2).ready;
  ana.upstream.cut();
  await world.quiet();
  another.close();
  for (let at = 0; at < 20; at += 1) open(1_000 + at).close();
  expect(ana.node.report().upstream!.following.selections).toBeLessThanOrEqual(MAX_FOLLOWED_SELECTIONS);
  await ana.node.reconnect();
  await world.quiet();
  expect(ana.errors).toEqual([]);
}, 20_000);

test('MAX_OPEN_QUESTIONS wait; one more is refused, and there is room when one was answered', async () => {
  const world = await createWorld();
  const ana = await world.follow();
  await world.quiet();
  ana.upstream.holdSaid = true;
  const open = Array.from({ length: MAX_OPEN_QUESTIONS }, () => ana.node.query(Note));
  await expect(ana.node.query(Note)).rejects.toMatchObject({ code: 'limit-exceeded' });
  await expect(ana.node.sql('SELECT 1 FROM note')).rejects.toMatchObject({ code: 'limit-exceeded' });
  ana.upstream.holdSaid = false;
  await Promise.all(open);
  expect(await ana.node.query(Note)).toEqual([]);
});

test('MAX_HELD_IDS are followed; past it the longest unused is released at once, and none is asked for where none can give way', async () => {
  const released: EntityId[] = [];
  let asked = 0;
  const send = (request: Request) => {
    if (request.kind === 'release') released.push(...request.ids);
    if (request.kind === 'hold') asked += 1;
  };
  const pending = new Set<EntityId>();
  let isComing = false;
  const held = new HeldIds({
    send,
    isWhole: () => true,
    isComing: () => isComing,
    hasPending: (_, id) => pending.has(id),
    journal: new Journal(),
    changed: () => undefined,
  });
  const ids = Array.from({ length: MAX_HELD_IDS + 1 }, (_, at) => idFrom('note', at));
  const waiting = ids.slice(0, MAX_HELD_IDS).map((id) => held.want('note', id));
  await expect(held.want('note', ids[MAX_HELD_IDS]!)).rejects.toMatchObject({ code: 'limit-exceeded' });
  expect(asked).toBe(MAX_HELD_IDS);
  held.answered('note', ids.slice(0, MAX_HELD_IDS));
  await Promise.all(waiting);
  expect(released).toEqual([]);
  held.used('note', ids[0]!);
  pending.add(ids[1]!);
  void held.want('note', ids[MAX_HELD_IDS]!);
  expect(released).toEqual([ids[2]]);
  held.released('note', released);
  expect([held.size, asked]).toEqual([MAX_HELD_IDS, MAX_HELD_IDS + 1]);
  // What is written is followed whatever there is; the others make room.
  held.wrote('note', idFrom('note', 'mine'));
  held.makeRoom(0);
  expect(released).toEqual([ids[2], ids[3]]);
  // A selection may count on any of them as long as it is coming.
  isComing = true;
  held.released('note', [ids[3]!]);
  held.wrote('note', idFrom('note', 'mine, too'));
  held.makeRoom(0);
  await expect(held.want('note', idFrom('note', 'more'))).rejects.toMatchObject({ code: 'limit-exceeded' });
  expect(released).toEqual([ids[2], ids[3]]);
  isComing = false;
  held.makeRoom(0);
  expect(released).toEqual([ids[2], ids[3], ids[4]]);
});

test('many ids are held again by a new session in portions, and nothing is seen before all of them', async () => {
  const world = await createWorld();
  const count = 2 * MAX_CHUNK_ROWS + 1;
  const ids = Array.from({ length: count }, (_, at) => idFrom('note', at));
  await world.authority.transact((tx) => {
    for (const [stars, id] of ids.entries()) if (stars > 0) tx.create(Note, { stars }, { id });
  });
  const ana = await world.follow();
  await world.quiet();
  expect((await Promise.all(ids.map((id) => ana.node.get(Note, id)))).filter((row) => row !== null)).toHaveLength(
    count - 1,
  );
  ana.upstream.cut();
  await world.quiet();
  await world.authority.sql('UPDATE note SET title = ?', ['new']);
  const before = ana.upstream.saidOf('held').length;
  await ana.node.reconnect();
  await world.quiet();
  expect(
    ana.upstream
      .saidOf('held')
      .slice(before)
      .map((held) => held.ids.length),
  ).toEqual([MAX_CHUNK_ROWS, MAX_CHUNK_ROWS, 1]);
  const titles = new Set((await ana.node.query(Note, '', [], { from: 'local' })).map(({ title }) => title));
  expect(titles).toEqual(new Set(['new']));
  expect(await ana.node.get(Note, ids[0]!)).toBeNull();
  await world.authority.transact((tx) => tx.update(Note, ids[count - 1]!, { title: 'last' }));
  await world.quiet();
  expect(await ana.node.get(Note, ids[count - 1]!)).toMatchObject({ title: 'last' });
}, 20_000);

test('a transaction that was uploaded and refused counts no longer, be it never so often', async () => {
  const world = await createWorld();
  const ana = await world.follow();
  await ana.node.live(Tag).ready;
  await pass(ana, 1);
  for (let turn = 0; turn < 3; turn += 1) {
    const id = await ana.node.transact((tx) => tx.create(Tag, { name: 'x' }), { until: 'settled' });
    await ana.node.transact((tx) => tx.delete(Tag, id), { until: 'settled' });
  }
  expect(ana.node.report().upstream!.outbox).toEqual({ transactions: 0, bytes: 0, held: 0, refused: 0 });
});
