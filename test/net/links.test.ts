/** The suite of links over every link there is, the example's included. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MessageChannel } from 'node:worker_threads';
import { WebSocket } from 'ws';
import { accepted, dial } from '../../examples/unix-socket/connector.ts';
import type { Connector } from '../../net/link.ts';
import { memoryLink } from '../../net/links/memory.ts';
import { messagePortConnector } from '../../net/links/message-port.ts';
import { linkOver, webSocketConnector } from '../../net/links/web-socket.ts';
import { createUpgrader } from '../../net/links/ws.ts';
import { describeLink, type LinkWorld } from './link-conformance.ts';

describeLink('memory', async () => ({
  pair: () => {
    const [near, far] = memoryLink();
    return { near, far: Promise.resolve(far) };
  },
  nowhere: null,
  close: async () => {},
}));

describeLink('message ports', async () => ({
  pair: () => {
    const { port1, port2 } = new MessageChannel();
    return { near: messagePortConnector(port1), far: Promise.resolve(messagePortConnector(() => port2)) };
  },
  nowhere: null,
  close: async () => {},
}));

/** Hands what a server accepts to whoever waits for it. */
function createAccepting() {
  const waiting: ((connector: Connector) => void)[] = [];
  return {
    next: () => new Promise<Connector>((resolve) => waiting.push(resolve)),
    accept: (connector: Connector) => waiting.shift()?.(connector),
  };
}

async function webSocketWorld(dialling: (url: string) => Connector): Promise<LinkWorld> {
  const upgrader = createUpgrader();
  const { next, accept } = createAccepting();
  const server = createHttpServer();
  server.on('upgrade', (request, socket, head) =>
    upgrader.upgrade(request, socket, head, (connector) => {
      accept(connector);
      return { isGreeted: () => true, exceeded: () => {} };
    }),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    pair: () => ({ near: dialling(`ws://127.0.0.1:${port}`), far: next() }),
    nowhere: () => dialling('ws://127.0.0.1:1'),
    close: async () => {
      const isClosed = upgrader.close();
      upgrader.terminate();
      await isClosed;
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Where the platform has a WebSocket this is that one. */
describeLink('WebSocket, as a node dials it', () => webSocketWorld(webSocketConnector));

// ws speaks the platform's interface too.
describeLink('a WebSocket of the platform', () =>
  webSocketWorld((url) => ({
    name: url,
    connect: (events, scheduler) => linkOver(new WebSocket(url), events, scheduler),
  })),
);

describeLink('a Unix socket (the example)', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tendril-unix-'));
  const path = join(folder, 'socket');
  const { next, accept } = createAccepting();
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    accept(accepted(socket));
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    pair: () => ({ near: dial(path), far: next() }),
    nowhere: () => dial(join(folder, 'nobody')),
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      rmSync(folder, { recursive: true });
    },
  };
});
