/** The check that the durability suites rest on finds what is wrong with a file. */
import { beforeEach, describe, expect, test } from 'vitest';
import { createForgetfulDisk, type ForgetfulDisk } from '../support/forgetful-disk.ts';
import { checkFile } from './check.ts';
import { diskStorage } from './disk-storage.ts';
import { type Ground, preparedGround } from './fault-run.ts';

let ground: Ground;
let disk: ForgetfulDisk;
beforeEach(async () => {
  ground = await preparedGround('persist');
  disk = createForgetfulDisk(ground.image);
});

describe('a file is found wrong', () => {
  test.each([
    ['where a row is not what its log says', "UPDATE _account SET body = 'other' WHERE stamp = 3"],
    ['where only a hidden column is not', 'UPDATE _account SET _head = zeroblob(16) WHERE stamp = 3'],
    ['where a row is lost', 'DELETE FROM _note'],
    ['where one operation of a transaction is lost', 'DELETE FROM tendril_identity WHERE position = 1 AND ordinal = 6'],
    ['where the content of one is', 'DELETE FROM tendril_content WHERE position = 1 AND ordinal = 6'],
    ['where a transaction is lost', 'DELETE FROM tendril_transaction WHERE position = 3'],
    ['where an outcome is lost', 'DELETE FROM tendril_outcome WHERE position = 2'],
    ['where the chain is another', 'UPDATE tendril_transaction SET chain = zeroblob(32) WHERE position = 2'],
    ['where something has a base and nothing is pending', "INSERT INTO tendril_base VALUES (1, x'00', x'00')"],
  ])('%s', async (_, sql) => {
    await expect(checkFile(diskStorage(disk, 'persist'), ground.receipts)).resolves.toMatchObject({
      stamps: [1, 2, 3],
    });
    const driver = await diskStorage(disk, 'persist').open();
    expect(driver.run(sql).changes).toBeGreaterThan(0);
    driver.close();
    await expect(checkFile(diskStorage(disk, 'persist'), ground.receipts)).rejects.toThrow();
  });

  test('where it lacks what was acknowledged, or has less of it', async () => {
    const lost = { stamp: 7, entities: ['account/x'] };
    await expect(checkFile(diskStorage(disk, 'persist'), [lost])).rejects.toThrow('acknowledged transaction 7');
    const more = { stamp: 3, entities: [...ground.receipts[2]!.entities, 'account/x'] };
    await expect(checkFile(diskStorage(disk, 'persist'), [more])).rejects.toThrow('acknowledged transaction 3');
  });

  test('where something was shown that was not committed', async () => {
    await expect(checkFile(diskStorage(disk, 'persist'), [], { seen: [3, 8] })).rejects.toThrow('what was shown');
  });
});
