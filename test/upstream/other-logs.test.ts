/**
 * Other logs: what becomes of a client whose server is not the one that it left: restored from a backup, replaced by another
 * durable node, a copy of its file; or of which the part is gone that the client would need. It ends with what the server
 * has, and what it had pending is applied once, made anew, or on the shelf. Each with a client that goes on, and with one
 * whose process ended and that is opened again from its file.
 */
import { copyFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { OUTCOME_RETENTION_MS } from '../../engine/compact.ts';
import type { Node } from '../../index.ts';
import { GatedUpstream, quiet } from './gated-upstream.ts';
import { close, createWorld, HELD, newFile, openServer, type World } from './other-logs-world.ts';
import { Note } from './world.ts';

const DAY_MS = 24 * 60 * 60_000;

/** What a client writes before it meets the other server: rows of a selection, of a window and held ones, and a new one. */
async function writePending({ client, ids }: World): Promise<readonly string[]> {
  const { node } = client;
  const changed = [ids[0]!, ids[110]!, ids[HELD[0]!]!];
  for (const id of changed) await node.transact((tx) => tx.update(Note, id, { body: 'pending' }));
  const made = await node.transact((tx) => tx.create(Note, { title: 'made offline', stars: 105 }));
  await node.transact((tx) => tx.update(Note, made, { body: 'pending' }));
  return [...changed, made];
}

/** Its outcome does not come back. */
async function writeUnheard({ client }: World): Promise<string> {
  client.upstream.holdSaid = true;
  const id = await client.node.transact((tx) => tx.create(Note, { body: 'pending', stars: 106 }));
  await quiet(client.upstream);
  return id;
}

async function writeOften(server: Node, id: string): Promise<void> {
  for (let at = 0; at < 20; at += 1) await server.transact((tx) => tx.update(Note, id, { title: `often ${at}` }));
}

async function expectOnce(server: Node, ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    const written = (await server.history(Note, id)).filter(({ edits }) => JSON.stringify(edits).includes('pending'));
    expect(written, id).toHaveLength(1);
    expect(await server.get(Note, id)).toMatchObject({ body: 'pending' });
  }
}

async function shelf({ client }: World) {
  return (await client.node.refused.query('ORDER BY id')).map(({ code, problem, facts, tried }) => {
    const { collection, id } = tried[0]!;
    // What is there no longer is named.
    expect(facts).toMatchObject({ collection, id });
    expect(problem).toContain(`${collection} ${id}`);
    return [code, id];
  });
}

describe.each(['goes on', 'is opened again from its file'])('a client that %s', (way) => {
  async function meet(world: World, server: Node): Promise<void> {
    if (way !== 'goes on') await world.client.restart();
    await world.client.goTo(server);
  }

  test('where the server was restored from a backup loses what that lost, and nothing that was pending', async () => {
    const world = await createWorld();
    const { server, ids, client } = world;
    const backup = newFile();
    await server.backup(backup);
    const [inSelection, inWindow, held, unoffered] = await server.transact((tx) => {
      tx.update(Note, ids[100]!, { title: 'lost' });
      tx.update(Note, ids[HELD[1]!]!, { title: 'lost' });
      tx.update(Note, ids[110]!, { title: 'lost' });
      tx.delete(Note, ids[101]!);
      tx.delete(Note, ids[1]!);
      tx.update(Note, ids[102]!, { stars: 60 });
      tx.update(Note, ids[60]!, { stars: 102 });
      return [190, -1, 61, 191].map((stars) => tx.create(Note, { title: 'lost, too', stars }));
    });
    expect(await client.node.get(Note, held!)).not.toBeNull();
    await client.expectEqual();
    const unheard = await writeUnheard(world);
    await client.leave();
    const pending = await writePending(world);
    for (const id of [inSelection!, inWindow!, held!]) {
      await client.node.transact((tx) => tx.update(Note, id, { body: 'on a lost row' }));
    }
    for (const id of [unoffered!, ids[121]!]) {
      await client.node.transact((tx) => tx.update(Note, id, { body: 'pending' }), { staging: 'hold' });
    }
    await close(server);
    const restored = await openServer(backup);
    // It has come further than the client's cursor, another way.
    await writeOften(restored, ids[120]!);
    await meet(world, restored);
    await quiet(client.upstream);
    await expectOnce(restored, [...pending, unheard]);
    expect(await shelf(world)).toEqual([inSelection, inWindow, held, unoffered].map((id) => ['conflict', id]));
    expect(client.report.outbox).toMatchObject({ transactions: 1, held: 1 });
    expect(await client.node.flush()).toEqual({ applied: 1, refused: 0 });
    await expectOnce(restored, [ids[121]!]);
    expect(client.upstream.saidOf('chunk').map(({ basis }) => basis)).toContain('buckets');
    await client.expectSettled('anew');
  });

  test('whose write was settled in a session that never became whole loses it where a backup of before was restored', async () => {
    const world = await createWorld();
    const { server, ids, client } = world;
    const { upstream, node } = client;
    await client.leave();
    const backup = newFile();
    await server.backup(backup);
    for (const id of [ids[0]!, ids[110]!, ids[HELD[0]!]!]) {
      await node.transact((tx) => tx.update(Note, id, { body: 'settled' }));
    }
    await node.transact((tx) => tx.create(Note, { title: 'settled', stars: 105 }));
    upstream.isReachable = true;
    upstream.holdSaid = true;
    await node.reconnect();
    await quiet(upstream);
    expect(upstream.takeWaiting('chunk')).not.toEqual([]);
    upstream.holdSaid = false;
    await quiet(upstream);
    expect(client.report.outbox.transactions).toBe(0);
    expect(client.lives[0]!.rows.find(({ id }) => id === ids[110])).toMatchObject({ body: 'settled' });
    await client.leave();
    await close(server);
    const restored = await openServer(backup);
    // The client's cursor is one of this log, too.
    await writeOften(restored, ids[120]!);
    await meet(world, restored);
    await client.expectSettled('anew');
    expect(client.lives[0]!.rows.find(({ id }) => id === ids[110])).toMatchObject({ body: null });
  });

  test('that was told again of a write, with its row as others changed it since, loses that change with the log', async () => {
    const world = await createWorld();
    const { server, client } = world;
    const { upstream } = client;
    upstream.holdSaid = true;
    // Beyond all that is followed: it comes as it is now.
    const own = await client.node.transact((tx) => tx.create(Note, { title: 'own', stars: 60 }));
    await quiet(upstream);
    await client.leave();
    upstream.holdUploads = true;
    await client.goTo(server);
    const backup = newFile();
    await server.backup(backup);
    await server.transact((tx) => tx.update(Note, own, { title: 'lost' }));
    upstream.holdUploads = false;
    await quiet(upstream);
    expect(upstream.saidOf('step')).toMatchObject([{ parts: [{ kind: 'whole' }] }]);
    expect(await client.node.get(Note, own)).toMatchObject({ title: 'lost' });
    await client.leave();
    await close(server);
    const restored = await openServer(backup);
    await meet(world, restored);
    expect(await client.node.get(Note, own)).toMatchObject({ title: 'own' });
    await client.expectSettled('anew');
  });

  test('where another durable node took over has what that one had, and its writes wait for who settles them', async () => {
    const world = await createWorld();
    const { server, ids, client } = world;
    const path = newFile();
    const link = new GatedUpstream(() => server);
    const other = await openServer(path, { role: 'durable', upstream: link });
    await quiet(link);
    link.isReachable = false;
    link.cut();
    await server.transact((tx) => {
      tx.update(Note, ids[110]!, { title: 'it never heard' });
      tx.delete(Note, ids[111]!);
      tx.update(Note, ids[HELD[1]!]!, { title: 'it never heard' });
    });
    await writeOften(server, ids[HELD[2]!]!);
    // Of one it heard another way, so that this stands at another position there.
    const { position } = server.report();
    await server.transact((tx) => tx.update(Note, ids[112]!, { title: 'it heard' }));
    await other.ingest((await server.operations(position)).map(({ bytes }) => bytes));
    await client.expectEqual();
    const unheard = await writeUnheard(world);
    await client.leave();
    const pending = await writePending(world);
    await close(server);
    await meet(world, other);
    expect(client.report).toMatchObject({ began: 'anew', state: 'connected' });
    expect(client.report.outbox.transactions).toBe(6);
    const status = client.lives.map(({ status }) => status);
    expect(status).toEqual(['complete', 'complete', 'complete']);
    expect(client.lives[0]!.rows.find(({ id }) => id === ids[110])).toMatchObject({ title: '110', body: 'pending' });
    expect(client.lives[0]!.rows.some(({ id }) => id === ids[111])).toBe(true);
    expect(other.report().position).toBeLessThan(position);
    await other.transact((tx) => tx.update(Note, ids[112]!, { title: 'news' }));
    await quiet(client.upstream);
    expect(client.lives[0]!.rows.find(({ id }) => id === ids[112])).toMatchObject({ title: 'news' });
    await client.leave();
    await close(other);
    const authority = await openServer(path, { role: 'durable' });
    await client.goTo(authority);
    await quiet(client.upstream);
    await expectOnce(authority, [...pending, unheard]);
    expect(await shelf(world)).toEqual([]);
    await client.expectSettled('resumed');
  });

  test('where that one finds its own upstream again has its writes settled there, once', async () => {
    const world = await createWorld();
    const { server, ids, client } = world;
    const link = new GatedUpstream(() => server);
    const other = await openServer(newFile(), { role: 'durable', upstream: link });
    await quiet(link);
    link.isReachable = false;
    link.cut();
    await server.transact((tx) => tx.update(Note, ids[110]!, { title: 'it had not heard' }));
    await client.expectEqual();
    const unheard = await writeUnheard(world);
    await client.leave();
    const pending = await writePending(world);
    await meet(world, other);
    link.isReachable = true;
    await other.reconnect();
    await quiet(link, client.upstream);
    await quiet(link, client.upstream);
    expect(await shelf(world)).toEqual([]);
    await expectOnce(server, [...pending, unheard]);
    await expectOnce(other, [...pending, unheard]);
    await quiet(link, client.upstream);
    expect(client.report.outbox.transactions).toBe(0);
    await client.expectSettled('anew');
    await quiet(link, client.upstream);
    expect(await other.query(Note)).toEqual(await server.query(Note));
  });

  test('that goes from one copy of a file to the other and back has what the one has that it is at', async () => {
    const world = await createWorld();
    const { path, server, ids, client } = world;
    await client.leave();
    await close(server);
    const copy = newFile();
    copyFileSync(path, copy);
    const [first, second] = [await openServer(path), await openServer(copy)];
    await client.goTo(first);
    expect(client.report.began).toBe('resumed');
    const own = await client.node.transact((tx) => tx.create(Note, { title: 'at the first', stars: 107 }));
    await quiet(client.upstream);
    await first.transact((tx) => {
      tx.update(Note, ids[110]!, { title: 'at the first' });
      tx.delete(Note, ids[111]!);
      tx.update(Note, ids[299]!, { stars: -1 });
    });
    await second.transact((tx) => {
      tx.update(Note, ids[110]!, { title: 'at the second' });
      tx.delete(Note, ids[2]!);
      tx.update(Note, ids[HELD[1]!]!, { title: 'at the second' });
    });
    await writeOften(second, ids[120]!);
    await client.expectEqual();
    const unheard = await writeUnheard(world);
    await client.leave();
    const pending = await writePending(world);
    await meet(world, second);
    await quiet(client.upstream);
    expect(client.report).toMatchObject({ began: 'anew', outbox: { transactions: 0 } });
    await expectOnce(second, [...pending, unheard]);
    expect(await second.get(Note, own)).toBeNull();
    await client.expectEqual();
    await client.leave();
    await client.node.transact((tx) => tx.update(Note, unheard, { title: 'both have it' }));
    await client.node.transact((tx) => tx.update(Note, pending[3]!, { title: 'the second alone has it' }));
    await meet(world, first);
    await quiet(client.upstream);
    expect(await first.get(Note, unheard)).toMatchObject({ title: 'both have it' });
    expect(await first.get(Note, own)).toMatchObject({ title: 'at the first' });
    expect(await shelf(world)).toEqual([['conflict', pending[3]]]);
    await client.expectSettled('anew');
  });

  test('whose write one copy took and the other wanted anew finds it on the shelf of the first', async () => {
    const world = await createWorld();
    const { path, server, ids, client } = world;
    await client.leave();
    await close(server);
    const copy = newFile();
    copyFileSync(path, copy);
    const [first, second] = [await openServer(path), await openServer(copy)];
    await client.goTo(first);
    await first.transact((tx) => tx.update(Note, ids[110]!, { title: 'at the first' }));
    await client.expectEqual();
    client.upstream.holdSaid = true;
    await client.node.transact((tx) => tx.update(Note, ids[110]!, { body: 'pending' }));
    await quiet(client.upstream);
    await client.leave();
    client.upstream.alter = (said) => {
      if (said.kind === 'rebase') client.upstream.holdRequests = true;
      return said;
    };
    await client.goTo(second);
    expect(client.upstream.saidOf('rebase')).toHaveLength(1);
    await client.leave();
    client.upstream.holdRequests = false;
    await meet(world, first);
    await quiet(client.upstream);
    await expectOnce(first, [ids[110]!]);
    expect(await second.get(Note, ids[110]!)).toMatchObject({ body: null });
    const [entry] = await client.node.refused.query();
    expect(entry).toMatchObject({ code: 'identity-clash', problem: expect.stringContaining('applied here already') });
    expect(entry!.tried).toMatchObject([{ id: ids[110] }]);
    await client.expectSettled('anew');
  });

  test('that was away while its cursor fell below the floor is compared with what is there', async () => {
    const world = await createWorld();
    const { server, ids, client } = world;
    const unheard = await writeUnheard(world);
    await client.leave();
    const pending = await writePending(world);
    await client.node.transact((tx) => tx.update(Note, ids[112]!, { body: 'on a deleted row' }));
    await server.transact((tx) => {
      tx.update(Note, ids[110]!, { title: 'meanwhile' });
      tx.delete(Note, ids[112]!);
      tx.delete(Note, ids[2]!);
      tx.delete(Note, ids[HELD[1]!]!);
      tx.update(Note, ids[113]!, { stars: 70 });
      tx.update(Note, ids[70]!, { stars: 113 });
    });
    const { position } = client.report.cursor!;
    const { floor } = await server.compact({ keepMs: 0 });
    expect(floor).toBeGreaterThan(position);
    await meet(world, server);
    await quiet(client.upstream);
    await expectOnce(server, [...pending, unheard]);
    expect(await server.get(Note, ids[112]!)).toBeNull();
    expect(await client.node.get(Note, ids[HELD[1]!]!)).toBeNull();
    expect(await shelf(world)).toEqual([]);
    expect(client.upstream.saidOf('chunk').map(({ basis }) => basis)).toContain('buckets');
    await client.expectSettled('anew');
  });

  test('whose writes are older than the outcomes that are kept finds on the shelf what may have been settled', async () => {
    const world = await createWorld();
    const { clock, server, ids, client } = world;
    await client.node.transact((tx) => tx.create(Note, { title: 'whose outcome is forgotten' }));
    await quiet(client.upstream);
    const unheard = await writeUnheard(world);
    await client.leave();
    const [changed, , , made] = await writePending(world);
    clock.advance(OUTCOME_RETENTION_MS + DAY_MS);
    expect(await server.compact({ keepMs: 365 * DAY_MS })).toMatchObject({ outcomes: 3 });
    const late = await client.node.transact((tx) => tx.create(Note, { body: 'pending', stars: 107 }));
    await meet(world, server);
    await quiet(client.upstream);
    expect(await client.node.refused.query('ORDER BY id')).toMatchObject([
      { code: 'outcome-unknown', builtOn: null, tried: [{ id: changed }] },
      { code: 'outcome-unknown', builtOn: null, tried: [{ id: ids[110] }] },
      { code: 'outcome-unknown', builtOn: null, tried: [{ id: ids[HELD[0]!] }] },
      { code: 'outcome-unknown', builtOn: null, tried: [{ id: made }] },
      { code: 'outcome-unknown', tried: [{ id: made, values: { body: 'pending' } }] },
    ]);
    await expectOnce(server, [unheard, late]);
    expect(await server.get(Note, ids[110]!)).toMatchObject({ body: null });
    expect(await client.node.get(Note, ids[110]!)).toMatchObject({ body: null });
    await client.expectSettled('resumed');
  });
});
