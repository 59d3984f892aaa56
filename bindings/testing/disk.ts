/**
 * Disk: what of a node outlives it. A real SQLite in memory, behind a driver that calls itself a file, and that fails, or
 * dies with its node, where it is told to.
 *
 * Invariants
 *   - what was committed stays, whatever becomes of the node; what was not is gone when the node is;
 *   - a handle that is dead answers nothing and changes nothing.
 */
import { TendrilError } from '../../errors.ts';
import type { SqliteDriver, Storage, StorageKind } from '../../storage/index.ts';
import { type DiskImage, imageOf, writeImage } from './disk-image.ts';

export interface StorageFault {
  /** The number of the call, from now on, that fails: 1 is the next. BEGIN and COMMIT count. */
  readonly call: number;
  readonly code: 'SQLITE_IOERR' | 'SQLITE_FULL';
}

/** Where the next group that is committed loses its node: its COMMIT has not taken effect then, or has. */
export type CrashPoint = 'before-commit' | 'after-commit';

export class Disk {
  readonly #kind: StorageKind;
  readonly #open: () => Promise<SqliteDriver>;
  #sqlite: SqliteDriver;
  #handle: Handle | null = null;
  #fault: StorageFault | null = null;
  #calls = 0;
  #crash: { readonly at: CrashPoint; readonly died: () => void } | null = null;
  #commits = 0;

  private constructor(kind: StorageKind, open: () => Promise<SqliteDriver>, sqlite: SqliteDriver) {
    this.#kind = kind;
    this.#open = open;
    this.#sqlite = sqlite;
  }

  static async make(kind: StorageKind, open: () => Promise<SqliteDriver>): Promise<Disk> {
    return new Disk(kind, open, await open());
  }

  /** Groups committed so far. */
  get commits(): number {
    return this.#commits;
  }

  /** What is committed, past the node. */
  read(sql: string, parameters?: Parameters<SqliteDriver['all']>[1]): ReturnType<SqliteDriver['all']> {
    return this.#sqlite.all(sql, parameters);
  }

  columns(sql: string): readonly string[] {
    return this.#sqlite.columns(sql);
  }

  storage(): Storage {
    return {
      kind: this.#kind,
      open: async () => {
        this.#handle = new Handle(this, this.#sqlite);
        return this.#handle.driver(this.#kind);
      },
    };
  }

  /** The node is gone, in whatever it was doing. */
  abandon(): void {
    if (this.#handle !== null) this.#handle.isDead = true;
    this.#handle = null;
    this.disarm();
  }

  /** Nothing that was to go wrong later does. */
  disarm(): void {
    this.#fault = null;
    this.#crash = null;
  }

  /** Everything that was kept is lost. */
  async erase(): Promise<void> {
    this.#sqlite.close();
    this.#sqlite = await this.#open();
  }

  image(): DiskImage {
    return imageOf(this.#sqlite);
  }

  async restore(image: DiskImage): Promise<void> {
    await this.erase();
    writeImage(this.#sqlite, image);
  }

  failLater(fault: StorageFault): void {
    this.#fault = fault;
    this.#calls = 0;
  }

  crashLater(at: CrashPoint, died: () => void): void {
    this.#crash = { at, died };
  }

  /** Whether this call is the one that fails. */
  takeFault(): StorageFault | null {
    if (this.#fault === null) return null;
    this.#calls += 1;
    if (this.#calls < this.#fault.call) return null;
    const fault = this.#fault;
    this.#fault = null;
    return fault;
  }

  /** Whether the node ends here. */
  takeCrash(at: CrashPoint): boolean {
    if (this.#crash?.at !== at) return false;
    const { died } = this.#crash;
    this.abandon();
    died();
    return true;
  }

  committed(): void {
    this.#commits += 1;
  }

  close(): void {
    this.abandon();
    this.#sqlite.close();
  }
}

/** One opening. */
class Handle {
  isDead = false;
  readonly #disk: Disk;
  readonly #sqlite: SqliteDriver;
  #inTransaction = false;
  /** What ended the transaction that is running: the rest of its body is refused alike. */
  #ended: TendrilError | null = null;

  constructor(disk: Disk, sqlite: SqliteDriver) {
    this.#disk = disk;
    this.#sqlite = sqlite;
  }

  driver(kind: StorageKind): SqliteDriver {
    const { name, version, run, all, get, iterate, columns, exec } = this.#sqlite;
    const counted = <Rest extends unknown[], Result>(call: (sql: string, ...rest: Rest) => Result) => {
      return (sql: string, ...rest: Rest): Result => {
        this.#count(sql);
        return call(sql, ...rest);
      };
    };
    return {
      ...{ name, version, kind },
      run: counted(run),
      all: counted(all),
      get: counted(get),
      iterate: counted(iterate),
      columns: counted(columns),
      exec: counted(exec),
      transaction: (body) => this.#transaction(body),
      close: () => {
        this.isDead = true;
      },
    };
  }

  #count(statement: string): void {
    if (this.isDead) throw gone();
    if (this.#ended !== null) throw this.#ended;
    // Outside a transaction nothing is at stake but the caller's patience, and much is read.
    const fault = this.#inTransaction ? this.#disk.takeFault() : null;
    if (fault === null) return;
    this.#ended = failed(fault, statement);
    throw this.#ended;
  }

  #transaction<Result>(body: () => Result): Result {
    if (this.isDead) throw gone();
    this.#inTransaction = true;
    try {
      const result = this.#sqlite.transaction(() => {
        this.#count('BEGIN IMMEDIATE');
        const done = body();
        this.#count('COMMIT');
        if (this.#disk.takeCrash('before-commit')) throw gone();
        return done;
      });
      this.#disk.committed();
      if (this.#disk.takeCrash('after-commit')) throw gone();
      return result;
    } finally {
      this.#inTransaction = false;
      this.#ended = null;
    }
  }
}

function gone(): TendrilError {
  return new TendrilError({
    code: 'closed',
    problem: 'The node has crashed: its storage is out of its reach.',
    remedy: 'Restart the node, and use the new one.',
  });
}

function failed({ code }: StorageFault, statement: string): TendrilError {
  return new TendrilError({
    code: 'storage-failed',
    problem: `The simulated disk failed (${code}).`,
    remedy: 'Try again: the next call succeeds.',
    facts: { sqlite: 'simulated', sqliteCode: code, statement },
  });
}
