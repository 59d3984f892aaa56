/** What is to go from the file, or to come into it, is not forgotten where the group that wrote it is rolled back. */
import { expect, test } from 'vitest';
import { rowKey } from '../../engine/row-key.ts';
import { Kept } from '../../engine/upstream/kept/kept.ts';
import { MAX_CURSOR_LAG } from '../../engine/upstream/limits.ts';
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
  const selections = () => [];
  const parts = {
    store,
    journal,
    selections,
    isPartial: isNot,
    isHere: isNot,
    isInTables: isNot,
    cursor: () => cursor,
    written: () => 0,
  };
  const kept = new Kept(parts, null);
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

test(`a cursor that moves alone is written when it is ${MAX_CURSOR_LAG} positions behind, or with anything else`, () => {
  const positions: (number | undefined)[] = [];
  const store = {
    ...NOTHING_KEPT,
    isKept: true,
    setCursor: (cursor: Cursor | null) => void positions.push(cursor?.position),
  };
  const isNot = () => false;
  let [epoch, position, rows] = ['first', 1, 0];
  const cursor = (): Cursor => ({ epoch: idFrom(epoch) as string as EpochId, position: position as Position });
  const parts = {
    store,
    journal: new Journal(),
    selections: () => [],
    isPartial: isNot,
    isHere: isNot,
    isInTables: isNot,
    cursor,
  };
  const kept = new Kept({ ...parts, written: () => rows }, null);
  const frame = (moved: number, written = 0) => {
    kept.begin();
    position += moved;
    rows += written;
    kept.flush(true);
    return positions.splice(0);
  };
  expect(frame(0)).toEqual([1]);
  expect(frame(MAX_CURSOR_LAG - 1)).toEqual([]);
  expect(frame(1)).toEqual([1 + MAX_CURSOR_LAG]);
  expect(frame(1)).toEqual([]);
  expect(frame(0, 1)).toEqual([2 + MAX_CURSOR_LAG]);
  expect(frame(0, 1)).toEqual([]);
  epoch = 'second';
  expect(frame(0)).toEqual([2 + MAX_CURSOR_LAG]);
  position += 1;
  kept.keepCursor();
  expect(positions).toEqual([3 + MAX_CURSOR_LAG]);
});
