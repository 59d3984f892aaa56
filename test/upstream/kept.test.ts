/** What is to go from the file, or to come into it, is not forgotten where the group that wrote it is rolled back. */
import { expect, test } from 'vitest';
import { Kept } from '../../engine/upstream/kept.ts';
import { rowKey } from '../../engine/upstream/outbox.ts';
import { Journal } from '../../engine/write/journal.ts';
import { idFrom } from '../../index.ts';
import { type Cursor, type EntityId, type EpochId, NOTHING_KEPT, type Position } from '../../storage/index.ts';

const A = idFrom('note', 'a');

test('an id and a cursor are written again after a rollback, and then no more', () => {
  const journal = new Journal();
  const written: unknown[] = [];
  const store = {
    ...NOTHING_KEPT,
    isKept: true,
    removeIds: (_: string, ids: readonly EntityId[]) => void written.push(...ids),
    setCursor: (cursor: Cursor | null) => void written.push(cursor),
  };
  const cursor: Cursor = { epoch: idFrom('epoch') as string as EpochId, position: 7 as Position };
  const isNot = () => false;
  const parts = { store, journal, selections: () => [], isHere: isNot, isKnown: isNot, cursor: () => cursor };
  const kept = new Kept(parts, { system: null, authority: null });
  kept.changed(rowKey('note', A));
  kept.flush(false);
  expect(written).toEqual([]);
  const mark = journal.mark();
  kept.flush(true);
  journal.rewind(mark);
  expect(written.splice(0)).toEqual([A, cursor]);
  kept.flush(true);
  expect(written.splice(0)).toEqual([A, cursor]);
  kept.flush(true);
  expect(written).toEqual([]);
});
