/** Session by hand: one of a relay's followers, of which each word is a test's own, and that nobody pulls but it. */
import type { FeedSession, Said } from '../../engine/stream.ts';
import type { Node } from '../../index.ts';

export interface SessionByHand {
  readonly session: FeedSession;
  readonly said: readonly Said[];
}

export function openSession(relay: Node, author = 'ana'): SessionByHand {
  const said: Said[] = [];
  const session = relay.follow({
    author,
    relays: false,
    greeting: { node: relay.report().node, cursor: null },
    say: (each) => said.push(each),
    hasMore: () => undefined,
    hasRoom: () => undefined,
  });
  return { session, said };
}
