/** What a power cut, and a failing disk, leave of what a driver acknowledged; and that the simulators can show a loss. */
import { describe, expect, test } from 'vitest';
import type { TendrilError } from '../../errors.ts';
import type { SqliteDriver } from '../../storage/driver.ts';
import { everyDriver, openInMemory } from '../support/every-driver.ts';
import { faultyDriver } from '../support/faulty-driver.ts';
import { createForgetfulDisk, type ForgetfulDisk, type Image } from '../support/forgetful-disk.ts';
import { FORGETFUL_PATH, forgetfulStorage } from '../support/forgetful-driver.ts';
import { writeFormat } from '../support/format.ts';
import { createRandom, type Random, runs, seedFor } from '../support/random.ts';

const TRANSACTIONS = 12;

/** `moment`: how far the disk was when transaction `count` had been acknowledged. */
interface Acknowledged {
  readonly moment: number;
  readonly count: number;
}

describe('a power cut', () => {
  const random = createRandom(seedFor('driver crash'));

  test('at no moment takes what was acknowledged, or leaves half of what was not', async () => {
    const disk = createForgetfulDisk();
    const acknowledged = await fill(disk, random);
    const step = Math.max(1, Math.floor(disk.moment() / runs(400)));
    for (let moment = random.integer(step); moment <= disk.moment(); moment += step) {
      for (const image of [disk.crashImage(moment), disk.crashImage(moment, random)]) {
        const count = await countAfter(image);
        const least = acknowledged.filter((each) => each.moment <= moment).at(-1)?.count ?? 0;
        expect([least, least + 1], `at moment ${moment} of ${disk.moment()}`).toContain(count);
      }
    }
  });

  test('is survived again and again, and while SQLite recovers from the last one', async () => {
    let image: Image = new Map();
    let count = 0;
    for (let cut = 0; cut < runs(30); cut += 1) {
      const disk = createForgetfulDisk(image);
      const acknowledged = await fill(disk, random, 4);
      const moment = random.integer(disk.moment() + 1);
      count += acknowledged.filter((each) => each.moment <= moment).length;
      image = disk.crashImage(moment, random);
      const after = await countAfter(image);
      expect([count, count + 1]).toContain(after);
      count = after;
    }
  });

  test('takes acknowledged transactions from a driver that does not sync', async () => {
    const disk = createForgetfulDisk();
    const before = await fill(disk, random, 2);
    const careless = createForgetfulDisk(disk.crashImage());
    expect(await countAfter(careless.image())).toBe(before.length);
    const driver = await forgetfulStorage(careless, { carelessly: true }).open();
    append(driver, random);
    expect(driver.get('SELECT count(*) FROM done')).toEqual([before.length + 1]);
    expect(await countAfter(careless.image())).toBe(before.length + 1);
    expect(await countAfter(careless.crashImage())).toBe(before.length);
  });

  test('breaks a file whose folder was not synced when its journal was made', async () => {
    const disk = createForgetfulDisk();
    const syncFiles = (descriptor: number) => descriptor !== folder && disk.files.fsyncSync(descriptor);
    const folder = disk.files.openSync('/disk', 'r');
    const openSync = (path: string, flags: number | string) =>
      flags === 'r' ? folder : disk.files.openSync(path, flags);
    const files = { ...disk.files, openSync, fsyncSync: syncFiles } as ForgetfulDisk['files'];
    await fill({ ...disk, files }, random);
    const names = [...disk.crashImage().keys()];
    expect(names).toEqual([]);
    expect([...disk.image().keys()]).toContain(FORGETFUL_PATH);
  });
});

describe('a disk that forgets', () => {
  test('keeps a write that was synced after it, and no other', () => {
    const disk = createForgetfulDisk(new Map([['/d/a', Uint8Array.of(1, 1, 1)]]));
    const file = disk.files.openSync('/d/a', 2);
    disk.files.writeSync(file, Uint8Array.of(2), 0, 1, 0);
    disk.files.fsyncSync(file);
    disk.files.writeSync(file, Uint8Array.of(3), 0, 1, 1);
    expect(disk.image().get('/d/a')).toEqual(Uint8Array.of(2, 3, 1));
    expect(disk.crashImage().get('/d/a')).toEqual(Uint8Array.of(2, 1, 1));
    expect(disk.crashImage(1).get('/d/a')).toEqual(Uint8Array.of(1, 1, 1));
    disk.files.ftruncateSync(file, 1);
    expect(disk.crashImage().get('/d/a')).toEqual(Uint8Array.of(2, 1, 1));
  });

  test('keeps a name when its folder was synced, not when the file was', () => {
    const disk = createForgetfulDisk();
    const file = disk.files.openSync('/d/a', 66);
    disk.files.writeSync(file, Uint8Array.of(7), 0, 1, 0);
    disk.files.fsyncSync(file);
    expect([...disk.crashImage().keys()]).toEqual([]);
    disk.files.fsyncSync(disk.files.openSync('/d', 'r'));
    expect(disk.crashImage().get('/d/a')).toEqual(Uint8Array.of(7));
    disk.files.unlinkSync('/d/a');
    expect(disk.files.existsSync('/d/a')).toBe(false);
    expect(disk.crashImage().get('/d/a')).toEqual(Uint8Array.of(7));
  });

  test('keeps by chance some sectors of a write, and later writes without earlier ones', () => {
    const random = createRandom(7);
    const seen = new Set<string>();
    for (let cut = 0; cut < 64; cut += 1) {
      const disk = createForgetfulDisk(new Map([['/d/a', new Uint8Array(1024)]]));
      const file = disk.files.openSync('/d/a', 2);
      disk.files.writeSync(file, new Uint8Array(1024).fill(1), 0, 1024, 0);
      disk.files.writeSync(file, new Uint8Array(512).fill(2), 0, 512, 0);
      const left = disk.crashImage(undefined, random).get('/d/a')!;
      seen.add(`${left[0]}${left[512]}`);
    }
    expect([...seen].sort()).toEqual(['00', '01', '10', '11', '20', '21']);
  });
});

describe.each(everyDriver)('a call that fails, on %s', (name) => {
  test.each([true, false])(
    'leaves all of a transaction or nothing, and a driver that works (rolls back: %s)',
    async (rollsBack) => {
      for (const code of ['SQLITE_IOERR', 'SQLITE_FULL'] as const) {
        for (let at = 1; ; at += 1) {
          const sound = await openInMemory(name);
          sound.exec('CREATE TABLE t (a)');
          const { driver, calls } = faultyDriver(sound, { at, code, rollsBack });
          const error = thrownBy(() =>
            driver.transaction(() => {
              driver.run('INSERT INTO t VALUES (1)');
              driver.all('SELECT * FROM t');
              driver.exec('INSERT INTO t VALUES (2)');
            }),
          );
          const failed = calls() >= at;
          expect(error?.facts.sqliteCode).toBe(failed ? code : undefined);
          expect(sound.get('SELECT count(*) FROM t')).toEqual([failed ? 0 : 2]);
          sound.close();
          // BEGIN, three statements and COMMIT have failed in turn.
          if (!failed) return expect(at).toBe(6);
        }
      }
    },
  );
});

/** Numbered transactions of a node's kind: a few rows each, some of many pages, some taking earlier ones away. */
async function fill(disk: ForgetfulDisk, random: Random, transactions = TRANSACTIONS): Promise<Acknowledged[]> {
  const driver = await forgetfulStorage(disk).open();
  if (!isMade(driver)) {
    driver.transaction(() => {
      writeFormat(driver);
      driver.exec('CREATE TABLE done (n INTEGER PRIMARY KEY, rows INTEGER); CREATE TABLE part (n INTEGER, body TEXT)');
    });
  }
  const acknowledged: Acknowledged[] = [];
  for (let transaction = 0; transaction < transactions; transaction += 1) {
    const count = append(driver, random);
    acknowledged.push({ moment: disk.moment(), count });
  }
  return acknowledged;
}

function append(driver: SqliteDriver, random: Random): number {
  return driver.transaction(() => {
    const n = Number(driver.get('SELECT count(*) FROM done')?.[0]) + 1;
    const rows = 1 + random.integer(5);
    driver.run('INSERT INTO done VALUES (?, ?)', [BigInt(n), BigInt(rows)]);
    for (let row = 0; row < rows; row += 1) {
      driver.run('INSERT INTO part VALUES (?, ?)', [BigInt(n), 'x'.repeat(random.pick([5, 300, 9_000]))]);
    }
    if (random.chance(0.3)) driver.run("UPDATE part SET body = body || 'y'");
    return n;
  });
}

/** How many transactions a disk holds after a crash, each of them whole. */
async function countAfter(image: Image): Promise<number> {
  const driver = await forgetfulStorage(createForgetfulDisk(image)).open();
  expect(driver.all('PRAGMA integrity_check')).toEqual([['ok']]);
  if (!isMade(driver)) return 0;
  const torn = 'SELECT n FROM done LEFT JOIN part USING (n) GROUP BY n HAVING count(body) <> rows';
  expect(driver.all(torn)).toEqual([]);
  expect(driver.get('SELECT count(*) FROM part WHERE n NOT IN (SELECT n FROM done)')).toEqual([0]);
  const count = Number(driver.get('SELECT count(*) FROM done')?.[0]);
  driver.close();
  return count;
}

function isMade(driver: SqliteDriver): boolean {
  return driver.get("SELECT count(*) FROM sqlite_schema WHERE name = 'done'")?.[0] === 1;
}

function thrownBy(body: () => unknown): TendrilError | null {
  try {
    body();
    return null;
  } catch (error) {
    return error as TendrilError;
  }
}
