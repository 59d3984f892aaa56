/** Attempts: a transaction may travel several times, over several sessions, and is one all the same. */
import { beforeEach, expect, test } from 'vitest';
import { idFrom } from '../../index.ts';
import { attemptsOf, createWorld, type Follower, Note, outbox, Tag, uploaded, type World } from './world.ts';

const [X, Y] = [idFrom('note', 'x'), idFrom('note', 'y')];

let world: World;
let ana: Follower;

beforeEach(async () => {
  world = await createWorld();
  await world.authority.transact((tx) => {
    tx.create(Note, { title: 'x', stars: 1 }, { id: X });
    tx.create(Note, { title: 'y', stars: 1 }, { id: Y });
  });
  ana = await world.follow();
  await ana.node.live(Note).ready;
});

async function same(): Promise<void> {
  expect(await ana.node.query(Note, 'ORDER BY id', [], { from: 'local' })).toEqual(
    await world.authority.query(Note, 'ORDER BY id'),
  );
}

test('a transaction is applied exactly once, at whichever message between its upload and its outcome the link is cut', async () => {
  let messages = 1;
  for (let isCut = true; isCut; messages += 1) {
    const ben = await world.follow();
    // Follows a part of what it writes.
    await ben.node.live(Note, 'stars > 1').ready;
    const created: string[] = [];
    ben.upstream.cutAfter = messages;
    for (let write = 0; write < 2; write += 1) {
      await ben.node.transact((tx) => {
        created.push(tx.create(Note, { title: `${messages}`, stars: write }));
        tx.create(Tag, { name: `${messages} ${write}` });
      });
    }
    await ben.node.transact((tx) => tx.update(Note, created[0]!, { stars: 5 }));
    await world.quiet();
    isCut = ben.node.report().upstream!.state === 'offline';
    ben.upstream.cutAfter = Number.POSITIVE_INFINITY;
    if (isCut) {
      await world.authority.transact((tx) => {
        if (tx.get(Note, created[0]!) !== null) tx.update(Note, created[0]!, { body: 'meanwhile' });
      });
      await ben.node.reconnect();
    }
    await world.quiet();
    expect([outbox(ben), ben.errors], `cut after ${messages}`).toEqual([0, []]);
    const rows = await world.authority.query(Note, 'title = ? ORDER BY id', [`${messages}`]);
    expect(rows.map(({ stars }) => stars).sort()).toEqual([1, 5]);
    expect(await world.authority.query(Tag, 'name LIKE ?', [`${messages} %`])).toHaveLength(2);
    expect(
      (await world.authority.history(Note, created[0]!)).filter(({ author }) => author === ben.node.report().author),
    ).toHaveLength(2);
    for (const id of created) expect(await ben.node.get(Note, id)).toEqual(await world.authority.get(Note, id));
    ben.upstream.cut();
  }
  expect(messages).toBeGreaterThan(6);
});

test('what was applied and not yet said to be can be built upon after a new session has shown it', async () => {
  ana.upstream.holdSaid = true;
  await ana.node.transact((tx) => tx.update(Note, X, { stars: 6 }));
  await world.quiet();
  ana.upstream.cut();
  await world.authority.transact((tx) => tx.update(Note, Y, { body: 'meanwhile' }));
  ana.upstream.holdSaid = false;
  ana.upstream.holdUploads = true;
  await ana.node.reconnect();
  await world.quiet();
  expect(await ana.node.query(Note, 'ORDER BY id', [], { from: 'local' })).toEqual(
    await world.authority.query(Note, 'ORDER BY id'),
  );
  await ana.node.transact((tx) => tx.update(Note, X, { title: 'built upon' }));
  ana.upstream.holdUploads = false;
  await world.quiet();
  expect([outbox(ana), ana.errors]).toEqual([0, []]);
  expect(await world.authority.get(Note, X)).toMatchObject({ stars: 6, title: 'built upon' });
  expect(attemptsOf(ana, uploaded(ana)[1]!)).toEqual([1]);
  const precursors = (await world.authority.history(Note, X)).map((entry) => entry.precursors.length);
  expect(precursors).toEqual([0, 1, 1]);
  await same();
});

test('a node that the authority knows under another name makes anew under it what it wrote before', async () => {
  const ben = await world.follow({ unwelcome: true });
  ben.upstream.author = 'ben';
  const id = await ben.node.transact((tx) => tx.create(Note, { title: 'early' }));
  const write = ben.node.transact((tx) => tx.update(Note, id, { stars: 1 }), { until: 'settled' });
  ben.upstream.holdWelcome = false;
  await write;
  await ben.node.transact((tx) => tx.update(Note, id, { stars: 2 }), { until: 'settled' });
  expect((await world.authority.history(Note, id)).map(({ author }) => author)).toEqual(['ben', 'ben', 'ben']);
  expect(ben.node.report().author).toBe('ben');
  ben.upstream.cut();
  await ben.node.reconnect();
  await world.quiet();
  expect([await ben.node.get(Note, id), ben.errors]).toEqual([await world.authority.get(Note, id), []]);
});
