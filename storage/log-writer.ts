/**
 * Log writer: appended transactions become rows of the file, each at once, or many together.
 *
 * Invariant: what waits is written before anybody reads the log: through `reading`, or after `settle`.
 */
import { TendrilError } from '../errors.ts';
import type { SqlValue } from '../query/index.ts';
import type { SqliteDriver } from './driver.ts';
import { Gathering } from './gathering.ts';
import type { Position, TransactionId } from './ids.ts';
import type { Log, LogEntry } from './log.ts';
import { encodeIds, encodeUndo } from './row-bytes.ts';
import { insertAll, insertsSql } from './tables.ts';

/** The numbers that stand for collections in the file. */
export type CollectionNumbers = ReadonlyMap<string, number>;

/** One transaction of the log. */
export interface Appended {
  readonly position: Position;
  readonly transaction: TransactionId;
  readonly chain: Uint8Array;
  readonly entries: readonly LogEntry[];
}

/** Of a connection, what reads. */
export type SqliteReader = Pick<SqliteDriver, 'get' | 'all'>;

export interface LogWriter extends Pick<Log, 'together'> {
  readonly add: (appended: Appended) => void;
  readonly reading: SqliteReader;
  /** Writes what waits. */
  readonly settle: () => void;
}

const IDENTITY = ['position', 'ordinal', 'id', 'digest', 'collection', 'entity', 'precursors'];
const CONTENT = ['position', 'ordinal', 'bytes', 'undo'];
const TRANSACTION = ['position', 'tx', 'chain'];
const INSERT_IDENTITY = insertsSql('tendril_identity', IDENTITY);
const INSERT_CONTENT = insertsSql('tendril_content', CONTENT);
const INSERT_TRANSACTION = insertsSql('tendril_transaction', TRANSACTION);

/** - `settled`: told of what is written, to keep its outcomes. */
export function createLogWriter(
  driver: SqliteDriver,
  numbers: CollectionNumbers,
  settled: (appended: readonly Appended[]) => void,
): LogWriter {
  const addIdentity = ({ position, ordinal, entry: { operation, digest } }: Placed, cells: SqlValue[]) => {
    const number = numberOf(numbers, operation.collection);
    cells.push(position, ordinal, encodeIds([operation.id]), digest, number, encodeIds([operation.entity]));
    cells.push(encodeIds(operation.precursors));
  };
  const gathering = new Gathering<Appended>((appended) => {
    const placed = placedOf(appended);
    insertAll(driver, INSERT_IDENTITY, placed, addIdentity);
    insertAll(driver, INSERT_CONTENT, placed, addContent);
    insertAll(driver, INSERT_TRANSACTION, appended, addTransaction);
    settled(appended);
  });
  const settle = () => gathering.settle();
  return {
    add: (appended) => gathering.add(appended),
    together: (body) => gathering.within(body),
    reading: {
      get: (sql, parameters) => {
        settle();
        return driver.get(sql, parameters);
      },
      all: (sql, parameters) => {
        settle();
        return driver.all(sql, parameters);
      },
    },
    settle,
  };
}

/** An operation and its place. */
interface Placed {
  readonly position: Position;
  readonly ordinal: number;
  readonly entry: LogEntry;
}

function placedOf(appended: readonly Appended[]): readonly Placed[] {
  const placed: Placed[] = [];
  for (const { position, entries } of appended)
    for (const [ordinal, entry] of entries.entries()) placed.push({ position, ordinal, entry });
  return placed;
}

function addTransaction({ position, transaction, chain }: Appended, cells: SqlValue[]): void {
  cells.push(position, encodeIds([transaction]), chain);
}

function addContent({ position, ordinal, entry }: Placed, cells: SqlValue[]): void {
  cells.push(position, ordinal, entry.bytes, encodeUndo(entry.undo));
}

/** @throws {TendrilError} `unknown-collection`. */
export function numberOf(numbers: CollectionNumbers, collection: string): number {
  const number = numbers.get(collection);
  if (number !== undefined) return number;
  throw new TendrilError({
    code: 'unknown-collection',
    problem: `This node has no collection ${JSON.stringify(collection)}.`,
    remedy: 'Pass it in `collections` when the node is opened.',
    facts: { collection },
  });
}
