/** The shelf: what was refused lies there, can be looked at like any rows, and leaves it retried or discarded. */
import { beforeEach, describe, expect, test } from 'vitest';
import { collection, Node, TendrilError, text } from '../../index.ts';
import { sqliteFile } from '../../storage/drivers/sqlite-file.ts';
import type { EntityId, TransactionId } from '../../storage/index.ts';
import { fileDrivers, makeFolder } from '../support/every-driver.ts';
import { createShelfWorld, refuseEach, X, Y, Z } from './shelf-world.ts';
import { codeOf, type Follower, Note, outbox, refusal, refusing, uploaded, type World } from './world.ts';

let world: World;
let ana: Follower;

beforeEach(async () => {
  ({ world, ana } = await createShelfWorld());
});

const refuseAll = (...writes: readonly (() => Promise<unknown>)[]) => refuseEach({ world, ana }, writes);
const update = (id: string, values: { title?: string; stars?: number }) => () =>
  ana.node.transact((tx) => tx.update(Note, id, values));

describe('a refused transaction', () => {
  test('lies on the shelf with its error and what was tried, in order; nobody else is told', async () => {
    ana.upstream.holdRequests = true;
    await ana.node.transact((tx) => {
      tx.update(Note, Y, { title: 'no' });
      tx.create(Note, { title: 'new', stars: 7 }, { id: Z });
      tx.delete(Note, X);
    });
    ana.upstream.holdRequests = false;
    await refuseAll();
    const { code, problem, remedy, facts } = refusal();
    expect(await ana.node.refused.query()).toEqual([
      {
        id: uploaded(ana)[0],
        ...{ code, problem, remedy, facts },
        refusedAt: new Date(ana.node.now()),
        tried: [
          { collection: 'note', id: Y, kind: 'update', values: { title: 'no' } },
          { collection: 'note', id: Z, kind: 'create', values: { title: 'new', stars: 7 } },
          { collection: 'note', id: X, kind: 'delete', values: {} },
        ],
        builtOn: null,
      },
    ]);
    expect([ana.errors, outbox(ana)]).toEqual([[], 0]);
    const { transactions, bytes } = ana.node.report().refused;
    expect([transactions, bytes > 300 && bytes < 1_000]).toEqual([1, true]);
    expect(await ana.node.query(Note, 'ORDER BY title')).toEqual(await world.authority.query(Note, 'ORDER BY title'));
  });

  test('blocks nothing: what is written after it is applied', async () => {
    await refuseAll(update(X, { title: 'no' }));
    await ana.node.transact((tx) => tx.update(Note, X, { title: 'yes' }), { until: 'settled' });
    expect(await world.authority.get(Note, X)).toMatchObject({ title: 'yes' });
    expect(ana.node.report().refused.transactions).toBe(1);
  });

  test('still rejects for who waits until it is settled', async () => {
    ana.upstream.judge = refusing(() => true);
    const write = ana.node.transact((tx) => tx.update(Note, X, { title: 'no' }), { until: 'settled' });
    await expect(write).rejects.toMatchObject({ code: 'policy-denied' });
    expect(await ana.node.refused.query("code = 'policy-denied'")).toHaveLength(1);
  });

  test('brings with it what stood on it, which says so', async () => {
    ana.upstream.holdRequests = true;
    await ana.node.transact((tx) => tx.create(Note, { title: 'no' }, { id: Z }));
    await update(Z, { stars: 4 })();
    await update(X, { title: 'yes' })();
    let first: TransactionId | null = null;
    ana.upstream.judge = refusing(({ transaction }) => {
      first ??= transaction;
      return transaction === first;
    });
    ana.upstream.holdRequests = false;
    await world.quiet();
    const refused = await ana.node.refused.query('ORDER BY id');
    expect(refused).toMatchObject([
      { id: first, builtOn: null, tried: [{ kind: 'create' }] },
      { builtOn: first, code: 'policy-denied', tried: [{ kind: 'update', id: Z, values: { stars: 4 } }] },
    ]);
    expect(refused[1]!.facts).toMatchObject({ builtOn: first, transaction: refused[1]!.id });
    expect([await world.authority.get(Note, X), ana.errors]).toMatchObject([{ title: 'yes' }, []]);
  });

  test('comes onto the shelf in the transaction that takes it back', async () => {
    const notes = ana.node.live(Note, "title = 'no'");
    const shelf = ana.node.refused.live();
    await Promise.all([notes.ready, shelf.ready]);
    const seen: (readonly number[])[] = [];
    notes.subscribe(() => seen.push([notes.rows.length, shelf.rows.length]));
    shelf.subscribe(() => seen.push([notes.rows.length, shelf.rows.length]));
    await refuseAll(update(X, { title: 'no' }));
    await ana.node.refused.retry(shelf.rows[0]!.id);
    expect(seen).toEqual([
      [0, 0],
      [0, 0],
      [1, 0],
      [0, 1],
      [0, 1],
      [1, 0],
      [1, 0],
    ]);
  });
});

describe('the shelf is a collection like others', () => {
  test('that can be kept live with a predicate, an order and a limit, and reselected', async () => {
    const live = ana.node.refused.live('builtOn IS NULL ORDER BY id DESC LIMIT 1');
    await live.ready;
    const ids = await refuseAll(update(X, { stars: 5 }), update(Y, { stars: 5 }));
    expect([live.status, live.rows.map(({ id }) => id)]).toEqual(['complete', [ids[1]]]);
    await ana.node.refused.discard(ids[1]!);
    expect(live.rows.map(({ id }) => id)).toEqual([ids[0]]);
    await live.reselect("code <> 'policy-denied'");
    expect(live.rows).toEqual([]);
    expect(await ana.node.refused.query("tried ->> '$[0].collection' = 'note'")).toHaveLength(1);
    await expect(ana.node.refused.query('nope = 1')).rejects.toMatchObject({ code: 'unknown-property' });
    expect(() => ana.node.refused.live('nope = 1')).toThrow(/nope/);
  });

  test('but the node’s own: never described, followed or replaced, and in no statement', async () => {
    const live = ana.node.refused.live();
    await refuseAll(update(X, { stars: 5 }));
    ana.upstream.welcome = (welcome) => ({ ...welcome, resumes: false });
    await ana.node.reconnect();
    await world.quiet();
    expect(live.rows).toHaveLength(1);
    const named = ana.upstream.requests.filter((request) =>
      JSON.stringify(request.kind === 'upload' ? 0 : request).includes('refused'),
    );
    expect(named).toEqual([]);
    expect(ana.node.report().upstream!.following.selections).toBe(1);
    await expect(ana.node.sql('SELECT * FROM tendril_refused')).rejects.toMatchObject({ code: 'query-unsupported' });
    expect(() => collection('tendril_refused', { code: text() })).toThrow(/reserved/);
    ana.upstream.cut();
    expect([live.status, live.rows.length]).toEqual(['complete', 1]);
  });

  test('of which an upstream that speaks of it is not believed', async () => {
    const [id] = await refuseAll(update(X, { stars: 5 }));
    ana.upstream.plant({ kind: 'released', collection: 'tendril_refused', ids: [id as EntityId] });
    await world.quiet();
    expect(ana.node.report().upstream).toMatchObject({ node: null, error: { code: 'protocol-violation' } });
    expect(await ana.node.refused.query()).toHaveLength(1);
  });

  test('and empty on a durable node, for ever', async () => {
    const node = await Node.open({ collections: [Note] });
    const live = node.refused.live("code = 'offline' ORDER BY refusedAt");
    await live.ready;
    await node.transact((tx) => tx.create(Note, { title: 'x' }));
    expect([live.rows, live.status, await node.refused.query()]).toEqual([[], 'complete', []]);
    expect(node.report().refused).toEqual({ transactions: 0, bytes: 0 });
    await expect(node.refused.query('nope = 1')).rejects.toMatchObject({ code: 'unknown-property' });
    await expect(node.refused.retry(X)).rejects.toMatchObject({ code: 'not-found' });
    await expect(node.refused.discard(X)).rejects.toMatchObject({ code: 'not-found' });
    await node.close();
    expect(() => node.refused.live()).toThrow(expect.objectContaining({ code: 'closed' }));
    await expect(node.refused.query()).rejects.toMatchObject({ code: 'closed' });
    await expect(node.refused.retry(X)).rejects.toMatchObject({ code: 'closed' });
    await expect(node.refused.discard(X)).rejects.toMatchObject({ code: 'closed' });
  });
});

test('facts that JSON cannot say are left out, and U+0000 is replaced', async () => {
  const facts = { itself: {} as object, big: 2n };
  facts.itself = facts;
  const error = new TendrilError({ code: 'conflict', problem: 'a\0b', remedy: 'c', facts });
  ana.upstream.judge = ({ transaction, attempt }) => ({ kind: 'refused', transaction, attempt, error });
  await update(X, { title: 'no' })();
  await world.quiet();
  expect(await ana.node.refused.query()).toMatchObject([{ problem: 'a\ufffdb', facts: {} }]);
});

test.each(fileDrivers)('the shelf outlives the process over %s', async (driver) => {
  const folder = makeFolder();
  const storage = () => sqliteFile(`${folder.path}/ana.db`, { driver });
  const eva = await world.follow({ options: { storage: storage() } });
  await eva.node.live(Note).ready;
  eva.upstream.judge = refusing(() => true);
  await eva.node.transact((tx) => tx.update(Note, X, { title: 'no' }));
  await world.quiet();
  const [before, report] = [await eva.node.refused.query(), eva.node.report().refused];
  expect(before).toHaveLength(1);
  await eva.node.close();
  const again = await world.follow({ options: { storage: storage() }, unreachable: true });
  expect([await again.node.refused.query(), again.node.report().refused]).toEqual([before, report]);
  await again.node.refused.discard(before[0]!.id);
  await again.node.close();
  const last = await world.follow({ options: { storage: storage() }, unreachable: true });
  expect(await last.node.refused.query()).toEqual([]);
  await last.node.close();
  expect(codeOf(await Node.open({ collections: [Note], storage: storage() }).catch((error) => error))).toBe(
    'invalid-option',
  );
  folder.remove();
});
