/** A gate before a server: while it is shut, its links are cut and none can be made. */
import type { Upstream } from '../../engine/index.ts';
import type { Connector, Link } from '../../net/link.ts';
import { webSocketConnector } from '../../net/links/web-socket.ts';
import { over } from '../../net/upstream.ts';

export interface Gate {
  readonly upstream: Upstream;
  readonly shut: () => void;
  /** Nobody is told: whoever stands before it must try again. */
  readonly open: () => void;
}

export function openGate(url: string): Gate {
  const dial = webSocketConnector(url);
  const links = new Set<Link>();
  let isShut = false;
  const connector: Connector = {
    name: dial.name,
    connect: (events, scheduler) => {
      if (isShut) {
        scheduler.soon(() => events.closed('the gate is shut'));
        return { send: () => {}, queued: () => 0, close: () => {} };
      }
      const link = dial.connect({ ...events, closed: (reason) => closed(reason) }, scheduler);
      const closed = (reason: string) => {
        links.delete(link);
        events.closed(reason);
      };
      links.add(link);
      return link;
    },
  };
  return {
    upstream: over(connector),
    shut: () => {
      isShut = true;
      for (const link of links) link.close('the gate was shut');
    },
    open: () => {
      isShut = false;
    },
  };
}
