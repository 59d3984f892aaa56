/** Forwarding: what followers of a relay want of the authority goes there through it, and what that says comes back. */
import { expect, test } from 'vitest';
import { Node, TendrilError } from '../../index.ts';
import { encodeOperation } from '../../storage/index.ts';
import { createAuthor } from '../support/author.ts';
import { codeOf, Note, refusal, Tag } from '../upstream/world.ts';
import { openSession } from './session-by-hand.ts';
import { createRelayWorld } from './world.ts';

test('ten edges that follow one selection have it followed once upstream, and are told alike', async () => {
  const world = await createRelayWorld();
  for (let stars = 0; stars < 20; stars += 1) await world.authority.transact((tx) => tx.create(Note, { stars }));
  const edges = await Promise.all(Array.from({ length: 10 }, (_, at) => world.follow(`edge ${at}`)));
  const texts = ['stars > 10', 'stars > 3 ORDER BY stars DESC LIMIT 3'];
  const lives = edges.flatMap(({ node }) => texts.map((text) => node.live(Note, text)));
  await world.quiet();
  for (const live of lives) expect(live.status).toBe('complete');
  expect(world.up.askedOf('subscribe').map(({ text }) => text)).toEqual(texts);
  expect(world.authority.report().followers).toMatchObject({ sessions: 1, selections: 2 });
  expect(world.relay().report().followers).toMatchObject({ sessions: 10, selections: 2 });

  await world.authority.transact((tx) => tx.create(Note, { title: 'best', stars: 100 }));
  await world.quiet();
  for (const live of lives) expect(live.rows.some(({ title }) => title === 'best')).toBe(true);
  expect(lives[1]!.rows.map(({ stars }) => stars)).toEqual([100, 19, 18]);
});

test('a selection lingers at the relay when the last edge has left it, and is given up then', async () => {
  const world = await createRelayWorld();
  const edge = await world.follow('ana');
  const live = edge.node.live(Note, 'stars > 1');
  await live.ready;
  live.close();
  const minutes = async (scheduler: typeof world.relayScheduler, count: number) => {
    for (let minute = 0; minute < count; minute += 1) {
      scheduler.pass(60_000);
      await world.quiet();
    }
  };
  await minutes(edge.scheduler, 6);
  expect(edge.upstream.askedOf('unsubscribe')).toHaveLength(1);
  expect(world.up.askedOf('unsubscribe')).toHaveLength(0);
  await minutes(world.relayScheduler, 6);
  expect(world.up.askedOf('unsubscribe')).toHaveLength(1);
});

test('writes of all edges arrive in the order in which they came, under their own authors', async () => {
  const world = await createRelayWorld();
  const [ana, ben] = [await world.follow('ana'), await world.follow('ben')];
  await world.cutOff();
  for (let turn = 0; turn < 5; turn += 1) {
    await ana.node.transact((tx) => tx.create(Note, { title: `ana ${turn}` }));
    await world.quiet();
    await ben.node.transact((tx) => tx.create(Note, { title: `ben ${turn}` }));
    await world.quiet();
  }
  await world.reach();
  const operations = await world.authority.operations();
  const notes = await world.authority.query(Note);
  const titles = new Map(notes.map(({ id, title }) => [id, title]));
  const inOrder = await Promise.all(notes.map(async ({ id }) => (await world.authority.history(Note, id))[0]!));
  inOrder.sort((left, right) => left.position - right.position);
  expect(operations).toHaveLength(10);
  expect(inOrder.map(({ author }) => author)).toEqual(Array.from({ length: 5 }, () => ['ana', 'ben']).flat());
  expect([...titles.values()].sort()).toEqual([0, 1, 2, 3, 4].flatMap((at) => [`ana ${at}`, `ben ${at}`]).sort());
});

test('until settled waits for the authority, and a refusal comes back to its author alone', async () => {
  const world = await createRelayWorld();
  const [ana, ben] = [await world.follow('ana'), await world.follow('ben')];
  const live = ben.node.live(Note);
  await live.ready;
  await ana.node.transact((tx) => tx.create(Note, { title: 'good' }), { until: 'settled' });
  expect(await world.authority.query(Note)).toHaveLength(1);

  world.up.judge = ({ transaction, attempt }) => ({ kind: 'refused', transaction, attempt, error: refusal() });
  const bad = ana.node.transact((tx) => tx.create(Note, { title: 'bad' }), { until: 'settled' });
  await expect(bad).rejects.toMatchObject({ code: 'policy-denied' });
  await world.quiet();
  expect(live.rows.map(({ title }) => title)).toEqual(['good']);
  expect(ben.upstream.saidOf('refused')).toEqual([]);
  expect(await ana.node.query(Note, '', [], { from: 'local' })).toHaveLength(1);
});

test('what must be made anew is made anew by its author, through the relay', async () => {
  const world = await createRelayWorld();
  const ana = await world.follow('ana');
  let once = true;
  world.up.judge = ({ transaction, attempt }) => {
    if (!once) return null;
    once = false;
    return { kind: 'rebase', transaction, attempt, reason: 'missing-precursor', time: 0 };
  };
  await ana.node.transact((tx) => tx.create(Note, { title: 'twice' }), { until: 'settled' });
  expect(world.up.askedOf('upload').map(({ attempt }) => attempt)).toEqual([1, 2]);
  expect(await world.authority.query(Note)).toHaveLength(1);
});

test('an edge writes under no name but its own, unless it relays itself', async () => {
  const world = await createRelayWorld();
  const edge = await world.follow('ana');
  await edge.node.transact((tx) => tx.create(Note, { title: 'as ana' }), { until: 'settled' });
  const { operations, transaction } = edge.upstream.askedOf('upload')[0]!;
  const { session: mallory, said } = openSession(world.relay(), 'mallory');
  mallory.take({ kind: 'upload', transaction, attempt: 1, operations });
  expect(said).toMatchObject([{ kind: 'refused', error: { code: 'policy-denied' } }]);
  expect(world.up.askedOf('upload')).toHaveLength(1);
});

test('what only an attempt wrote that a later one has replaced is held no longer', async () => {
  const world = await createRelayWorld();
  world.up.judge = ({ transaction, attempt }) => ({ kind: 'refused', transaction, attempt, error: refusal() });
  const { session } = openSession(world.relay(), 'mallory');
  const { operation, transaction: mint } = createAuthor(Note.name);
  const transaction = mint();
  for (let attempt = 1; attempt <= 5; attempt += 1) {
    const operations = [encodeOperation(operation({ transaction, author: 'mallory' }))];
    session.take({ kind: 'upload', transaction, attempt, operations });
  }
  expect(world.relay().report().upstream!.following.ids).toBe(1);
  await world.quiet();
  expect(world.up.askedOf('upload').map(({ attempt }) => attempt)).toEqual([1, 2, 3, 4, 5]);
  expect(world.relay().report().upstream!.following.ids).toBe(0);
});

test('questions are answered upstream, after all that their edge wrote', async () => {
  const world = await createRelayWorld();
  const ana = await world.follow('ana');
  await ana.node.transact((tx) => tx.create(Note, { title: 'mine', stars: 4 }));
  const answered = await ana.node.sql('SELECT count(*) AS notes, sum(stars) AS stars FROM note');
  expect(answered).toMatchObject([{ notes: 1, stars: 4 }]);
  const overflowing = ana.node.sql('SELECT abs(-9223372036854775807 - (stars - 3)) FROM note');
  await expect(overflowing).rejects.toThrow(TendrilError);
  expect(await ana.node.query(Note, 'stars = ?', [4])).toHaveLength(1);
  await ana.node.sql('UPDATE note SET stars = 5 WHERE stars = 4');
  await world.quiet();
  expect((await world.authority.query(Note))[0]).toMatchObject({ stars: 5 });
});

test('a relay that is cut off says so: what it holds is shown, what it does not is not to be had', async () => {
  const world = await createRelayWorld();
  await world.authority.transact((tx) => tx.create(Note, { title: 'held', stars: 1 }));
  const ana = await world.follow('ana');
  const live = ana.node.live(Note, 'stars = 1');
  await live.ready;
  const question = ana.node.sql('SELECT count(*) AS n FROM note').catch(codeOf);
  await world.cutOff();
  expect(await question).toBe('offline');
  expect(live.status).toBe('offline');
  expect(codeOf(live.error)).toBe('offline');
  expect(live.rows).toHaveLength(1);
  expect(ana.node.report().upstream).toMatchObject({ state: 'connected', error: { code: 'offline' } });

  const other = ana.node.live(Note, 'stars = 2');
  await other.ready;
  expect(other.status).toBe('offline');
  expect(other.rows).toEqual([]);
  await expect(ana.node.sql('SELECT count(*) AS n FROM note')).rejects.toMatchObject({ code: 'not-covered' });
  await expect(ana.node.query(Note, 'stars = 2 ')).rejects.toMatchObject({ code: 'not-covered' });

  // Another edge finds there what the relay holds.
  const ben = await world.follow('ben');
  const shared = ben.node.live(Note, 'stars = 1');
  await shared.ready;
  expect(shared.rows).toHaveLength(1);
  expect(shared.status).toBe('offline');

  await world.authority.transact((tx) => tx.create(Note, { title: 'meanwhile', stars: 2 }));
  await world.reach();
  for (const each of [live, other, shared]) expect(each.status).toBe('complete');
  expect(other.rows).toMatchObject([{ title: 'meanwhile' }]);
  expect(ana.upstream.sessions).toBe(1);
});

test('an edge that was away for a while goes on through the relay, and so does one whose relay was', async () => {
  const world = await createRelayWorld();
  const ana = await world.follow('ana');
  const live = ana.node.live(Note);
  await live.ready;
  ana.upstream.isReachable = false;
  ana.upstream.cut();
  await ana.node.transact((tx) => tx.create(Note, { title: 'away' }));
  await world.authority.transact((tx) => tx.create(Note, { title: 'at home' }));
  await world.quiet();
  ana.upstream.isReachable = true;
  await ana.node.reconnect();
  await world.quiet();
  expect(live.rows.map(({ title }) => title).sort()).toEqual(['at home', 'away']);

  await world.restart();
  await ana.node.transact((tx) => tx.create(Note, { title: 'to the old one' }));
  await ana.node.reconnect();
  await world.quiet();
  expect(live.status).toBe('complete');
  expect(live.rows).toHaveLength(3);
  expect(await world.authority.query(Note)).toHaveLength(3);
});

test('a lost acknowledgement doubles nothing, wherever it was lost', async () => {
  for (const where of ['up', 'edge'] as const) {
    for (let cutAfter = 1; cutAfter <= 8; cutAfter += 1) {
      const world = await createRelayWorld();
      const ana = await world.follow('ana');
      const live = ana.node.live(Note);
      await live.ready;
      const link = where === 'up' ? world.up : ana.upstream;
      link.cutAfter = cutAfter;
      const id = await ana.node.transact((tx) => tx.create(Note, { title: 'one', stars: 1 }));
      await ana.node.transact((tx) => {
        tx.update(Note, id, { stars: 2 });
      });
      await world.quiet();
      link.cutAfter = Number.POSITIVE_INFINITY;
      await (where === 'up' ? world.reach() : ana.node.reconnect());
      await world.quiet();
      expect(ana.node.report().upstream!.outbox.transactions, `${where} ${cutAfter}`).toBe(0);
      expect(await world.authority.history(Note, id), `${where} ${cutAfter}`).toHaveLength(2);
      expect(live.rows, `${where} ${cutAfter}`).toMatchObject([{ title: 'one', stars: 2 }]);
    }
  }
});

test('what a follower that has gone left unsent is dropped, and what was on its way is settled', async () => {
  const world = await createRelayWorld();
  const ana = await world.follow('ana');
  world.up.holdSaid = true;
  await ana.node.transact((tx) => tx.create(Note, { title: 'on its way' }));
  await world.quiet();
  ana.upstream.isReachable = false;
  ana.upstream.cut();
  world.up.holdSaid = false;
  await world.quiet();
  expect(await world.authority.query(Note)).toHaveLength(1);
  expect(world.relay().report().followers).toMatchObject({ sessions: 0, waitingUploads: 0 });

  ana.upstream.isReachable = true;
  await world.cutOff();
  await ana.node.reconnect();
  await ana.node.transact((tx) => tx.create(Note, { title: 'never sent' }));
  await world.quiet();
  expect(world.relay().report().followers!.waitingUploads).toBeGreaterThan(0);
  ana.upstream.isReachable = false;
  ana.upstream.cut();
  await world.quiet();
  expect(world.relay().report().followers!.waitingUploads).toBe(0);
  await world.reach();
  expect(await world.authority.query(Note)).toHaveLength(1);
  ana.upstream.isReachable = true;
  await ana.node.reconnect();
  await world.quiet();
  expect(await world.authority.query(Note)).toHaveLength(2);
});

test("what a relay itself has pending is nobody else's: its followers are told confirmed rows", async () => {
  const world = await createRelayWorld();
  const id = await world.authority.transact((tx) => tx.create(Note, { title: 'confirmed', stars: 1 }));
  const ids: string[] = [];
  for (let at = 0; at < 5; at += 1)
    ids.push(await world.authority.transact((tx) => tx.create(Note, { stars: at + 2 })));
  const own = world.relay().live(Note);
  await own.ready;
  await world.cutOff();
  await world.relay().transact((tx) => {
    tx.update(Note, id, { title: 'pending', stars: 99 });
    tx.delete(Note, ids[0]!);
    tx.create(Note, { title: 'new', stars: 50 });
  });
  const ben = await world.follow('ben');
  const lives = ['', 'stars > 10', 'stars = 1', 'stars > 0 ORDER BY stars DESC LIMIT 2'].map((text) =>
    ben.node.live(Note, text),
  );
  await world.quiet();
  expect(lives[0]!.rows).toHaveLength(6);
  expect(lives[0]!.rows.filter(({ title }) => title === 'pending' || title === 'new')).toEqual([]);
  await world.reach();
  expect(lives.map(({ rows }) => rows.length)).toEqual([6, 2, 0, 2]);
  expect(lives[3]!.rows.map(({ stars }) => stars)).toEqual([99, 50]);
  expect(await ben.node.get(Note, id)).toMatchObject({ title: 'pending' });
});

test('an id is fetched and held through the relay, and written', async () => {
  const world = await createRelayWorld();
  const id = await world.authority.transact((tx) => tx.create(Note, { title: 'far', stars: 1 }));
  const ana = await world.follow('ana');
  expect(await ana.node.get(Note, id)).toMatchObject({ title: 'far' });
  await world.authority.transact((tx) => {
    tx.update(Note, id, { title: 'further' });
  });
  await world.quiet();
  expect(await ana.node.get(Note, id, { from: 'local' })).toMatchObject({ title: 'further' });
  // The relay keeps it as long as its follower does.
  for (let minute = 0; minute < 20; minute += 1) {
    world.relayScheduler.pass(60_000);
    await world.quiet();
  }
  expect(world.up.askedOf('release')).toEqual([]);
  for (let minute = 0; minute < 20; minute += 1) {
    ana.scheduler.pass(60_000);
    world.relayScheduler.pass(60_000);
    await world.quiet();
  }
  expect(ana.upstream.askedOf('release')).toHaveLength(1);
  expect(world.up.askedOf('release')).toHaveLength(1);
  expect(await ana.node.get(Note, '00000000000000000000000001')).toBeNull();
});

test('a selection that the authority denies is denied, and one that cannot be parsed too', async () => {
  const world = await createRelayWorld();
  const { session: peer, said } = openSession(world.relay());
  const subscribe = { kind: 'subscribe', parameters: [], had: null } as const;
  peer.take({ ...subscribe, subscription: 1, collection: 'note', text: 'stars >' });
  peer.take({ ...subscribe, subscription: 2, collection: 'nothing', text: '' });
  peer.take({ ...subscribe, subscription: 3, collection: 'note', text: 'abs(-9223372036854775807 - stars) > 0' });
  await world.quiet();
  expect(said.map(({ kind }) => kind).slice(0, 2)).toEqual(['denied', 'denied']);
  const problem = 'The node that was asked has no collection nothing.';
  expect(said[1]).toMatchObject({ error: { code: 'unknown-collection', problem } });
  expect(() => peer.take({ kind: 'log' })).toThrow(/log/);
  expect(() => peer.take({ ...subscribe, subscription: 3, collection: 'note', text: '' })).toThrow(/twice/);
  peer.close();
  expect(world.relay().report().followers).toMatchObject({ sessions: 0, selections: 0 });
});

test('a node that has not met its upstream cannot be followed yet', async () => {
  const node = await Node.open({
    collections: [Note, Tag],
    upstream: { name: 'nobody', connect: () => ({ send: () => undefined, close: () => undefined }) },
  });
  expect(() => openSession(node)).toThrow(/has not met/);
  expect(node.report().followers).toBeNull();
  await node.close();
});

test('an edge that is closed does not wait behind a relay that cannot reach its server, whenever it learns that', async () => {
  const world = await createRelayWorld();
  const [ana, ben] = [await world.follow('ana'), await world.follow('ben')];
  world.up.holdRequests = true;
  await ana.node.transact((tx) => tx.create(Note, { title: 'of ana' }));
  await world.quiet();
  let isClosed = false;
  const closing = ana.node.close().then(() => {
    isClosed = true;
  });
  await world.quiet();
  expect(isClosed).toBe(false);
  await world.cutOff();
  await closing;
  // In a session so young that it has not been told yet.
  await ben.node.reconnect();
  await ben.node.transact((tx) => tx.create(Note, { title: 'of ben' }));
  await ben.node.close();
  for (const { scheduler } of [ana, ben]) expect(scheduler.waiting()).toBe(0);
});
