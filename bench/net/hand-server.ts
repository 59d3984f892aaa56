/**
 * A program: what one would write to pass flights on, over ws and SQLite. Given: its file or `:memory:`, and how many
 * flights it begins with.
 *
 * Flights that came in one turn are committed together, each a transaction of the log as a Node's are, then told to
 * everybody else in one message. A follower that says `all` gets what is there, CHUNK_ROWS to a message.
 */
import type { AddressInfo } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';
import { createHandWriter } from '../by-hand.ts';
import { flights } from '../flights.ts';
import { takeSample } from '../sample.ts';
import { type FlightMessage, type FlightsMessage, flightOf, pack, unpack } from './hand-messages.ts';
import { offer } from './program.ts';

const CHUNK_ROWS = 1_000;

const [path, rows] = process.argv.slice(2);
const hand = createHandWriter(path!, await takeSample());
const source = flights();
if (Number(rows) > 0)
  hand.commit(() => {
    hand.transaction();
    for (let row = 0; row < Number(rows); row += 1) hand.create(source.next().value);
  });
const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false });
await new Promise((resolve) => server.once('listening', resolve));

let waiting: { readonly from: WebSocket; readonly flights: FlightsMessage }[] = [];
let bytesSent = 0;
const send = (socket: WebSocket, message: Uint8Array) => {
  bytesSent += message.length;
  if (socket.readyState === WebSocket.OPEN) socket.send(message);
};

server.on('connection', (socket) => {
  socket.on('message', (content) => {
    const message = unpack(content as Buffer) as FlightsMessage | 'all';
    if (message === 'all') {
      sendAll(socket);
      return;
    }
    waiting.push({ from: socket, flights: message });
    if (waiting.length === 1) setImmediate(commitWaiting);
  });
});

function commitWaiting(): void {
  const group = waiting;
  waiting = [];
  hand.commit(() => {
    for (const each of group.flatMap((one) => one.flights)) {
      const { id, flight } = flightOf(each);
      hand.transaction();
      hand.createAs(id, flight);
    }
  });
  for (const socket of server.clients) {
    const news = group.flatMap(({ from, flights }) => (from === socket ? [] : flights));
    if (news.length > 0) send(socket, pack(news));
  }
  // Their authors learn that they are settled.
  for (const from of new Set(group.map((one) => one.from)))
    send(from, pack(group.filter((one) => one.from === from).length));
}

function sendAll(socket: WebSocket): void {
  const read = hand.database.prepare(
    `SELECT id, _head, origin, destination, departs, distance, delay FROM _flight WHERE id > ? ORDER BY id LIMIT ${CHUNK_ROWS}`,
  );
  let last = '';
  const next = () => {
    const chunk = (read.all(last) as Record<string, never>[]).map(messageOfRow);
    send(socket, pack(chunk));
    if (chunk.length === 0) return;
    last = chunk.at(-1)![0];
    setImmediate(next);
  };
  next();
}

function messageOfRow(row: Record<string, never>): FlightMessage {
  const { id, _head, origin, destination, departs, distance, delay } = row;
  return [id!, _head!, origin!, destination!, Date.parse(departs!), distance!, delay!];
}

const offered = {
  url: () => `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
  bytesSent: () => bytesSent,
  /** The same bytes to everybody. */
  broadcast: (length: number) => {
    const message = new Uint8Array(length);
    for (const socket of server.clients) socket.send(message);
  },
};
export type HandServer = typeof offered;

offer(offered, () => {
  for (const socket of server.clients) socket.terminate();
  server.close();
  hand.database.close();
});
