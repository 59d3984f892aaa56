/** What the authority adds to an upload (it narrows a head that has grown too wide) reaches the author with the outcome. */
import { expect, test } from 'vitest';
import { mesh } from '../../bindings/testing/index.ts';
import { collection, idFrom, text } from '../../index.ts';
import { MAX_PRECURSORS } from '../../storage/index.ts';

const Todo = collection('todo', { title: text() });
const collections = [Todo];
const NAMES = Array.from({ length: MAX_PRECURSORS + 1 }, (_, at) => `writer${at}`);
const ID = idFrom('todo', 1);

test('of more writers at once than an operation has precursors, each holds the row that the authority holds', async () => {
  const followers = Object.fromEntries(NAMES.map((name) => [name, { upstream: 'server', collections }]));
  const world = await mesh<string>({ seed: 1, nodes: { server: { collections }, ...followers } });
  const nodes = NAMES.map((name) => world.nodes[name]!);
  for (const node of nodes) node.live(Todo, '');
  await world.nodes.server!.transact((tx) => tx.create(Todo, { title: 'first' }, { id: ID }));
  await world.quiet();
  for (const [at, node] of nodes.entries()) await node.transact((tx) => tx.update(Todo, ID, { title: NAMES[at]! }));
  await world.quiet();
  await world.check();
  for (const node of nodes) expect(await world.until(node.verify())).toMatchObject({ rows: 1, differing: [] });
  // Seen to be narrowed: more operations than were made here.
  expect((await world.nodes.server!.history(Todo, ID)).length).toBeGreaterThan(NAMES.length + 1);
  world.close();
});
