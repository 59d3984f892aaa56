/** An upstream without a transport: what is said on one side is heard on the other in a later microtask, in order. */

import type { FeedSession, Peer, Request, Said, Upstream } from '../../engine/stream.ts';
import { TendrilError } from '../../errors.ts';
import type { Node } from '../../index.ts';

export interface DirectUpstream extends Upstream {
  /** Breaks the present session. */
  readonly cut: () => void;
  /** While true, what is said waits. */
  hold: boolean;
  /** Changes what the authority says on its way. */
  alter: (said: Said) => Said;
  /** Nothing is on its way. */
  readonly isQuiet: () => boolean;
}

export function directUpstream(authority: () => Pick<Node, 'follow'>): DirectUpstream {
  let cut = () => {};
  let underWay = 0;
  const upstream: DirectUpstream = {
    name: 'direct',
    hold: false,
    alter: (said) => said,
    isQuiet: () => underWay === 0,
    cut: () => cut(),
    connect: (greeting, receiver) => {
      let session: FeedSession | null = null;
      let ended = false;
      let said: Said[] = [];
      let asked: Request[] = [];
      const end = (reason: TendrilError) => {
        if (ended) return;
        ended = true;
        session?.close();
        receiver.ended(reason, false);
      };
      cut = () => end(new TendrilError({ code: 'offline', problem: 'The link was cut.', remedy: 'Reconnect.' }));
      const later = (task: () => void) => {
        underWay += 1;
        setImmediate(() => {
          underWay -= 1;
          if (!ended) task();
        });
      };
      const deliver = () => {
        if (upstream.hold) return later(deliver);
        const messages = said;
        said = [];
        if (messages.length > 0) receiver.said(messages.map(upstream.alter));
      };
      const pull = () => {
        try {
          if (session?.pull()) later(pull);
        } catch (error) {
          end(error as TendrilError);
        }
      };
      const peer: Peer = {
        author: greeting.author,
        relays: true,
        greeting,
        hasRoom: () => undefined,
        say: (message) => {
          said.push(message);
          if (said.length === 1) later(deliver);
        },
        hasMore: () => later(pull),
      };
      const take = () => {
        const requests = asked;
        asked = [];
        try {
          for (const request of requests) session!.take(request);
        } catch (error) {
          end(error as TendrilError);
        }
      };
      later(() => {
        session = authority().follow(peer);
        receiver.welcomed(session.welcome());
      });
      return {
        send: (request) => {
          asked.push(request);
          if (asked.length === 1) later(take);
        },
        close: () => later(() => end(new TendrilError({ code: 'closed', problem: 'Closed.', remedy: 'Open.' }))),
      };
    },
  };
  return upstream;
}
