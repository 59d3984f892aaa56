/**
 * The log over SQLite, in the same file and the same commits as the rows.
 *
 * Invariants
 *   - positions have no gap; an operation's identity outlives its content;
 *   - the chain in memory is that of the last transaction of the file, which `rewind` reads again after a rollback;
 *   - rows cannot be undone past a skeleton: the floor rises to wherever one is appended.
 */
import type { Cell } from '../query/index.ts';
import { CHAIN_START, nextChain } from './chain.ts';
import type { SqliteDriver } from './driver.ts';
import { createEpochs } from './epoch.ts';
import { belowFloor, createFloor, type Floor } from './floor.ts';
import type { Followers } from './followers.ts';
import { createFrontier, type Frontier } from './frontier.ts';
import { bytesOfId, type EntityId, type EpochId, type OperationId, type Position, readId } from './ids.ts';
import type { ChangedEntity, Log, LoggedOperation, UndoEntry } from './log.ts';
import { readTransactions } from './log-transactions.ts';
import { type CollectionNumbers, createLogWriter, numberOf, type SqliteReader } from './log-writer.ts';
import { createOutcomes } from './outcome.ts';
import { bytesIn, damaged, decodeUndo } from './row-bytes.ts';
import { isSkeleton } from './skeleton.ts';
import { verifyChain } from './verify-chain.ts';

type CollectionNames = ReadonlyMap<number, string>;

const FIND_IDENTITY = 'SELECT position, digest, collection, entity FROM tendril_identity WHERE id = ?';
const LAST_TRANSACTION = 'SELECT position, chain FROM tendril_transaction ORDER BY position DESC LIMIT 1';

export interface LogOpening {
  readonly numbers: CollectionNumbers;
  /** Their places are written with each transaction, where they changed. */
  readonly followers: Followers;
  /** Mints this opening's epoch. */
  readonly epoch: () => EpochId;
}

export function createSqliteLog(driver: SqliteDriver, { numbers, followers, epoch }: LogOpening): Log {
  const epochs = createEpochs(driver, epoch);
  const floor = createFloor(driver);
  const outcomes = createOutcomes(driver);
  const writer = createLogWriter(driver, numbers, outcomes.applied);
  const frontier = createFrontier(writer.reading);
  const names = new Map([...numbers].map(([name, number]) => [number, name]));
  let last = readLast(driver);
  return {
    position: () => last.position,
    append: (transaction, entries) => {
      const position = (last.position + 1) as Position;
      epochs.record(last.position);
      const chain = nextChain(
        last.chain,
        position,
        transaction,
        entries.map(({ digest }) => digest),
      );
      writer.add({ position, transaction, chain, entries });
      followers.flush();
      frontier.note(entries.map(({ operation }) => operation));
      if (entries.some(({ bytes }) => isSkeleton(bytes))) floor.raise(position);
      last = { position, chain };
      return position;
    },
    together: writer.together,
    rewind: () => {
      last = readLast(driver);
      epochs.rewind();
      floor.rewind();
      outcomes.rewind();
      followers.rewind();
    },
    epoch: () => epochs.record(last.position),
    covers: (cursor) => epochs.covers(cursor, last.position),
    floor: floor.position,
    raiseFloor: floor.raise,
    outcome: (transaction) => {
      writer.settle();
      return outcomes.of(transaction);
    },
    outcomes,
    transactionsSince: (position, limit, bytes) => {
      writer.settle();
      return readTransactions(driver, position, limit, bytes);
    },
    verifyChain: () => {
      writer.settle();
      return verifyChain(driver);
    },
    isNewEntity: frontier.isNewEntity,
    ...createLookups(writer.reading, names, frontier),
    ...createChanges(writer.reading, names),
    ...createReads(writer.reading, numbers, names, floor),
  };
}

function createLookups(
  driver: SqliteReader,
  names: CollectionNames,
  frontier: Frontier,
): Pick<Log, 'identity' | 'greatestId'> {
  return {
    identity: (id) => {
      if (frontier.isBeyond(id)) return null;
      const found = driver.get(FIND_IDENTITY, [bytesOfId(id)]);
      if (found === undefined) return null;
      const [position, digest, number, entity] = found;
      return {
        position: position as Position,
        digest: bytesIn(digest, 'an identity'),
        collection: names.get(number as number)!,
        entity: readId<EntityId>(bytesIn(entity, 'an identity'), 0),
      };
    },
    greatestId: () => {
      const greatest = driver.get('SELECT max(id) FROM tendril_identity')?.[0] as Uint8Array | null;
      return greatest === null ? null : readId<OperationId>(greatest, 0);
    },
  };
}

function createChanges(driver: SqliteReader, names: CollectionNames): Pick<Log, 'countSince' | 'changedSince'> {
  const columns = 'SELECT position, collection, entity FROM tendril_identity';
  return {
    countSince: (position, limit) => {
      const sql = 'SELECT count(*) FROM (SELECT 1 FROM tendril_identity WHERE position > ? LIMIT ?)';
      return driver.get(sql, [position, limit])![0] as number;
    },
    changedSince: (position, limit) => {
      const found = driver.all(`${columns} WHERE position > ? ORDER BY position, ordinal LIMIT ?`, [
        position,
        limit + 1,
      ]);
      if (found.length <= limit) return found.map((cells) => changedEntity(cells, names));
      // As in `since`: the last transaction may go on beyond these.
      const [cut] = found[limit]!;
      const whole = found.filter(([at]) => at !== cut);
      const told = whole.length > 0 ? whole : driver.all(`${columns} WHERE position = ? ORDER BY ordinal`, [cut!]);
      return told.map((cells) => changedEntity(cells, names));
    },
  };
}

function createReads(
  driver: SqliteReader,
  numbers: CollectionNumbers,
  names: CollectionNames,
  floor: Floor,
): Pick<Log, 'since' | 'ofEntity' | 'undoSince'> {
  return {
    since: (position, limit) => {
      const found = driver.all(
        'SELECT position, bytes FROM tendril_content WHERE position > ? ORDER BY position, ordinal LIMIT ?',
        [position, limit + 1],
      );
      if (found.length <= limit) return found.map(loggedOperation);
      // The last transaction of the answer may go on beyond it: leave it out, unless it is the only one.
      const [cut] = found[limit]!;
      const whole = found.filter(([at]) => at !== cut);
      if (whole.length > 0) return whole.map(loggedOperation);
      return driver
        .all('SELECT position, bytes FROM tendril_content WHERE position = ? ORDER BY ordinal', [cut!])
        .map(loggedOperation);
    },
    ofEntity: (collection, entity) =>
      driver
        .all(
          `SELECT i.position, c.bytes FROM tendril_identity AS i CROSS JOIN tendril_content AS c USING (position, ordinal)
            WHERE i.entity = ? AND i.collection = ? ORDER BY i.position, i.ordinal`,
          [bytesOfId(entity), numberOf(numbers, collection)],
        )
        .map(loggedOperation),
    undoSince: (position, scope, limit) => {
      if (position < floor.position()) throw belowFloor(position, floor.position());
      const where = ['i.position > ?'];
      const parameters: (number | Uint8Array)[] = [position];
      if (scope.collection !== undefined) {
        where.push('i.collection = ?');
        parameters.push(numberOf(numbers, scope.collection));
      }
      if (scope.entity !== undefined) {
        where.push('i.entity = ?');
        parameters.push(bytesOfId(scope.entity));
      }
      const sql = `SELECT i.position, i.collection, i.entity, c.undo
        FROM tendril_identity AS i CROSS JOIN tendril_content AS c USING (position, ordinal)
        WHERE ${where.join(' AND ')} ORDER BY i.position DESC, i.ordinal DESC LIMIT ?`;
      return driver.all(sql, [...parameters, limit + 1]).map((cells) => undoEntry(cells, names));
    },
  };
}

function loggedOperation([position, bytes]: readonly Cell[]): LoggedOperation {
  return { position: position as Position, bytes: bytesIn(bytes, 'an operation') };
}

function changedEntity([position, number, entity]: readonly Cell[], names: CollectionNames): ChangedEntity {
  return {
    position: position as Position,
    collection: names.get(number as number)!,
    entity: readId<EntityId>(bytesIn(entity, 'an identity'), 0),
  };
}

function undoEntry([position, number, entity, undo]: readonly Cell[], names: CollectionNames): UndoEntry {
  return {
    position: position as Position,
    collection: names.get(number as number)!,
    entity: readId<EntityId>(bytesIn(entity, 'an identity'), 0),
    undo: decodeUndo(bytesIn(undo, 'an undo')),
  };
}

function readLast(driver: SqliteDriver): { readonly position: Position; readonly chain: Uint8Array } {
  const [position, chain] = driver.get(LAST_TRANSACTION) ?? [0, CHAIN_START];
  if (!(chain instanceof Uint8Array) || chain.length !== CHAIN_START.length) throw damaged('the chain hash');
  return { position: position as Position, chain };
}
