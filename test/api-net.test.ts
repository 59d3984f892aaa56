/** The examples of the public surface that need a server and a client, as written but for the port. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { sqliteFile } from '../bindings/node/index.ts';
import { type Server, serve } from '../bindings/server/index.ts';
import { collection, idFrom, integer, Node, real, TendrilError, text, timestamp, webSocket, where } from '../index.ts';

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

const SFO = { iata: 'SFO', name: 'San Francisco International', latitude: 37.619, longitude: -122.375 };
const toNewYork = { origin: 'SFO', destination: 'JFK', departs: new Date(2), distance: 2586 };
const toLosAngeles = { origin: 'SFO', destination: 'LAX', departs: new Date(1), distance: 337 };

let folder: string;
let node: Node;
let server: Server;
let client: Node;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tendril-api-net-'));
  node = await Node.open({
    role: 'durable',
    collections: [Airport, Flight],
    storage: sqliteFile(join(folder, 'flights.db')),
  });
  server = await serve(node, { port: 0, access: 'open' });
  client = await Node.open({ collections: [Airport, Flight], upstream: webSocket(server.url) });
});

afterEach(async () => {
  await client.close();
  await server.close();
  await node.close();
  rmSync(folder, { recursive: true });
});

/** The code of what `body` throws, be it at once or later. */
async function codeOf(body: () => unknown): Promise<string> {
  try {
    await body();
  } catch (error) {
    if (error instanceof TendrilError) return error.code;
    throw error;
  }
  return 'nothing was thrown';
}

test('the server says where it is, and what it does', async () => {
  expect(server.url).toMatch(/^ws:\/\/localhost:\d+$/);
  await client.live(Flight).ready;
  expect(server.report()).toMatchObject({ url: server.url, sessions: 1 });
  expect(await codeOf(() => serve(node, {}))).toBe('invalid-option');
});

test('write on the client, and until it is settled at the server', async () => {
  const id = await client.transact((tx) =>
    tx.create(Flight, { origin: 'SFO', destination: 'JFK', departs: new Date(), distance: 2586 }),
  );
  await client.transact((tx) => {
    tx.update(Flight, id, { delay: 12 });
  });
  const sfo = idFrom('airport', 'SFO');
  await client.transact((tx) => tx.create(Airport, SFO, { id: sfo, ifAbsent: true }), { until: 'settled' });
  await client.transact((tx) => tx.create(Airport, { ...SFO, name: 'ignored' }, { id: sfo, ifAbsent: true }));
  expect(await node.get(Flight, id)).toMatchObject({ origin: 'SFO', delay: 12 });
  expect(await node.get(Airport, sfo)).toMatchObject({ name: SFO.name });
  await client.transact(
    (tx) => {
      tx.delete(Flight, id);
    },
    { until: 'settled' },
  );
  expect(await node.get(Flight, id)).toBeNull();
  await client.transact(
    (tx) => {
      tx.restore(Flight, id);
    },
    { until: 'settled' },
  );
  expect(await node.get(Flight, id)).toMatchObject({ delay: 12 });
  expect((await node.history(Flight, id)).map(({ author }) => author)).toEqual(Array(4).fill(client.report().author));
});

test('read on the client: what it does not hold is answered upstream, behind its own writes', async () => {
  const id = await node.transact((tx) => tx.create(Flight, { ...toNewYork, delay: 40 }));
  expect(await client.query(Flight, 'delay > 30', [], { from: 'local' })).toEqual([]);
  expect(await client.get(Flight, id)).toMatchObject({ destination: 'JFK' });
  expect(await client.query(Flight, 'delay > 30', [], { from: 'local' })).toHaveLength(1);
  await client.transact((tx) => tx.create(Flight, toLosAngeles));
  const late = await client.query(Flight, 'origin = ? AND delay > ? ORDER BY delay DESC LIMIT 10', ['SFO', 30]);
  expect(late).toEqual([await node.get(Flight, id)]);
  expect(await client.query(Flight, where`origin = ${'SFO'} AND delay IS NOT NULL`)).toEqual(late);
  const grouped = await client.sql(
    'SELECT origin, count(*) AS n, avg(delay) AS late FROM flight GROUP BY origin ORDER BY late DESC LIMIT 5',
  );
  expect([...grouped]).toEqual([{ origin: 'SFO', n: 2, late: 40 }]);
  expect(await client.sql('UPDATE flight SET delay = ? WHERE id = ?', [15, id])).toMatchObject({ changes: 1 });
  expect(await client.sql('UPDATE flight SET delay = 20 WHERE distance > 100')).toMatchObject({ changes: 2 });
  expect(await node.query(Flight, 'delay = 20')).toHaveLength(2);
});

test('live on the client: what anybody writes, from syncing to complete', async () => {
  await node.transact((tx) => tx.create(Flight, toLosAngeles));
  const live = client.live(Flight, 'origin = ? ORDER BY departs DESC LIMIT 20', ['SFO']);
  expect(live.status).toBe('syncing');
  const drawn: number[] = [];
  const stop = live.subscribe((rows) => drawn.push(rows.length));
  await live.ready;
  expect(live.status).toBe('complete');
  const changes = live[Symbol.asyncIterator]();
  await node.transact((tx) => tx.create(Flight, toNewYork));
  const { value } = await changes.next();
  expect(value).toMatchObject({ removed: [], added: [{ index: 0, row: { destination: 'JFK' } }], updated: [] });
  await client.transact((tx) => tx.create(Flight, { ...toNewYork, departs: new Date(3) }));
  expect(drawn).toEqual([0, 1, 2, 3]);
  stop();
  await live.reselect('origin = ? ORDER BY departs DESC LIMIT 20', ['LAX']);
  expect(live).toMatchObject({ rows: [], status: 'complete' });
  live.close();
  expect(client.report()).toMatchObject({ role: 'ephemeral', liveQueries: 0, upstream: { state: 'connected' } });
});

test('a statement that no client holds whole is kept live all the same', async () => {
  await node.transact((tx) => tx.create(Flight, toLosAngeles));
  const count = client.live('SELECT origin, count(*) AS n FROM flight GROUP BY origin');
  await count.ready;
  expect(count.rows).toEqual([{ origin: 'SFO', n: 1 }]);
  const change = count[Symbol.asyncIterator]().next();
  await node.transact((tx) => tx.create(Flight, toNewYork));
  await change;
  expect(count.rows).toEqual([{ origin: 'SFO', n: 2 }]);
});

test('a lost link shows offline, keeps what is held and written, and reconnect brings both up to date', async () => {
  await node.transact((tx) => tx.create(Flight, toLosAngeles));
  const live = client.live(Flight, 'origin = ? ORDER BY departs DESC', ['SFO']);
  await live.ready;
  const { url } = server;
  await server.close();
  await expect.poll(() => live.status).toBe('offline');
  expect(live).toMatchObject({ rows: [{ destination: 'LAX' }], error: { code: 'offline' } });

  const id = await client.transact((tx) => tx.create(Flight, toNewYork));
  expect(live.rows).toHaveLength(2);
  expect(client.report().upstream).toMatchObject({ state: 'offline', outbox: { transactions: 1 } });
  expect(await codeOf(() => client.query(Flight, 'distance > 100'))).toBe('not-covered');
  expect(await codeOf(() => client.sql('UPDATE flight SET delay = 1'))).toBe('not-covered');
  expect(await client.query(Flight, 'distance > 100', [], { from: 'local' })).toHaveLength(2);
  expect(await codeOf(() => client.reconnect())).toBe('offline');

  await node.transact((tx) => tx.create(Flight, { ...toLosAngeles, departs: new Date(9) }));
  server = await serve(node, { port: Number(new URL(url).port), access: 'open' });
  await client.reconnect();
  await expect.poll(() => live.status).toBe('complete');
  await client.transact((tx) => tx.update(Flight, id, { delay: 1 }), { until: 'settled' });
  expect(live.rows).toEqual(await node.query(Flight, 'origin = ? ORDER BY departs DESC', ['SFO']));
  expect(live.rows).toHaveLength(3);
  expect(live.error).toBeNull();
});

test('authenticate decides who is let in, on an HTTP server of yours and a path', async () => {
  const httpServer = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => httpServer.once('listening', resolve));
  const authenticate = (_: unknown, credential: string | null) => (credential === 'secret' ? { actor: 'ana' } : null);
  const mounted = await serve(node, { server: httpServer, path: '/sync', authenticate });
  expect(mounted.url).toMatch(/^ws:\/\/localhost:\d+\/sync$/);

  const collections = [Airport, Flight];
  const ana = await Node.open({ collections, upstream: webSocket(mounted.url, { credential: () => 'secret' }) });
  const id = await ana.transact((tx) => tx.create(Flight, toNewYork), { until: 'settled' });
  expect((await node.history(Flight, id)).map(({ author }) => author)).toEqual(['ana']);

  const nobody = await Node.open({ collections, upstream: webSocket(mounted.url, { credential: 'guess' }) });
  const live = nobody.live(Flight);
  await live.ready;
  expect(live).toMatchObject({ status: 'offline', error: { code: 'policy-denied' } });
  expect(await codeOf(() => nobody.reconnect())).toBe('policy-denied');

  await ana.close();
  await nobody.close();
  await mounted.close();
  httpServer.close();
});

test('inside a transaction only what is held can be read; what only a log can tell is told by the server alone', async () => {
  const id = await node.transact((tx) => tx.create(Flight, toNewYork));
  const live = client.live(Flight);
  await live.ready;
  expect(await codeOf(() => client.transact((tx) => tx.get(Airport, idFrom('airport', 'SFO'))))).toBe('not-covered');
  expect(await codeOf(() => client.transact((tx) => tx.sql('SELECT count(*) AS n FROM airport')))).toBe('not-covered');
  expect(await client.transact((tx) => tx.get(Flight, id))).toMatchObject({ destination: 'JFK' });
  expect(await codeOf(() => client.history(Flight, id))).toBe('history-unavailable');
  expect(await codeOf(() => node.reconnect())).toBe('invalid-option');
});

test('a write that the server refuses is taken back, and its author is told why; what it will not show is denied', async () => {
  const Note = collection('note', { title: text() });
  const told: unknown[] = [];
  const other = await Node.open({
    collections: [Note, Flight],
    upstream: webSocket(server.url),
    onError: (error) => told.push(error),
  });
  const notes = other.live(Note);
  expect(await codeOf(() => notes.ready)).toBe('schema-mismatch');
  expect(notes).toMatchObject({ status: 'denied', error: { code: 'schema-mismatch' }, rows: [] });
  const flights = other.live(Flight);
  await flights.ready;

  const write = (title: string) =>
    other.transact((tx) => tx.create(Note, { title }), title === 'awaited' ? { until: 'settled' } : {});
  await write('not awaited');
  expect(await codeOf(() => write('awaited'))).toBe('unknown-collection');
  const code = 'unknown-collection';
  expect(await other.refused.query()).toMatchObject([{ code }, { code }]);
  expect(told).toEqual([]);
  expect(await other.query(Note, '', [], { from: 'local' })).toEqual([]);
  await other.transact((tx) => tx.create(Flight, toNewYork), { until: 'settled' });
  expect(flights).toMatchObject({ status: 'complete', rows: [{ destination: 'JFK' }] });
  await other.close();
});
