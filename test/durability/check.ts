/**
 * What must hold of a file after anything that may befall it, given the receipts that were handed out for it.
 *
 * The file is read by the driver alone, under the engine, so that the engine cannot agree with its own mistake; then
 * its log is folded again, from nothing, and every table must come out the same, byte for byte.
 */
import { expect } from 'vitest';
import { type Collection, Node, type RowOf } from '../../index.ts';
import type { SqliteDriver, Storage } from '../../storage/index.ts';
import { decodeOperation } from '../../storage/operation-bytes.ts';
import { verifyChain } from '../../storage/verify-chain.ts';
import { Account, COLLECTIONS, placeOf, type Receipt } from './collections.ts';
import { memoryStorage } from './storages.ts';

const LOG_TABLES = ['tendril_transaction', 'tendril_identity', 'tendril_content', 'tendril_outcome', 'tendril_base'];

/** A transaction as the log has it. */
interface Logged {
  readonly stamp: number;
  readonly operations: readonly Uint8Array[];
  readonly entities: readonly string[];
}

export interface Checked {
  /** Of the transactions that the file holds, in position order. */
  readonly stamps: readonly number[];
  /** What a node on this file says. */
  readonly accounts: readonly RowOf<typeof Account>[];
}

export interface CheckOptions {
  /** Stamps that a live query has shown. */
  readonly seen?: readonly number[];
  readonly collections?: readonly Collection[];
}

export async function checkFile(
  storage: Storage,
  receipts: readonly Receipt[],
  { seen = [], collections = COLLECTIONS }: CheckOptions = {},
): Promise<Checked> {
  // It opens at once, recovers, and makes its tables if it was ended before it had them.
  const driver = await storage.open();
  const node = await Node.open({ collections, storage: { open: async () => driver } });
  try {
    expect(driver.all('PRAGMA integrity_check')).toEqual([['ok']]);
    expect(verifyChain(driver), 'the chain holds').toBeNull();
    const log = readLog(driver);
    checkReceipts(log, receipts);
    const stamps = log.map(({ stamp }) => stamp);
    const committed = new Set(stamps);
    expect(
      seen.filter((stamp) => !committed.has(stamp)),
      'what was shown was committed',
    ).toEqual([]);
    expect(dump(driver, collections), 'the rows are those of the log').toEqual(await refold(log, collections));
    return { stamps, accounts: await node.query(Account) };
  } finally {
    await node.close();
  }
}

/** Every transaction of the log, checked to be whole. */
function readLog(driver: SqliteDriver): readonly Logged[] {
  const positions = driver.all('SELECT position FROM tendril_transaction ORDER BY position').map(([at]) => at);
  expect(positions, 'positions have no gap').toEqual(positions.map((_, index) => index + 1));
  const rows = driver.all('SELECT position, bytes FROM tendril_content ORDER BY position, ordinal');
  const byPosition = new Map<number, Uint8Array[]>(positions.map((at) => [at as number, []]));
  for (const [position, bytes] of rows) byPosition.get(position as number)!.push(bytes as Uint8Array);
  return [...byPosition.values()].map(wholeTransaction);
}

function wholeTransaction(bytes: readonly Uint8Array[]): Logged {
  const operations = bytes.map(decodeOperation);
  const setTo = (property: string) =>
    new Set(
      operations.flatMap(({ edits }) =>
        edits.flatMap((edit) => (edit.kind === 'set' && edit.property === property ? [Number(edit.value)] : [])),
      ),
    );
  const [stamps, widths] = [setTo('stamp'), setTo('width')];
  const entities = [...new Set(operations.map(({ collection, entity }) => placeOf(collection, entity)))].sort();
  expect([...widths], `transaction ${[...stamps]} is whole`).toEqual([entities.length]);
  expect(new Set(operations.map(({ transaction }) => transaction)).size).toBe(1);
  expect(stamps.size).toBe(1);
  const [stamp] = stamps as ReadonlySet<number>;
  expect(stamp, 'what was thrown away left no trace').toBeGreaterThan(0);
  return { stamp: stamp!, operations: bytes, entities };
}

function checkReceipts(log: readonly Logged[], receipts: readonly Receipt[]): void {
  const kept = new Map(log.map((transaction) => [transaction.stamp, transaction.entities]));
  expect(kept.size, 'no transaction stands twice').toBe(log.length);
  for (const { stamp, entities } of receipts)
    expect(kept.get(stamp), `acknowledged transaction ${stamp}`).toEqual(entities);
}

/** The tables of a fresh node that was given this log, transaction by transaction. */
async function refold(log: readonly Logged[], collections: readonly Collection[]): Promise<readonly string[]> {
  const driver = await memoryStorage().open();
  const node = await Node.open({ collections, storage: { open: async () => driver } });
  for (const { operations } of log) await node.ingest(operations);
  const tables = dump(driver, collections);
  await node.close();
  return tables;
}

function dump(driver: SqliteDriver, collections: readonly Collection[]): readonly string[] {
  const tables = collections.map(({ name, properties }) => {
    const columns = ['id', ...Object.keys(properties), '_head', '_versions', '_deleted', '_asOf', '_pending', '_extra'];
    return [`_${name}`, columns.join(', ')] as const;
  });
  return [...tables, ...LOG_TABLES.map((table) => [table, '*'] as const)].flatMap(([table, columns]) =>
    driver.all(`SELECT ${columns} FROM ${table} ORDER BY 1, 2`).map((row) => `${table}: ${row.map(spell).join(' | ')}`),
  );
}

function spell(cell: unknown): string {
  return cell instanceof Uint8Array ? Buffer.from(cell).toString('hex') : JSON.stringify(cell);
}
