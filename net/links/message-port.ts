/**
 * Message ports: links between threads, of `worker_threads` and of browsers.
 *
 * A port tells neither what the other side has taken nor, everywhere, that it is gone. So each frame is answered by its
 * length once it was taken, which a paused end does later, and the session's pings notice the rest. On the port: bytes are a frame, a number is such an
 * answer, a text is the reason of the end.
 */
import type { Upstream } from '../../engine/index.ts';
import type { Connector, Link, LinkEvents } from '../link.ts';
import { over, type UpstreamOptions } from '../upstream.ts';

/** What is used of a port: Node's and the browsers' have it. */
export interface MessagePortLike {
  postMessage(message: unknown, transfer: ArrayBuffer[]): void;
  addEventListener(type: string, listener: (event: object) => void): void;
  start(): void;
  close(): void;
}

/** A port serves one link, and is closed with it: a function gives a fresh one each time. */
export type PortSource = MessagePortLike | (() => MessagePortLike);

/** An upstream behind a port, for `Node.open({ upstream })`. The other end is served by `serveLink`. */
export function messagePort(port: PortSource, options: UpstreamOptions = {}): Upstream {
  return over(messagePortConnector(port), options);
}

export function messagePortConnector(source: PortSource): Connector {
  return {
    name: 'message port',
    connect: (events, scheduler) => {
      const port = typeof source === 'function' ? source() : source;
      return linkOver(port, events, (task) => scheduler.soon(task));
    },
  };
}

function linkOver(port: MessagePortLike, events: LinkEvents, soon: (task: () => void) => void): Link {
  let queued = 0;
  let isOver = false;
  let isPaused = false;
  /** Bytes taken while paused: the other side learns of them afterwards, and until then counts them as queued. */
  let untold = 0;
  const tell = (bytes: number) => port.postMessage(bytes, []);
  const finish = (reason: string) => {
    if (isOver) return;
    isOver = true;
    port.close();
    soon(() => events.closed(reason));
  };
  const take = (message: unknown) => {
    if (isOver) return;
    if (typeof message === 'number' && message > 0 && message <= queued) {
      queued -= message;
      events.drained();
    } else if (message instanceof Uint8Array) {
      if (isPaused) untold += message.length;
      else tell(message.length);
      events.frame(message);
    } else {
      finish(typeof message === 'string' ? message : 'it sent something else than frames');
    }
  };
  port.addEventListener('message', (event) => take((event as { readonly data: unknown }).data));
  port.addEventListener('messageerror', () => finish('it sent what cannot be read'));
  port.addEventListener('close', () => finish('the port was closed'));
  soon(() => {
    if (isOver) return;
    events.opened();
    port.start();
  });
  return {
    send: (frame) => {
      if (isOver) return;
      queued += frame.length;
      // A copy of its own: other links may be given the same frame, and a view would bring its whole buffer along.
      const copy = new Uint8Array(frame);
      port.postMessage(copy, [copy.buffer]);
    },
    queued: () => queued,
    pause: () => {
      isPaused = true;
    },
    resume: () => {
      isPaused = false;
      if (untold > 0 && !isOver) tell(untold);
      untold = 0;
    },
    close: (reason) => {
      if (!isOver) port.postMessage(reason, []);
      finish(reason);
    },
  };
}
