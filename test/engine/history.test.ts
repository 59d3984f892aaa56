import { afterEach, beforeEach, expect, test } from 'vitest';
import { bigint, boolean, collection, json, Node, timestamp } from '../../index.ts';
import { bytesOf, createAuthor } from '../support/author.ts';
import { createTestClock } from '../support/ports.ts';

const Event = collection('event', {
  at: timestamp(),
  size: bigint().optional(),
  done: boolean().default(false),
  data: json<unknown>().optional(),
});
const START = Date.UTC(2024, 4, 1);

let node: Node;
beforeEach(async () => {
  node = await Node.open({ collections: [Event], author: 'ana', ports: { clock: createTestClock(START) } });
});
afterEach(() => node.close());

test('history tells what each operation did, in the types of the properties', async () => {
  const at = new Date(START);
  const id = await node.transact((tx) => tx.create(Event, { at, size: 5n, data: { list: [1] } }));
  await node.transact((tx) => tx.update(Event, id, { done: true, size: null }));
  await node.transact((tx) => tx.delete(Event, id));
  const [created, updated, removed] = await node.history(Event, id);
  expect(created).toMatchObject({ position: 1, author: 'ana', time: new Date(START), precursors: [] });
  expect(created?.edits).toEqual([
    { kind: 'create' },
    { kind: 'set', property: 'at', value: at },
    { kind: 'set', property: 'data', value: { list: [1] } },
    { kind: 'set', property: 'done', value: false },
    { kind: 'set', property: 'size', value: 5n },
  ]);
  expect(updated).toMatchObject({ position: 2, precursors: [created?.id] });
  expect(updated?.edits).toEqual([
    { kind: 'set', property: 'done', value: true },
    { kind: 'set', property: 'size', value: null },
  ]);
  expect(removed).toMatchObject({ position: 3, edits: [{ kind: 'delete' }], precursors: [updated?.id] });
  expect(new Set([created, updated, removed].map((entry) => entry?.transaction)).size).toBe(3);
});

test('history of what this node does not declare stands as SQLite would give it', async () => {
  const later = createAuthor('event').operation({ values: { later: 7n } });
  await node.ingest(bytesOf(later));
  const [entry] = await node.history(Event, later.entity);
  expect(entry?.edits).toEqual([{ kind: 'create' }, { kind: 'set', property: 'later', value: 7 }]);
  expect(entry?.author).toBe('somebody');
});

test('history of an entity that is not known here is empty', async () => {
  expect(await node.history(Event, '01ARZ3NDEKTSV4RRFFQ69G5FAV')).toEqual([]);
});
