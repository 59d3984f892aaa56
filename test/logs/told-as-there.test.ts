/**
 * What a durable follower counts as told: only what its upstream surely has, whatever way a transaction came, and wherever the
 * upstream's file is put back to. Else it would never be offered again, and silently lacking there.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { FeedSession, Peer, Request, Said, Upstream } from '../../engine/stream.ts';
import { collection, type Node, TendrilError, text } from '../../index.ts';
import { sqliteFile } from '../../storage/drivers/index.ts';
import { type DirectUpstream, directUpstream } from '../support/direct-upstream.ts';
import { createNodes, turn, until } from './logs-world.ts';

const Note = collection('note', { title: text().optional() });
const Tag = collection('tag', { name: text() });
const { open, close } = createNodes([Note], 600);
/** Turns in which all comes to rest. */
const REST = 300;
/** Members of the commit queue: what is told meanwhile waits for several groups. */
const BUSY = 6_000;

const folder = mkdtempSync(join(tmpdir(), 'told-'));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;
const file = () => {
  files += 1;
  return join(folder, `${files}.db`);
};

const create = (node: Node, title: string) => node.transact((tx) => tx.create(Note, { title }));
const createTwo = (node: Node) =>
  node.transact((tx) => {
    tx.create(Note, { title: 'one' });
    tx.create(Note, { title: 'two' });
  });
const operationsOf = async (node: Node, after = 0) => (await node.operations(after)).map(({ bytes }) => bytes);
const titlesOf = async (node: Node) => (await node.query(Note)).map(({ title }) => title).sort();

/** Opens a durable follower, each time on the same file. */
function follower(upstream: Upstream): () => Promise<Node> {
  const storage = sqliteFile(file());
  return () => open({ role: 'durable', upstream, storage });
}

/** After more was told, too, and with a follower that knows no more than its file. */
async function expectEqual(copy: Node, authority: Node, reopened: () => Promise<Node>): Promise<void> {
  for (let count = 0; count < 3; count += 1) {
    await create(authority, 'later');
    await turn(REST);
  }
  await close(copy);
  const again = await reopened();
  await turn(REST);
  expect(await titlesOf(authority)).toEqual(await titlesOf(again));
}

/** Of what the upstream says. */
function heard(link: Upstream, isHeard: (said: Said) => boolean): Upstream {
  const connect: Upstream['connect'] = (greeting, receiver, ports) => {
    const said: typeof receiver.said = (messages) => receiver.said(messages.filter(isHeard));
    return link.connect(greeting, { ...receiver, said }, ports);
  };
  return { ...link, connect };
}

/** As the upstream tells what stands at `position`, once: the copy has much else to commit. */
function keepBusy(link: DirectUpstream, position: number, copy: () => Node): () => boolean {
  let isBusy = false;
  link.alter = (said) => {
    if (!isBusy && said.kind === 'logged' && said.transactions.some((one) => one.position === position)) {
      isBusy = true;
      for (let count = 0; count < BUSY; count += 1) void copy().ingest([]);
    }
    return said;
  };
  return () => isBusy;
}

test('what waited here for what is told is not told with it', async () => {
  const authority = await open();
  const [link, other] = [directUpstream(() => authority), directUpstream(() => authority)];
  const reopened = follower(link);
  const copy = await reopened();
  const writer = await open({ role: 'durable', upstream: other });
  await until(() => [copy, writer].every((node) => node.report().upstream?.state === 'connected'));
  link.cut();
  const id = await create(authority, 'first');
  await until(() => writer.report().position === 1);
  other.cut();
  await writer.transact((tx) => tx.update(Note, id, { title: 'second' }));
  expect((await copy.ingest((await operationsOf(writer)).slice(-1))).parked).toBe(1);
  await copy.reconnect();
  await until(() => copy.report().position === 2);
  await turn(REST);
  await expectEqual(copy, authority, reopened);
});

test('what an earlier session told is not told by the next, though it is committed in it', async () => {
  const backup = file();
  let authority = await open({ storage: sqliteFile(file()) });
  const link = directUpstream(() => authority);
  const reopened = follower(link);
  const copy = await reopened();
  await create(authority, 'kept');
  await until(() => copy.report().position === 1);
  await authority.backup(backup);
  const restored = await open({ storage: sqliteFile(backup) });
  const isBusy = keepBusy(link, 2, () => copy);
  await create(authority, 'lost');
  await until(isBusy);
  await turn(2);
  authority = restored;
  link.cut();
  await copy.reconnect();
  expect(copy.report().position).toBe(1);
  await until(() => copy.report().position === 2);
  await turn(REST);
  await expectEqual(copy, restored, reopened);
});

test('a session begins where it was greeted, though the cursor of the earlier one is committed before the welcome', async () => {
  const backup = file();
  const first = await open({ storage: sqliteFile(file()) });
  let authority = first;
  let gate: Promise<void> = Promise.resolve();
  const link = directUpstream(() => authority);
  const slow: Upstream = {
    ...link,
    connect: (greeting, receiver, ports) => {
      const welcomed: typeof receiver.welcomed = (welcome) => void gate.then(() => receiver.welcomed(welcome));
      const said: typeof receiver.said = (messages) => void gate.then(() => receiver.said(messages));
      return link.connect(greeting, { ...receiver, welcomed, said }, ports);
    },
  };
  const reopened = follower(slow);
  const copy = await reopened();
  await create(first, 'kept');
  await until(() => copy.report().upstream?.cursor?.position === 1);
  await first.backup(backup);
  const restored = await open({ storage: sqliteFile(backup) });
  const isBusy = keepBusy(link, 3, () => copy);
  link.hold = true;
  await create(copy, 'own');
  await until(() => first.report().position === 2);
  await create(first, 'theirs');
  await turn(20);
  link.hold = false;
  await until(isBusy);
  await turn(2);
  let welcome = () => {};
  gate = new Promise((resolve) => {
    welcome = resolve;
  });
  authority = restored;
  link.cut();
  const reconnected = copy.reconnect();
  await until(() => copy.report().position === 3);
  await turn(5);
  welcome();
  await reconnected;
  await turn(REST);
  await expectEqual(copy, restored, reopened);
});

test('a transaction of which a part was there before stands where its last part does', async () => {
  const backup = file();
  let authority = await open({ storage: sqliteFile(file()) });
  const link = directUpstream(() => authority);
  const copy = await open({ role: 'durable', upstream: link });
  await until(() => copy.report().upstream?.state === 'connected');
  link.cut();
  await createTwo(copy);
  await authority.ingest((await operationsOf(copy)).slice(0, 1));
  for (let number = 0; number < 40; number += 1) await create(authority, `${number}`.padEnd(100_000));
  await authority.backup(backup);
  await copy.reconnect();
  await until(() => copy.report().upstream?.outbox.transactions === 0);
  for (let count = 0; count < 2; count += 1) {
    const before = copy.report().upstream?.cursor?.position ?? 0;
    await until(() => (copy.report().upstream?.cursor?.position ?? 0) > before);
  }
  expect([authority.report().position, copy.report().upstream!.cursor!.position < 40]).toEqual([42, true]);
  link.cut();
  await close(authority);
  authority = await open({ storage: sqliteFile(backup) });
  await copy.reconnect();
  await until(() => authority.report().position === 42);
  await until(() => copy.report().upstream?.outbox.transactions === 0);
  await turn(REST);
  expect(await titlesOf(authority)).toEqual(await titlesOf(copy));
});

test('a transaction of which a part is told is offered whole', async () => {
  const authority = await open();
  const link = directUpstream(() => authority);
  const copy = await open({ role: 'durable', upstream: link });
  await until(() => copy.report().upstream?.state === 'connected');
  link.cut();
  // More than are on their way at a time.
  const count = 3_000;
  for (let number = 0; number < count; number += 1) await create(copy, `${number}`);
  await createTwo(copy);
  await authority.ingest((await operationsOf(copy, count)).slice(0, 1));
  await copy.reconnect();
  await until(() => copy.report().upstream?.outbox.transactions === 0);
  await turn(REST);
  expect(await titlesOf(authority)).toEqual(await titlesOf(copy));
});

test('a transaction of which another part came by another way is told whole', async () => {
  const authority = await open();
  const writer = await open();
  await createTwo(writer);
  const [one, two] = await operationsOf(writer);
  let isFirst = true;
  const takeSecond = (session: FeedSession, request: Request) => {
    if (request.kind === 'offer' && isFirst) {
      isFirst = false;
      void authority.ingest([two!]);
    }
    session.take(request);
  };
  const link = directUpstream(() => ({
    follow: (peer: Peer) => {
      const session = authority.follow(peer);
      const [welcome, pull, end] = [() => session.welcome(), () => session.pull(), () => session.close()];
      return { welcome, pull, close: end, take: (request: Request) => takeSecond(session, request) } as FeedSession;
    },
  }));
  const copy = await open({ role: 'durable', upstream: link });
  await until(() => copy.report().upstream?.state === 'connected');
  await copy.ingest([one!]);
  await turn(REST);
  expect([isFirst, await titlesOf(copy)]).toEqual([false, ['one', 'two']]);
  expect(await titlesOf(authority)).toEqual(['one', 'two']);
});

test('what another node took meanwhile is offered to the first one too, when that is back', async () => {
  const backup = file();
  const first = await open({ storage: sqliteFile(file()) });
  let authority = first;
  let isDeaf = false;
  const link = directUpstream(() => authority);
  const deaf = heard(link, ({ kind }) => !isDeaf || kind !== 'logged');
  const copy = await open({ role: 'durable', upstream: deaf });
  await first.backup(backup);
  await create(first, 'theirs');
  await until(() => copy.report().position === 1);
  await turn(REST);
  authority = await open({ storage: sqliteFile(backup) });
  isDeaf = true;
  await copy.reconnect();
  await create(copy, 'own');
  await until(() => authority.report().position === 2);
  await turn(REST);
  link.cut();
  authority = first;
  isDeaf = false;
  await copy.reconnect();
  await turn(REST);
  expect(await titlesOf(first)).toEqual(['own', 'theirs']);
});

test('what another node took meanwhile is offered to the first one too, when the copy is opened again', async () => {
  const collections = [Note, Tag];
  const [ofFirst, ofCopy] = [sqliteFile(file()), sqliteFile(file())];
  let first = await open({ storage: ofFirst });
  const backup = file();
  await first.backup(backup);
  const second = await open({ collections, storage: sqliteFile(backup) });
  const link = directUpstream(() => first);
  const follow = (upstream: Upstream) => open({ collections, role: 'durable', storage: ofCopy, upstream });
  let copy = await follow(link);
  await until(() => copy.report().upstream?.state === 'connected');
  await copy.transact((tx) => tx.create(Tag, { name: 'unknown to the first' }));
  await until(() => copy.report().upstream?.outbox.refused === 1);
  for (let number = 0; number < 10; number += 1) await create(first, `${number}`);
  await until(() => copy.report().upstream?.cursor?.position === 10);
  await close(copy);
  // The session ends before the log of the second is heard, and more than some answers.
  const few = (said: Said) => said.kind !== 'logged' && (said.kind !== 'taken' || said.position <= 5);
  const toSecond = directUpstream(() => second);
  copy = await follow(heard(toSecond, few));
  await until(() => second.report().position === 11);
  await turn(REST);
  toSecond.cut();
  await close(copy);
  await close(first);
  first = await open({ collections, storage: ofFirst });
  copy = await follow(link);
  await turn(REST);
  expect(await first.query(Tag)).toHaveLength(1);
});

/** Beside: how many offers it has heard. */
function counting(link: Upstream): Upstream & { offers: number } {
  const counter = {
    ...link,
    offers: 0,
    connect: (...given: Parameters<Upstream['connect']>) => {
      const session = link.connect(...given);
      const send = (request: Request) => {
        if (request.kind === 'offer') counter.offers += 1;
        session.send(request);
      };
      return { ...session, send };
    },
  };
  return counter;
}

test('where all is quiet nothing is offered again, whoever is opened again', async () => {
  const ofAuthority = sqliteFile(file());
  let authority = await open({ storage: ofAuthority });
  const link = directUpstream(() => authority);
  const counter = counting(link);
  for (let number = 0; number < 200; number += 1) await create(authority, `${number}`);
  const reopened = follower(counter);
  let copy = await reopened();
  await until(() => copy.report().position === 200);
  for (let count = 0; count < 3; count += 1) {
    await close(copy);
    copy = await reopened();
    await turn(REST);
    link.cut();
    await close(authority);
    authority = await open({ storage: ofAuthority });
    await copy.reconnect();
    await turn(REST);
    expect(counter.offers).toBe(count);
    await create(copy, 'own');
    await until(() => authority.report().position === 201 + count);
    await turn(REST);
  }
});

test('nor where something that cannot be taken keeps the cursor below the floor', async () => {
  const authority = await open({ collections: [Note, Tag] });
  const counter = counting(directUpstream(() => authority));
  const copy = await open({ role: 'durable', upstream: counter });
  for (let number = 0; number < 10; number += 1) await create(copy, `${number}`);
  await authority.transact((tx) => tx.create(Tag, { name: 'unknown to the copy' }));
  await create(authority, 'after');
  await until(() => copy.report().position === 11);
  await turn(REST);
  await authority.compact({ keepMs: 0 });
  for (let count = 0; count < 2; count += 1) {
    await copy.reconnect();
    await turn(REST);
    expect(copy.report().upstream!.quarantined.transactions).toHaveLength(1);
  }
  expect(counter.offers).toBe(10);
});

test.each([
  ['neither where it stands nor an error', null],
  ['both', new TendrilError({ code: 'conflict', problem: 'p', remedy: 'r' })],
])('an answer to an offer that says %s ends the session', async (_, error) => {
  const authority = await open();
  const link = directUpstream(() => authority);
  const copy = await open({ role: 'durable', upstream: link });
  await until(() => copy.report().upstream?.state === 'connected');
  link.alter = (said) => (said.kind === 'taken' ? { ...said, at: error === null ? null : said.at, error } : said);
  await create(copy, 'own');
  await until(() => copy.report().upstream?.error?.code === 'protocol-violation');
  expect(copy.report().upstream!.outbox.transactions).toBe(1);
});
