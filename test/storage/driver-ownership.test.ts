/** One owner per file: seen from this process and from others, by any path and any driver, until the owner ends. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, linkSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { join, relative } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TendrilError } from '../../errors.ts';
import type { SqliteDriver } from '../../storage/driver.ts';
import { loadBetterSqlite3 } from '../../storage/drivers/better-sqlite3.ts';
import type { FileDriverName } from '../../storage/drivers/choose.ts';
import { loadNodeSqlite } from '../../storage/drivers/node-sqlite.ts';
import { claimWithSqlite } from '../../storage/drivers/ownership.ts';
import { sqliteFile } from '../../storage/drivers/sqlite-file.ts';
import { fileDrivers, makeFolder, nativeDrivers } from '../support/every-driver.ts';
import { makeHeld } from '../support/format.ts';
import { type Holder, holdFile } from '../support/holder.ts';
import { createRandom, runs, seedFor } from '../support/random.ts';

let folder: ReturnType<typeof makeFolder>;
let file: string;
const opened: SqliteDriver[] = [];
const holders: Holder[] = [];

beforeEach(() => {
  folder = makeFolder();
  file = join(folder.path, 'node.db');
});
afterEach(async () => {
  for (const driver of opened.splice(0)) driver.close();
  for (const holder of holders.splice(0)) await holder.kill();
  folder.remove();
});

const pairs = fileDrivers.flatMap((owner) => fileDrivers.map((other) => [owner, other] as const));

describe.each(pairs)('a file open with %s is refused to %s', (owner, other) => {
  test('in the same process, by any path', async () => {
    const driver = await open(file, owner);
    makeHeld(driver);
    const [symbolic, hard, inside] = ['symbolic.db', 'hard.db', 'linked'].map((name) => join(folder.path, name));
    symlinkSync(file, symbolic!);
    linkSync(file, hard!);
    symlinkSync(folder.path, inside!);
    const paths = [
      file,
      symbolic!,
      join(inside!, 'node.db'),
      relative(process.cwd(), file),
      `${folder.path}/./node.db`,
    ];
    for (const path of paths) {
      expect(await refusal(path, other)).toMatchObject({ code: 'storage-busy', facts: { pid: process.pid } });
    }
    // The word of who owns it lies beside its first name.
    expect(await refusal(hard!, other)).toMatchObject({ code: 'storage-busy', facts: { pid: null } });
    driver.run('INSERT INTO held VALUES (1, NULL)');
    driver.close();
    const again = await open(symbolic!, other);
    expect(again.get('SELECT count(*) FROM held')).toEqual([1]);
  });

  test('in another process, with its pid; and given to it when the owner was killed', async () => {
    const holder = await hold(file, owner);
    expect(await refusal(file, other)).toMatchObject({ code: 'storage-busy', facts: { pid: holder.pid } });
    await holder.reach(5);
    expect(await refusal(file, other)).toMatchObject({ code: 'storage-busy', facts: { pid: holder.pid } });
    await holder.kill();
    const driver = await open(file, other);
    expectWhole(driver, holder.committed());
  });
});

test.each(fileDrivers)('%s: of many that open a file at once one gets it', async (name) => {
  const results = await Promise.allSettled(Array.from({ length: 6 }, () => open(file, name)));
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  for (const result of results) {
    if (result.status === 'rejected') expect(result.reason.code).toBe('storage-busy');
  }
});

test.each(fileDrivers)('%s: a file is given back with its name, its lock and nothing else', async (name) => {
  for (let time = 0; time < 3; time += 1) {
    const driver = await open(file, name);
    if (time === 0) makeHeld(driver);
    driver.run('INSERT INTO held (body) VALUES (?)', ['x'.repeat(10_000)]);
    expect(existsSync(`${file}-pid`)).toBe(true);
    driver.close();
    expect(readdirSync(folder.path).filter((entry) => entry !== 'node.db-lock')).toEqual(['node.db']);
  }
});

test.each(fileDrivers)('%s: two files in one folder have two owners', async (name) => {
  mkdirSync(join(folder.path, 'deeper'));
  const [first, second] = [await open(file, name), await open(join(folder.path, 'deeper', 'node.db'), name)];
  makeHeld(first);
  expect(second.get('SELECT count(*) FROM sqlite_schema')).toEqual([0]);
});

describe.each(nativeDrivers)('the claim that %s makes with its own SQLite, for where sockets do not reach', (name) => {
  test('is refused while another process has it, and free when that was killed', async () => {
    const sqlite = await (name === 'node:sqlite' ? loadNodeSqlite() : loadBetterSqlite3());
    const script = join(import.meta.dirname, '../support/hold-claim.ts');
    const child = spawn(process.execPath, ['--no-warnings', '--import', 'tsx', script, file, name]);
    await once(child.stdout, 'data');
    expect(() => claimWithSqlite(file, sqlite)).toThrow(expect.objectContaining({ code: 'storage-busy' }));
    child.kill('SIGKILL');
    await once(child, 'exit');
    const claim = claimWithSqlite(file, sqlite);
    expect(() => claimWithSqlite(file, sqlite)).toThrow(expect.objectContaining({ code: 'storage-busy' }));
    claim.release();
    claimWithSqlite(file, sqlite).release();
    expect(readdirSync(folder.path)).toEqual(['node.db-lock']);
  });
});

describe('killed at random moments, each time by the next driver', () => {
  test('a file keeps every committed row', async () => {
    const random = createRandom(seedFor('driver kill'));
    let committed = 0;
    for (let kill = 0; kill < runs(30); kill += 1) {
      const holder = await hold(file, fileDrivers[kill % fileDrivers.length]!);
      await holder.reach(committed + 1 + random.integer(20));
      await holder.kill();
      committed = holder.committed();
    }
    expectWhole(await open(file, random.pick(fileDrivers)), committed);
  });
});

async function open(path: string, driver: FileDriverName): Promise<SqliteDriver> {
  const connection = await sqliteFile(path, { driver }).open();
  opened.push(connection);
  return connection;
}

async function hold(path: string, driver: FileDriverName): Promise<Holder> {
  const holder = await holdFile(path, driver);
  holders.push(holder);
  return holder;
}

async function refusal(path: string, driver: FileDriverName): Promise<TendrilError> {
  const error = await open(path, driver).then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(TendrilError);
  return error as TendrilError;
}

/** Every row said to be committed is there, and at most the one under way beside them. */
function expectWhole(driver: SqliteDriver, committed: number): void {
  expect(driver.all('PRAGMA integrity_check')).toEqual([['ok']]);
  const [count, last] = driver.get('SELECT count(*), max(n) FROM held') as [number, number];
  expect(count).toBe(last);
  expect([committed, committed + 1]).toContain(count);
  expect(driver.get('SELECT count(*) FROM held WHERE length(body) <> n * 997 % 6000')).toEqual([0]);
}
