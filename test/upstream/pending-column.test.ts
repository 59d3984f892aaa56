/** `_pending`: what this node wrote of a row and is not settled yet, asked for in its own selections and nowhere else. */
import { beforeEach, describe, expect, test } from 'vitest';
import { openEphemeral } from '../../engine/open-ephemeral.ts';
import { idFrom, type LiveQuery, Node, type RowOf, where } from '../../index.ts';
import { quoteName } from '../../query/index.ts';
import { createTestScheduler } from '../support/ports.ts';
import { createRandom, runs, seedFor } from '../support/random.ts';
import { GatedUpstream, quiet } from './gated-upstream.ts';
import { codeOf, createWorld, type Follower, Note, refusal, refusing, type World } from './world.ts';

const seed = seedFor('pending column');
const [X, Y, Z] = [idFrom('note', 'x'), idFrom('note', 'y'), idFrom('note', 'z')];
const LOCAL = { from: 'local' } as const;

let world: World;
let ana: Follower;

beforeEach(async () => {
  world = await createWorld();
  await world.authority.transact((tx) => {
    tx.create(Note, { title: 'x', stars: 1 }, { id: X });
    tx.create(Note, { title: 'y', stars: 2 }, { id: Y });
    tx.create(Note, { title: 'z', stars: 3 }, { id: Z });
  });
  ana = await world.follow();
  await ana.node.live(Note).ready;
});

function titles(rows: readonly { readonly title: string | null }[]): readonly (string | null)[] {
  return rows.map(({ title }) => title);
}

/** What each change set told, as [removed, added, updated]. */
function counted(live: LiveQuery<RowOf<typeof Note>>): readonly (readonly number[])[] {
  const counts: (readonly number[])[] = [];
  live.onChange(({ removed, added, updated }) => counts.push([removed.length, added.length, updated.length]));
  return counts;
}

const write = (id: string, values: { title?: string; stars?: number }) =>
  ana.node.transact((tx) => tx.update(Note, id, values));

describe('a selection that names _pending', () => {
  test('finds the rows of which something written here is not settled, in the predicate and in the order', async () => {
    ana.upstream.holdRequests = true;
    await write(Y, { title: 'why' });
    await ana.node.transact((tx) => tx.create(Note, { title: 'new' }));
    expect(titles(await ana.node.query(Note, '_pending ORDER BY title'))).toEqual(['new', 'why']);
    expect(titles(await ana.node.query(Note, 'NOT _pending ORDER BY title'))).toEqual(['x', 'z']);
    expect(titles(await ana.node.query(Note, 'note._PENDING = ? AND stars > 1', [true]))).toEqual(['why']);
    expect(titles(await ana.node.query(Note, where`stars > ${0} ORDER BY _pending DESC, title`))).toEqual([
      'why',
      'x',
      'z',
    ]);
    ana.upstream.holdRequests = false;
    await world.quiet();
    expect(await ana.node.query(Note, '_pending')).toEqual([]);
    expect(await ana.node.query(Note, 'NOT _pending')).toHaveLength(4);
  });

  test('gives rows as any does, without it', async () => {
    const [row] = await ana.node.query(Note, 'NOT _pending AND id = ?', [X]);
    expect(row).toEqual({ id: X, title: 'x', body: null, stars: 1 });
  });

  test('is told of a row that settles, though no value of it changed', async () => {
    const pending = ana.node.live(Note, '_pending');
    const settled = ana.node.live(Note, 'NOT _pending ORDER BY stars LIMIT 2');
    const plain = ana.node.live(Note);
    await Promise.all([pending.ready, settled.ready, plain.ready]);
    const [toldPending, toldSettled] = [counted(pending), counted(settled)];
    ana.upstream.holdRequests = true;
    await write(X, { title: 'ex' });
    expect([titles(pending.rows), titles(settled.rows)]).toEqual([['ex'], ['y', 'z']]);
    const toldPlain = counted(plain);
    ana.upstream.holdRequests = false;
    await world.quiet();
    expect([titles(pending.rows), titles(settled.rows)]).toEqual([[], ['ex', 'y']]);
    expect(toldPending).toEqual([
      [0, 1, 0],
      [1, 0, 0],
    ]);
    expect(toldSettled).toEqual([
      [1, 1, 0],
      [1, 1, 0],
    ]);
    expect(toldPlain).toEqual([]);
  });

  test('is told of a row that moves in its order when it settles', async () => {
    const live = ana.node.live(Note, 'ORDER BY _pending, title');
    await live.ready;
    ana.upstream.holdRequests = true;
    await write(X, { stars: 9 });
    expect(titles(live.rows)).toEqual(['y', 'z', 'x']);
    const told = counted(live);
    ana.upstream.holdRequests = false;
    await world.quiet();
    expect(titles(live.rows)).toEqual(['x', 'y', 'z']);
    expect(told).toEqual([[0, 0, 1]]);
  });

  test('is told of a row that a refusal takes back', async () => {
    const live = ana.node.live(Note, '_pending');
    ana.upstream.holdRequests = true;
    await write(X, { title: 'no' });
    await ana.node.transact((tx) => tx.create(Note, { title: 'no' }));
    expect(live.rows).toHaveLength(2);
    ana.upstream.judge = refusing(() => true);
    ana.upstream.holdRequests = false;
    await world.quiet();
    expect([live.rows, await ana.node.query(Note, '_pending')]).toEqual([[], []]);
  });

  test('keeps a row until the last of several transactions on it is settled', async () => {
    const live = ana.node.live(Note, '_pending');
    ana.upstream.holdUploads = true;
    await write(X, { stars: 5 });
    await write(X, { stars: 6 });
    ana.upstream.judge = () => {
      ana.upstream.holdUploads = true;
      return null;
    };
    ana.upstream.holdUploads = false;
    await world.quiet();
    expect([live.rows.length, ana.node.report().upstream!.outbox.transactions]).toEqual([1, 1]);
    ana.upstream.holdUploads = false;
    await world.quiet();
    expect(live.rows).toEqual([]);
  });

  test('says how it is kept current', async () => {
    const live = ana.node.live(Note, '_pending = TRUE AND stars > 0');
    await live.ready;
    const { matched, index, sql } = live.explain();
    expect(matched).toBe('typed');
    expect(index).toHaveLength(1);
    expect(sql).toContain('_pending');
    expect((await ana.node.explain(Note, '_pending')).sql).toContain('_pending');
  });

  test('can be reselected from and to any other, and tells exactly what differs', async () => {
    const live = ana.node.live(Note, 'ORDER BY title');
    await live.ready;
    ana.upstream.holdUploads = true;
    await write(X, { title: 'ex' });
    const told = counted(live);
    await live.reselect('ORDER BY _pending, title');
    expect([titles(live.rows), live.status]).toEqual([['y', 'z', 'ex'], 'local']);
    await live.reselect('_pending');
    expect(titles(live.rows)).toEqual(['ex']);
    await live.reselect('ORDER BY title');
    expect([titles(live.rows), live.status]).toEqual([['ex', 'y', 'z'], 'complete']);
    expect(told).toEqual([
      [0, 0, 1],
      [2, 0, 0],
      [0, 2, 0],
    ]);
  });
});

describe('_pending stays here', () => {
  test('nothing that is asked of the upstream names it, and its status is local, also offline', async () => {
    const live = ana.node.live(Note, '_pending OR stars > 100');
    await live.ready;
    await ana.node.query(Note, '_pending LIMIT 3');
    await ana.node.query(Note, 'ORDER BY _pending, body');
    await live.reselect("NOT _pending AND title = 'x'");
    await write(X, { title: 'ex' });
    await world.quiet();
    expect(live.status).toBe('local');
    const asked = ana.upstream.requests.filter(({ kind }) => kind === 'subscribe' || kind === 'ask');
    expect(asked).toMatchObject([{ kind: 'subscribe', text: '' }]);
    expect(JSON.stringify(ana.upstream.requests, (_, part) => (part instanceof Uint8Array ? null : part))).not.toMatch(
      /pending/i,
    );
    expect(ana.node.report().upstream!.following.selections).toBe(1);
    ana.upstream.cut();
    expect([live.status, live.error]).toEqual(['local', null]);
    expect(titles(await ana.node.query(Note, 'NOT _pending'))).toHaveLength(3);
  });

  test('it is answered from what is held, also where that is not all, and where nobody can be asked', async () => {
    const ben = await world.follow();
    await ben.node.live(Note, 'stars > 1').ready;
    const before = ben.upstream.requests.length;
    expect(titles(await ben.node.query(Note, 'NOT _pending ORDER BY title'))).toEqual(['y', 'z']);
    ben.upstream.cut();
    await ben.node.transact((tx) => tx.create(Note, { title: 'new' }));
    expect(titles(await ben.node.query(Note, '_pending'))).toEqual(['new']);
    const live = ben.node.live(Note, '_pending');
    await live.ready;
    expect([titles(live.rows), live.status, ben.upstream.requests.length]).toEqual([['new'], 'local', before]);
  });

  test('no statement, no transaction and no operation sees it', async () => {
    const refused = [
      ana.node.sql('SELECT _pending FROM note'),
      ana.node.sql('SELECT id FROM note WHERE _pending'),
      ana.node.sql('UPDATE note SET _pending = 1'),
      ana.node.sql('SELECT * FROM _note'),
      ana.node.transact((tx) => tx.query(Note, '_pending')),
      ana.node.transact((tx) => tx.sql('SELECT _pending FROM note')),
      ana.node.transact((tx) => tx.update(Note, X, { _pending: true } as never)),
    ];
    const codes = await Promise.all(refused.map((each) => each.then(() => 'none', codeOf)));
    const [internal, unknown] = ['query-unsupported', 'unknown-property'];
    expect(codes).toEqual([internal, internal, internal, internal, unknown, internal, unknown]);
    expect(() => ana.node.live('SELECT _pending FROM note')).toThrow(/_pending/);
    expect(Object.keys((await ana.node.sql('SELECT * FROM note'))[0]!)).toEqual(['id', 'title', 'body', 'stars']);
  });

  test('a follower that asks for it is told that there is no such property', async () => {
    const told: unknown[] = [];
    const peer = { author: 'eve', relays: false, hasMore: () => undefined, hasRoom: () => undefined };
    const greeting = { node: world.authority.report().node, cursor: null };
    const session = world.authority.follow({ ...peer, greeting, say: (said) => told.push(said) });
    session.welcome();
    const asked = { collection: 'note', text: '_pending', parameters: [] };
    session.take({ kind: 'subscribe', subscription: 1, had: null, ...asked });
    session.take({ kind: 'ask', request: 1, ...asked });
    session.take({ kind: 'ask', request: 2, ...asked, collection: null, text: 'SELECT _pending FROM note' });
    while (session.pull());
    await world.quiet();
    while (session.pull());
    expect(told).toMatchObject([
      { kind: 'denied', error: { code: 'unknown-property' } },
      { kind: 'unanswered', error: { code: 'unknown-property' } },
      { kind: 'unanswered', error: { code: 'query-unsupported' } },
    ]);
    session.close();
  });

  test('a text that only mentions it goes to the upstream as any does', async () => {
    const live = ana.node.live(Note, "title = '_pending'");
    await live.ready;
    expect(live.status).toBe('complete');
    expect(ana.upstream.askedOf('subscribe').at(-1)).toMatchObject({ text: "title = '_pending'" });
  });
});

test('on a durable node nothing is ever pending', async () => {
  const node = await Node.open({ collections: [Note] });
  const live = node.live(Note, 'NOT _pending ORDER BY _pending, title');
  await node.transact((tx) => tx.create(Note, { title: 'new' }));
  expect([titles(live.rows), live.status]).toEqual([['new'], 'complete']);
  expect(await node.query(Note, '_pending')).toEqual([]);
  await node.close();
});

test('whatever is written, settled, refused or made anew, the column and its live queries say what the outbox says', async () => {
  const random = createRandom(seed);
  for (let round = 0; round < runs(60); round += 1) {
    const upstream = new GatedUpstream(() => world.authority);
    const ports = { scheduler: createTestScheduler() };
    const parts = await openEphemeral({ collections: [Note], ports, onError: () => undefined }, upstream);
    const entry = parts.core.catalog.entryOf(Note);
    const all = parts.live(entry, '');
    await all.ready;
    const texts = [
      '_pending',
      'NOT _pending ORDER BY stars DESC LIMIT 3',
      'ORDER BY _pending, title',
      'stars + _pending > 2',
    ];
    const lives = texts.map((text) => parts.live(entry, text));
    upstream.judge = (upload) => {
      const { transaction, attempt } = upload;
      if (random.chance(0.2)) return { kind: 'refused', transaction, attempt, error: refusal() };
      const time = world.clock.now();
      return random.chance(0.2) ? { kind: 'rebase', transaction, attempt, reason: 'missing-precursor', time } : null;
    };
    for (let event = 0; event < 12; event += 1) {
      upstream.holdRequests = random.chance(0.5);
      const id = random.pick([X, Y, Z, idFrom('note', random.integer(3))]);
      await parts.transactor.transact((tx) => {
        const values = { title: `${random.integer(99)}`, stars: random.integer(5) };
        const found = tx.query(Note, 'id = ?', [id], LOCAL).length > 0;
        if (!found) tx.create(Note, values, { id });
        else if (random.chance(0.8)) tx.update(Note, id, values);
        else tx.delete(Note, id);
      });
      if (random.chance(0.5)) await quiet(upstream);
      const rows = parts.core.driver.all(`SELECT id, _pending FROM ${quoteName('_note')} ORDER BY id`);
      const expected = rows.map(([key]) => [key, parts.replica.overlay.hasPending('note', key as never) ? 1 : null]);
      expect(rows, `seed ${seed}, round ${round}`).toEqual(expected);
      for (const [index, live] of lives.entries()) {
        const fresh = parts.reader.rows(parts.reader.selectHere(entry, texts[index]!)).map(entry.decode);
        expect(live.rows, `seed ${seed}, round ${round}: ${texts[index]}`).toEqual(fresh);
      }
    }
    upstream.cut();
    await parts.replica.close(refusal());
    parts.core.driver.close();
  }
});
