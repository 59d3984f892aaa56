/** The examples of the public surface that one durable Node answers, as written. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, expectTypeOf, test } from 'vitest';
import { sqliteFile } from '../bindings/node/index.ts';
import { collection, idFrom, integer, Node, type RowOf, real, TendrilNode, text, timestamp, where } from '../index.ts';

const Airport = collection('airport', {
  iata: text(),
  name: text(),
  city: text().optional(),
  state: text().optional(),
  latitude: real(),
  longitude: real(),
});
const Flight = collection(
  'flight',
  { origin: text(), destination: text(), departs: timestamp(), distance: integer(), delay: integer().optional() },
  { indexes: [['origin', 'departs']] },
);
type Flight = RowOf<typeof Flight>;

let folder: string;
let node: Node;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tendril-api-'));
  node = await Node.open({
    role: 'durable',
    collections: [Airport, Flight],
    storage: sqliteFile(join(folder, 'flights.db')),
  });
});

afterEach(async () => {
  await node.close();
  rmSync(folder, { recursive: true });
});

test('rows are inferred and plain', () => {
  expectTypeOf<Flight>().toEqualTypeOf<{
    readonly id: string;
    readonly origin: string;
    readonly destination: string;
    readonly departs: Date;
    readonly distance: number;
    readonly delay: number | null;
  }>();
  expect(TendrilNode).toBe(Node);
});

test('write', async () => {
  const id = await node.transact((tx) =>
    tx.create(Flight, { origin: 'SFO', destination: 'JFK', departs: new Date(), distance: 2586 }),
  );
  await node.transact((tx) => {
    tx.update(Flight, id, { delay: 12 });
  });
  const sfo = { iata: 'SFO', name: 'San Francisco International', latitude: 37.619, longitude: -122.375 };
  const sfoId = idFrom('airport', 'SFO');
  await node.transact((tx) => tx.create(Airport, sfo, { id: sfoId, ifAbsent: true }));
  await node.transact((tx) => tx.create(Airport, { ...sfo, name: 'ignored' }, { id: sfoId, ifAbsent: true }));
  expect(await node.get(Airport, sfoId)).toEqual({ id: sfoId, ...sfo, city: null, state: null });
  expect(await node.get(Flight, id)).toMatchObject({ origin: 'SFO', delay: 12 });
  await node.transact(
    (tx) => {
      tx.delete(Flight, id);
    },
    { until: 'settled' },
  );
  expect(await node.get(Flight, id)).toBeNull();
  await node.transact((tx) => {
    tx.restore(Flight, id);
  });
  expect(await node.get(Flight, id)).toMatchObject({ delay: 12 });
});

test('read', async () => {
  const id = await node.transact((tx) => {
    tx.create(Flight, { origin: 'SFO', destination: 'LAX', departs: new Date(1), distance: 337 });
    return tx.create(Flight, { origin: 'SFO', destination: 'JFK', departs: new Date(2), distance: 2586, delay: 40 });
  });
  const { position } = node.report();
  await node.transact((tx) => {
    tx.update(Flight, id, { delay: 50 });
  });
  expect(await node.get(Flight, id, { at: position })).toMatchObject({ delay: 40 });
  expect((await node.history(Flight, id)).map((operation) => operation.position)).toEqual([position, position + 1]);
  const late = await node.query(Flight, 'origin = ? AND delay > ? ORDER BY delay DESC LIMIT 10', ['SFO', 30]);
  expectTypeOf(late).toEqualTypeOf<readonly Flight[]>();
  expect(late).toMatchObject([{ id, departs: new Date(2) }]);
  expect(await node.query(Flight, where`origin = ${'SFO'} AND delay IS NOT NULL`)).toEqual(late);
  expect(await node.query(Flight, 'delay > 30', [], { from: 'local' })).toEqual(late);
  const grouped = await node.sql(
    'SELECT origin, count(*) AS n, avg(delay) AS late FROM flight GROUP BY origin ORDER BY late DESC LIMIT 5',
  );
  expect([...grouped]).toEqual([{ origin: 'SFO', n: 2, late: 50 }]);
  expect(await node.sql('UPDATE flight SET delay = ? WHERE id = ?', [15, id])).toMatchObject({ changes: 1 });
  expect(await node.get(Flight, id)).toMatchObject({ delay: 15 });
});

test('live', async () => {
  const live = node.live(Flight, 'origin = ? ORDER BY departs DESC LIMIT 20', ['SFO']);
  await live.ready;
  expect(live.rows).toEqual([]);
  expect(live.status).toBe('complete');
  const drawn: (readonly Flight[])[] = [];
  const stop = live.subscribe((rows) => drawn.push(rows));
  const seen: number[] = [];
  live.onChange(({ removed, added, updated, rows }) => {
    seen.push(removed.length, added.length, updated.length, rows.length);
  });
  const next = live[Symbol.asyncIterator]().next();
  await node.transact((tx) =>
    tx.create(Flight, { origin: 'SFO', destination: 'JFK', departs: new Date(), distance: 2586 }),
  );
  expect(seen).toEqual([0, 1, 0, 1]);
  expect(drawn.map((rows) => rows.length)).toEqual([0, 1]);
  expect((await next).value).toMatchObject({ added: [{ index: 0, row: { origin: 'SFO' } }] });
  stop();
  await live.reselect('origin = ? ORDER BY departs DESC LIMIT 20', ['LAX']);
  expect(live.rows).toEqual([]);
  expect(live.explain()).toBeTypeOf('object');
  live.close();
  expect(node.report()).toMatchObject({ role: 'durable', liveQueries: 0 });
});
