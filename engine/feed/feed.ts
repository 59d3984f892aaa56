/**
 * Feed: the authority's side of replication: what a durable node tells the sessions that follow it.
 *
 * Invariants
 *   - every committed transaction is told once, in position order, before anything else learns of it;
 *   - nothing is read for a session while a group is half committed or half told;
 *   - a session that is closed leaves no entry anywhere.
 */
import type { TendrilError } from '../../errors.ts';
import type { SqlProbe } from '../../query/index.ts';
import type { EntityId, FollowerPlace, OperationId, TransactionId } from '../../storage/index.ts';
import type { Commit, Source } from '../change.ts';
import type { Core } from '../core.ts';
import { createIngester, type Ingester } from '../ingest/ingest.ts';
import type { IndexSizes } from '../live/selection-index.ts';
import type { Reader } from '../reader.ts';
import type { FeedSession, Peer, Step } from '../stream.ts';
import type { CommitQueue } from '../write/commit-queue.ts';
import { createAnswerParts } from './answers.ts';
import type { FeedDesk } from './feed-desk.ts';
import { type FeedRows, tableRows } from './feed-rows.ts';
import { Session } from './feed-session.ts';
import { type FeedWork, noFeedWork } from './feed-work.ts';
import { FollowedCollection, type OpenWindow } from './followed/followed-collection.ts';
import { FollowedWindow } from './followed/followed-window.ts';
import type { Follower } from './follower.ts';
import { MAX_CHUNK_ROWS } from './limits.ts';
import { OperationCount } from './past/operation-count.ts';
import { SharedPast } from './past/shared-past.ts';
import { Quiet } from './quiet.ts';
import { Silence } from './silence.ts';
import { makeSteps } from './step-maker.ts';
import type { UploadForwarding } from './uploads/upload.ts';
import { UploadLoad } from './uploads/upload-load.ts';

export interface FeedParts {
  readonly core: Core;
  readonly reader: Reader;
  readonly queue: CommitQueue;
  readonly source: Source;
  /** Takes what durable followers offer. */
  readonly ingester?: Ingester;
  /** Where another node settles what is uploaded here. */
  readonly forwarding?: UploadForwarding;
  /** Told what a peer throws. */
  readonly onError: (error: unknown) => void;
  /** Of one chunk: MAX_CHUNK_ROWS. */
  readonly chunkRows?: number;
  /** Those of the core's tables. */
  readonly rows?: FeedRows;
  /** Asks SQLite about single rows that are in no table: the core's driver. */
  readonly probe?: SqlProbe;
  /** What a relay follows windows with. */
  readonly openWindow?: OpenWindow;
}

export interface Feed {
  /** Takes each group after its COMMIT, in position order, before any callback runs. */
  readonly commit: (commits: readonly Commit[]) => void;
  readonly open: (peer: Peer) => FeedSession;
  /** The next commit of this transaction is the session's: it holds what these operations are of. Returns what ends that. */
  readonly uploaded: (
    session: FeedSession,
    transaction: TransactionId,
    operations: ReadonlySet<OperationId>,
  ) => () => void;
  readonly report: () => FeedReport;
  /** Up to where each session has been told. */
  readonly places: () => readonly FollowerPlace[];
  /** Ends all sessions with `error`, once what they uploaded before is committed and told. */
  readonly end: (error: TendrilError) => void;
  /** Forgets all sessions. */
  readonly close: () => void;
}

export interface FeedReport {
  readonly sessions: number;
  readonly selections: {
    /** Different ones, each maintained once. */
    readonly distinct: number;
    /** How often one that another session follows already was asked for. */
    readonly shared: number;
  };
  /** Subscriptions whose last chunk has not been said. */
  readonly hydrating: number;
  /** Different ids that sessions hold. */
  readonly held: number;
  readonly waitingUploads: number;
  readonly openAsks: number;
  readonly index: IndexSizes;
  readonly work: Readonly<FeedWork>;
}

export function createFeed(parts: FeedParts): Feed {
  const { core, queue, onError, rows = tableRows(parts.core) } = parts;
  const sessions = new Set<Session>();
  const quiet = new Quiet({ isDraining: queue.isDraining, scheduler: core.scheduler, onError });
  const desk = createDesk(parts, rows, quiet, sessions);
  const { collections, work } = desk;
  const tell = (commits: readonly Commit[], at: number) => {
    const commit = commits[at]!;
    work.commits += 1;
    for (const { collection, id } of commit.touched) desk.past.changed(collection, id);
    if (sessions.size === 0) return;
    const { transaction } = commit;
    const uploader = transaction === null ? null : (desk.uploaders.get(transaction) ?? null);
    const steps = makeSteps({ collections, work, readRow: rows.read }, { commits, at }, uploader);
    const say = (follower: Follower, step: Step) => {
      work.said += 1;
      follower.say(step);
    };
    // Its author, who has it already, waits for the others.
    for (const [follower, step] of steps) if (follower !== uploader?.follower) say(follower, step);
    const own = uploader === null ? undefined : steps.get(uploader.follower);
    if (own !== undefined) say(uploader!.follower, own);
  };
  return {
    commit: (commits) => {
      quiet.during(() => {
        try {
          for (let at = 0; at < commits.length; at += 1) tell(commits, at);
          desk.silence.end(commits.at(-1)!.position);
          for (const session of sessions) session.committed();
        } catch (error) {
          // What was read for one may have been for all: nobody is left with half the truth.
          for (const session of sessions) session.fail(error);
        }
      });
    },
    open: (peer) => {
      const session = new Session(desk, peer);
      sessions.add(session);
      return session;
    },
    uploaded: (session, transaction, operations) => {
      // Only what `open` gave is a session here.
      const follower = session as Session;
      const hold = (collection: string, id: EntityId) => follower.hold(collection, id);
      desk.uploaders.set(transaction, { follower, operations, hold });
      return () => desk.uploaders.delete(transaction);
    },
    places: () => [...sessions].map(({ place }) => place),
    report: () => makeReport(sessions, [...collections.values()], work),
    end: (error) => endAll(queue, sessions, error),
    close: () => {
      for (const session of [...sessions]) session.close();
      desk.past.close();
    },
  };
}

function createDesk(parts: FeedParts, rows: FeedRows, quiet: Quiet, sessions: Set<Session>): FeedDesk {
  const { core, reader, queue, source, chunkRows = MAX_CHUNK_ROWS } = parts;
  const { probe = core.driver.all, openWindow = openFollowedWindow } = parts;
  const work = noFeedWork();
  let selections = 0;
  const nextSelection = () => ++selections;
  const collections = core.catalog.entries.map((entry) => {
    return new FollowedCollection(entry, { source, probe, work, nextSelection, openWindow });
  });
  return {
    core,
    reader,
    queue,
    source,
    rows,
    ingester: parts.ingester ?? createIngester(core, queue),
    forwarding: parts.forwarding ?? null,
    past: new SharedPast({ log: core.log, rowAt: core.rowAt, rows, scheduler: core.scheduler }),
    operations: new OperationCount(core.log),
    silence: new Silence(),
    answers: createAnswerParts(core, reader),
    work,
    chunkRows,
    collections: new Map(collections.map((followed) => [followed.name, followed])),
    uploaders: new Map(),
    load: new UploadLoad(() => sessions.size),
    isBusy: quiet.isBusy,
    whenQuiet: quiet.whenQuiet,
    forget: (session) => void sessions.delete(session as Session),
  };
}

const openFollowedWindow: OpenWindow = (parts, rows) => new FollowedWindow(parts, rows);

/** Behind what waits now, and before what they would upload for ever. */
function endAll(queue: CommitQueue, sessions: ReadonlySet<Session>, error: TendrilError): void {
  const end = () => {
    for (const session of [...sessions]) session.fail(error);
  };
  queue.add({ run: () => ({ kind: 'left' }), committed: end, failed: end });
}

function makeReport(
  sessions: ReadonlySet<Session>,
  collections: readonly FollowedCollection[],
  work: FeedWork,
): FeedReport {
  const index = { columns: 0, equal: 0, intervals: 0, prefixes: 0, nulls: 0, every: 0 };
  const totals = { distinct: 0, subscriptions: 0, held: 0, hydrating: 0, waiting: 0, asks: 0 };
  for (const { sizes, indexSizes } of collections) {
    for (const kind of Object.keys(index) as (keyof IndexSizes)[]) index[kind] += indexSizes[kind];
    totals.distinct += sizes.distinct;
    totals.subscriptions += sizes.subscriptions;
    totals.held += sizes.held;
  }
  for (const { sizes } of sessions) {
    totals.hydrating += sizes.hydrating;
    totals.waiting += sizes.waiting;
    totals.asks += sizes.asks;
  }
  const { distinct, subscriptions, held, hydrating, waiting, asks } = totals;
  return {
    sessions: sessions.size,
    selections: { distinct, shared: subscriptions - distinct },
    hydrating,
    held,
    waitingUploads: waiting,
    openAsks: asks,
    index,
    work: { ...work },
  };
}
