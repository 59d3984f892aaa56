/** Engine: what is live. */

export type { Compacted, CompactOptions } from './compact.ts';
export type { Explanation } from './explain.ts';
export type { HistoryEdit, HistoryEntry } from './history.ts';
export type { IngestResult } from './ingest/ingest.ts';
export type { ChangeSet } from './live/change-set.ts';
export type { Progress } from './live/cover.ts';
export type { LiveQuery, LiveStatus } from './live/live-query.ts';
export type { QuarantinedTransaction } from './logs/absent.ts';
export { type GetOptions, Node } from './node.ts';
export type { NodeOptions } from './open-store.ts';
export type { Clock } from './ports/clock.ts';
export type { Ports } from './ports/ports.ts';
export type { Random } from './ports/random.ts';
export { type Scheduler, systemScheduler } from './ports/scheduler.ts';
export type { ReadOptions } from './read-options.ts';
export type { FollowersReport, QuarantineReport, Report, UpstreamReport } from './report.ts';
export type { Shelf } from './shelf.ts';
export type { SqlResult, SqlRow } from './sql-result.ts';
export type { Staging } from './staging.ts';
export type {
  AnswerColumn,
  Described,
  Edge,
  FeedSession,
  Greeting,
  Had,
  Part,
  Peer,
  Receiver,
  Request,
  RequestOf,
  Said,
  SaidOf,
  Step,
  Upstream,
  UpstreamSession,
  Welcome,
} from './stream.ts';
export type { QuarantinedRow } from './upstream/confirming/quarantine.ts';
export type { Outcomes } from './upstream/outbox/settlements.ts';
export type { Refused, Tried } from './upstream/refusals/refused.ts';
export type { Verified } from './upstream/verifying/findings.ts';
export type { TransactOptions } from './write/transact.ts';
export type { CreateOptions, Transaction } from './write/transaction.ts';
