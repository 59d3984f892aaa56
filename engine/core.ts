/** Core: what the writing and the reading parts of one open node share, whatever its role. */
import type { EntityId, Position, PreparedOperation, Store, StoredRow, TransactionId } from '../storage/index.ts';
import type { Catalog, CatalogEntry } from './catalog.ts';
import type { Commit } from './change.ts';
import type { Covers } from './covers.ts';
import type { Clock } from './ports/clock.ts';
import type { Random } from './ports/random.ts';
import type { Scheduler } from './ports/scheduler.ts';
import type { Staging } from './staging.ts';
import type { Mint } from './write/mint.ts';

export interface Core extends CoreBase {
  /** Counts the transactions applied to the tables, also those of a group that is not committed yet. */
  readonly position: () => Position;
  /** Applies one transaction that was made here. */
  readonly application: (transaction: TransactionId, staging?: Staging) => Application;
  /** @throws {TendrilError} `offline`, if nothing can be written in this way now. Absent where nobody else settles. */
  readonly checkOnline?: (staging: Staging) => void;
  readonly covers: Covers;
  /** Resolves when the authority has made the transaction durable; rejects with its refusal. */
  readonly settled: (transaction: TransactionId) => Promise<void>;
}

/** What does not depend on the role. */
export interface CoreBase extends Store {
  readonly catalog: Catalog;
  readonly mint: Mint;
  readonly clock: Clock;
  readonly random: Random;
  readonly scheduler: Scheduler;
  /** Stands in every operation made here. */
  readonly author: string;
}

/** What a transaction of this node does to the tables, entity by entity. Made for one transaction, and then done. */
export interface Application {
  /**
   * - `before`: the row as the transaction found it; `shown`: what the table holds: `before`, unless the transaction
   *   has shown itself its own writes.
   * - `operations`: at least one, in an order that respects cause.
   */
  readonly touch: (
    entry: CatalogEntry,
    id: EntityId,
    before: StoredRow | null,
    shown: StoredRow | null,
    operations: readonly Prepared[],
  ) => void;
  /** Null where nothing was touched: then there is no transaction. */
  readonly end: () => Commit | null;
}

export type Prepared = PreparedOperation;
