/** A follower of a durable node that itself follows: one authority settles, the others pass uploads on. */
import { beforeEach, describe, expect, test } from 'vitest';
import type { Verdict } from '../../engine/feed/uploads/upload.ts';
import { Forwarding } from '../../engine/logs/forwarding.ts';
import { MAX_OFFERED, MAX_OFFERED_BYTES, MAX_REFUSED_OFFERS } from '../../engine/logs/limits.ts';
import { Offering } from '../../engine/logs/offering.ts';
import type { Request } from '../../engine/stream.ts';
import { collection, integer, type Node, TendrilError, text } from '../../index.ts';
import { digestOf, encodeOperation, type Operation, type OperationId, type Position } from '../../storage/index.ts';
import { createAuthor } from '../support/author.ts';
import { type DirectUpstream, directUpstream } from '../support/direct-upstream.ts';
import { createTestClock, createTestRandom, createTestScheduler, type TestClock } from '../support/ports.ts';
import { createNodes, OTHER, SAME, taken, turn, until } from './logs-world.ts';

const Note = collection('note', { title: text().optional(), stars: integer().default(3) });
const { open } = createNodes([Note], 100);

let authority: Node;
let middle: Node;
let edge: Node;
let clock: TestClock;
let up: DirectUpstream;
let down: DirectUpstream;

const settled = { until: 'settled' } as const;
const outbox = () => edge.report().upstream!.outbox.transactions;

beforeEach(async () => {
  clock = createTestClock();
  authority = await open({ ports: { clock, random: createTestRandom(1), scheduler: createTestScheduler() } });
  up = directUpstream(() => authority);
  middle = await open({ role: 'durable', upstream: up });
  await until(() => middle.report().upstream?.state === 'connected');
  down = directUpstream(() => middle);
  edge = await open({ upstream: down, author: 'eve' });
  await until(() => edge.report().upstream?.state === 'connected');
});

const NOTHING = { offered: 0 as Position, refused: [] };

describe('an upload to a node with an upstream', () => {
  test('is settled by the authority, stands in both logs under its author, and comes back once', async () => {
    const id = await edge.transact((tx) => tx.create(Note, { title: 'from the edge' }), settled);
    for (const node of [authority, middle]) {
      expect(await node.history(Note, id)).toMatchObject([{ position: 1, author: 'eve' }]);
      expect(node.report().position).toBe(1);
    }
    await edge.transact((tx) => tx.update(Note, id, { stars: 5 }), settled);
    expect(await middle.get(Note, id)).toMatchObject({ title: 'from the edge', stars: 5 });
    expect(await edge.get(Note, id)).toMatchObject({ stars: 5 });
    expect(outbox()).toBe(0);
  });

  test('waits while the upstream is away, also over sessions of the follower, and is settled once', async () => {
    up.cut();
    const id = await edge.transact((tx) => tx.create(Note, { title: 'a' }));
    await edge.transact((tx) => tx.update(Note, id, { stars: 1 }));
    await turn(20);
    expect([middle.report().position, outbox()]).toEqual([0, 2]);
    down.cut();
    await edge.reconnect();
    await turn(20);
    await middle.reconnect();
    await until(() => outbox() === 0);
    expect([authority.report().position, middle.report().position]).toEqual([2, 2]);
    expect(await edge.get(Note, id)).toMatchObject({ title: 'a', stars: 1 });
  });

  test('that the authority refuses is refused for its author, and leaves nothing in between', async () => {
    const Other = collection('other', { name: text() });
    const both = [Note, Other];
    const relay = await open({ collections: both, role: 'durable', upstream: directUpstream(() => authority) });
    await until(() => relay.report().upstream?.state === 'connected');
    const writer = await open({ collections: both, upstream: directUpstream(() => relay), author: 'wes' });
    await until(() => writer.report().upstream?.state === 'connected');
    const refused = writer.transact((tx) => tx.create(Other, { name: 'x' }), settled);
    await expect(refused).rejects.toMatchObject({ code: 'unknown-collection' });
    expect([relay.report().position, authority.report().position]).toEqual([0, 0]);
    expect(relay.report().followers?.waitingUploads).toBe(0);
  });

  test('whose clock is ahead is made anew by its author, at the clock of the authority', async () => {
    const ahead = createTestClock();
    ahead.advance(86_400_000);
    const ports = { clock: ahead, random: createTestRandom(77), scheduler: createTestScheduler() };
    const late = await open({ upstream: directUpstream(() => middle), author: 'lea', ports });
    await until(() => late.report().upstream?.state === 'connected');
    const id = await late.transact((tx) => tx.create(Note, { title: 'early' }), settled);
    expect(await authority.history(Note, id)).toHaveLength(1);
    expect(authority.report().logAheadMs).toBeLessThan(300_001);
  });

  test('that another author made is refused before it is passed on', async () => {
    const [operation] = [createAuthor('note').operation({})];
    const heard: unknown[] = [];
    const session = middle.follow({
      author: 'mallory',
      relays: false,
      greeting: { node: edge.report().node, cursor: null },
      say: (said) => void heard.push(said),
      hasMore: () => undefined,
      hasRoom: () => undefined,
    });
    const { transaction } = operation!;
    session.take({ kind: 'upload', transaction, attempt: 1, operations: [encodeOperation(operation!)] });
    expect(heard).toMatchObject([{ kind: 'refused', error: { code: 'policy-denied' } }]);
    await turn(20);
    expect(authority.report().position).toBe(0);
    session.close();
  });
});

describe('bounds', () => {
  const log = {
    identity: (id: OperationId) => stood.get(id) ?? null,
    floor: () => 0 as Position,
    outcome: () => null,
    transactionsSince: (after: Position, limit: number) =>
      Array.from({ length: Math.min(limit, last - after) }, (_, index) => ({
        position: (after + 1 + index) as Position,
        transaction: '01JD5Q8R1W00000000000000TX',
        operations: [new Uint8Array(size)],
      })),
  };
  let size = 1;
  let last = 5_000;
  let sent: Request[] = [];
  /** Of the operations in this log. */
  const stood = new Map<OperationId, { readonly position: Position; readonly digest: Uint8Array }>();
  const stands = (operation: Operation) => {
    stood.set(operation.id, { position: 1 as Position, digest: digestOf(encodeOperation(operation)) });
  };
  const send = (request: Request) => void sent.push(request);
  const core = { log, scheduler: createTestScheduler() } as never;
  beforeEach(() => {
    size = 1;
    last = 5_000;
    sent = [];
    stood.clear();
  });

  test('1,000 offers are on their way at a time, and the next as each is taken', async () => {
    const offering = new Offering({ core, position: () => 5_000 as Position, send }, NOTHING);
    offering.begin(SAME);
    await turn();
    expect(sent).toHaveLength(MAX_OFFERED);
    offering.taken(taken(1));
    await turn();
    expect([sent.length, offering.offered]).toEqual([MAX_OFFERED + 1, 1]);
    offering.taken(taken(3));
    expect(offering.offered).toBe(1);
  });

  test('2 MiB of offers are on their way at a time', async () => {
    size = MAX_OFFERED_BYTES / 4;
    const whole = { ...log, transactionsSince: (after: Position) => log.transactionsSince(after, 1) };
    const offering = new Offering(
      { core: { ...(core as object), log: whole } as never, position: () => 5_000 as Position, send },
      NOTHING,
    );
    offering.begin(SAME);
    await turn();
    expect(sent).toHaveLength(4);
  });

  test('one that is refused stops nothing, and is offered again by the next session, alone', async () => {
    last = 3;
    const offering = new Offering({ core, position: () => last as Position, send }, NOTHING);
    offering.begin(SAME);
    await turn();
    const error = new TendrilError({ code: 'conflict', problem: 'p', remedy: 'r' });
    for (const at of [1, 2, 3]) offering.taken(taken(at, at === 2 ? error : null));
    expect([offering.toldAt(3 as Position), offering.error]).toEqual([{ offered: 3, refused: [2] }, error]);
    expect([offering.untold, offering.refused]).toEqual([1, 1]);
    sent = [];
    offering.begin(SAME);
    await turn();
    expect(sent.map((request) => 'position' in request && request.position)).toEqual([2]);
    expect(offering.error).toBeNull();
    offering.taken(taken(2));
    expect([offering.toldAt(3 as Position), offering.untold]).toEqual([{ offered: 3, refused: [] }, 0]);
  });

  test('1,000 that are refused are offered again alone; with one more, that one and all that follow', async () => {
    const error = new TendrilError({ code: 'conflict', problem: 'p', remedy: 'r' });
    for (const refused of [MAX_REFUSED_OFFERS, MAX_REFUSED_OFFERS + 1]) {
      last = refused + 2;
      const offering = new Offering({ core, position: () => last as Position, send }, NOTHING);
      offering.begin(SAME);
      for (let at = 1; at <= last; at += 1) {
        await turn();
        offering.taken(taken(at, at <= refused ? error : null));
      }
      expect([offering.refused, offering.untold]).toEqual([refused, refused]);
      const isPast = refused > MAX_REFUSED_OFFERS;
      expect([offering.offered, offering.isStuck]).toEqual([isPast ? MAX_REFUSED_OFFERS : last, isPast]);
      sent = [];
      offering.begin(SAME);
      for (let at = 1; at <= last; at += 1) {
        await turn();
        offering.taken(taken(at));
      }
      expect(sent).toHaveLength(isPast ? last : refused);
      expect([offering.toldAt(last as Position), offering.untold]).toEqual([{ offered: last, refused: [] }, 0]);
    }
  });

  test('to another log everything is offered, once, also what was refused, or had been told', async () => {
    last = 4;
    const offering = new Offering({ core, position: () => last as Position, send }, { ...NOTHING, refused: [] });
    offering.areThere([3 as Position], 3 as Position);
    offering.begin(OTHER);
    await turn();
    expect(sent).toHaveLength(4);
    const error = new TendrilError({ code: 'conflict', problem: 'p', remedy: 'r' });
    offering.taken(taken(1, error));
    sent = [];
    offering.begin(OTHER);
    await turn();
    expect(sent).toHaveLength(4);
  });

  test('what was under way when a session ended is passed on by the next; what is concluded is not', () => {
    const somebody = createAuthor('note');
    const forwarding = new Forwarding({ core, send });
    const [first, second] = [somebody.operation({}), somebody.operation({})];
    for (const operation of [first, second]) {
      const { transaction } = operation;
      const upload = { kind: 'upload', transaction, attempt: 1, operations: [encodeOperation(operation)] } as const;
      forwarding.take(upload, null, { begin: () => undefined, end: () => undefined });
    }
    forwarding.begin();
    forwarding.end();
    const commit = { transaction: first.transaction, position: 1 as Position, changes: [], touched: [] };
    stands(first);
    forwarding.committed([commit]);
    sent = [];
    forwarding.begin();
    expect(sent).toMatchObject([{ transaction: second.transaction }]);
  });

  test('one attempt is passed on once in a session, whoever brings it again, so that it has one answer', () => {
    const forwarding = new Forwarding({ core, send });
    const heard: string[] = [];
    const told = (name: string) => ({
      begin: () => undefined,
      end: (verdict: Verdict | null) => void heard.push(`${name} ${verdict?.kind}`),
    });
    const operation = createAuthor('note').operation({});
    const { transaction } = operation;
    const upload = { kind: 'upload', transaction, attempt: 1, operations: [encodeOperation(operation)] } as const;
    forwarding.take(upload, null, told('first'));
    forwarding.begin();
    forwarding.take(upload, null, told('second'));
    expect([sent, heard]).toEqual([[upload], ['first applied']]);
    forwarding.end();
    forwarding.begin();
    expect(sent).toEqual([upload, upload]);
    forwarding.rebase({ kind: 'rebase', transaction, attempt: 1, reason: 'missing-precursor', time: 0 });
    expect([heard, forwarding.size]).toEqual([['first applied', 'second rebase'], 0]);
  });

  test('an attempt is not settled by another one that stands in the log: the authority refuses it', () => {
    const forwarding = new Forwarding({ core, send });
    const verdicts: (Verdict | null)[] = [];
    const told = { begin: () => undefined, end: (verdict: Verdict | null) => void verdicts.push(verdict) };
    const somebody = createAuthor('note');
    const first = somebody.operation({});
    const second = somebody.operation({ transaction: first.transaction });
    const { transaction } = first;
    const upload = { kind: 'upload', transaction, attempt: 2, operations: [encodeOperation(second)] } as const;
    forwarding.take(upload, null, told);
    forwarding.begin();
    stands(first);
    const commit = { transaction, position: 1 as Position, changes: [], touched: [] };
    forwarding.committed([commit]);
    expect(verdicts).toEqual([]);
    const error = new TendrilError({ code: 'identity-clash', problem: 'p', remedy: 'r' });
    forwarding.refused({ kind: 'refused', transaction, attempt: 2, error });
    expect(verdicts).toEqual([{ kind: 'refused', error }]);
  });

  test('1,000 uploads are passed on at a time; a refusal of an earlier attempt says nothing of this one', () => {
    const somebody = createAuthor('note');
    const forwarding = new Forwarding({ core, send });
    const verdicts: (Verdict | null)[] = [];
    const told = { begin: () => undefined, end: (verdict: Verdict | null) => void verdicts.push(verdict) };
    const uploads = Array.from({ length: MAX_OFFERED + 1 }, () => {
      const operation = somebody.operation({});
      const { transaction } = operation;
      return { kind: 'upload', transaction, attempt: 2, operations: [encodeOperation(operation)] } as const;
    });
    for (const upload of uploads) forwarding.take(upload, null, told);
    expect(sent).toHaveLength(0);
    forwarding.begin();
    expect(sent).toEqual(uploads.slice(0, MAX_OFFERED));
    const { transaction } = uploads[0]!;
    const error = new TendrilError({ code: 'conflict', problem: 'p', remedy: 'r' });
    forwarding.refused({ kind: 'refused', transaction, attempt: 1, error });
    expect([sent.length, verdicts.length]).toEqual([MAX_OFFERED, 0]);
    forwarding.refused({ kind: 'refused', transaction, attempt: 2, error });
    expect([sent.length, verdicts]).toEqual([MAX_OFFERED + 1, [{ kind: 'refused', error }]]);
    expect(forwarding.size).toBe(MAX_OFFERED);
  });
});
