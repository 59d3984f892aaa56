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
  return Node.open({ collections, upstream: directUpstream(() => authority), ...options });
}

describeTransactions('ephemeral', open);
describeReads('ephemeral', open);
describeLive('ephemeral', open);
