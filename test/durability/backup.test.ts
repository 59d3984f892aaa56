/** A backup is whole or not there: while others write, where the storage fails, and after one that was interrupted. */
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Node } from '../../index.ts';
import { backup } from '../../storage/drivers/index.ts';
import type { Storage } from '../../storage/index.ts';
import { faultyDriver } from '../support/faulty-driver.ts';
import { createRandom, runs, seedFor } from '../support/random.ts';
import { checkFile } from './check.ts';
import { COLLECTIONS, type Receipt } from './collections.ts';
import { FILE_DRIVERS, fileStorage } from './storages.ts';
import { Writer } from './writer.ts';

const ROUNDS = runs(20);

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tendril-backup-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe.each(FILE_DRIVERS)('%s', (driver) => {
  const random = createRandom(seedFor(`backup, ${driver}`));

  async function openWriter(storage: Storage) {
    const receipts: Receipt[] = [];
    const node = await Node.open({ collections: COLLECTIONS, storage });
    const acknowledge = (receipt: Receipt) => void receipts.push(receipt);
    return { node, receipts, writer: await Writer.open({ node, random, firstStamp: 1, acknowledge }) };
  }

  test('holds whole transactions, all that were acknowledged when it was asked for', async () => {
    const { node, receipts, writer } = await openWriter(fileStorage(driver, join(folder, 'node.db')));
    for (let round = 0; round < ROUNDS; round += 1) {
      const copy = join(folder, `copy-${round}.db`);
      const before = [...receipts];
      const writing = writer.step();
      await Promise.all([node.backup(copy), writing]);
      await checkFile(fileStorage(driver, copy), before);
    }
    await node.close();
  });

  test('leaves nothing where the storage fails, and the node goes on', async () => {
    const storage = fileStorage(driver, join(folder, 'node.db'));
    const copy = join(folder, 'copy.db');
    let failNow = () => {};
    const failing: Storage = {
      open: async () => {
        const sound = await storage.open();
        let faulty = sound;
        failNow = () => {
          faulty = faultyDriver(sound, { at: 1, code: 'SQLITE_FULL', rollsBack: false }).driver;
        };
        return { ...sound, backup: (path) => backup(faulty, path) };
      },
    };
    const { node, receipts, writer } = await openWriter(failing);
    await writer.step();
    failNow();
    await expect(node.backup(copy)).rejects.toMatchObject({ code: 'storage-failed' });
    expect(readdirSync(folder).filter((name) => name.startsWith('copy'))).toEqual([]);
    await writer.step();
    await node.backup(copy);
    await node.close();
    await checkFile(fileStorage(driver, copy), receipts);
  });

  test('is not hindered by what an interrupted one left', async () => {
    const { node, receipts, writer } = await openWriter(fileStorage(driver, join(folder, 'node.db')));
    await writer.step();
    const copy = join(folder, 'copy.db');
    writeFileSync(`${copy}-unfinished`, 'half of a file');
    await node.backup(copy);
    await node.close();
    expect(existsSync(`${copy}-unfinished`)).toBe(false);
    await checkFile(fileStorage(driver, copy), receipts);
  });
});
