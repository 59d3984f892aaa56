/** Engine: what is live. */

export type { ChangeSet } from './change-set.ts';
export type { Clock } from './clock.ts';
export type { Explanation } from './explain.ts';
export type { HistoryEdit, HistoryEntry } from './history.ts';
export type { IngestResult } from './ingest.ts';
export type { LiveQuery, LiveStatus } from './live-query.ts';
export { type GetOptions, Node, type ReadOptions } from './node.ts';
export type { NodeOptions, Ports } from './open-node.ts';
export type { Random } from './random.ts';
export type { Report } from './report.ts';
export type { Scheduler } from './scheduler.ts';
export type { SqlResult, SqlRow } from './sql-result.ts';
export type { TransactOptions } from './transact.ts';
export type { CreateOptions, Transaction } from './transaction.ts';
