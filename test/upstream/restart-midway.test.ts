/** Restart midway: the process ends while a selection is being told for the first time. */
import { expect, test } from 'vitest';
import { MAX_CHUNK_ROWS } from '../../engine/feed/limits.ts';
import { idFrom } from '../../index.ts';
import { diskStorage } from '../durability/disk-storage.ts';
import { createForgetfulDisk } from '../support/forgetful-disk.ts';
import { createWorld, Note } from './world.ts';

const IDS = Array.from({ length: MAX_CHUNK_ROWS + 10 }, (_, at) => idFrom('note', at)).sort();
const FIRST = IDS[0]!;

test('a row that stood on the word of that selection alone is not shown as it was then', async () => {
  const world = await createWorld();
  await world.authority.transact((tx) => {
    for (const id of IDS) tx.create(Note, { title: 'old', stars: id === FIRST ? 1 : 0 }, { id });
  });
  const disk = createForgetfulDisk();
  const one = await world.follow({ options: { storage: diskStorage(disk, 'wal') } });
  await one.node.live(Note, 'stars = 1').ready;
  one.node.live(Note);
  const chunks = () => one.upstream.saidOf('chunk').length;
  for (const before = chunks(); chunks() === before; ) await new Promise(setImmediate);
  one.upstream.holdSaid = true;
  await world.quiet();
  expect(one.upstream.takeWaiting('chunk')).toMatchObject([{ last: true }]);
  // It leaves the first selection; the second has been told up to it and beyond.
  await world.authority.transact((tx) => tx.update(Note, FIRST, { stars: 2 }));
  one.upstream.holdSaid = false;
  await world.quiet();
  expect(await one.node.query(Note, 'stars = 2', [], { from: 'local' })).toHaveLength(1);

  const image = disk.crashImage();
  one.upstream.cut();
  await world.authority.transact((tx) => tx.update(Note, FIRST, { stars: 3 }));
  const again = await world.follow({ options: { storage: diskStorage(createForgetfulDisk(image), 'wal') } });
  await again.node.live(Note, 'stars = 1').ready;
  await world.quiet();
  expect(await again.node.query(Note, '', [], { from: 'local' })).toEqual([]);
  const all = again.node.live(Note);
  await all.ready;
  expect(all.rows).toHaveLength(IDS.length);
  expect(again.errors).toEqual([]);
});
