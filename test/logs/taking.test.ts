/** What is told while a session ends: nothing of it is passed over, be it absent, not committed, or known by its place alone. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { type Logged, Taking } from '../../engine/logs/taking.ts';
import type { Member } from '../../engine/write/commit-queue.ts';
import { collection, type Node, TendrilError, text } from '../../index.ts';
import { sqliteFile } from '../../storage/drivers/index.ts';
import { type Cursor, type EpochId, encodeOperation, type NodeId, type Position } from '../../storage/index.ts';
import { createAuthor } from '../support/author.ts';
import { directUpstream } from '../support/direct-upstream.ts';
import { createNodes, turn, until } from './logs-world.ts';

const Note = collection('note', { title: text().optional() });
const Tag = collection('tag', { name: text() });
const { open, close } = createNodes([Note], 300);

const folder = mkdtempSync(join(tmpdir(), 'taking-'));
afterAll(() => rmSync(folder, { recursive: true }));

const create = (node: Node, title: string) => node.transact((tx) => tx.create(Note, { title }));

test('a log restored from a copy that only lacks what was written here is told that again', async () => {
  const backup = join(folder, 'backup.db');
  let authority = await open({ storage: sqliteFile(join(folder, 'authority.db')) });
  const link = directUpstream(() => authority);
  const copy = await open({ role: 'durable', upstream: link });
  await create(authority, 'kept');
  await until(() => copy.report().position === 1);
  await authority.backup(backup);
  await create(copy, 'own');
  await until(
    () => copy.report().upstream?.outbox.transactions === 0 && copy.report().upstream?.cursor?.position === 2,
  );
  link.cut();
  await close(authority);
  authority = await open({ storage: sqliteFile(backup) });
  expect(authority.report().position).toBe(1);
  await copy.reconnect();
  await until(() => authority.report().position === 2);
  expect(await authority.query(Note)).toEqual(await copy.query(Note));
});

/** Its cursor stays before what it cannot take, and so lies in the copy, too. */
test.each(['is connected', 'is closed and opened again'])(
  'the same where the one who wrote it cannot take something earlier, and %s',
  async (how) => {
    const named = (name: string) => sqliteFile(join(folder, `${how} ${name}.db`));
    const collections = [Note, Tag];
    let authority = await open({ collections, storage: named('authority') });
    const link = directUpstream(() => authority);
    const ofCopy = { role: 'durable', upstream: link, storage: named('copy') } as const;
    let copy = await open(ofCopy);
    await authority.transact((tx) => tx.create(Tag, { name: 'unknown to the copy' }));
    await until(() => copy.report().upstream!.quarantined.transactions.length === 1);
    await authority.backup(join(folder, `${how} backup.db`));
    await create(copy, 'own');
    await create(authority, 'theirs');
    await until(() => copy.report().position === 2 && authority.report().position === 3);
    await until(() => copy.report().upstream?.outbox.transactions === 0);
    if (how !== 'is connected') await close(copy);
    link.cut();
    await close(authority);
    authority = await open({ collections, storage: named('backup') });
    expect(authority.report().position).toBe(1);
    if (how === 'is connected') await copy.reconnect();
    else copy = await open(ofCopy);
    await until(() => authority.report().position === 3);
    expect(await authority.query(Note)).toEqual(await copy.query(Note));
  },
);

test('the same where the one who wrote it was still being told what is older, and lacks much of it', async () => {
  const [file, backup] = [join(folder, 'long.db'), join(folder, 'long backup.db')];
  let authority = await open({ storage: sqliteFile(file) });
  for (let number = 0; number < 40; number += 1) await create(authority, `${number}`.padEnd(100_000));
  await authority.backup(backup);
  const link = directUpstream(() => authority);
  const copy = await open({ role: 'durable', upstream: link });
  await until(() => copy.report().position > 0);
  await create(copy, 'own');
  await until(() => copy.report().upstream?.outbox.transactions === 0);
  const cursor = copy.report().upstream!.cursor!.position;
  await until(() => copy.report().upstream!.cursor!.position > cursor);
  expect(copy.report().upstream!.cursor!.position).toBeLessThan(40);
  link.cut();
  expect(authority.report().position).toBe(41);
  await close(authority);
  authority = await open({ storage: sqliteFile(backup) });
  await copy.reconnect();
  await until(() => authority.report().position === 41);
  await until(() => copy.report().position === 41);
  expect(await authority.query(Note)).toEqual(await copy.query(Note));
});

describe('a session that ends while what it told is being taken', () => {
  const refusal = new TendrilError({ code: 'unknown-collection', problem: 'It is not here.', remedy: 'Declare it.' });
  const [first, second] = ['01JD5Q8R1W00000000000000E1', '01JD5Q8R1W00000000000000E2'] as EpochId[];
  const peer = '01JD5Q8R1W00000000000000NN' as NodeId;
  let members: Member[];
  let kept: Cursor[];
  let fails: boolean;
  let taking: Taking;

  beforeEach(() => {
    members = [];
    kept = [];
    fails = false;
    taking = new Taking(
      {
        core: {
          log: { identity: () => null },
          scheduler: { next: (task: () => void) => void setImmediate(task) },
        } as never,
        ingester: {
          take: async (batches: readonly { readonly transaction: string }[]) => {
            if (fails) throw refusal;
            return { refused: new Map(batches.map(({ transaction }) => [transaction, refusal])), parked: new Set() };
          },
        } as never,
        queue: { add: (member) => void members.push(member) },
        keep: (cursor) => void kept.push(cursor),
        vouch: () => undefined,
        areThere: () => undefined,
        fail: () => taking.end(),
      },
      { epoch: first!, position: 4 as Position },
    );
    taking.begin({ epoch: first!, peer });
  });

  /** One transaction, at position 5, that is not applied. */
  async function hear(): Promise<void> {
    const operation = createAuthor('note').operation({});
    const transactions = [
      { position: 5 as Position, transaction: operation.transaction, operations: [encodeOperation(operation)] },
    ];
    taking.hear({ kind: 'logged', floor: 0 as Position, transactions } satisfies Logged);
    await turn();
  }

  function commit(): void {
    for (const member of members.splice(0)) {
      if (fails) member.failed(refusal);
      else {
        member.run();
        member.committed();
      }
    }
  }

  test('leaves the cursor before what is absent of it, and that noted', async () => {
    await hear();
    taking.end();
    commit();
    await turn();
    expect([taking.cursor?.position, kept.at(-1)?.position, taking.absent.size]).toEqual([4, 4, 1]);
  });

  test('moves no cursor once another has begun, which is told the same again', async () => {
    await hear();
    taking.end();
    taking.begin({ epoch: second!, peer });
    commit();
    await turn();
    expect([taking.cursor, kept, taking.absent.size]).toEqual([{ epoch: first, position: 4 }, [], 0]);
  });

  test('keeps no cursor, as the node is closed, of what could not be committed', async () => {
    fails = true;
    await hear();
    commit();
    await turn();
    fails = false;
    const closed = taking.close();
    await turn();
    commit();
    await closed;
    expect([taking.cursor?.position, kept.map(({ position }) => position)]).toEqual([4, [4]]);
  });
});
