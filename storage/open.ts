/**
 * Opens a file: makes its tables if it is empty, else checks that it is ours, whole and of this format, and brings it to
 * the declared collections.
 *
 * Invariants
 *   - what is refused is left untouched; what is changed is changed in one SQLite transaction;
 *   - opening an unchanged file writes nothing and reads nothing that grows with it.
 */
import { TendrilError } from '../errors.ts';
import { foldAscii } from '../query/index.ts';
import type { Collection } from './collection.ts';
import { type Compaction, createCompaction } from './compact.ts';
import { type Descriptor, describeCollection } from './descriptor.ts';
import type { SqliteDriver } from './driver.ts';
import { checkFile, damagedFile, fileFailure } from './file-check.ts';
import { createFollowers, type Followers } from './followers.ts';
import { bytesOfId, type EpochId, ID_BYTES, type NodeId, readId, type SystemId } from './ids.ts';
import type { Log } from './log.ts';
import { readMeta, writeMeta } from './meta.ts';
import { NOTHING_KEPT, type ReplicaStore } from './replica-store.ts';
import { checkRole, REPLICA_TABLES, type StoreRole } from './replica-tables.ts';
import type { Rows } from './rows.ts';
import { changedCollections, changeSchema, collectionNumbers, NO_COLLECTIONS, readStored } from './schema.ts';
import { createSnapshots, type Snapshots } from './snapshot.ts';
import { createSqliteLog } from './sqlite-log.ts';
import { createSqliteReplicaStore } from './sqlite-replica-store.ts';
import { createSqliteRows } from './sqlite-rows.ts';
import { APPLICATION_ID, FORMAT_VERSION, SYSTEM_INDEXES, SYSTEM_TABLES } from './tables.ts';

/** One opened file, or database in memory. */
export interface Store extends Snapshots {
  readonly driver: SqliteDriver;
  /** The author of what is written here, unless another is named. */
  readonly node: NodeId;
  readonly system: SystemId;
  /** By collection name. */
  readonly descriptors: ReadonlyMap<string, Descriptor>;
  readonly rows: Rows;
  readonly log: Log;
  readonly compaction: Compaction;
  readonly followers: Followers;
  /** Inside the caller's transaction. What `system` says here stays as it was when the file was opened. */
  readonly joinSystem: (system: SystemId) => void;
  /** Of a durable node, and of one in memory: it keeps nothing. */
  readonly replica: ReplicaStore;
}

/**
 * - `mintId`: gives a fresh ULID: the node's and the system's where the file is new, and this opening's epoch.
 *
 * @throws {TendrilError} `storage-foreign`, `storage-newer`, `storage-damaged` for what the file is, `invalid-option` where it
 *   is of the other role; `schema-mismatch` for collections that it cannot be brought to; `invalid-schema` for two
 *   collections of one name.
 */
export function openStore(
  driver: SqliteDriver,
  collections: readonly Collection[],
  mintId: () => string,
  role: StoreRole = 'durable',
): Store {
  checkNames(collections);
  try {
    return open(driver, collections, mintId, driver.kind === 'file' ? role : 'durable');
  } catch (error) {
    // Our own statements are right: where SQLite misses a name of theirs, the file has lost it.
    const lost = error instanceof TendrilError && error.facts.sqliteCode === 'SQLITE_ERROR';
    throw lost ? damagedFile('a table or column of its log') : fileFailure(error);
  }
}

/** - `role`: of the file; a database in memory has the tables of neither. */
function open(driver: SqliteDriver, collections: readonly Collection[], mintId: () => string, role: StoreRole): Store {
  const descriptors = new Map(collections.map((collection) => [collection.name, describeCollection(collection)]));
  const rows = createSqliteRows(driver, descriptors);
  const present = checkFile(driver);
  if (present !== null) checkRole(present, role);
  const stored = present === null ? NO_COLLECTIONS : readStored(driver, present);
  const changed = changedCollections(stored, collections);
  if (present === null || changed.length > 0) {
    driver.transaction(() => {
      if (present === null) createFile(driver, mintId, role);
      changeSchema(driver, stored, changed, { descriptors, rows });
    });
  }
  const { node, system } = readIds(driver);
  const numbers = collectionNumbers(driver, stored, changed);
  const followers = createFollowers(driver);
  const log = createSqliteLog(driver, {
    numbers,
    followers,
    epoch: () => mintId() as EpochId,
  });
  return {
    driver,
    node,
    system,
    descriptors,
    rows,
    log,
    compaction: createCompaction(driver, numbers),
    followers,
    joinSystem: (joined) => writeMeta(driver, 'system', bytesOfId(joined)),
    replica: role === 'ephemeral' ? createSqliteReplicaStore(driver, { descriptors, numbers }) : NOTHING_KEPT,
    ...createSnapshots(driver, rows, log, descriptors),
  };
}

function createFile(driver: SqliteDriver, mintId: () => string, role: StoreRole): void {
  const ofRole = role === 'ephemeral' ? Object.values(REPLICA_TABLES) : [];
  driver.exec([...Object.values(SYSTEM_TABLES), ...ofRole, ...SYSTEM_INDEXES].join(';\n'));
  const insert = 'INSERT INTO tendril_meta (key, value) VALUES (?, ?)';
  driver.run(insert, ['node', bytesOfId(mintId() as NodeId)]);
  driver.run(insert, ['system', bytesOfId(mintId() as SystemId)]);
  driver.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${FORMAT_VERSION}`);
}

function readIds(driver: SqliteDriver): { readonly node: NodeId; readonly system: SystemId } {
  const [node, system] = [readMeta(driver, 'node'), readMeta(driver, 'system')];
  if (node?.length !== ID_BYTES || system?.length !== ID_BYTES) throw damagedFile('the ids of its node and its system');
  return { node: readId<NodeId>(node, 0), system: readId<SystemId>(system, 0) };
}

function checkNames(collections: readonly Collection[]): void {
  const seen = new Map<string, string>();
  for (const { name } of collections) {
    const other = seen.get(foldAscii(name));
    if (other !== undefined) {
      throw new TendrilError({
        code: 'invalid-schema',
        problem: `The collections ${other} and ${name} have one name in SQL.`,
        remedy: 'Names must differ in more than the case of ASCII letters, and each collection is passed once.',
        facts: { names: [other, name] },
      });
    }
    seen.set(foldAscii(name), name);
  }
}
