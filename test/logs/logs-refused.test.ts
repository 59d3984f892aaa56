/** What the upstream of a durable node refuses: counted apart from what it has, and in nobody's way. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { collection, type Node, type NodeOptions, text } from '../../index.ts';
import { sqliteFile } from '../../storage/drivers/index.ts';
import { type DirectUpstream, directUpstream } from '../support/direct-upstream.ts';
import { createNodes, until } from './logs-world.ts';

const Note = collection('note', { title: text() });
/** The upstream has no such collection. */
const Draft = collection('draft', { title: text() });
const { open, close } = createNodes([Note], 700);

const folder = mkdtempSync(join(tmpdir(), 'logs-refused-'));
afterAll(() => rmSync(folder, { recursive: true }));

const note = (node: Node, title: string) => node.transact((tx) => tx.create(Note, { title }), { until: 'settled' });
const outboxOf = (node: Node) => node.report().upstream!.outbox;

/** The copy has two notes, a draft that is refused, another note, and one of the upstream's. */
async function refusedOne(link: DirectUpstream, authority: Node, ofCopy: Partial<NodeOptions> = {}): Promise<Node> {
  const copy = await open({ role: 'durable', collections: [Note, Draft], upstream: link, ...ofCopy });
  await until(() => copy.report().upstream?.state === 'connected');
  await note(copy, 'one');
  await expect(
    copy.transact((tx) => tx.create(Draft, { title: 'unknown there' }), { until: 'settled' }),
  ).rejects.toMatchObject({ name: 'TendrilError' });
  await note(copy, 'two');
  await note(authority, 'theirs');
  await until(async () => (await copy.query(Note)).length === 3);
  return copy;
}

test('the outbox counts what was refused, and not what is there or came from there, also after a restart', async () => {
  const authority = await open();
  const link = directUpstream(() => authority);
  const storage = sqliteFile(join(folder, 'counted.db'));
  const copy = await refusedOne(link, authority, { storage });
  expect(outboxOf(copy)).toMatchObject({ transactions: 1, refused: 1, held: 0 });
  expect(outboxOf(copy).bytes).toBeGreaterThan(0);
  expect(await copy.query(Draft), 'the row stays').toHaveLength(1);
  link.cut();
  await copy.transact((tx) => tx.create(Note, { title: 'offline' }));
  expect(outboxOf(copy)).toMatchObject({ transactions: 2, refused: 1 });
  await copy.reconnect();
  await until(() => outboxOf(copy).transactions === 1);
  await close(copy);
  const away = { name: 'away', connect: () => ({ send: () => undefined, close: () => undefined }) };
  const again = await open({ role: 'durable', collections: [Note, Draft], storage, upstream: away });
  expect(outboxOf(again)).toMatchObject({ transactions: 1, refused: 1 });
});

test('what was refused does not hold compaction back; what was not offered does', async () => {
  const authority = await open();
  const link = directUpstream(() => authority);
  const copy = await refusedOne(link, authority);
  const { position } = copy.report();
  expect(await copy.compact({ keepMs: 0 })).toMatchObject({ floor: position, keptFor: null });
  link.cut();
  await copy.transact((tx) => tx.create(Note, { title: 'offline' }));
  expect(await copy.compact({ keepMs: 0 })).toMatchObject({ floor: position });
});

test('what was refused is taken when it can be', async () => {
  const path = join(folder, 'later.db');
  const ofAuthority = { storage: sqliteFile(path) };
  let authority = await open(ofAuthority);
  const link = directUpstream(() => authority);
  const copy = await refusedOne(link, authority);
  await close(authority);
  authority = await open({ ...ofAuthority, collections: [Note, Draft] });
  await copy.reconnect();
  await until(() => outboxOf(copy).transactions === 0);
  expect(outboxOf(copy)).toMatchObject({ refused: 0, bytes: 0 });
  expect(await authority.query(Draft)).toEqual(await copy.query(Draft));
});
