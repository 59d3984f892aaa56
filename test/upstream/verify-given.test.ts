/** Verifying with an upstream that is given: it is compared in a session of its own, and nothing is changed. */
import { afterEach, expect, test } from 'vitest';
import { MIN_COMPARED_ROWS } from '../../engine/upstream/limits.ts';
import { collection, integer, Node, type NodeOptions, text } from '../../index.ts';
import type { SqliteDriver } from '../../storage/index.ts';
import { directUpstream } from '../support/direct-upstream.ts';
import { fill, handing, id, names, OTHER_HEAD, turns } from './forged.ts';
import { createWorld, Note } from './world.ts';

const MANY = 3 * MIN_COMPARED_ROWS;
let driver: SqliteDriver;
const opened = () =>
  handing((given) => {
    driver = given;
  });

const nodes: Node[] = [];
afterEach(async () => {
  for (const node of nodes.splice(0).reverse()) await node.close();
});
async function durable(options: Partial<NodeOptions> = {}): Promise<Node> {
  const node = await Node.open({ collections: [Note], storage: opened(), onError: () => undefined, ...options });
  nodes.push(node);
  return node;
}

test.each([20, MANY])(
  'a durable node tells where it differs from another, of %s rows, and changes nothing',
  async (rows) => {
    const authority = await durable();
    await fill(authority, rows);
    const link = directUpstream(() => authority);
    const copy = await durable({ role: 'durable', upstream: link });
    const of = driver;
    while (copy.report().position < 1) await new Promise(setImmediate);
    expect(await copy.verify()).toEqual({ rows, differing: [], more: false, repaired: false, missing: [] });
    expect(await copy.verify(directUpstream(() => authority))).toMatchObject({ rows, differing: [] });
    of.run(`UPDATE _note SET _head = ${OTHER_HEAD} WHERE id = '${id(3)}'`);
    of.run(`DELETE FROM _note WHERE id = '${id(4)}'`);
    const verified = await copy.verify();
    expect(names(verified)).toEqual([id(3), id(4)].sort());
    expect(verified).toMatchObject({ rows, repaired: false });
    expect(names(await authority.verify(directUpstream(() => copy)))).toEqual([id(3), id(4)].sort());
    expect(names(await copy.verify())).toHaveLength(2);
    await turns();
    expect(authority.report().followers).toMatchObject({ sessions: 1 });
  },
);

test('where it lacks a collection, the others are compared, and that one is named; one declared otherwise is refused', async () => {
  const Elsewhere = collection('elsewhere', { name: text() });
  const authority = await durable();
  await fill(authority, 5);
  const copy = await durable({
    collections: [Elsewhere, Note],
    role: 'durable',
    upstream: directUpstream(() => authority),
  });
  const of = driver;
  await copy.transact((tx) => tx.create(Elsewhere, { name: 'here alone' }));
  while (copy.report().position < 2) await new Promise(setImmediate);
  of.run(`UPDATE _note SET _head = ${OTHER_HEAD} WHERE id = '${id(3)}'`);
  const verified = await copy.verify();
  expect(names(verified)).toEqual([id(3)]);
  expect(verified).toMatchObject({ rows: 5, missing: ['elsewhere'] });
  const Otherwise = collection('note', { title: integer().optional() });
  const upstream = directUpstream(() => authority);
  const other = await durable({ collections: [Otherwise], upstream });
  await expect(other.verify(directUpstream(() => authority))).rejects.toMatchObject({ code: 'schema-mismatch' });
});

test('one of another system is refused, and so is none', async () => {
  const [one, other] = [await durable(), await durable()];
  const verifying = one.verify(directUpstream(() => other));
  await expect(verifying).rejects.toMatchObject({ code: 'system-mismatch' });
  await expect(one.verify()).rejects.toMatchObject({ code: 'invalid-option' });
});

test('an ephemeral node tells of what it holds only', async () => {
  const world = await createWorld();
  await fill(world.authority, MANY);
  const ana = await world.follow({ options: { storage: opened() } });
  await ana.node.live(Note, 'stars < 5').ready;
  const upstream = directUpstream(() => world.authority);
  expect(await ana.node.verify(upstream)).toMatchObject({ rows: 5, differing: [], repaired: false });
  driver.run(`UPDATE _note SET title = 'forged' WHERE id = '${id(2)}'`);
  expect(await ana.node.verify(upstream)).toMatchObject({ differing: [{ id: id(2) }], repaired: false });
  expect(await ana.node.query(Note, "title = 'forged'", [], { from: 'local' })).toHaveLength(1);
});

test('a link that is cut, and a node that is closed, end a verification', async () => {
  const authority = await durable();
  await fill(authority, 5);
  const copy = await durable({ role: 'durable', upstream: directUpstream(() => authority) });
  const link = directUpstream(() => authority);
  link.hold = true;
  const cut = copy.verify(link);
  cut.catch(() => undefined);
  await new Promise((resolve) => setTimeout(resolve, 5));
  link.cut();
  await expect(cut).rejects.toMatchObject({ code: 'offline' });
  const closed = copy.verify(link);
  closed.catch(() => undefined);
  await copy.close();
  await expect(closed).rejects.toMatchObject({ code: 'closed' });
  await expect(copy.verify(link)).rejects.toMatchObject({ code: 'closed' });
  await turns();
});
