/** What `report()` says of replication, on both sides. */
import { expect, test } from 'vitest';
import { collection, integer, Node } from '../../index.ts';
import { directUpstream } from '../support/direct-upstream.ts';

const Thing = collection('thing', { rank: integer() });
const collections = [Thing];

test('a node says whom it follows, and how many follow it', async () => {
  const authority = await Node.open({ collections });
  const upstream = directUpstream(() => authority);
  const node = await Node.open({ collections, upstream });
  expect(node.report()).toMatchObject({ role: 'ephemeral', system: null, followers: null });
  expect(node.report().upstream).toMatchObject({ name: 'direct', state: 'connecting', node: null });

  await Promise.all([node.live(Thing, 'rank > 1').ready, node.live(Thing, 'rank < 1').ready]);
  const { system, node: authorityId } = authority.report();
  expect(node.report()).toMatchObject({ system, liveQueries: 2 });
  expect(node.report().upstream).toMatchObject({
    state: 'connected',
    error: null,
    node: authorityId,
    outbox: { transactions: 0, bytes: 0 },
    following: { selections: 2, ids: 0 },
  });
  expect(authority.report()).toMatchObject({
    role: 'durable',
    upstream: null,
    followers: { sessions: 1, selections: 2, hydrating: 0, waitingUploads: 0, unreadable: 0 },
  });

  upstream.hold = true;
  await node.transact((tx) => tx.create(Thing, { rank: 3 }));
  expect(node.report().upstream!.outbox.transactions).toBe(1);
  upstream.hold = false;

  upstream.cut();
  expect(node.report().upstream).toMatchObject({ state: 'offline', error: { code: 'offline' }, node: null });
  expect(authority.report().followers).toMatchObject({ sessions: 0, selections: 0 });
  await node.close();
  await authority.close();
});
