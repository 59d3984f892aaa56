/** Reach: how one node is followed by another in the suites that run over every link. */
import { MessageChannel } from 'node:worker_threads';
import { inProcess, messagePort, type Node, type Upstream, webSocket } from '../../index.ts';
import { messagePortConnector } from '../../net/links/message-port.ts';
import { serveLink } from '../../net/serve-link.ts';
import { serve } from '../../net/server.ts';

export interface Reached {
  readonly upstream: Upstream;
  readonly close: () => Promise<void>;
}

export type Reach = (node: Node) => Promise<Reached>;

export const inOneProcess: Reach = async (node) => ({
  upstream: inProcess(node, { access: 'open' }),
  close: async () => undefined,
});

export const overWebSocket: Reach = async (node) => {
  const server = await serve(node, { port: 0, access: 'open' });
  return { upstream: webSocket(server.url), close: () => server.close() };
};

export const overMessagePort: Reach = async (node) => {
  const { port1, port2 } = new MessageChannel();
  const served = serveLink(node, messagePortConnector(port1), { access: 'open' });
  return {
    upstream: messagePort(port2),
    close: async () => {
      await served.close();
      port1.close();
      port2.close();
    },
  };
};
