import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { sqliteFile } from '../../storage/drivers/index.ts';
import { digestOf, type EpochId, encodeOperation, type Position, type Store } from '../../storage/index.ts';
import { createIds, Flight, openTestStore, operationWith } from './fixtures.ts';

let folder: string;
let openings = 0;
const ids = createIds(99);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tendril-epoch-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const open = (name = 'log.db') => openTestStore([Flight], sqliteFile(join(folder, name)), ++openings);

function commit(store: Store, transactions = 1): void {
  for (let count = 0; count < transactions; count += 1) {
    const operation = operationWith(ids);
    const bytes = encodeOperation(operation);
    const entry = { operation, bytes, digest: digestOf(bytes), undo: null };
    store.driver.transaction(() => store.log.append(ids.transaction(), [entry]));
  }
}

const cursor = (epoch: EpochId, position: number) => ({ epoch, position: position as Position });

test('an opening that writes nothing records no epoch', async () => {
  const store = await open();
  expect(store.driver.all('SELECT * FROM tendril_epoch')).toEqual([]);
  store.driver.close();
});

test('an epoch that is asked for is in the file first', async () => {
  const store = await open();
  const epoch = store.log.epoch();
  expect(store.driver.all('SELECT first FROM tendril_epoch')).toEqual([[1]]);
  expect(store.log.covers(cursor(epoch, 0))).toBe(true);
  store.driver.close();
});

test('a cursor is covered where its epoch was, and nowhere else', async () => {
  const first = await open();
  commit(first, 2);
  const epoch = first.log.epoch();
  first.driver.close();
  const second = await open();
  commit(second, 3);
  const next = second.log.epoch();
  const covered = (id: EpochId) => [0, 1, 2, 3, 5, 6].filter((position) => second.log.covers(cursor(id, position)));
  expect(next).not.toBe(epoch);
  expect(covered(epoch)).toEqual([0, 1, 2]);
  expect(covered(next)).toEqual([2, 3, 5]);
  expect(covered(ids.any() as EpochId)).toEqual([]);
  second.driver.close();
});

test('a cursor from before a backup was restored is noticed, even where positions have grown past it', async () => {
  const original = await open();
  commit(original, 2);
  original.driver.run('VACUUM INTO ?', [join(folder, 'backup.db')]);
  commit(original, 3);
  const late = cursor(original.log.epoch(), 4);
  expect(original.log.covers(late)).toBe(true);
  original.driver.close();
  const restored = await open('backup.db');
  expect(restored.log.covers(late)).toBe(false);
  commit(restored, 5);
  expect(restored.log.covers(late)).toBe(false);
  expect(restored.log.covers({ ...late, position: 2 as Position })).toBe(true);
  restored.driver.close();
});
