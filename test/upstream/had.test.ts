/** What is here of a selection is summed up in turns, and the sums are those of its confirmed rows. */
import { expect, test } from 'vitest';
import { openEphemeral } from '../../engine/open-ephemeral.ts';
import { BucketSummary, heldOf } from '../../engine/upstream/following/had.ts';
import { MIN_COMPARED_ROWS, SUMMED_ROWS } from '../../engine/upstream/limits.ts';
import { confirmedRows } from '../../engine/upstream/overlay/held-rows.ts';
import { Node, TendrilError } from '../../index.ts';
import { createBuckets, type EntityId } from '../../storage/index.ts';
import { directUpstream } from '../support/direct-upstream.ts';
import { createTestClock, createTestRandom, createTestScheduler } from '../support/ports.ts';
import { GatedUpstream, quiet } from './gated-upstream.ts';
import { close, newFile, openServer } from './other-logs-world.ts';
import { COLLECTIONS, Note } from './world.ts';

test.each([SUMMED_ROWS - 1, SUMMED_ROWS, SUMMED_ROWS + 1])('%i rows, of which one is pending', async (count) => {
  const authority = await Node.open({ collections: COLLECTIONS });
  const ids = await authority.transact((tx) =>
    Array.from({ length: count }, (_, at) => tx.create(Note, { title: `note ${at}` }) as EntityId),
  );
  const parts = await openEphemeral(
    { collections: COLLECTIONS },
    directUpstream(() => authority),
  );
  const { core, replica, reader, transactor } = parts;
  const entry = core.catalog.entryOf(Note);
  const live = parts.live(entry, '');
  await live.ready;
  await transactor.transact((tx) => tx.update(Note, ids[3]!, { title: 'pending' }));

  const followed = replica.following.find('note', reader.select(entry, ''))!;
  const summary = new BucketSummary(heldOf(confirmedRows({ overlay: replica.overlay, driver: core.driver }), followed));
  const turns = [summary.advance()];
  while (turns.at(-1) === true) turns.push(summary.advance());
  expect(turns.length).toBe(count < SUMMED_ROWS ? 1 : 2);

  const buckets = createBuckets();
  for (const id of ids) buckets.add(id, replica.overlay.confirmed('note', id)!.head);
  expect(summary.had).toEqual({ kind: 'buckets', hashes: buckets.hashes() });

  live.close();
  await replica.close(new TendrilError({ code: 'closed', problem: 'x', remedy: 'x' }));
  core.driver.close();
  await authority.close();
});

test('what left under something pending is not summed up, nor kept by a bucket that is equal without it', async () => {
  const backup = newFile();
  let server = await openServer(newFile());
  await server.transact((tx) => {
    for (let at = 0; at < MIN_COMPARED_ROWS; at += 1) tx.create(Note, { stars: 5 });
  });
  await server.backup(backup);
  const lost = await server.transact((tx) => tx.create(Note, { stars: 5 }));
  const up = new GatedUpstream(() => server);
  const ports = { clock: createTestClock(), random: createTestRandom(1), scheduler: createTestScheduler() };
  const node = await Node.open({ collections: COLLECTIONS, upstream: up, ports });
  const live = node.live(Note, 'stars >= 5');
  await live.ready;
  await node.transact((tx) => tx.update(Note, lost, { body: 'mine' }), { staging: 'hold' });
  await server.transact((tx) => tx.update(Note, lost, { stars: 0 }));
  await quiet(up);
  up.cut();
  await close(server);
  server = await openServer(backup);
  await node.reconnect();
  await quiet(up);
  expect(up.saidOf('chunk').at(-1)).toMatchObject({ basis: 'buckets' });
  expect((await node.refused.query('')).map(({ code }) => code)).toEqual(['conflict']);
  expect(live.rows).toHaveLength(MIN_COMPARED_ROWS);
  expect((await node.verify()).differing).toEqual([]);
  up.cut();
  await node.close();
});
