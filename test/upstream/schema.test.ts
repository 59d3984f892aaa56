/** Two declarations of one system: what differs harmlessly is translated, what does not refuses its collection only. */
import { expect, test } from 'vitest';
import { type Collection, collection, idFrom, integer, Node, real, ref, text } from '../../index.ts';
import { directUpstream } from '../support/direct-upstream.ts';
import { createWorld, type Follower, Tag, type World } from './world.ts';

const Note = collection('note', { title: text(), stars: integer().default(3), mood: text().optional() });
const A = idFrom('note', 'a');

async function open(own: readonly Collection[]): Promise<{ readonly world: World; readonly ana: Follower }> {
  const world = await createWorld([Note, Tag]);
  await world.authority.transact((tx) => {
    tx.create(Note, { title: 'a', mood: 'good' }, { id: A });
    tx.create(Note, { title: 'b', stars: 5 });
    tx.create(Tag, { name: 'x' });
  });
  const ana = await world.follow({ collections: own });
  return { world, ana };
}

test('a property that this node lacks is kept beside, and is not lost by what it writes', async () => {
  const Narrow = collection('note', { title: text() });
  const { world, ana } = await open([Narrow, Tag]);
  const live = ana.node.live(Narrow, 'ORDER BY title');
  await live.ready;
  expect(live.rows.map(({ title }) => title)).toEqual(['a', 'b']);
  await world.authority.transact((tx) => tx.update(Note, A, { mood: 'better', title: 'aa' }));
  await world.quiet();
  expect(live.rows.map(({ title }) => title)).toEqual(['aa', 'b']);
  await ana.node.transact((tx) => tx.update(Narrow, A, { title: 'mine' }), { until: 'settled' });
  const id = await ana.node.transact((tx) => tx.create(Narrow, { title: 'new' }), { until: 'settled' });
  expect(await world.authority.get(Note, A)).toMatchObject({ title: 'mine', mood: 'better' });
  expect(await world.authority.get(Note, id)).toEqual({ id, title: 'new', stars: 3, mood: null });
  expect(await ana.node.query(Narrow, "title = 'new'")).toEqual([{ id, title: 'new' }]);
  expect(ana.errors).toEqual([]);
});

test('a property that the authority lacks reads its default, and what is written of it comes back', async () => {
  const Wide = collection('note', {
    title: text(),
    stars: integer().default(3),
    mood: text().optional(),
    weight: real().default(1.5),
    owner: ref('tag').optional(),
  });
  const { world, ana } = await open([Wide, Tag]);
  const live = ana.node.live(Wide, 'weight > 1 ORDER BY title');
  await expect(live.ready).rejects.toMatchObject({ code: 'unknown-property' });
  const all = ana.node.live(Wide, 'ORDER BY title');
  await all.ready;
  expect(all.rows.map(({ title, weight, owner }) => [title, weight, owner])).toEqual([
    ['a', 1.5, null],
    ['b', 1.5, null],
  ]);
  await ana.node.transact((tx) => tx.update(Wide, A, { weight: 2.5, title: 'aa' }), { until: 'settled' });
  await world.authority.transact((tx) => tx.update(Note, A, { stars: 9 }));
  await world.quiet();
  expect(all.rows[0]).toMatchObject({ title: 'aa', weight: 2.5, stars: 9 });
  const ben = await world.follow({ collections: [Wide, Tag] });
  expect(await ben.node.get(Wide, A)).toMatchObject({ title: 'aa', weight: 2.5, stars: 9 });
  expect(await ben.node.query(Wide, "title = 'b'")).toMatchObject([{ weight: 1.5, owner: null }]);
});

test('a collection that the authority lacks is denied, and only that', async () => {
  const Other = collection('other', { name: text() });
  const { world, ana } = await open([Note, Tag, Other]);
  const [live, tags] = [ana.node.live(Other), ana.node.live(Tag)];
  const problem = 'The upstream does not have the collection other.';
  await expect(live.ready).rejects.toMatchObject({ code: 'schema-mismatch', problem, facts: { collection: 'other' } });
  await tags.ready;
  expect([live.status, tags.status, tags.rows.length]).toEqual(['denied', 'complete', 1]);
  await expect(ana.node.get(Other, A)).rejects.toMatchObject({ code: 'schema-mismatch' });
  await expect(ana.node.query(Other)).rejects.toMatchObject({ code: 'schema-mismatch' });
  await expect(ana.node.live(Other, "name = 'x'").ready).rejects.toMatchObject({ code: 'schema-mismatch' });
  const write = ana.node.transact((tx) => tx.create(Other, { name: 'x' }), { until: 'settled' });
  await expect(write).rejects.toMatchObject({ code: 'unknown-collection' });
  expect(await ana.node.query(Other, '', [], { from: 'local' })).toEqual([]);
  await ana.node.transact((tx) => tx.create(Tag, { name: 'y' }), { until: 'settled' });
  await world.quiet();
  expect(tags.rows).toHaveLength(2);
  expect(await ana.node.verify()).toMatchObject({ rows: 2, differing: [], missing: ['other'] });
  // Also in a session so young that it has not said so yet.
  const ben = await world.follow({ collections: [Note, Other] });
  await ben.node.reconnect();
  expect(await ben.node.verify()).toMatchObject({ rows: 0, missing: ['other'] });
  expect(ana.errors).toEqual([]);
});

const CONFLICTS: readonly (readonly [string, Collection])[] = [
  ['type', collection('note', { title: integer().optional(), stars: integer().default(3) })],
  ['default', collection('note', { title: text(), stars: integer().default(4) })],
];

test.each(CONFLICTS)(
  'a property of another %s refuses its collection, and nothing of it breaks the session',
  async (what, Other) => {
    const { world, ana } = await open([Other, Tag]);
    const [live, tags] = [ana.node.live(Other), ana.node.live(Tag)];
    const [row, rows] = [ana.node.get(Other, A), ana.node.query(Other)];
    const early = Promise.allSettled([row, rows]);
    await expect(live.ready).rejects.toMatchObject({ code: 'schema-mismatch', problem: expect.stringContaining(what) });
    for (const outcome of await early) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'schema-mismatch' } });
    }
    await tags.ready;
    await world.authority.transact((tx) => {
      tx.update(Note, A, { title: 'changed', stars: 7 });
      tx.create(Note, { title: 'new' });
      tx.create(Tag, { name: 'y' });
    });
    await world.quiet();
    expect([tags.rows.length, ana.node.report().upstream!.state, ana.errors]).toEqual([2, 'connected', []]);
    await expect(ana.node.get(Other, A)).rejects.toMatchObject({ code: 'schema-mismatch' });
    expect(await ana.node.query(Other, '', [], { from: 'local' })).toEqual([]);
  },
);

test('a collection that was exchanged and then is refused leaves nothing that would be taken for the truth', async () => {
  const { world, ana } = await open([Note, Tag]);
  await ana.node.live(Note).ready;
  await ana.node.get(Note, idFrom('note', 'nowhere'));
  const described = () => ({ kind: 'described', differing: [{ name: 'note', canonical: null }] }) as const;
  ana.upstream.alter = (said) => (said.kind === 'described' ? described() : said);
  await ana.node.reconnect();
  await world.quiet();
  await expect(ana.node.query(Note)).rejects.toMatchObject({ code: 'schema-mismatch' });
  await expect(ana.node.get(Note, A)).rejects.toMatchObject({ code: 'schema-mismatch' });
  expect(await ana.node.query(Note, '', [], { from: 'local' })).toEqual([]);
  expect(ana.node.report().upstream!.following.ids).toBe(0);
});

const Otherwise = CONFLICTS[0]![1];
const MISMATCH = { code: 'schema-mismatch', facts: { collection: 'note' } };
const mismatched = async (asked: readonly Promise<unknown>[]) => {
  for (const outcome of await Promise.allSettled(asked)) {
    expect(outcome).toMatchObject({ status: 'rejected', reason: MISMATCH });
  }
};
const asked = ({ upstream }: Follower) => upstream.askedOf('ask').map(({ text }) => text);
const READ = 'SELECT title FROM note';
const WRITES = [
  'UPDATE note SET title = title + 1',
  'DELETE FROM note WHERE stars > 0',
  'INSERT INTO note (title) SELECT 7 FROM tag',
];

test('a statement over a collection that is declared otherwise upstream has no answer there, and writes nothing', async () => {
  const { world, ana } = await open([Otherwise, Tag]);
  const before = await world.authority.query(Note);
  const statements = () => [READ, ...WRITES].map((statement) => ana.node.sql(statement));
  // Before the session has said how collections differ: what only reads may have left.
  await mismatched(statements());
  expect(asked(ana)).toEqual([READ]);
  await mismatched([...statements(), ana.node.sql('INSERT INTO note (title) VALUES (7)')]);
  expect(asked(ana)).toEqual([READ]);
  await world.quiet();
  expect(await world.authority.query(Note)).toEqual(before);
  expect([ana.errors, ana.node.report().refused.transactions]).toEqual([[], 0]);
  const here = await ana.node.sql('INSERT INTO note (title) VALUES (8) RETURNING title', [], { from: 'local' });
  expect([...here]).toEqual([{ title: 8 }]);
});

test('what writes waits for what the session says of collections, in its turn, and is lost with the session', async () => {
  const { world, ana } = await open([Note, Tag]);
  ana.upstream.holdSaid = true;
  const update = ana.node.sql("UPDATE note SET title = 'first' WHERE stars = 5");
  await world.quiet();
  const write = ana.node.transact((tx) => tx.create(Note, { title: 'second' }), { until: 'settled' });
  await world.quiet();
  expect(ana.upstream.requests.map(({ kind }) => kind)).toEqual(['describe']);
  ana.upstream.holdSaid = false;
  expect((await update).changes).toBe(1);
  await write;
  const kinds = ana.upstream.requests.map(({ kind }) => kind);
  expect(kinds).toEqual(['describe', 'ask', 'upload']);
  ana.upstream.holdSaid = true;
  await ana.node.reconnect();
  const lost = ana.node.sql("UPDATE note SET title = 'lost'");
  lost.catch(() => undefined);
  await world.quiet();
  ana.upstream.cut();
  await expect(lost).rejects.toMatchObject({ code: 'offline' });
  ana.upstream.holdSaid = false;
  await ana.node.reconnect();
  await world.quiet();
  expect(await world.authority.query(Note, "title = 'lost'")).toEqual([]);
});

test('a relay does not pass on a question about a collection that its upstream declares otherwise', async () => {
  const { world, ana: relay } = await open([Otherwise, Tag]);
  await relay.node.live(Tag).ready;
  const edge = await Node.open({ collections: [Otherwise, Tag], upstream: directUpstream(() => relay.node) });
  await edge.reconnect();
  const statements = [READ, ...WRITES].map((statement) => edge.sql(statement));
  await mismatched([...statements, edge.query(Otherwise, 'title = 5')]);
  expect(asked(relay)).toEqual([]);
  expect([...(await edge.sql('SELECT name FROM tag'))]).toEqual([{ name: 'x' }]);
  await edge.close();
  await world.quiet();
});
