/** Report: what a node is and how it does, for people and for monitoring. */
import { type NodeId, type SqliteDriver, type StorageKind, type SystemId, timeOf } from '../storage/index.ts';
import type { DurableParts } from './open-durable.ts';
import type { EphemeralParts } from './upstream/open-ephemeral.ts';

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
  /** Who follows this node; null on an ephemeral one. */
  readonly followers: FollowersReport | null;
  /** Null on a durable node. */
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
}

export interface UpstreamReport {
  /** Where it leads. */
  readonly name: string;
  readonly state: 'connected' | 'connecting' | 'offline';
  /** Why it is offline. */
  readonly error: unknown;
  /** The upstream's own id, while connected. */
  readonly node: NodeId | null;
  /** Transactions made here that wait for their outcome. */
  readonly outbox: { readonly transactions: number; readonly bytes: number };
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
    followers: role === 'durable' ? followersReport(parts) : null,
    upstream: role === 'durable' ? null : upstreamReport(parts),
  };
}

function followersReport({ feed }: DurableParts): FollowersReport {
  const { sessions, selections, hydrating, waitingUploads } = feed.report();
  return { sessions, selections: selections.distinct, hydrating, waitingUploads };
}

function upstreamReport({ upstream, replica }: EphemeralParts): UpstreamReport {
  const { connection, outbox, following, heldIds } = replica;
  const { online, error } = connection.state();
  return {
    name: upstream.name,
    state: connection.peer !== null ? 'connected' : online ? 'connecting' : 'offline',
    error,
    node: connection.peer,
    outbox: { transactions: outbox.size, bytes: outbox.bytes },
    following: { selections: following.size, ids: heldIds.size },
  };
}
