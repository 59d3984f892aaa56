/**
 * Law 5 against a power cut: what was not synced is lost, or by chance kept, in parts and out of order. Each script is
 * played once, and then the power is cut at every moment of it; `npm test` takes every tenth.
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { Node } from '../../index.ts';
import type { Storage } from '../../storage/index.ts';
import { createForgetfulDisk, type ForgetfulDisk, type Image } from '../support/forgetful-disk.ts';
import { createRandom, runs, seedFor } from '../support/random.ts';
import { checkFile } from './check.ts';
import { COLLECTIONS, type Receipt } from './collections.ts';
import { diskStorage, JOURNALS } from './disk-storage.ts';
import { type Ground, groundOf, preparedGround } from './fault-run.ts';
import { SCRIPTS, type Script } from './scripts.ts';
import { Writer } from './writer.ts';

/** From one moment of a script to the next at which the power is cut. */
const STEP = 10 / runs(10);
const IS_FULL = runs(10) === 10;
const CUTS = runs(100);
const CUTS_IN_A_ROW = 5;
const STEPS_BETWEEN_CUTS = 5;
const STAMPS_BETWEEN_CUTS = 1_000;
/** Above those of what is there before. */
const FIRST_PROMISE = 1_000;

/** A receipt, and how far the disk was when it was given. */
interface Given {
  readonly moment: number;
  readonly receipt: Receipt;
}

const random = createRandom(seedFor('forgetful'));

describe.each(JOURNALS)('a power cut, journal: %s', (journal) => {
  let prepared: Ground;
  beforeAll(async () => {
    prepared = await preparedGround(journal);
  });

  test.each(SCRIPTS)('at any moment of $name takes nothing acknowledged, leaves nothing half done', async (script) => {
    const { image, receipts } = groundOf(script, prepared);
    const disk = createForgetfulDisk(image);
    const given = await play(script, disk, diskStorage(disk, journal));
    for (let moment = random.integer(STEP); moment <= disk.moment(); moment += STEP) {
      const kept = [...receipts, ...givenUpTo(given, moment)];
      for (const chance of IS_FULL ? [undefined, random] : [random.pick([undefined, random])]) {
        const left = disk.crashImage(moment, chance);
        const storage = diskStorage(createForgetfulDisk(left), journal);
        const { stamps } = await checkFile(storage, kept, script).catch((error) => {
          throw new Error(`at moment ${moment} of ${disk.moment()}`, { cause: error });
        });
        const known = new Set([...receipts, ...given.map(({ receipt }) => receipt)].map(({ stamp }) => stamp));
        expect(stamps.filter((stamp) => !known.has(stamp))).toEqual([]);
      }
    }
  });

  test('is survived again and again, also while the last one is recovered from', async () => {
    for (let cuts = 0; cuts < CUTS; cuts += CUTS_IN_A_ROW) {
      let image: Image = new Map();
      const receipts: Receipt[] = [];
      for (let cut = 0; cut < CUTS_IN_A_ROW; cut += 1) {
        const disk = createForgetfulDisk(image);
        const given = await write(disk, diskStorage(disk, journal), 1 + cut * STAMPS_BETWEEN_CUTS, random.chance(0.3));
        // Every third comes early: while the node opens.
        const moment = random.integer(cut % 3 === 0 ? 30 : disk.moment() + 1);
        receipts.push(...givenUpTo(given, moment));
        image = disk.crashImage(moment, random);
      }
      await checkFile(diskStorage(createForgetfulDisk(image), journal), receipts);
    }
  });

  test('takes what was acknowledged where SQLite does not sync: this suite would see it', async () => {
    const disk = createForgetfulDisk(prepared.image);
    const synchronous = journal === 'wal' ? 'NORMAL' : 'OFF';
    const given = await write(disk, diskStorage(disk, journal, synchronous), FIRST_PROMISE, false);
    const left = diskStorage(createForgetfulDisk(disk.crashImage()), journal);
    expect(given.length).toBeGreaterThan(0);
    await expect(checkFile(left, givenUpTo(given, disk.moment()))).rejects.toThrow('acknowledged transaction');
  });
});

async function play(script: Script, disk: ForgetfulDisk, storage: Storage): Promise<readonly Given[]> {
  const given: Given[] = [];
  const node = await Node.open({ collections: script.collections, storage });
  await script.act(node, async (receipt, promise) => {
    await promise;
    given.push({ moment: disk.moment(), receipt });
  });
  await node.close();
  return given;
}

/** Some random transactions. */
async function write(
  disk: ForgetfulDisk,
  storage: Storage,
  firstStamp: number,
  closes: boolean,
): Promise<readonly Given[]> {
  const given: Given[] = [];
  const node = await Node.open({ collections: COLLECTIONS, storage });
  const acknowledge = (receipt: Receipt) => void given.push({ moment: disk.moment(), receipt });
  const writer = await Writer.open({ node, random, firstStamp, acknowledge });
  for (let step = 0; step < STEPS_BETWEEN_CUTS; step += 1) await writer.step();
  if (closes) await node.close();
  return given;
}

function givenUpTo(given: readonly Given[], moment: number): readonly Receipt[] {
  return given.filter((each) => each.moment <= moment).map(({ receipt }) => receipt);
}
