/**
 * The native SQLite of this Node, without anything of ours in between: `node:sqlite` where it has what a Node needs,
 * else `better-sqlite3`, as a Node chooses, and with the pragmas that a Node sets.
 */
export type HandValue = null | number | bigint | string | Uint8Array;

/** What the two have in common. */
export interface HandStatement {
  readonly run: (...values: HandValue[]) => unknown;
  readonly get: (...values: HandValue[]) => unknown;
  readonly all: (...values: HandValue[]) => unknown[];
}

export interface HandDatabase {
  readonly exec: (script: string) => unknown;
  readonly prepare: (sql: string) => HandStatement;
  readonly close: () => unknown;
}

/** Those of storage/drivers/configure.ts. */
const PRAGMAS = [
  'trusted_schema = OFF',
  'cell_size_check = ON',
  'cache_size = -65536',
  'journal_size_limit = 67108864',
  'journal_mode = WAL',
  'wal_autocheckpoint = 4000',
  'temp_store = MEMORY',
  'synchronous = FULL',
];

export function openByHand(path: string): HandDatabase {
  const database = native.open(path);
  database.exec(PRAGMAS.map((pragma) => `PRAGMA ${pragma}`).join('; '));
  return database;
}

interface Native {
  /** As a Node's report names it. */
  readonly name: 'node:sqlite' | 'better-sqlite3';
  readonly open: (path: string) => HandDatabase;
}

const native: Native = await chooseNative();
export const HAND_DRIVER = native.name;

/** Their types differ in how they write down that `run`, `get` and `all` take the values one by one. */
async function chooseNative(): Promise<Native> {
  const sqlite = process.getBuiltinModule('node:sqlite') as typeof import('node:sqlite') | undefined;
  if (sqlite !== undefined) {
    const options = { enableForeignKeyConstraints: false };
    return { name: 'node:sqlite', open: (path) => new sqlite.DatabaseSync(path, options) as unknown as HandDatabase };
  }
  const { default: BetterSqlite } = await import('better-sqlite3');
  return { name: 'better-sqlite3', open: (path) => new BetterSqlite(path) as unknown as HandDatabase };
}
