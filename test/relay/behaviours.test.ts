/** What a node promises, it promises also behind a relay, and behind two, over every kind of link, by the same suites. */
import { afterEach } from 'vitest';
import { Node } from '../../index.ts';
import { COLLECTIONS } from '../behaviours/fixture.ts';
import { describeLive } from '../behaviours/live.ts';
import { describeReads } from '../behaviours/reads.ts';
import { describeTransactions } from '../behaviours/transactions.ts';
import { directUpstream } from '../support/direct-upstream.ts';
import { inOneProcess, overMessagePort, overWebSocket, type Reach } from '../support/reach.ts';

const collections = [...COLLECTIONS];

const direct: Reach = async (node) => ({ upstream: directUpstream(() => node), close: async () => undefined });

/** From the authority to the node under test. */
const CHAINS: Readonly<Record<string, readonly Reach[]>> = {
  'behind a relay': [direct, direct],
  'behind two relays': [direct, direct, direct],
  'behind a worker that follows a server': [overWebSocket, overMessagePort],
  'behind a relay in its process': [inOneProcess, inOneProcess],
};

interface Opened {
  readonly authority: Node;
  readonly close: () => Promise<void>;
}

const opened: Opened[] = [];
afterEach(async () => {
  for (const { close } of opened.splice(0)) await close();
});

async function openChain(chain: readonly Reach[], options: { readonly onError?: (error: unknown) => void }) {
  const authority = await Node.open({ collections });
  const closings: (() => Promise<void>)[] = [() => authority.close()];
  let node = authority;
  for (const [index, reach] of chain.entries()) {
    const { upstream, close } = await reach(node);
    closings.push(close);
    const isLast = index === chain.length - 1;
    node = await Node.open({ collections, upstream, ...(isLast ? options : {}) });
    if (!isLast) {
      closings.push(() => relay.close());
      const relay = node;
      await connected(relay);
    }
  }
  const close = async () => {
    for (const each of closings.reverse()) await each();
  };
  opened.push({ authority, close });
  return node;
}

async function connected(node: Node): Promise<void> {
  while (node.report().upstream!.cursor === null) await new Promise(setImmediate);
}

/** Of the last node opened, when all that was written is settled. */
async function settledLog(node: Node): Promise<Node> {
  while (node.report().upstream!.outbox.transactions > 0) await new Promise(setImmediate);
  return opened.at(-1)!.authority;
}

for (const [kind, chain] of Object.entries(CHAINS)) {
  const open = async (options: { readonly onError?: (error: unknown) => void } = {}) => {
    const node = await openChain(chain, options);
    // Whoever reads and writes by text inside transactions holds what these are about.
    const held = collections.map((collection) => node.live(collection));
    await Promise.all(held.map(({ ready }) => ready));
    return node;
  };
  describeTransactions(`ephemeral, ${kind}`, open, settledLog);
  describeReads(`ephemeral, ${kind}`, open);
  describeLive(`ephemeral, ${kind}`, open, false);
}
