/**
 * Files that were damaged from outside: a WAL that ends early or has a wrong bit leaves the transactions before it, whole;
 * a wrong bit in the file itself is met with a typed error, or is found by the checks. No damage passes for an answer.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Node, TendrilError, type Transaction } from '../../index.ts';
import { verifyChain } from '../../storage/verify-chain.ts';
import { createRandom, runs, seedFor } from '../support/random.ts';
import { checkFile } from './check.ts';
import { Account, COLLECTIONS, Note } from './collections.ts';
import { FILE_DRIVERS, fileStorage, NATIVE_DRIVER } from './storages.ts';
import { Writer } from './writer.ts';

const TRUNCATIONS = runs(200);
const FLIPS_IN_WAL = runs(200);
const FLIPS_IN_FILE = runs(600);
const STEPS = 12;
const PAGE_BYTES = 4_096;
/**
 * What a file with a wrong bit may be refused with: its first page says whose it is, its schema which collections it has,
 * and a name that was lost from the schema is missed by the first statement that needs it.
 */
const REFUSALS = ['storage-damaged', 'storage-foreign', 'storage-newer', 'schema-mismatch', 'storage-failed'];

const random = createRandom(seedFor('torn'));
let folder: string;
let file: string;
/** The file while all was in its WAL, its WAL, and the file once it was closed. */
let parts: { readonly early: Uint8Array; readonly wal: Uint8Array; readonly closed: Uint8Array };
let stamps: readonly number[];
/** Of what lives in the whole file. */
let ids: { readonly accounts: readonly string[]; readonly notes: readonly string[] } | undefined;
const storage = () => fileStorage(FILE_DRIVERS[0]!, file);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tendril-torn-'));
  file = join(folder, 'torn.db');
  const node = await Node.open({ collections: COLLECTIONS, storage: storage() });
  const writer = await Writer.open({ node, random, firstStamp: 1, acknowledge: () => {} });
  for (let step = 0; step < STEPS; step += 1) await writer.step();
  const [early, wal] = [readFileSync(file), NATIVE_DRIVER === null ? new Uint8Array() : readFileSync(`${file}-wal`)];
  await node.close();
  parts = { early, wal, closed: readFileSync(file) };
  ({ stamps } = await checkFile(storage(), []));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe.runIf(NATIVE_DRIVER !== null)('a WAL', () => {
  test('that ends early leaves the transactions before its end', async () => {
    for (let round = 0; round < TRUNCATIONS; round += 1) {
      await expectBeginning(parts.wal.subarray(0, random.integer(parts.wal.length)));
    }
  });

  test('with a wrong bit leaves the transactions before it', async () => {
    for (let round = 0; round < FLIPS_IN_WAL; round += 1) await expectBeginning(withWrongBit(parts.wal));
  });

  test('that is whole leaves all', async () => {
    expect(await expectBeginning(parts.wal)).toBe(stamps.length);
  });
});

test('a wrong bit in the file is refused with its name, or harmless, or found by the checks', async () => {
  place(parts.closed);
  const whole = await readEverything();
  const found = { refused: 0, harmless: 0, byChecks: 0 };
  for (let round = 0; round < FLIPS_IN_FILE; round += 1) {
    const damaged = withWrongBit(parts.closed);
    place(damaged);
    const read = await readEverything().catch(refusal);
    if (read instanceof TendrilError) found.refused += 1;
    else if (isDeepStrictEqual(read, whole)) found.harmless += 1;
    else {
      found.byChecks += 1;
      place(damaged);
      if (read.operations !== whole.operations) expect(await chainBreak(), 'the chain tells').not.toBeNull();
      await expect(checkFile(storage(), []), 'a wrong answer is found').rejects.toThrow();
    }
  }
  console.log('wrong bits in the file', found);
  expect(found.refused + found.byChecks, 'bits that mattered').toBeGreaterThan(0);
});

/** Opens with this WAL, and finds the first transactions of all, as many as it returns. */
async function expectBeginning(wal: Uint8Array): Promise<number> {
  place(parts.early, wal);
  const left = await checkFile(storage(), []);
  expect(left.stamps).toEqual(stamps.slice(0, left.stamps.length));
  return left.stamps.length;
}

function place(bytes: Uint8Array, wal?: Uint8Array): void {
  for (const part of ['-wal', '-shm', '-journal']) rmSync(`${file}${part}`, { force: true });
  writeFileSync(file, bytes);
  if (wal !== undefined) writeFileSync(`${file}-wal`, wal);
}

function withWrongBit(bytes: Uint8Array): Uint8Array {
  const damaged = Uint8Array.from(bytes);
  // Most of a file is values; half the bits are taken from where pages say what is on them.
  const at = random.chance(0.5)
    ? random.integer(damaged.length)
    : Math.min(random.integer(damaged.length / PAGE_BYTES) * PAGE_BYTES + random.integer(100), damaged.length - 1);
  damaged[at] = damaged[at]! ^ (1 << random.integer(8));
  return damaged;
}

/** All rows and operations, the history of each entity, and whether each living one can be written. */
async function readEverything() {
  const node = await Node.open({ collections: COLLECTIONS, storage: storage() });
  try {
    const [accounts, notes] = [await node.query(Account), await node.query(Note)];
    ids ??= { accounts: accounts.map(({ id }) => id), notes: notes.map(({ id }) => id) };
    const logged = await node.operations(0, 10_000);
    const operations = logged.map(({ bytes }) => (bytes === null ? 'NULL' : Buffer.from(bytes).toString('hex'))).join();
    const histories = [];
    for (const id of ids.accounts) histories.push(await node.history(Account, id));
    const written = await node.transact(writeToAll).catch(notFound);
    return { accounts, notes, operations, histories, written };
  } finally {
    await node.close().catch(refusal);
  }
}

function writeToAll(tx: Transaction): string {
  for (const id of ids!.accounts) tx.update(Account, id, { extra: 1 });
  for (const id of ids!.notes) tx.update(Note, id, { extra: 1 });
  return 'all';
}

/** A row whose id has a wrong bit is another row, as far as SQLite can tell. */
function notFound(error: unknown): string {
  if (error instanceof TendrilError && error.code === 'not-found') return error.code;
  throw error;
}

async function chainBreak(): Promise<unknown> {
  const driver = await storage().open();
  try {
    return verifyChain(driver);
  } catch (error) {
    return refusal(error);
  } finally {
    driver.close();
  }
}

function refusal(error: unknown): TendrilError {
  expect(error, String((error as Error).stack)).toBeInstanceOf(TendrilError);
  const { code, facts } = error as TendrilError;
  // A page size that is wrong looks to SQLite like a disk that cannot be read.
  if (facts.sqliteCode !== 'SQLITE_IOERR') expect(REFUSALS, String((error as Error).stack)).toContain(code);
  return error as TendrilError;
}
