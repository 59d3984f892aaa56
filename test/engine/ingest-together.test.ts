/** A part of an ingest is written together: what comes of it is what comes of its transactions one by one. */
import { afterEach, expect, test } from 'vitest';
import { collection, integer, memory, Node, text } from '../../index.ts';
import type { Operation, SqliteDriver } from '../../storage/index.ts';
import { bytesOf, createAuthor } from '../support/author.ts';
import { createRandom, runs, seedFor } from '../support/random.ts';

const Note = collection('note', { title: text().optional(), stars: integer().default(3) });
const TABLES = ['_note', 'tendril_transaction', 'tendril_identity', 'tendril_content', 'tendril_outcome'];

const open: Node[] = [];
afterEach(async () => {
  for (const node of open.splice(0)) await node.close();
});

async function openNode(): Promise<{ readonly node: Node; readonly driver: SqliteDriver }> {
  const driver = await memory().open();
  const node = await Node.open({ collections: [Note], storage: { open: async () => driver } });
  open.push(node);
  return { node, driver };
}

/** Transactions as bytes: new notes, changes of them, some again, some that take another's id, some that nobody can read. */
function history(seed: number, count: number): readonly (readonly Uint8Array[])[] {
  const random = createRandom(seed);
  const author = createAuthor('note');
  const made: Operation[] = [];
  const one = (transaction: Operation['transaction']): Operation => {
    const on =
      made.length > 0 && random.chance(0.5) ? made[made.length - 1 - random.integer(Math.min(made.length, 20))] : null;
    const values = { title: `title ${random.integer(100)}` };
    const operation = author.operation({
      transaction,
      values,
      ...(on ? { entity: on.entity, precursors: [on.id] } : {}),
    });
    made.push(operation);
    return operation;
  };
  return Array.from({ length: count }, () => {
    const old = made[random.integer(Math.max(1, made.length))];
    if (old !== undefined && random.chance(0.1)) return bytesOf(old);
    if (old !== undefined && random.chance(0.05)) return bytesOf({ ...old, transaction: author.transaction() });
    if (random.chance(0.05)) return [new Uint8Array([1, 2, 3])];
    const missing = author.id<Operation['id']>();
    if (random.chance(0.05)) return bytesOf(author.operation({ precursors: [missing] }));
    const transaction = author.transaction();
    return bytesOf(...Array.from({ length: 1 + random.integer(3) }, () => one(transaction)));
  });
}

test('the rows, the log, and what was refused', async () => {
  for (let run = 0; run < runs(8); run += 1) {
    const all = history(seedFor('ingest together') + run, 150);
    const [together, alone] = [await openNode(), await openNode()];
    const result = await together.node.ingest(all.flat());
    const results = [];
    for (const each of all) results.push(await alone.node.ingest(each));
    const held = ({ driver }: typeof alone) => TABLES.map((table) => driver.all(`SELECT * FROM ${table}`));
    expect(held(together)).toEqual(held(alone));
    expect(result.applied).toBe(results.reduce((sum, { applied }) => sum + applied, 0));
    expect(together.node.report().parked).toEqual(alone.node.report().parked);
    expect(result.refused.length).toBeGreaterThan(0);
  }
});
