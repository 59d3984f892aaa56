/** What the storage tests start from: ids that ascend, a collection with every type, an open store. */
import { createMint } from '../../engine/write/mint.ts';
import { sqliteFile } from '../../storage/drivers/index.ts';
import {
  bigint,
  blob,
  boolean,
  type Collection,
  collection,
  type EntityId,
  integer,
  json,
  memory,
  type Operation,
  type OperationId,
  openStore,
  real,
  ref,
  type Storage,
  type Store,
  type TransactionId,
  text,
  timestamp,
} from '../../storage/index.ts';
import { createTestClock, createTestRandom } from '../support/ports.ts';

export const Flight = collection(
  'flight',
  { origin: text(), destination: text(), departs: timestamp(), distance: integer(), delay: integer().optional() },
  { indexes: [['origin', 'departs']] },
);

/** One property of each type. */
export const Everything = collection('everything', {
  name: text(),
  state: text('open', 'done').default('open'),
  count: integer(),
  large: bigint(),
  ratio: real(),
  done: boolean(),
  at: timestamp(),
  bytes: blob(),
  notes: json<{ readonly tags: readonly string[] }>(),
  flight: ref(Flight),
});

export interface Ids {
  readonly entity: () => EntityId;
  readonly operation: () => OperationId;
  readonly transaction: () => TransactionId;
  readonly any: () => string;
}

/** The same ids for the same seed, each greater than the one before. */
export function createIds(seed = 1): Ids {
  const mint = createMint(createTestClock(), createTestRandom(seed));
  return {
    entity: () => mint.next() as EntityId,
    operation: () => mint.next() as OperationId,
    transaction: () => mint.next() as TransactionId,
    any: mint.next,
  };
}

/** The two ways to keep a store in memory: whatever opens files here, and sql.js. */
export const MEMORIES: readonly (readonly [string, Storage])[] = [
  ['the SQLite of files', sqliteFile(':memory:')],
  ['sql.js', memory()],
];

export async function openTestStore(
  collections: readonly Collection[],
  storage: Storage = sqliteFile(':memory:'),
  seed = 1,
): Promise<Store> {
  const driver = await storage.open();
  try {
    return openStore(driver, collections, createIds(seed).any);
  } catch (error) {
    driver.close();
    throw error;
  }
}

/** A creation of an airport-less flight; `changes` replace its parts. */
export function operationWith(ids: Ids, changes: Partial<Operation> = {}): Operation {
  return {
    id: ids.operation(),
    transaction: ids.transaction(),
    collection: 'flight',
    entity: ids.entity(),
    precursors: [],
    edits: [
      { kind: 'create', property: '' },
      { kind: 'set', property: 'distance', value: 2586n },
      { kind: 'set', property: 'origin', value: 'SFO' },
    ],
    author: 'ana',
    salt: new Uint8Array(8).fill(7),
    ...changes,
  };
}

/** The code of the TendrilError that `body` throws. */
export function codeOf(body: () => unknown): string {
  try {
    body();
  } catch (error) {
    return String((error as { readonly code?: unknown }).code ?? error);
  }
  return 'no error';
}
