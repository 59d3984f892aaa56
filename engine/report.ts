/** Report: what a node is and how it does, for people and for monitoring. */
import { type NodeId, type SqliteDriver, type StorageKind, type SystemId, timeOf } from '../storage/index.ts';
import type { Core } from './core.ts';

export interface Report {
  readonly role: 'durable';
  readonly system: SystemId;
  readonly node: NodeId;
  /** Stands in every operation made here. */
  readonly author: string;
  /** Of the last transaction committed here; 0 if there is none. */
  readonly position: number;
  readonly driver: {
    readonly name: SqliteDriver['name'];
    /** `memory`: nothing remains after `close`. */
    readonly kind: StorageKind;
    /** SQLite's own. */
    readonly version: string;
  };
  readonly liveQueries: number;
  /** What was ingested and waits, in memory, for what it was built on. */
  readonly parked: { readonly transactions: number; readonly bytes: number };
  /** Asynchronous transactions whose callbacks have not ended. */
  readonly openTransactions: number;
  /** By how much the time of the newest operation is ahead of this node's clock; 0 if it is not. */
  readonly logAheadMs: number;
}

/** What the parts of a node tell about themselves. */
export type Counts = Pick<Report, 'position' | 'liveQueries' | 'parked' | 'openTransactions'>;

export function makeReport({ driver, log, clock, system, node, author }: Core, counts: Counts): Report {
  const greatest = log.greatestId();
  const { name, kind, version } = driver;
  return {
    role: 'durable',
    system,
    node,
    author,
    ...counts,
    driver: { name, kind, version },
    logAheadMs: greatest === null ? 0 : Math.max(0, timeOf(greatest) - clock.now()),
  };
}
