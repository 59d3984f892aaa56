/**
 * ws: the one door to the package. Links over its sockets, dialled or accepted, and the half of a server that upgrades.
 *
 * Invariants
 *   - every socket has an `error` listener from its first moment: without one, a single oversized frame ends the process;
 *   - nothing is compressed, no frame is larger than MAX_FRAME_BYTES, and text is refused: the protocol is bytes.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocket, WebSocketServer } from 'ws';
import type { Scheduler } from '../../engine/index.ts';
import { MAX_FRAME_BYTES, MAX_GREETING_FRAME_BYTES } from '../frames.ts';
import { MAX_CLOSE_MS, MAX_OPENING_MS } from '../limits.ts';
import type { Connector, Link, LinkEvents } from '../link.ts';

/** What a socket may have sent before it is authenticated: a hello, and what WebSocket puts around it. */
export const MAX_GREETING_BYTES = MAX_GREETING_FRAME_BYTES + 1_024;
/** Pieces that one message may come in: ours come in one. */
const MAX_FRAGMENTS = 64;
/**
 * A frame below it counts as taken by the system when nothing was before it: it nearly always is, and to be told so by
 * each of 1,000 sockets costs more than the frame. Where it is not, the next frame finds out.
 */
const SMALL_BYTES = 8 * 1_024;
const NORMAL = 1000;
const NOT_TEXT = 1003;

const LIMITS = {
  perMessageDeflate: false,
  maxPayload: MAX_FRAME_BYTES,
  maxFragments: MAX_FRAGMENTS,
  closeTimeout: MAX_CLOSE_MS,
} as const;

/** A link to `url`. */
export function dialWs(url: string, events: LinkEvents, scheduler: Scheduler): Link {
  return linkOver(new WebSocket(url, { ...LIMITS, handshakeTimeout: MAX_OPENING_MS }), events, scheduler);
}

/** What a server makes of an upgraded socket. */
export interface Accepted {
  /** The peer is authenticated: it may send as much as it likes. */
  readonly isGreeted: () => boolean;
  /** It sent more than MAX_GREETING_BYTES before; nothing more is read of it. */
  readonly exceeded: () => void;
}

export interface Upgrader {
  /** Answers a request to upgrade; `accept` gets the connector of the one link this makes. */
  readonly upgrade: (
    request: IncomingMessage,
    raw: Duplex,
    head: Buffer,
    accept: (connector: Connector) => Accepted,
  ) => void;
  /** Upgrades nothing any more; resolves when every socket is closed. */
  readonly close: () => Promise<void>;
  /** Closes what has not closed by itself. */
  readonly terminate: () => void;
}

export function createUpgrader(): Upgrader {
  const server = new WebSocketServer({ ...LIMITS, noServer: true });
  return {
    upgrade: (request, raw, head, accept) =>
      server.handleUpgrade(request, raw, head, (socket) => {
        const accepted = accept({
          name: `ws of ${request.socket.remoteAddress ?? 'an unknown address'}`,
          connect: (events, scheduler) => linkOver(socket, events, scheduler),
        });
        watchGreeting(raw, socket, accepted);
      }),
    close: () => new Promise((resolve) => server.close(() => resolve())),
    terminate: () => {
      for (const socket of server.clients) socket.terminate();
    },
  };
}

/** ws has one limit for a socket's whole life: what may come before authentication is counted here. */
function watchGreeting(raw: Duplex, socket: WebSocket, { isGreeted, exceeded }: Accepted): void {
  let bytes = 0;
  const count = (chunk: Uint8Array) => {
    bytes += chunk.length;
    if (isGreeted()) raw.off('data', count);
    else if (bytes > MAX_GREETING_BYTES) {
      raw.off('data', count);
      socket.pause();
      exceeded();
    }
  };
  raw.on('data', count);
}

function linkOver(socket: WebSocket, events: LinkEvents, scheduler: Scheduler): Link {
  let phase: 'opening' | 'open' | 'over' = 'opening';
  const open = () => {
    if (phase !== 'opening') return;
    phase = 'open';
    events.opened();
  };
  const finish = (reason: string) => {
    if (phase === 'over') return;
    phase = 'over';
    events.closed(reason);
  };
  let isPaused = false;
  const resume = () => {
    if (isPaused && phase === 'open') socket.resume();
    isPaused = false;
  };
  let waiting = 0;
  const taken = () => {
    waiting -= 1;
    if (phase === 'open') events.drained();
  };
  socket.on('error', ({ message }) => finish(message));
  socket.on('close', (code, reason) => finish(reason.length > 0 ? `${code} ${reason}` : `${code}`));
  socket.on('message', (content, isBinary) => {
    if (!isBinary) {
      socket.close(NOT_TEXT, 'text');
      finish('it sent text');
      return;
    }
    open();
    if (phase === 'open') events.frame(bytesOf(content as Buffer));
  });
  if (socket.readyState === WebSocket.OPEN) scheduler.soon(open);
  else socket.on('open', open);
  return {
    send: (frame) => {
      if (phase !== 'open') return;
      if (frame.length < SMALL_BYTES && socket.bufferedAmount === 0) {
        socket.send(frame);
        return;
      }
      waiting += 1;
      socket.send(frame, taken);
    },
    queued: () => (waiting === 0 ? 0 : socket.bufferedAmount),
    pause: () => {
      isPaused = true;
      if (phase === 'open') socket.pause();
    },
    resume,
    close: (reason) => {
      // Paused, it would not read the other side's goodbye.
      resume();
      // Behind what a slow reader has not taken, a goodbye would wait as long as that.
      if (phase === 'open' && socket.bufferedAmount < 2 * SMALL_BYTES)
        socket.close(NORMAL, reason.slice(0, MAX_REASON_CHARACTERS));
      else socket.terminate();
    },
  };
}

/** Fits the 123 bytes that WebSocket has for it, whatever the characters. */
const MAX_REASON_CHARACTERS = 40;

/** A plain view: Node's Buffer has other ideas of `slice`. */
function bytesOf({ buffer, byteOffset, byteLength }: Buffer): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
