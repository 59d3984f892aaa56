/**
 * WebSocket links as a follower dials them: over the platform's own WebSocket where there is one, else over ws.
 *
 * The platform does not tell when what was sent has left; it is asked every few milliseconds while something waits.
 */
import type { Scheduler, Upstream } from '../../engine/index.ts';
import { TendrilError } from '../../errors.ts';
import type { Connector, Link, LinkEvents } from '../link.ts';
import { over, type UpstreamOptions } from '../upstream.ts';

/** How often a socket that holds something is asked whether it has left. */
const DRAIN_POLL_MS = 5;
const NORMAL = 1000;
const MAX_REASON_CHARACTERS = 40;

/** What is used of the platform's WebSocket. */
interface PlatformSocket {
  binaryType: string;
  readonly bufferedAmount: number;
  send(frame: Uint8Array): void;
  close(code?: number, reason?: string): void;
  onopen: unknown;
  onmessage: unknown;
  onerror: unknown;
  onclose: unknown;
}

/** Of a page or a worker. */
interface OnlineTarget {
  addEventListener(type: 'online', listener: () => void): void;
  removeEventListener(type: 'online', listener: () => void): void;
}

type PlatformSocketClass = new (url: string) => PlatformSocket;

/**
 * An upstream at `url` (ws: or wss:), for `Node.open({ upstream })`.
 *
 * @throws {TendrilError} `invalid-option`
 */
export function webSocket(url: string, options: UpstreamOptions = {}): Upstream {
  return { ...over(webSocketConnector(url), options), onReachable: whenOnline };
}

/** Calls `wake` when the platform says that there is a network again; where it never does, it does not. */
function whenOnline(wake: () => void): () => void {
  const target = globalThis as unknown as Partial<OnlineTarget>;
  if (target.addEventListener === undefined) return () => {};
  const listener = () => wake();
  target.addEventListener('online', listener);
  return () => target.removeEventListener?.('online', listener);
}

/** @throws {TendrilError} `invalid-option` */
export function webSocketConnector(url: string): Connector {
  const { protocol, host, pathname } = parsed(url);
  const dialWs = createWsDial(url);
  return {
    name: `${protocol}//${host}${pathname === '/' ? '' : pathname}`,
    connect: (events, scheduler) => {
      const Platform = (globalThis as { readonly WebSocket?: PlatformSocketClass }).WebSocket;
      return Platform === undefined ? dialWs(events, scheduler) : linkOver(new Platform(url), events, scheduler);
    },
  };
}

function parsed(url: string): URL {
  const target = URL.canParse(url) ? new URL(url) : null;
  if (target !== null && (target.protocol === 'ws:' || target.protocol === 'wss:') && target.hash === '') return target;
  throw new TendrilError({
    code: 'invalid-option',
    problem: `\`${url}\` is no address of a WebSocket server.`,
    remedy: 'Give one like ws://localhost:8080, or wss://example.org/sync.',
    facts: { url },
  });
}

/** ws is loaded when it is needed, so that a browser's bundle does without it. */
function createWsDial(url: string): Connector['connect'] {
  // To ask for the module again, for each link, would cost more than the link.
  let dial: typeof import('./ws.ts').dialWs | null = null;
  const load = async () => {
    const { dialWs } = await import('./ws.ts');
    dial = dialWs;
    return dialWs;
  };
  return (events, scheduler) =>
    dial === null ? dialWhenLoaded(load(), url, events, scheduler) : dial(url, events, scheduler);
}

function dialWhenLoaded(
  loading: Promise<typeof import('./ws.ts').dialWs>,
  url: string,
  events: LinkEvents,
  scheduler: Scheduler,
): Link {
  let link: Link | null = null;
  let isOver = false;
  const finish = (reason: string) => {
    if (!isOver) events.closed(reason);
    isOver = true;
  };
  loading
    .then((dial) => {
      if (!isOver) link = dial(url, events, scheduler);
    })
    .catch((error) => finish(`ws cannot be used: ${error}`));
  return {
    send: (frame) => link?.send(frame),
    queued: () => link?.queued() ?? 0,
    pause: () => link?.pause?.(),
    resume: () => link?.resume?.(),
    close: (reason) => {
      if (link !== null) link.close(reason);
      else scheduler.soon(() => finish(reason));
    },
  };
}

/** Exported for the suite of links, which has no platform's socket to try on every Node. */
export function linkOver(socket: PlatformSocket, events: LinkEvents, scheduler: Scheduler): Link {
  let isOver = false;
  let isPolling = false;
  const finish = (reason: string) => {
    if (!isOver) events.closed(reason);
    isOver = true;
  };
  const poll = (before: number) => {
    isPolling = false;
    if (isOver) return;
    const now = socket.bufferedAmount;
    if (now > 0) pollLater(now);
    if (now < before || now === 0) events.drained();
  };
  const pollLater = (before: number) => {
    if (isPolling) return;
    isPolling = true;
    scheduler.after(DRAIN_POLL_MS, () => poll(before));
  };
  socket.binaryType = 'arraybuffer';
  socket.onopen = () => {
    if (!isOver) events.opened();
  };
  socket.onmessage = ({ data }: { readonly data: unknown }) => {
    if (isOver) return;
    if (data instanceof ArrayBuffer) events.frame(new Uint8Array(data));
    else {
      finish('it sent text');
      socket.close(NORMAL, 'text');
    }
  };
  // `close` follows and says more; without a listener some platforms make it an uncaught error.
  socket.onerror = () => {};
  // Some platforms tell it inside `close`, which a link must not.
  let isInClose = false;
  socket.onclose = ({ code, reason }: { readonly code: number; readonly reason: string }) => {
    const tell = () => finish(reason === '' ? `${code}` : `${code} ${reason}`);
    if (isInClose) scheduler.soon(tell);
    else tell();
  };
  return {
    send: (frame) => {
      if (isOver) return;
      socket.send(frame);
      pollLater(Number.POSITIVE_INFINITY);
    },
    queued: () => socket.bufferedAmount,
    close: (reason) => {
      isInClose = true;
      socket.close(NORMAL, reason.slice(0, MAX_REASON_CHARACTERS));
      isInClose = false;
    },
  };
}
