/**
 * A node served over a Unix socket, and another that follows it there:
 *
 *     npx tsx examples/unix-socket/index.ts
 */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serveLink } from '../../bindings/server/index.ts';
import { collection, Node, text } from '../../index.ts';
import { over } from '../../net/index.ts';
import { accepted, dial } from './connector.ts';

const Note = collection('note', { title: text() });
const folder = await mkdtemp(join(tmpdir(), 'tendril-unix-'));
const path = join(folder, 'socket');

const node = await Node.open({ role: 'durable', collections: [Note] });
// Whoever can reach the socket's file is let in.
const server = createServer((socket) => serveLink(node, accepted(socket), { access: 'open' }));
await once(server.listen(path), 'listening');

const client = await Node.open({ collections: [Note], upstream: over(dial(path)) });
const notes = client.live(Note);
await notes.ready;
notes.subscribe((rows) => console.log('the client sees:', rows.map(({ title }) => title).join(', ') || 'nothing'));

await node.transact((tx) => tx.create(Note, { title: 'from the server' }));
await client.transact((tx) => tx.create(Note, { title: 'from the client' }), { until: 'settled' });
console.log('the server holds:', (await node.query(Note)).map(({ title }) => title).join(', '));

await client.close();
await node.close();
server.close();
await rm(folder, { recursive: true });
