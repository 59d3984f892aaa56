/** Files: how they are set up, what is refused and left alone, and what other programs may do meanwhile. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TendrilError } from '../../errors.ts';
import type { SqliteDriver } from '../../storage/driver.ts';
import { backup } from '../../storage/drivers/backup.ts';
import type { FileDriverName } from '../../storage/drivers/choose.ts';
import { memory } from '../../storage/drivers/sql-js.ts';
import { sqliteFile } from '../../storage/drivers/sqlite-file.ts';
import { requireVersion } from '../../storage/drivers/version.ts';
import { APPLICATION_ID, FORMAT_VERSION } from '../../storage/tables.ts';
import { fileDrivers, makeFolder, nativeDrivers } from '../support/every-driver.ts';
import { failureOf } from '../support/failure.ts';
import { createForgetfulDisk } from '../support/forgetful-disk.ts';
import { FORGETFUL_PATH, forgetfulStorage } from '../support/forgetful-driver.ts';
import { makeHeld } from '../support/format.ts';
import { createRandom, runs, seedFor } from '../support/random.ts';

let folder: ReturnType<typeof makeFolder>;
let file: string;
const opened: SqliteDriver[] = [];

beforeEach(() => {
  folder = makeFolder();
  file = join(folder.path, 'node.db');
});
afterEach(() => {
  for (const driver of opened.splice(0)) driver.close();
  folder.remove();
});

describe.each(fileDrivers)('%s', (name) => {
  test('a file syncs every commit, trusts no schema, and is marked as ours from its first page on', async () => {
    const driver = await open(file, name);
    const pragma = (statement: string) => driver.get(`PRAGMA ${statement}`)?.[0];
    expect(driver).toMatchObject({ name, kind: 'file' });
    expect(pragma('journal_mode')).toBe(name === 'node-sqlite3-wasm' ? 'persist' : 'wal');
    expect([pragma('synchronous'), pragma('trusted_schema'), pragma('application_id')]).toEqual([2, 0, APPLICATION_ID]);
    expect(readInAnotherProcess(file).readInt32BE(68)).toBe(APPLICATION_ID);
    driver.close();
    const again = await open(file, name);
    expect([again.get('PRAGMA synchronous'), again.get('PRAGMA application_id')]).toEqual([[2], [APPLICATION_ID]]);
  });

  test('a path may hold whatever a name may', async () => {
    for (const part of ['a b', 'é🛫', 'it\'s "so"', 'file:x?mode=ro#1', '%41', ':memory:x']) {
      const path = join(folder.path, `${part}.db`);
      const driver = await open(path, name);
      makeHeld(driver);
      driver.close();
      expect(existsSync(path)).toBe(true);
    }
  });

  test('a link to a file that does not exist yet makes that file', async () => {
    symlinkSync(join(folder.path, 'target.db'), file);
    makeHeld(await open(file, name));
    expect(existsSync(join(folder.path, 'target.db'))).toBe(true);
  });

  test('what cannot be opened is a typed failure', async () => {
    for (const path of [join(folder.path, 'nowhere', 'node.db'), join(file, 'below')]) {
      if (path.startsWith(file)) writeFileSync(file, '');
      expect(await refusal(path, name)).toMatchObject({ code: 'storage-failed', facts: { path } });
    }
    mkdirSync(join(folder.path, 'a-folder.db'));
    expect((await refusal(join(folder.path, 'a-folder.db'), name)).code).toBe('storage-foreign');
  });

  describe('leaves alone', () => {
    test.each<[what: string, code: string, make: () => void | Promise<void>]>([
      [
        'a text file',
        'storage-foreign',
        () => writeFileSync(file, 'not a database, but longer than a header would be\n'.repeat(9)),
      ],
      ['a short file', 'storage-foreign', () => writeFileSync(file, 'x')],
      ['zeros', 'storage-foreign', () => writeFileSync(file, new Uint8Array(8192))],
      ['a header cut short', 'storage-damaged', () => writeFileSync(file, 'SQLite format 3\0')],
      ['a database of another program', 'storage-foreign', () => makeForeign('DELETE')],
      ['a database of another program in WAL mode', 'storage-foreign', () => makeForeign('WAL')],
      [
        'a file of a newer format',
        'storage-newer',
        () => edited((bytes) => bytes.writeInt32BE(FORMAT_VERSION + 1, 60)),
      ],
      [
        'a file with an impossible page size',
        'storage-damaged',
        () => edited((bytes) => bytes.writeUInt16BE(1000, 16)),
      ],
      ['a file cut short', 'storage-damaged', () => edited((bytes) => bytes.subarray(0, bytes.length - 4096))],
      ['a file whose schema is damaged', 'storage-damaged', () => edited((bytes) => bytes.fill(0xff, 100, 4096))],
      ['a file of ours without its tables', 'storage-damaged', () => edited((bytes) => bytes.writeInt32BE(0, 60))],
    ])('%s (%s)', async (_, code, prepare) => {
      await prepare();
      const before = contents();
      const error = await refusal(file, name);
      expect([error.code, error.problem !== '', error.remedy !== '']).toEqual([code, true, true]);
      expect(contents()).toEqual(before);
    });

    /** One of ours, with its bytes changed. */
    async function edited(edit: (bytes: Buffer) => Buffer | number): Promise<void> {
      const driver = await open(file, name);
      makeHeld(driver);
      driver.run('INSERT INTO held (body) VALUES (?)', ['x'.repeat(20_000)]);
      driver.close();
      const bytes = readFileSync(file);
      const result = edit(bytes);
      writeFileSync(file, Buffer.isBuffer(result) && result.length < bytes.length ? result : bytes);
      for (const entry of readdirSync(folder.path)) if (entry !== 'node.db') truncateSync(join(folder.path, entry));
    }
  });

  test('an empty file is a new one', async () => {
    writeFileSync(file, '');
    makeHeld(await open(file, name));
  });

  test('a file whose making was cut off by a power cut is a new one, whenever that was', async () => {
    const random = createRandom(seedFor(`driver file ${name}`));
    const disk = createForgetfulDisk();
    (await forgetfulStorage(disk).open()).close();
    for (let moment = 0; moment <= disk.moment(); moment += 10 / runs(10) > 1 ? 4 : 1) {
      for (const image of [disk.crashImage(moment), disk.crashImage(moment, random)]) {
        const path = join(folder.path, `cut-${moment}.db`);
        for (const ending of ['', '-journal']) {
          rmSync(path + ending, { force: true });
          const bytes = image.get(FORGETFUL_PATH + ending);
          if (bytes !== undefined) writeFileSync(path + ending, bytes);
        }
        const driver = await open(path, name);
        makeHeld(driver);
        driver.close();
      }
    }
  });

  test('other programs may read a file while it is open, and nothing is lost by it', async () => {
    const driver = await open(file, name);
    makeHeld(driver);
    for (let n = 1; n <= 5; n += 1) {
      driver.run('INSERT INTO held (body) VALUES (?)', [`row ${n}`]);
      expect(readWithAnotherSqlite(file, 'SELECT count(*) FROM held')).toBe(String(n));
    }
    driver.close();
    const again = await open(file, name);
    expect(again.get('SELECT count(*) FROM held')).toEqual([5]);
    expect(again.all('PRAGMA integrity_check')).toEqual([['ok']]);
  });

  describe('a backup', () => {
    test('is the committed state in a file of its own, which opens', async () => {
      const driver = await open(file, name);
      makeHeld(driver);
      driver.run('INSERT INTO held (body) VALUES (?)', ['before']);
      const copy = join(folder.path, "a copy's.db");
      driver.backup!(copy);
      driver.run('INSERT INTO held (body) VALUES (?)', ['after']);
      const restored = await open(copy, name);
      expect(restored.all('SELECT body FROM held')).toEqual([['before']]);
      expect(restored.all('PRAGMA integrity_check')).toEqual([['ok']]);
      expect(driver.get('SELECT count(*) FROM held')).toEqual([2]);
    });

    test('replaces nothing, and leaves nothing when it fails', async () => {
      const driver = await open(file, name);
      makeHeld(driver);
      const taken = join(folder.path, 'taken');
      writeFileSync(taken, 'mine');
      expect(failureOf(() => backup(driver, taken))).toMatchObject({ code: 'storage-failed', facts: { file: taken } });
      expect(readFileSync(taken, 'utf8')).toBe('mine');
      expect(failureOf(() => backup(driver, join(folder.path, 'nowhere', 'copy'))).code).toBe('storage-failed');
      const within = () => driver.transaction(() => backup(driver, join(folder.path, 'copy')));
      expect(failureOf(within).facts.sqlite).toMatch(/VACUUM/);
      expect(existsSync(join(folder.path, 'copy'))).toBe(false);
    });

    test('of a database in memory is a file', async () => {
      const driver = await open(':memory:', name);
      makeHeld(driver);
      driver.backup!(file);
      expect(existsSync(file)).toBe(true);
    });
  });
});

describe('one file under different drivers', () => {
  const others = nativeDrivers.flatMap(
    (native) =>
      [
        [native, 'node-sqlite3-wasm' as const],
        ['node-sqlite3-wasm' as const, native],
      ] as const,
  );

  test.each(others)('made by %s, opens with %s, and back again', async (first, second) => {
    for (const [round, name] of [first, second, first, second].entries()) {
      const driver = await open(file, name);
      if (round === 0) makeHeld(driver);
      driver.run('INSERT INTO held (body) VALUES (?)', [name]);
      expect(driver.all('SELECT body FROM held')).toHaveLength(round + 1);
      driver.close();
    }
  });
});

describe('the choice of a driver', () => {
  test('is the first that loads: node:sqlite, better-sqlite3, node-sqlite3-wasm', async () => {
    expect((await open(file)).name).toBe(fileDrivers[0]);
    expect(await open(':memory:')).toMatchObject({ name: fileDrivers[0], kind: 'memory' });
  });

  test('may be forced; one that does not load here is refused with its reason', async () => {
    const absent = (['node:sqlite', 'better-sqlite3'] as const).filter((name) => !fileDrivers.includes(name));
    for (const name of absent) {
      const error = await refusal(file, name);
      expect(error.code).toBe('storage-unsupported');
      expect(error.facts.reasons).toHaveProperty([name]);
    }
    expect(readdirSync(folder.path)).toEqual([]);
  });

  test.each([
    ['3.44.9', false],
    ['3.5.0', false],
    ['2.99.99', false],
    ['3.45.0', true],
    ['3.100.0', true],
    ['4.0.0', true],
  ])('SQLite %s is new enough: %s', (version, enough) => {
    const check = () => requireVersion({ name: 'node:sqlite', version });
    if (enough) check();
    else expect(failureOf(check)).toMatchObject({ code: 'storage-unsupported', facts: { version, minimum: '3.45.0' } });
  });

  test('in memory sql.js serves, and makes no files', async () => {
    const driver = await memory().open();
    expect(driver).toMatchObject({ name: 'sql.js', kind: 'memory' });
    expect(driver.backup).toBeUndefined();
    expect(driver.get('PRAGMA trusted_schema')).toEqual([0]);
    expect(failureOf(() => backup(driver, file)).code).toBe('storage-unsupported');
    driver.close();
  });
});

async function open(path: string, driver?: FileDriverName): Promise<SqliteDriver> {
  const connection = await sqliteFile(path, driver === undefined ? {} : { driver }).open();
  opened.push(connection);
  return connection;
}

async function refusal(path: string, driver: FileDriverName): Promise<TendrilError> {
  const error = await open(path, driver).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(TendrilError);
  return error as TendrilError;
}

/** Every file in the folder: its size, and a digest of its bytes. */
function contents(): Record<string, string> {
  return Object.fromEntries(
    readdirSync(folder.path).map((entry) => [entry, digestOf(readFileSync(join(folder.path, entry)))]),
  );
}

function digestOf(bytes: Buffer): string {
  return `${bytes.length} ${createHash('sha256').update(bytes).digest('hex')}`;
}

function makeForeign(journal: 'DELETE' | 'WAL'): void {
  const script = `PRAGMA journal_mode = ${journal}; CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1)`;
  inAnotherProcess(`database.exec(${JSON.stringify(script)})`, file);
}

/** Through a process of its own: reading a file here would end the locks this process has on it. */
function readInAnotherProcess(path: string): Buffer {
  return execFileSync(process.execPath, ['-e', `process.stdout.write(fs.readFileSync(${JSON.stringify(path)}))`]);
}

function readWithAnotherSqlite(path: string, sql: string): string {
  return inAnotherProcess(`console.log(Object.values(database.prepare(${JSON.stringify(sql)}).get())[0])`, path);
}

/** A program that uses this runtime's native SQLite directly, and closes the file properly. */
function inAnotherProcess(body: string, path: string): string {
  const load = nativeDrivers[0] === 'node:sqlite' ? "require('node:sqlite').DatabaseSync" : "require('better-sqlite3')";
  const script = `const database = new (${load})(${JSON.stringify(path)}); ${body}; database.close()`;
  return execFileSync(process.execPath, ['--no-warnings', '-e', script], { encoding: 'utf8' }).trim();
}
