/** Rows that a relay cannot read, or its upstream cannot: the relay's followers are told so, and not that they have left. */
import { expect, test } from 'vitest';
import type { Said } from '../../engine/stream.ts';
import { idFrom, TendrilError } from '../../index.ts';
import { type EntityId, idOfRow } from '../../storage/index.ts';
import { Note } from '../upstream/world.ts';
import { createRelayWorld, type Edge } from './world.ts';

const IDS = Array.from({ length: 4 }, (_, at) => idFrom('note', at) as EntityId).sort();
const [BAD] = IDS as [EntityId];
const error = new TendrilError({ code: 'storage-damaged', problem: 'A wrong bit.', remedy: 'None.' });

/** Breaks the bytes of one row wherever it travels whole; the id can still be read. */
function breaking(said: Said): Said {
  const broken = (row: Uint8Array) => (idOfRow(row) === BAD ? row.slice(0, 20) : row);
  return said.kind === 'chunk' || said.kind === 'held' ? { ...said, rows: said.rows.map(broken) } : said;
}

async function createNotes(alter: (said: Said) => Said = (said) => said) {
  const world = await createRelayWorld();
  world.up.alter = alter;
  await world.authority.transact((tx) => {
    for (const id of IDS) tx.create(Note, { title: 'note', stars: 1 }, { id });
  });
  const ana = await world.follow('ana');
  const live = ana.node.live(Note, 'stars > 0');
  await world.quiet();
  return { world, ana, live };
}

const noted = ({ node }: Pick<Edge, 'node'>) =>
  node.report().upstream!.quarantined.rows.map(({ id, reason }) => [id, reason.code]);
const leaves = ({ upstream }: Edge) =>
  upstream.saidOf('step').flatMap(({ parts }) => parts.filter(({ kind }) => kind === 'leave'));

test('one that its upstream cannot read is told to be so, and comes when it can be read', async () => {
  const { world, ana, live } = await createNotes();
  world.up.plant({ kind: 'unreadable', collection: 'note', entity: BAD, error });
  await world.quiet();
  expect([noted({ node: world.relay() }), noted(ana)]).toEqual([
    [[BAD, 'storage-damaged']],
    [[BAD, 'storage-damaged']],
  ]);
  expect(leaves(ana)).toEqual([]);
  expect([live.status, live.rows.map(({ id }) => id)]).toEqual(['complete', IDS.slice(1)]);
  await world.relay().reconnect();
  await world.quiet();
  while (live.rows.length < IDS.length) {
    await ana.node.reconnect();
    await world.quiet();
  }
  expect([noted({ node: world.relay() }), noted(ana)]).toEqual([[], []]);
});

test('one whose change the relay cannot read is told to be so', async () => {
  const { world, ana, live } = await createNotes();
  world.up.alter = (said: Said) =>
    said.kind !== 'step'
      ? said
      : {
          ...said,
          parts: said.parts.map((part) => (part.kind === 'items' ? { ...part, items: Uint8Array.of(255) } : part)),
        };
  await world.authority.transact((tx) => tx.update(Note, BAD, { title: 'changed' }));
  await world.quiet();
  expect(noted(ana)).toEqual([[BAD, 'protocol-violation']]);
  expect(leaves(ana)).toEqual([]);
  expect(live.rows.map(({ id }) => id)).toEqual(IDS.slice(1));
  expect(world.errors).toEqual([]);
});

test('who asks later for what it may be of, or for its id, is told, too', async () => {
  const { world, live: first } = await createNotes(breaking);
  const [ben, eve] = [await world.follow('ben'), await world.follow('eve')];
  const live = ben.node.live(Note, 'stars > 0');
  const got = eve.node.get(Note, BAD);
  const other = eve.node.get(Note, IDS[1]!);
  await world.quiet();
  expect([await got, (await other)?.id]).toEqual([null, IDS[1]]);
  expect(live.rows.map(({ id }) => id)).toEqual(IDS.slice(1));
  expect([ben, eve].map(noted)).toEqual([[[BAD, 'protocol-violation']], [[BAD, 'protocol-violation']]]);
  expect(eve.upstream.saidOf('unreadable')).toHaveLength(1);
  expect(first.rows.map(({ id }) => id)).toEqual(IDS.slice(1));
});

test('one that leaves, and can be read, is told to have left', async () => {
  const { world, ana, live } = await createNotes();
  await world.authority.transact((tx) => tx.update(Note, BAD, { stars: 0 }));
  await world.quiet();
  expect([noted(ana), leaves(ana).length, live.rows.length]).toEqual([[], 1, IDS.length - 1]);
});
