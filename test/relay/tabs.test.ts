/** Tabs: what several sessions of one actor at a relay see of each other before the authority has settled it. */
import { expect, test } from 'vitest';
import type { Node } from '../../index.ts';
import { Note, refusing } from '../upstream/world.ts';
import { createRelayWorld } from './world.ts';

const titles = async (node: Node) => (await node.query(Note, '', [], { from: 'local' })).map(({ title }) => title);

test("two tabs of one actor see each other's writes while the relay is cut off; another actor does not", async () => {
  const world = await createRelayWorld();
  const [first, second, other] = [await world.follow('ana'), await world.follow('ana'), await world.follow('ben')];
  const id = await first.node.transact((tx) => tx.create(Note, { title: 'settled' }), { until: 'settled' });
  const lives = [first, second, other].map(({ node }) => node.live(Note));
  await Promise.all(lives.map(({ ready }) => ready));
  await world.cutOff();

  await first.node.transact((tx) => {
    tx.create(Note, { title: 'made offline' });
    tx.update(Note, id, { title: 'changed offline' });
  });
  await world.quiet();

  expect(await titles(second.node)).toEqual(expect.arrayContaining(['made offline', 'changed offline']));
  expect(lives[1]!.rows.map(({ title }) => title)).toHaveLength(2);
  expect(await titles(other.node)).toEqual(['settled']);
  expect(await world.authority.query(Note)).toHaveLength(1);

  await world.reach();
  for (const { node } of [first, second, other]) {
    expect(await titles(node)).toEqual(expect.arrayContaining(['made offline', 'changed offline']));
    expect(node.report().upstream!.outbox.transactions).toBe(0);
  }
  expect(await world.authority.query(Note)).toHaveLength(2);
});

test('what is pending elsewhere may be built on, and both are settled in order', async () => {
  const world = await createRelayWorld();
  const [first, second] = [await world.follow('ana'), await world.follow('ana')];
  await world.cutOff();
  const id = await first.node.transact((tx) => tx.create(Note, { title: 'draft', stars: 1 }));
  await world.quiet();
  await second.node.transact((tx) => {
    tx.update(Note, id, { stars: 2 });
  });
  await world.quiet();
  expect(await first.node.get(Note, id)).toMatchObject({ title: 'draft', stars: 2 });

  await world.reach();
  expect(await world.authority.get(Note, id)).toMatchObject({ title: 'draft', stars: 2 });
  expect(await world.authority.history(Note, id)).toHaveLength(2);
  expect(await first.node.get(Note, id)).toMatchObject({ title: 'draft', stars: 2 });
  expect(world.up.saidOf('rebase')).toEqual([]);
});

test('a tab that comes later is told what is pending, and nothing of it is uploaded by it', async () => {
  const world = await createRelayWorld();
  const first = await world.follow('ana');
  await world.cutOff();
  const id = await first.node.transact((tx) => tx.create(Note, { title: 'early' }));
  await world.quiet();
  const second = await world.follow('ana');
  expect(await second.node.get(Note, id)).toMatchObject({ title: 'early' });
  expect(second.node.report().upstream!.outbox.transactions).toBe(0);

  await world.reach();
  expect(second.upstream.askedOf('upload')).toEqual([]);
  expect(await world.authority.query(Note)).toHaveLength(1);
  expect(second.upstream.saidOf('withdrawn')).toHaveLength(1);
});

test('it is gone with the session of who sees it, and with that of who wrote it', async () => {
  const world = await createRelayWorld();
  const [first, second, third] = [await world.follow('ana'), await world.follow('ana'), await world.follow('ana')];
  await world.cutOff();
  await first.node.transact((tx) => tx.create(Note, { title: 'unsettled' }));
  await world.quiet();
  expect(await titles(second.node)).toEqual(['unsettled']);

  second.upstream.isReachable = false;
  second.upstream.cut();
  await world.quiet();
  expect(await titles(second.node)).toEqual([]);
  expect(await titles(third.node)).toEqual(['unsettled']);

  first.upstream.isReachable = false;
  first.upstream.cut();
  await world.quiet();
  expect(await titles(third.node)).toEqual([]);
  expect(await titles(first.node)).toEqual(['unsettled']);
});

test('what was built on something that is refused goes with it, to the shelf', async () => {
  const world = await createRelayWorld();
  const [first, second] = [await world.follow('ana'), await world.follow('ana')];
  await world.cutOff();
  const id = await first.node.transact((tx) => tx.create(Note, { title: 'never' }));
  await world.quiet();
  await second.node.transact((tx) => {
    tx.update(Note, id, { stars: 5 });
  });
  await world.quiet();
  const { transaction } = first.upstream.askedOf('upload')[0]!;
  const refused = { code: 'policy-denied' as const, problem: 'No.', remedy: 'Ask.' };
  const { TendrilError } = await import('../../index.ts');
  world.up.judge = ({ transaction: each, attempt }) =>
    each === transaction ? { kind: 'refused', transaction, attempt, error: new TendrilError(refused) } : null;

  await world.reach();
  expect(await titles(first.node)).toEqual([]);
  expect(await titles(second.node)).toEqual([]);
  for (const { node } of [first, second]) expect(node.report().upstream!.outbox.transactions).toBe(0);
  expect(await second.node.refused.query()).toHaveLength(1);
  expect(await world.authority.query(Note)).toEqual([]);
});

test("the relay's own writes show to sessions of its author", async () => {
  const world = await createRelayWorld({ author: 'ana' });
  const [own, other] = [await world.follow('ana'), await world.follow('ben')];
  await world.cutOff();
  await world.relay().transact((tx) => tx.create(Note, { title: 'by the worker' }));
  await world.quiet();
  expect(await titles(own.node)).toEqual(['by the worker']);
  expect(await titles(other.node)).toEqual([]);
  await world.reach();
  expect(own.upstream.saidOf('withdrawn')).toHaveLength(1);
});

test('an edit of a row that is not here is not shown, until the row is', async () => {
  const world = await createRelayWorld();
  const [first, second] = [await world.follow('ana'), await world.follow('ana')];
  const id = await first.node.transact((tx) => tx.create(Note, { title: 'one', stars: 1 }), { until: 'settled' });
  world.up.holdUploads = true;
  await first.node.transact((tx) => {
    tx.update(Note, id, { stars: 9 });
  });
  await world.quiet();
  expect(await titles(second.node)).toEqual([]);
  const live = second.node.live(Note);
  await live.ready;
  expect(live.rows).toMatchObject([{ title: 'one', stars: 9 }]);
  // So it is with rows that come with a session's begin.
  const third = await world.follow('ana');
  third.upstream.isReachable = false;
  third.upstream.cut();
  const later = third.node.live(Note);
  third.upstream.isReachable = true;
  await third.node.reconnect();
  await world.quiet();
  expect(later.rows).toMatchObject([{ title: 'one', stars: 9 }]);
  world.up.holdUploads = false;
  await world.quiet();
  expect(live.rows).toMatchObject([{ title: 'one', stars: 9 }]);
  expect(await world.authority.get(Note, id)).toMatchObject({ stars: 9 });
});

test('what was built on something that went with its session, and must be made anew for another author, goes to the shelf', async () => {
  const world = await createRelayWorld();
  const [first, second] = [await world.follow('ana'), await world.follow('ana')];
  await world.cutOff();
  const id = await first.node.transact((tx) => tx.create(Note, { title: 'draft' }));
  await world.quiet();
  const held = { staging: 'hold' } as const;
  const other = await second.node.transact((tx) => {
    tx.update(Note, id, { stars: 2 });
    return tx.create(Note, { title: 'with it' });
  }, held);
  await second.node.transact((tx) => tx.update(Note, other, { stars: 3 }), held);
  world.up.judge = refusing(() => true);
  second.upstream.author = 'ben';
  await second.node.reconnect();
  await world.quiet();
  await world.reach();
  expect(second.node.report().upstream!.outbox.transactions).toBe(0);
  const shelved = await second.node.refused.query('ORDER BY id');
  const facts = { collection: 'note', id };
  expect(shelved).toMatchObject([
    { code: 'conflict', facts, builtOn: null, tried: [{ values: { stars: 2 } }, { id: other }] },
    { code: 'conflict', facts, builtOn: shelved[0]!.id, tried: [{ id: other, values: { stars: 3 } }] },
  ]);
  expect(second.errors).toEqual([]);
});
