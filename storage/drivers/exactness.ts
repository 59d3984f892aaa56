/**
 * The proof, at every opening, that values pass through a driver unchanged. The packages have differed on this from
 * version to version, and what they get wrong they get wrong silently: a driver that fails here is not used.
 */
import { TendrilError } from '../../errors.ts';
import type { Cell, SqlValue } from '../../query/index.ts';
import type { SqliteDriver } from '../driver.ts';

/** What is bound, the class SQLite must see, and the cell that must come back. */
const SAMPLES: readonly (readonly [bound: SqlValue, seen: string, cell: Cell])[] = [
  [5n, 'integer', 5],
  [5, 'real', 5],
  [9007199254740993n, 'integer', 9007199254740993n],
  [-9223372036854775808n, 'integer', -9223372036854775808n],
  [new Uint8Array(0), 'blob', new Uint8Array(0)],
  ['a\0b', 'text', 'a\0b'],
  ['\ufeffmore than a few characters', 'text', '\ufeffmore than a few characters'],
];

const PROBE = `SELECT ${SAMPLES.map((_, index) => `?${index + 1}, typeof(?${index + 1})`).join(', ')}`;

/** @throws {TendrilError} `storage-unsupported` for a driver that changes values. */
export function assertExact(driver: SqliteDriver): void {
  const cells =
    driver.get(
      PROBE,
      SAMPLES.map(([bound]) => bound),
    ) ?? [];
  for (const [index, [bound, seen, cell]] of SAMPLES.entries()) {
    const [got, type] = [cells[2 * index], cells[2 * index + 1]];
    if (type !== seen || !sameCell(got, cell)) throw inexact(driver, bound, got, type);
  }
}

function sameCell(got: Cell | undefined, wanted: Cell): boolean {
  if (wanted instanceof Uint8Array) return got instanceof Uint8Array && got.length === wanted.length;
  return got === wanted;
}

function inexact(driver: SqliteDriver, bound: SqlValue, got: Cell | undefined, type: Cell | undefined): TendrilError {
  return new TendrilError({
    code: 'storage-unsupported',
    problem: `${driver.name} changes values: ${typeof bound} ${String(bound)} came back as ${String(type)} ${String(got)}.`,
    remedy: 'Install the version of the package that Tendril asks for, or a newer Node.',
    facts: { driver: driver.name, bound, got, type },
  });
}
