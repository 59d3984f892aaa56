/** What is here of a selection is summed up in turns, and the sums are those of its confirmed rows. */
import { expect, test } from 'vitest';
import { openEphemeral } from '../../engine/open-ephemeral.ts';
import { BucketSummary, heldOf } from '../../engine/upstream/following/had.ts';
import { SUMMED_ROWS } from '../../engine/upstream/limits.ts';
import { confirmedRows } from '../../engine/upstream/overlay/held-rows.ts';
import { Node, TendrilError } from '../../index.ts';
import { createBuckets, type EntityId } from '../../storage/index.ts';
import { directUpstream } from '../support/direct-upstream.ts';
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
