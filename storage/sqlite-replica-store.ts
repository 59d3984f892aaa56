/** The replica store over SQLite: the tables of replica-tables.ts, `tendril_base`, and two entries of `tendril_meta`. */
import type { Cell, SqlValue } from '../query/index.ts';
import type { Descriptor } from './descriptor.ts';
import type { SqliteDriver } from './driver.ts';
import {
  bytesOfId,
  type EntityId,
  ID_BYTES,
  type OperationId,
  readId,
  type SystemId,
  type TransactionId,
} from './ids.ts';
import type { CollectionNumbers } from './log-writer.ts';
import { readMeta, writeMeta } from './meta.ts';
import {
  decodeBase,
  decodeCursor,
  decodeOperations,
  encodeBase,
  encodeCursor,
  encodeOperations,
} from './replica-bytes.ts';
import type { Damage, KeptBase, KeptReplica, KeptSelection, KeptTransaction, ReplicaStore } from './replica-store.ts';
import { bytesIn, damaged } from './row-bytes.ts';
import { decodeSelection, encodeSelection } from './selection-bytes.ts';
import { INSERT_BATCH } from './tables.ts';

const CURSOR_KEY = 'cursor';
const UPSTREAM_KEY = 'upstream';

const PUT_TRANSACTION =
  'INSERT OR REPLACE INTO tendril_outbox (place, tx, attempt, rebases, state, operations) VALUES (?, ?, ?, ?, ?, ?)';
const REMOVE_TRANSACTION = 'DELETE FROM tendril_outbox WHERE place = ?';
const PUT_BASE = 'INSERT OR REPLACE INTO tendril_base (collection, entity, row) VALUES (?, ?, ?)';
const REMOVE_BASE = 'DELETE FROM tendril_base WHERE collection = ? AND entity = ?';
const PUT_SELECTION =
  'INSERT OR REPLACE INTO tendril_followed (number, collection, selection, edge) VALUES (?, ?, ?, ?)';
const MOVE_EDGE = 'UPDATE tendril_followed SET edge = ? WHERE number = ?';
const REMOVE_SELECTION = 'DELETE FROM tendril_followed WHERE number = ?';
const PUT_ID = putIdsSql(1);
const PUT_IDS = putIdsSql(INSERT_BATCH);
const REMOVE_ID = 'DELETE FROM tendril_held WHERE collection = ? AND entity = ?';
const REMOVE_META = 'DELETE FROM tendril_meta WHERE key = ?';

const TRANSACTIONS = 'SELECT place, tx, attempt, rebases, state, operations FROM tendril_outbox ORDER BY place';
const BASES = 'SELECT collection, entity, row FROM tendril_base';
const SELECTIONS = 'SELECT number, collection, selection, edge FROM tendril_followed ORDER BY number';
const IDS = 'SELECT collection, entity FROM tendril_held';

const STATES = ['queued', 'held'] as const;

export interface ReplicaStoreParts {
  readonly descriptors: ReadonlyMap<string, Descriptor>;
  readonly numbers: CollectionNumbers;
}

export function createSqliteReplicaStore(driver: SqliteDriver, parts: ReplicaStoreParts): ReplicaStore {
  const { descriptors, numbers } = parts;
  const numberOf = (collection: string) => numbers.get(collection)!;
  return {
    isKept: true,
    putTransaction: ({ place, transaction, attempt, rebases, state, operations }) => {
      const bytes = encodeOperations(operations);
      driver.run(PUT_TRANSACTION, [place, bytesOfId(transaction), attempt, rebases, STATES.indexOf(state), bytes]);
    },
    removeTransaction: (place) => {
      driver.run(REMOVE_TRANSACTION, [place]);
    },
    putBase: (base) => {
      const bytes = encodeBase(descriptors.get(base.collection)!, base);
      driver.run(PUT_BASE, [numberOf(base.collection), bytesOfId(base.id), bytes]);
    },
    removeBase: (collection, id) => {
      driver.run(REMOVE_BASE, [numberOf(collection), bytesOfId(id)]);
    },
    putSelection: (number, { collection, text, parameters, edge }) => {
      const selection = encodeSelection(text, parameters);
      driver.run(PUT_SELECTION, [number, numberOf(collection), selection, edge === null ? null : bytesOfId(edge)]);
    },
    moveEdge: (number, edge) => {
      driver.run(MOVE_EDGE, [edge === null ? null : bytesOfId(edge), number]);
    },
    removeSelection: (number) => {
      driver.run(REMOVE_SELECTION, [number]);
    },
    putIds: (collection, ids) => {
      const pairs = ids.map((id): readonly SqlValue[] => [numberOf(collection), bytesOfId(id)]);
      let at = 0;
      for (; at + INSERT_BATCH <= pairs.length; at += INSERT_BATCH) {
        driver.run(PUT_IDS, pairs.slice(at, at + INSERT_BATCH).flat());
      }
      for (; at < pairs.length; at += 1) driver.run(PUT_ID, pairs[at]!);
    },
    removeIds: (collection, ids) => {
      for (const id of ids) driver.run(REMOVE_ID, [numberOf(collection), bytesOfId(id)]);
    },
    setCursor: (cursor) => {
      if (cursor === null) driver.run(REMOVE_META, [CURSOR_KEY]);
      else writeMeta(driver, CURSOR_KEY, encodeCursor(cursor));
    },
    adopt: (system) => writeMeta(driver, UPSTREAM_KEY, bytesOfId(system)),
    read: () => new Reading(driver, parts).all(),
  };
}

/** One reading of all that is kept. */
class Reading {
  readonly #driver: SqliteDriver;
  readonly #descriptors: ReplicaStoreParts['descriptors'];
  readonly #names: ReadonlyMap<number, string>;
  readonly #damages: Damage[] = [];

  constructor(driver: SqliteDriver, { descriptors, numbers }: ReplicaStoreParts) {
    this.#driver = driver;
    this.#descriptors = descriptors;
    this.#names = new Map([...numbers].map(([name, number]) => [number, name]));
  }

  all(): KeptReplica {
    const transactions = this.#transactions();
    const bases = this.#each('base', BASES, (cells) => this.#base(cells));
    const selections = this.#each('selection', SELECTIONS, (cells) => this.#selection(cells));
    const ids = this.#each('id', IDS, ([number, entity]) => {
      return [this.#nameOf(number!), idIn<EntityId>(entity, 'a held id')] as const;
    });
    const upstream = this.#meta(UPSTREAM_KEY);
    const system = upstream === null ? null : idIn<SystemId>(upstream, 'the system');
    const cursor = this.#cursor();
    const greatestPlace = Number(this.#driver.get('SELECT max(place) FROM tendril_outbox')?.[0] ?? 0);
    const greatestId = greatestOf(transactions);
    const damages = this.#damages;
    return { transactions, bases, selections, ids, cursor, system, greatestPlace, greatestId, damages };
  }

  #transactions(): readonly KeptTransaction[] {
    return this.#each('transaction', TRANSACTIONS, ([place, tx, attempt, rebases, state, bytes]) => {
      const transaction = idIn<TransactionId>(tx, 'a pending transaction');
      const operations = decodeOperations(bytesIn(bytes, 'a pending transaction'));
      const isOurs = operations.every(
        ({ operation }) => operation.transaction === transaction && this.#descriptors.has(operation.collection),
      );
      const known = STATES[state as number];
      if (!isOurs || operations.length === 0 || known === undefined) throw damaged('a pending transaction');
      const counts = { place: place as number, attempt: attempt as number, rebases: rebases as number };
      return { ...counts, transaction, state: known, operations };
    });
  }

  #base([number, entity, bytes]: readonly Cell[]): KeptBase {
    const collection = this.#nameOf(number!);
    const id = idIn<EntityId>(entity, 'a confirmed row');
    const content = decodeBase(this.#descriptors.get(collection)!, id, bytesIn(bytes, 'a confirmed row'));
    return { collection, id, ...content };
  }

  #selection([number, collection, bytes, edge]: readonly Cell[]): readonly [number, KeptSelection] {
    const { text, parameters } = decodeSelection(bytesIn(bytes, 'a followed selection'));
    const end = edge === null ? null : idIn<EntityId>(edge, 'a followed selection');
    return [number as number, { collection: this.#nameOf(collection!), text, parameters, edge: end }];
  }

  #cursor(): KeptReplica['cursor'] {
    try {
      const kept = this.#meta(CURSOR_KEY);
      return kept === null ? null : decodeCursor(kept);
    } catch (error) {
      this.#damages.push({ what: 'cursor', error, forget: () => void this.#driver.run(REMOVE_META, [CURSOR_KEY]) });
      return null;
    }
  }

  #meta(key: string): Uint8Array | null {
    const kept = readMeta(this.#driver, key);
    return kept === null ? null : bytesIn(kept, `the ${key}`);
  }

  #nameOf(number: Cell): string {
    const name = this.#names.get(number as number);
    if (name === undefined) throw damaged('the number of a collection');
    return name;
  }

  /** Of all that can be read. */
  #each<Entry>(what: Damage['what'], sql: string, read: (cells: readonly Cell[]) => Entry): readonly Entry[] {
    const entries: Entry[] = [];
    for (const cells of this.#driver.iterate(sql)) {
      try {
        entries.push(read(cells));
      } catch (error) {
        this.#damages.push({ what, error, forget: this.#forget(what, cells) });
      }
    }
    return entries;
  }

  #forget(what: Damage['what'], [first, second]: readonly Cell[]): Damage['forget'] {
    const run = (sql: string, parameters: readonly SqlValue[]) => () => void this.#driver.run(sql, parameters);
    switch (what) {
      case 'base':
        return run(REMOVE_BASE, [first!, second!]);
      case 'selection':
        return run(REMOVE_SELECTION, [first!]);
      case 'id':
        return run(REMOVE_ID, [first!, second!]);
      case 'cursor':
      case 'transaction':
        return null;
    }
  }
}

function putIdsSql(count: number): string {
  return `INSERT OR IGNORE INTO tendril_held (collection, entity) VALUES ${Array(count).fill('(?, ?)').join(', ')}`;
}

function idIn<Id extends EntityId | SystemId | TransactionId>(cell: unknown, what: string): Id {
  const bytes = bytesIn(cell, what);
  if (bytes.length !== ID_BYTES) throw damaged(what);
  return readId<Id>(bytes, 0);
}

function greatestOf(transactions: readonly KeptTransaction[]): OperationId | null {
  let greatest: OperationId | null = null;
  for (const { operations } of transactions) {
    for (const { operation } of operations) if (greatest === null || operation.id > greatest) greatest = operation.id;
  }
  return greatest;
}
