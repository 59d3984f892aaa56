/** Rows that cannot be read: each is left out, noted with its reason and peer, and admitted when it can be read. */
import { describe, expect, test } from 'vitest';
import type { Said } from '../../engine/stream.ts';
import { Quarantine } from '../../engine/upstream/confirming/quarantine.ts';
import { MAX_QUARANTINED } from '../../engine/upstream/limits.ts';
import { idFrom, TendrilError } from '../../index.ts';
import { type EntityId, idOfRow } from '../../storage/index.ts';
import { createWorld, type Follower, Note } from './world.ts';

const IDS = Array.from({ length: 3_000 }, (_, at) => idFrom('note', at) as EntityId).sort();
const BAD = IDS[1_234]!;

/** Breaks the bytes of one row wherever it travels whole; the id can still be read. */
function breaking(said: Said): Said {
  const broken = (row: Uint8Array) => (idOfRow(row) === BAD ? row.slice(0, 20) : row);
  if (said.kind === 'chunk' || said.kind === 'held') return { ...said, rows: said.rows.map(broken) };
  if (said.kind !== 'step') return said;
  return {
    ...said,
    parts: said.parts.map((part) => (part.kind === 'whole' ? { ...part, row: broken(part.row) } : part)),
  };
}

async function createBroken() {
  const world = await createWorld();
  await world.authority.transact((tx) => {
    for (const [at, id] of IDS.entries()) tx.create(Note, { title: `note ${at}`, stars: at % 10 }, { id });
  });
  const ana = await world.follow({ unwelcome: true });
  ana.upstream.alter = breaking;
  ana.upstream.holdWelcome = false;
  const live = ana.node.live(Note, '');
  await world.quiet();
  return { world, ana, live };
}

function noted({ node }: Follower) {
  return node
    .report()
    .upstream!.quarantined.rows.map(({ collection, id, peer, reason }) => [collection, id, peer, reason.code]);
}

describe('a row of a snapshot of thousands that cannot be read', () => {
  test('is noted with reason and peer; the others are there, and stay current', async () => {
    const { world, ana, live } = await createBroken();
    expect(live.status).toBe('complete');
    expect(live.rows.length).toBe(IDS.length - 1);
    expect(noted(ana)).toEqual([['note', BAD, world.authority.report().node, 'protocol-violation']]);
    await world.authority.transact((tx) => {
      tx.update(Note, BAD, { title: 'changed' });
      tx.update(Note, IDS[0]!, { title: 'changed' });
    });
    await world.quiet();
    expect(live.status).toBe('complete');
    expect(live.rows[0]).toMatchObject({ title: 'changed' });
    expect(live.rows.length).toBe(IDS.length - 1);
    expect(ana.errors).toEqual([]);
  });

  test('is admitted by the next session, if it can be read then', async () => {
    const { world, ana, live } = await createBroken();
    await ana.node.reconnect();
    await world.quiet();
    expect(live.rows.length).toBe(IDS.length - 1);
    expect(noted(ana).length).toBe(1);
    ana.upstream.alter = (said) => said;
    await ana.node.reconnect();
    await world.quiet();
    expect(live.rows).toEqual(await world.authority.query(Note, ''));
    expect(noted(ana)).toEqual([]);
  });

  test('is admitted when it comes whole again', async () => {
    const world = await createWorld();
    await world.authority.transact((tx) => tx.create(Note, { title: 'first', stars: 1 }, { id: BAD }));
    const ana = await world.follow({ unwelcome: true });
    ana.upstream.alter = breaking;
    ana.upstream.holdWelcome = false;
    const live = ana.node.live(Note, 'stars > 0');
    await world.quiet();
    expect(live.rows).toEqual([]);
    ana.upstream.alter = (said) => said;
    await world.authority.transact((tx) => tx.update(Note, BAD, { stars: 0 }));
    await world.authority.transact((tx) => tx.update(Note, BAD, { stars: 5 }));
    await world.quiet();
    expect(live.rows).toMatchObject([{ id: BAD, stars: 5 }]);
    expect(noted(ana)).toEqual([]);
  });
});

test('a change that cannot be read takes its row out, until it can be read as a whole', async () => {
  const world = await createWorld();
  await world.authority.transact((tx) => {
    for (const id of IDS.slice(0, 5)) tx.create(Note, { title: 'note', stars: 1 }, { id });
  });
  const ana = await world.follow();
  const live = ana.node.live(Note, '');
  await world.quiet();
  ana.upstream.alter = (said) =>
    said.kind !== 'step'
      ? said
      : {
          ...said,
          parts: said.parts.map((part) => (part.kind === 'items' ? { ...part, items: Uint8Array.of(255) } : part)),
        };
  await world.authority.transact((tx) => tx.update(Note, IDS[2]!, { title: 'changed' }));
  await world.quiet();
  expect(live.status).toBe('complete');
  expect(live.rows.map(({ id }) => id)).toEqual([0, 1, 3, 4].map((at) => IDS[at]));
  ana.upstream.alter = (said) => said;
  await ana.node.reconnect();
  await world.quiet();
  expect(live.rows).toEqual(await world.authority.query(Note, ''));
});

test(`${MAX_QUARANTINED} are noted; of one more the oldest is forgotten`, () => {
  const quarantine = new Quarantine(() => null);
  const reason = new TendrilError({ code: 'protocol-violation', problem: 'x', remedy: 'x' });
  for (const id of IDS.slice(0, MAX_QUARANTINED)) quarantine.note('note', id, reason);
  expect([quarantine.size, quarantine.has('note', IDS[0]!)]).toEqual([MAX_QUARANTINED, true]);
  quarantine.note('note', IDS[MAX_QUARANTINED]!, reason);
  expect([quarantine.size, quarantine.has('note', IDS[0]!)]).toEqual([MAX_QUARANTINED, false]);
  quarantine.release('note', IDS[1]!);
  expect(quarantine.size).toBe(MAX_QUARANTINED - 1);
});
