/** Which SQLite opens files here: the first package that loads and passes the checks. */
import { TendrilError } from '../../errors.ts';
import type { DriverName } from '../driver.ts';
import { loadBetterSqlite3 } from './better-sqlite3.ts';
import type { SqlitePackage } from './connection.ts';
import { assertExact } from './exactness.ts';
import { loadNodeSqlite } from './node-sqlite.ts';
import { loadNodeSqlite3Wasm } from './node-sqlite3-wasm.ts';
import { requireVersion } from './version.ts';

export type FileDriverName = Exclude<DriverName, 'sql.js'>;

/** The named one or none; without a name the best. @throws {TendrilError} `storage-unsupported`. */
export type Chooser = (forced: FileDriverName | undefined) => Promise<SqlitePackage>;

/** In the order of preference. */
const PACKAGES: Readonly<Record<FileDriverName, () => Promise<SqlitePackage>>> = {
  'node:sqlite': loadNodeSqlite,
  'better-sqlite3': loadBetterSqlite3,
  'node-sqlite3-wasm': () => loadNodeSqlite3Wasm(),
};

/** Remembers what it chose, which stays true: to look again would cost more than to open a small file. */
export function createChooser(): Chooser {
  const chosen = new Map<FileDriverName | undefined, SqlitePackage>();
  return async (forced) => {
    const sqlite = chosen.get(forced) ?? (await choose(forced));
    chosen.set(forced, sqlite);
    return sqlite;
  };
}

async function choose(forced: FileDriverName | undefined): Promise<SqlitePackage> {
  const names = forced === undefined ? (Object.keys(PACKAGES) as FileDriverName[]) : [forced];
  const reasons: Record<string, string> = {};
  for (const name of names) {
    try {
      const sqlite = await PACKAGES[name]();
      const probe = sqlite.open(':memory:', 0);
      requireVersion(probe);
      assertExact(probe);
      probe.close();
      return sqlite;
    } catch (error) {
      reasons[name] = String(error instanceof Error ? error.message : error).replace(/\s+/g, ' ');
    }
  }
  throw noDriver(reasons);
}

function noDriver(reasons: Readonly<Record<string, string>>): TendrilError {
  const list = Object.entries(reasons).map(([name, reason]) => `${name} (${reason})`);
  return new TendrilError({
    code: 'storage-unsupported',
    problem: `No SQLite can be used here: ${list.join(', ')}.`,
    remedy: 'Reinstall the dependencies of Tendril with this version of Node, or use Node 24.',
    facts: { reasons },
  });
}
