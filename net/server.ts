/**
 * Server: a node for whoever connects over WebSocket, on a port of its own or on an HTTP server there is.
 *
 * Invariants
 *   - it does not start unless it was said who is let in;
 *   - on an HTTP server of yours, only upgrades to its path are touched;
 *   - `close` leaves no socket, listener or timer of its own behind, within MAX_CLOSE_MS.
 */
import { createServer, type IncomingMessage, type Server as NodeHttpServer } from 'node:http';
import type { Duplex } from 'node:stream';
import { TendrilError } from '../errors.ts';
import { MAX_CLOSE_MS, MAX_HELLO_MS } from './limits.ts';
import { createUpgrader, MAX_GREETING_BYTES, type Upgrader } from './links/ws.ts';
import type { Authority, Judge } from './serve-session.ts';
import { type Access, judgeFor, Serving, type ServingOptions, type ServingReport } from './serving.ts';
import { tooMuchUngreeted } from './session-errors.ts';

export type { Connector, Link, LinkEvents } from './link.ts';
export { type ServedLink, type ServeLinkOptions, serveLink } from './serve-link.ts';
export type { Authority, Context } from './serve-session.ts';
export type { Access, ServingOptions, ServingReport } from './serving.ts';

/** What is used of an `http.Server`, yours or ours. */
export interface HttpServer {
  on(event: string, listener: (...given: unknown[]) => void): unknown;
  off(event: string, listener: (...given: unknown[]) => void): unknown;
  listenerCount(event: string): number;
  address(): string | { readonly port: number; readonly address: string } | null;
}

/** The HTTP request by which a follower came: Node's `IncomingMessage`. */
export interface UpgradeRequest {
  readonly url?: string | undefined;
  readonly headers: { readonly [name: string]: string | readonly string[] | undefined };
  readonly socket: { readonly remoteAddress?: string | undefined };
}

export interface ServeOptions
  extends ServingOptions,
    Access<readonly [request: UpgradeRequest, credential: string | null]> {
  /** Any that is free, by default. */
  readonly port?: number;
  /** `127.0.0.1` by default: this machine only. `0.0.0.0` or `::` for all of its addresses. */
  readonly host?: string;
  /** One of yours, instead of `port` and `host`. It is not closed with this. */
  readonly server?: HttpServer;
  /** Where followers connect, `/sync` for example; every path by default. */
  readonly path?: string;
}

export interface ServerReport extends ServingReport {
  readonly url: string;
}

export interface Server {
  /** For `webSocket(url)`; of a server of yours that listens nowhere yet, the path. */
  readonly url: string;
  /** Takes nobody any more, sends what was said, says goodbye. The node stays open. May be called again. */
  readonly close: () => Promise<void>;
  readonly report: () => ServerReport;
}

const DEFAULT_HOST = '127.0.0.1';
const ANY_OR_LOOPBACK = ['127.0.0.1', '::1', '0.0.0.0', '::'];

/**
 * Serves a node over WebSocket; resolves when it can be connected to.
 *
 * @throws {TendrilError} `invalid-option`, also for a port that cannot be had.
 */
export async function serve(authority: Authority, options: ServeOptions): Promise<Server> {
  const judge = judgeFor(options);
  const { port, host, server, path = null } = options;
  checkPlace(options);
  const serving = new Serving(authority, options);
  const door: Door = { serving, path, judge: (request) => judge((credential) => [request, credential]) };
  if (server !== undefined) return mount(server as NodeHttpServer, door);
  // Whoever does not get as far as a hello gets no more time than one who does.
  const own = createServer({ headersTimeout: MAX_HELLO_MS, requestTimeout: MAX_HELLO_MS });
  own.on('request', (_, response) => {
    response.writeHead(426, { 'content-type': 'text/plain' }).end('WebSocket only.\n');
  });
  await listening(own, port ?? 0, host ?? DEFAULT_HOST);
  own.on('error', options.onError ?? console.error);
  const mounted = mount(own, door);
  return { ...mounted, close: once(() => closeOwn(own, mounted)) };
}

interface Door {
  readonly serving: Serving;
  readonly path: string | null;
  readonly judge: (request: UpgradeRequest) => Judge;
}

function mount(http: NodeHttpServer, door: Door): Server {
  const { serving, path } = door;
  const upgrader = createUpgrader();
  const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (path === null || pathOf(request) === path) accept(door, upgrader, request, socket, head);
    // With nobody else to answer it, it would hang.
    else if (http.listenerCount('upgrade') === 1) refuse(socket, '404 Not Found');
  };
  http.on('upgrade', onUpgrade);
  const url = urlOf(http, path);
  return {
    url,
    close: once(async () => {
      http.off('upgrade', onUpgrade);
      await closeSessions(serving, upgrader);
    }),
    report: () => ({ url, ...serving.report() }),
  };
}

function accept(
  { serving, judge }: Door,
  upgrader: Upgrader,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): void {
  if (serving.isFull()) {
    refuse(socket, '503 Service Unavailable');
    return;
  }
  upgrader.upgrade(request, socket, head, (connector) => {
    const session = serving.begin(connector, judge(request));
    return {
      isGreeted: () => session.phase === 'open',
      exceeded: () => session.close(tooMuchUngreeted(MAX_GREETING_BYTES)),
    };
  });
}

/** The sessions say goodbye, then their sockets do, each in its own protocol; whoever has not answered in time is cut off. */
async function closeSessions(serving: Serving, upgrader: Upgrader): Promise<void> {
  const allClosed = upgrader.close();
  let cancel = () => {};
  const late = new Promise<void>((resolve) => {
    cancel = serving.scheduler.after(MAX_CLOSE_MS, resolve);
  });
  await Promise.race([serving.close().then(() => allClosed), late]);
  cancel();
  upgrader.terminate();
  await allClosed;
}

async function closeOwn(own: NodeHttpServer, mounted: Server): Promise<void> {
  const isFree = new Promise<void>((resolve) => {
    own.close(() => resolve());
  });
  await mounted.close();
  own.closeAllConnections();
  await isFree;
}

function listening(own: NodeHttpServer, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    own.once('error', (cause) => {
      const remedy = `Choose another port than ${port} or another host than ${host}: ${cause.message}.`;
      reject(invalidOption('port', remedy, cause));
    });
    own.listen(port, host, () => {
      own.removeAllListeners('error');
      resolve();
    });
  });
}

function refuse(socket: Duplex, status: string): void {
  socket.on('error', () => socket.destroy());
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () => socket.destroy());
}

function pathOf({ url = '/' }: IncomingMessage): string {
  return url.split('?', 1)[0] ?? '/';
}

function urlOf(http: HttpServer, path: string | null): string {
  const address = http.address();
  if (address === null || typeof address === 'string') return path ?? '/';
  const isSecure = 'setSecureContext' in http;
  const name = address.address.includes(':') ? `[${address.address}]` : address.address;
  const host = ANY_OR_LOOPBACK.includes(address.address) ? 'localhost' : name;
  return `${isSecure ? 'wss' : 'ws'}://${host}:${address.port}${path ?? ''}`;
}

function checkPlace({ port, host, server, path }: ServeOptions): void {
  if (server !== undefined && (port !== undefined || host !== undefined)) {
    throw invalidOption('server', 'Give a server, or a port and host for one of its own; not both.');
  }
  if (port !== undefined && !(Number.isInteger(port) && port >= 0 && port <= 65_535)) {
    throw invalidOption('port', 'Give a whole number from 0 (any that is free) to 65535.');
  }
  if (path !== undefined && !/^\/[^?#]*$/.test(path)) {
    throw invalidOption('path', 'Give a path like `/sync`, without a query.');
  }
}

function invalidOption(option: string, remedy: string, cause?: unknown): TendrilError {
  return new TendrilError({
    code: 'invalid-option',
    problem: `The option \`${option}\` of \`serve\` cannot be used as it was given.`,
    remedy,
    facts: { option },
    cause,
  });
}

function once(body: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | null = null;
  return () => {
    done ??= body();
    return done;
  };
}
