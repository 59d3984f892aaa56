/** What a node promises, it promises also as an ephemeral one. Over real links: test/net/behaviours.test.ts. */
import { afterEach } from 'vitest';
import { Node } from '../../index.ts';
import { COLLECTIONS } from '../behaviours/fixture.ts';
import { describeLive } from '../behaviours/live.ts';
import { describeReads } from '../behaviours/reads.ts';
import { describeTransactions } from '../behaviours/transactions.ts';
import { directUpstream } from '../support/direct-upstream.ts';

const authorities: Node[] = [];
afterEach(async () => {
  for (const authority of authorities.splice(0)) await authority.close();
});

const collections = [...COLLECTIONS];

async function open(options: { readonly onError?: (error: unknown) => void } = {}): Promise<Node> {
  const authority = await Node.open({ collections });
  authorities.push(authority);
  const node = await Node.open({ collections, upstream: directUpstream(() => authority), ...options });
  // Whoever reads and writes by text inside transactions holds what these are about.
  const held = collections.map((collection) => node.live(collection));
  await Promise.all(held.map(({ ready }) => ready));
  return node;
}

/** Of the last node opened. */
async function settledLog(node: Node): Promise<Node> {
  while (node.report().upstream!.outbox.transactions > 0) await new Promise(setImmediate);
  return authorities.at(-1)!;
}

describeTransactions('ephemeral', open, settledLog);
describeReads('ephemeral', open);
describeLive('ephemeral', open, false);
