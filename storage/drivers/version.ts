/** The oldest SQLite that Tendril runs on. */
import { TendrilError } from '../../errors.ts';
import { MIN_SQLITE_VERSION, type SqliteDriver } from '../driver.ts';

/** @throws {TendrilError} `storage-unsupported` for a SQLite before MIN_SQLITE_VERSION. */
export function requireVersion({ name, version }: Pick<SqliteDriver, 'name' | 'version'>): void {
  if (compareVersions(version, MIN_SQLITE_VERSION) >= 0) return;
  throw new TendrilError({
    code: 'storage-unsupported',
    problem: `${name} brings SQLite ${version}; at least ${MIN_SQLITE_VERSION} is needed.`,
    remedy: 'Use a newer Node, or a newer version of the package.',
    facts: { driver: name, version, minimum: MIN_SQLITE_VERSION },
  });
}

function compareVersions(left: string, right: string): number {
  const [a, b] = [left.split('.').map(Number), right.split('.').map(Number)];
  for (let part = 0; part < 3; part += 1) {
    const difference = (a[part] ?? 0) - (b[part] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
