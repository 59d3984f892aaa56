/** Report: what a node is and how it does, for people and for monitoring. */
import type { TendrilError } from '../errors.ts';
import {
  type Cursor,
  type NodeId,
  type SqliteDriver,
  type StorageKind,
  type SystemId,
  timeOf,
} from '../storage/index.ts';
import type { FeedReport } from './feed/feed.ts';
import type { QuarantinedTransaction } from './logs/absent.ts';
import type { DurableParts } from './open-durable.ts';
import type { EphemeralParts } from './open-ephemeral.ts';
import type { QuarantinedRow } from './upstream/confirming/quarantine.ts';

export interface Report {
  readonly role: 'durable' | 'ephemeral';
  /** Null on an ephemeral node that has not met its upstream yet. */
  readonly system: SystemId | null;
  readonly node: NodeId;
  /** Stands in every operation made here. */
  readonly author: string;
  /** Of the last transaction committed here; 0 if there is none. An ephemeral node counts what it wrote and was told. */
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
  /** Transactions made here that were refused and lie on the shelf. */
  readonly refused: { readonly transactions: number; readonly bytes: number };
  /** Who follows this node; null on an ephemeral one that nobody has followed yet. */
  readonly followers: FollowersReport | null;
  /** Null on a durable node without one. */
  readonly upstream: UpstreamReport | null;
}

export interface FollowersReport {
  readonly sessions: number;
  /** Different selections that they follow, each maintained once. */
  readonly selections: number;
  /** Subscriptions that have not been told all their rows yet. */
  readonly hydrating: number;
  /** Transactions that they uploaded and that wait to be judged. */
  readonly waitingUploads: number;
  /** Rows that could not be read for them since this node was opened; each was told to be so. */
  readonly unreadable: number;
}

/** What came from the upstream, or should have, and is left out until it can be taken. */
export interface QuarantineReport {
  /** That could not be read, at an ephemeral node. */
  readonly rows: readonly QuarantinedRow[];
  /** Of the log that a durable node follows. */
  readonly transactions: readonly QuarantinedTransaction[];
}

export interface UpstreamReport {
  /** Where it leads. */
  readonly name: string;
  readonly state: 'connected' | 'connecting' | 'offline';
  /** Why it is offline; while it is `connected`: why the upstream, a relay, does not reach its own. */
  readonly error: TendrilError | null;
  /** The upstream's own id, while connected. */
  readonly node: NodeId | null;
  /**
   * How the last session began: with only what changed since the one before (`resumed`), or with everything compared or
   * told again (`anew`), because the upstream's log is another than before, or may be, or what came since is not kept. Null: none yet.
   */
  readonly began: 'first' | 'resumed' | 'anew' | null;
  /** Where in the upstream's log what is held here stands. */
  readonly cursor: Cursor | null;
  readonly quarantined: QuarantineReport;
  /**
   * At an ephemeral node: transactions made here that wait for their outcome; of these, `held` are not offered before
   * `flush`. At a durable one: those of its log that the upstream is not known to have; of these, `refused` are what that
   * did not take, and is offered by each session anew; `bytes` are those of what was refused or is on its way.
   */
  readonly outbox: {
    readonly transactions: number;
    readonly bytes: number;
    readonly held: number;
    /** Always 0 at an ephemeral node: what is refused there lies on the shelf. */
    readonly refused: number;
  };
  /** Selections followed, and ids. */
  readonly following: { readonly selections: number; readonly ids: number };
}

export function makeReport(parts: DurableParts | EphemeralParts): Report {
  const { core, source, transactor, reactor, role } = parts;
  const { driver, log, clock, system, node, author } = core;
  const greatest = log.greatestId();
  const { name, kind, version } = driver;
  return {
    role,
    system: role === 'durable' ? system : parts.replica.system,
    node,
    author,
    position: source.position(),
    liveQueries: reactor.report().liveQueries,
    parked: role === 'durable' ? parts.ingester.parked() : { transactions: 0, bytes: 0 },
    openTransactions: transactor.open(),
    driver: { name, kind, version },
    logAheadMs: greatest === null ? 0 : Math.max(0, timeOf(greatest) - clock.now()),
    refused: role === 'durable' ? { transactions: 0, bytes: 0 } : parts.replica.shelf.report(),
    followers: followersReport(role === 'durable' ? parts.feed.report() : parts.followers.report()),
    upstream: role === 'durable' ? logReport(parts) : upstreamReport(parts),
  };
}

function followersReport(report: FeedReport | null): FollowersReport | null {
  if (report === null) return null;
  const { sessions, selections, hydrating, waitingUploads, work } = report;
  return { sessions, selections: selections.distinct, hydrating, waitingUploads, unreadable: work.unreadable };
}

/** A durable node follows no selections: it is told everything. */
function logReport({ follower }: DurableParts): UpstreamReport | null {
  if (follower === null) return null;
  const { name, state, error, node, began, cursor, untold, untoldBytes, refused, quarantine } = follower.report();
  const outbox = { transactions: untold, bytes: untoldBytes, held: 0, refused };
  const quarantined = { rows: [], transactions: quarantine };
  return { name, state, error, node, began, cursor, quarantined, outbox, following: { selections: 0, ids: 0 } };
}

function upstreamReport({ upstream, replica }: EphemeralParts): UpstreamReport {
  const { connection, outbox, following, heldIds, standing, quarantine } = replica;
  const { online, error } = connection.state();
  return {
    name: upstream.name,
    state: connection.peer !== null ? 'connected' : online ? 'connecting' : 'offline',
    error,
    node: connection.peer,
    began: standing.began,
    cursor: standing.kept,
    quarantined: { rows: quarantine.all(), transactions: [] },
    outbox: { transactions: outbox.size, bytes: outbox.bytes, held: outbox.held, refused: 0 },
    following: { selections: following.size, ids: heldIds.size },
  };
}
