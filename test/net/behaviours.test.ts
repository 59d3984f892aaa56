/** What a node promises, it promises as an ephemeral one over every kind of link, by the same suites. */
import { afterEach } from 'vitest';
import { Node } from '../../index.ts';
import { COLLECTIONS } from '../behaviours/fixture.ts';
import { describeLive } from '../behaviours/live.ts';
import { describeReads } from '../behaviours/reads.ts';
import { describeTransactions } from '../behaviours/transactions.ts';
import { inOneProcess, overMessagePort, overWebSocket, type Reach } from '../support/reach.ts';

const collections = [...COLLECTIONS];

const REACHES: Readonly<Record<string, Reach>> = {
  'in process': inOneProcess,
  'over WebSocket': overWebSocket,
  'over a message port': overMessagePort,
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
