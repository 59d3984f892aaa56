/** What a node promises, it promises as an ephemeral one over every kind of link, by the same suites. */
import { MessageChannel } from 'node:worker_threads';
import { afterEach } from 'vitest';
import { inProcess, messagePort, Node, type Upstream, webSocket } from '../../index.ts';
import { messagePortConnector, serveLink } from '../../net/index.ts';
import { serve } from '../../net/server.ts';
import { COLLECTIONS } from '../behaviours/fixture.ts';
import { describeLive } from '../behaviours/live.ts';
import { describeReads } from '../behaviours/reads.ts';
import { describeTransactions } from '../behaviours/transactions.ts';

const collections = [...COLLECTIONS];

/** How a follower reaches an authority, and what must be closed in the end. */
type Reach = (authority: Node) => Promise<{ readonly upstream: Upstream; readonly close: () => Promise<void> }>;

const REACHES: Readonly<Record<string, Reach>> = {
  'in process': async (authority) => ({
    upstream: inProcess(authority, { access: 'open' }),
    close: async () => undefined,
  }),
  'over WebSocket': async (authority) => {
    const server = await serve(authority, { port: 0, access: 'open' });
    return { upstream: webSocket(server.url), close: () => server.close() };
  },
  'over a message port': async (authority) => {
    const { port1, port2 } = new MessageChannel();
    const served = serveLink(authority, messagePortConnector(port1), { access: 'open' });
    return {
      upstream: messagePort(port2),
      close: async () => {
        await served.close();
        port1.close();
        port2.close();
      },
    };
  },
};

const opened: { readonly authority: Node; readonly close: () => Promise<void> }[] = [];
afterEach(async () => {
  for (const { authority, close } of opened.splice(0)) {
    await close();
    await authority.close();
  }
});

/** Of the last node opened, when all that was written is settled. */
async function settledLog(node: Node): Promise<Node> {
  while (node.report().upstream!.outbox.transactions > 0) await new Promise(setImmediate);
  return opened.at(-1)!.authority;
}

for (const [kind, reach] of Object.entries(REACHES)) {
  const open = async (options: { readonly onError?: (error: unknown) => void } = {}) => {
    const authority = await Node.open({ collections });
    const { upstream, close } = await reach(authority);
    opened.push({ authority, close });
    const node = await Node.open({ collections, upstream, ...options });
    // Whoever reads and writes by text inside transactions holds what these are about.
    const held = collections.map((collection) => node.live(collection));
    await Promise.all(held.map(({ ready }) => ready));
    return node;
  };
  describeTransactions(`ephemeral, ${kind}`, open, settledLog);
  describeReads(`ephemeral, ${kind}`, open);
  describeLive(`ephemeral, ${kind}`, open, false);
}
