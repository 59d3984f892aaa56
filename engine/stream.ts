/**
 * Stream: what a follower and the node that it follows say to each other once they have greeted. Plain data; `net/` makes bytes
 * of it.
 *
 * Invariants
 *   - both directions are in order and lose nothing while the session lasts; a session that ends loses all that was not taken;
 *   - everything the authority says of rows stands in position order: one cursor serves the whole session;
 *   - a row that enters what a session follows is sent whole; one that stays is sent as items; one that leaves, as a bare leave.
 *     A session's followed rows are those of its selections (of one being hydrated: those up to the last chunk's last id)
 *     and of its id sets; an id set also holds deleted rows;
 *   - a follower that says where it stood (`Greeting.cursor`) and is welcomed with `resumes` needs to be told only what
 *     changed since: of each thing it asks for it says what it has, and is answered on that basis, or on none.
 * Rows and items travel in storage's own bytes, made once for all sessions: `encodeRow`, `encodeItems` (storage/row-stream.ts).
 */
import type { TendrilError } from '../errors.ts';
import type { Cell, SqlParameters } from '../query/index.ts';
import type {
  Cursor,
  EntityId,
  EpochId,
  LogTransaction,
  NodeId,
  OperationId,
  Position,
  PropertyType,
  SystemId,
  TransactionId,
} from '../storage/index.ts';
import type { Ports } from './ports/ports.ts';

/** Numbers a session's subscription: chosen by the follower, 1, 2, 3, ... and never used again in that session. */
export type SubscriptionNumber = number;
/** Numbers a selection at the authority, the same for every session, so that equal news have equal bytes. */
export type SelectionNumber = number;

/** What the follower says of itself before anything else. */
export interface Greeting {
  readonly node: NodeId;
  /** Stands in the operations it will upload, unless the authority's welcome says otherwise. */
  readonly author: string;
  /** Null until it has adopted one. */
  readonly system: SystemId | null;
  /** Where all that it holds of an authority's stood at the end of its last session; null if it holds nothing. */
  readonly cursor: Cursor | null;
}

/**
 * What a follower has already of what it asks for.
 *   - `held`: all of it as it stood at the greeting's cursor; of a selection without LIMIT that was interrupted, the rows
 *     up to the id `through`; of a window, those up to its `edge` (null: nothing lay beyond).
 *   - `buckets`: some of it, whatever its age: the sums of ids and heads (storage/buckets.ts). Of a window: nothing.
 */
export type Had =
  | { readonly kind: 'held'; readonly through: EntityId | null; readonly edge: EntityId | null }
  | { readonly kind: 'buckets'; readonly hashes: Uint8Array };

/**
 * On what an answer builds. The authority chooses: what the follower said that it has, or nothing.
 *   - `nothing`: these rows are all there are;
 *   - `held`: what is not named is as it was at the greeting's cursor;
 *   - `buckets`: what lies in the buckets that are not `differing` is as the follower has it; of the others these are all rows.
 */
export type Basis = 'nothing' | 'held' | 'buckets';

export interface Welcome {
  readonly system: SystemId;
  /** The authority's own id. */
  readonly node: NodeId;
  readonly epoch: EpochId;
  readonly position: Position;
  /** The authority's clock, ms since 1970. */
  readonly time: number;
  /** The greatest operation id it holds; null when it has none. */
  readonly maxId: OperationId | null;
  /** What uploaded operations must name as their author. */
  readonly author: string;
  /** The greeting's cursor lies in this log, and what came since can be told. */
  readonly resumes: boolean;
}

/** What a follower asks for. */
export type Request =
  /** First of all: which collections it has. Answered by `described`. */
  | { readonly kind: 'describe'; readonly collections: readonly { readonly name: string; readonly hash: Uint8Array }[] }
  /** Answered by `chunk`s until the last, or by `denied`. */
  | {
      readonly kind: 'subscribe';
      readonly subscription: SubscriptionNumber;
      readonly collection: string;
      readonly text: string;
      readonly parameters: SqlParameters;
      /** Null: nothing. `held` only in a session that resumes. */
      readonly had: Had | null;
    }
  /** Answered by `unsubscribed`. */
  | { readonly kind: 'unsubscribe'; readonly subscription: SubscriptionNumber }
  /**
   * Answered by one `held` or several. Ids of what it uploads it follows without asking.
   * - `had`: it holds what is behind them, be it nothing, as it stood at the greeting's cursor.
   */
  | { readonly kind: 'hold'; readonly collection: string; readonly ids: readonly EntityId[]; readonly had: boolean }
  /** Answered by `released`. */
  | { readonly kind: 'release'; readonly collection: string; readonly ids: readonly EntityId[] }
  /** One transaction. Answered by a `step` that settles it, `refused` or `rebase`. */
  | {
      readonly kind: 'upload';
      readonly transaction: TransactionId;
      /** 1, 2, 3, ...: an answer to an earlier attempt says nothing of this one. */
      readonly attempt: number;
      /** In the order in which they were made. */
      readonly operations: readonly Uint8Array[];
    }
  /** A selection (of `collection`) or a whole statement (null), run after all that was uploaded before it. Answered by `answer`s. */
  | {
      readonly kind: 'ask';
      readonly request: number;
      readonly collection: string | null;
      readonly text: string;
      readonly parameters: SqlParameters;
    }
  /** Of a durable follower: to be told the whole log after the greeting's cursor, or all of it. Answered by `logged`. */
  | { readonly kind: 'log' }
  /** Of a durable follower: one transaction of its own log. Answered by `taken`. */
  | {
      readonly kind: 'offer';
      readonly position: Position;
      /** Of that log: up to it others may be skeletons, whose rows are only right when all up to it has come. */
      readonly floor: Position;
      readonly operations: readonly Uint8Array[];
    };

/** One row's part of a step. */
export type Part =
  | { readonly kind: 'whole'; readonly collection: string; readonly row: Uint8Array }
  /** `items`: id and edits of each operation, in the order applied; `head`: after them. */
  | {
      readonly kind: 'items';
      readonly collection: string;
      readonly entity: EntityId;
      readonly items: Uint8Array;
      readonly head: readonly OperationId[];
    }
  | { readonly kind: 'leave'; readonly collection: string; readonly entity: EntityId };

/** The last row of a followed window, null if no row of the selection lies beyond it. Told when it, or its sort key, changed. */
export interface Edge {
  readonly selection: SelectionNumber;
  readonly entity: EntityId | null;
}

/** What one transaction means to one session. Shared by all sessions to which it means the same. */
export interface Step {
  readonly kind: 'step';
  readonly position: Position;
  readonly parts: readonly Part[];
  readonly edges: readonly Edge[];
  /**
   * The session's own transaction, now final: its operations, which have no items here, apply to their rows first, then
   * the parts. An entity new at the authority is made by them; one that was there but not followed comes whole.
   */
  readonly settled: TransactionId | null;
}

/** A collection as the authority has it. */
export interface Described {
  readonly name: string;
  /** The authority's canonical descriptor, where it is not the follower's; null where it has no such collection. */
  readonly canonical: string | null;
}

export interface AnswerColumn {
  readonly name: string;
  /** The type by which its cells are decoded; null for SQLite's own values. */
  readonly type: PropertyType | null;
}

export interface Answer {
  readonly columns: readonly AnswerColumn[];
  readonly rows: readonly (readonly Cell[])[];
  readonly changes: number;
}

/** What the authority says. */
export type Said =
  /** Only collections whose hashes differ; nothing is wrong with the others. */
  | { readonly kind: 'described'; readonly differing: readonly Described[] }
  | {
      readonly kind: 'chunk';
      readonly subscription: SubscriptionNumber;
      readonly selection: SelectionNumber;
      /** At which all of it stands. */
      readonly position: Position;
      /** The same in all chunks of one subscription. */
      readonly basis: Basis;
      /** Ascending by id, also over the chunks of one subscription. */
      readonly rows: readonly Uint8Array[];
      /** On the basis of `held`: of what the follower had, what is not of the selection any more. Ascending with `rows`. */
      readonly left: readonly EntityId[];
      /** On the basis of `buckets`, in the first chunk: their numbers, 0 to 255, ascending. */
      readonly differing: Uint8Array;
      /** Rows that all chunks together will have, about; null where it was not counted. */
      readonly total: number | null;
      /** Set in the last chunk: the subscription is complete. */
      readonly last: boolean;
      /** Of a window, in the last chunk. */
      readonly edge: EntityId | null;
    }
  | { readonly kind: 'denied'; readonly subscription: SubscriptionNumber; readonly error: TendrilError }
  | { readonly kind: 'unsubscribed'; readonly subscription: SubscriptionNumber }
  /**
   * `ids`: the next of those asked for; `rows`: those of them that exist, deleted ones included; the others are absent.
   * On the basis of `held`: those that changed since.
   */
  | {
      readonly kind: 'held';
      readonly collection: string;
      readonly position: Position;
      readonly basis: Exclude<Basis, 'buckets'>;
      readonly ids: readonly EntityId[];
      readonly rows: readonly Uint8Array[];
    }
  | { readonly kind: 'released'; readonly collection: string; readonly ids: readonly EntityId[] }
  | Step
  /** Final: it is as if the transaction had never been. */
  | {
      readonly kind: 'refused';
      readonly transaction: TransactionId;
      readonly attempt: number;
      readonly error: TendrilError;
    }
  /** Not final: to be minted anew and uploaded again. `time`: the authority's clock. */
  | {
      readonly kind: 'rebase';
      readonly transaction: TransactionId;
      readonly attempt: number;
      readonly reason: 'clock-drift' | 'missing-precursor' | 'author';
      readonly time: number;
    }
  /** In parts: rows are appended until `last`. */
  | {
      readonly kind: 'answer';
      readonly request: number;
      readonly columns: readonly AnswerColumn[];
      readonly rows: readonly (readonly Cell[])[];
      readonly changes: number;
      readonly last: boolean;
    }
  | { readonly kind: 'unanswered'; readonly request: number; readonly error: TendrilError }
  /** All up to this position has been told: so that a follower whom nothing concerns need not ask for what came since long ago. */
  | { readonly kind: 'at'; readonly position: Position }
  /** The authority cannot read this row of what the session follows. The others are as they are told. */
  | {
      readonly kind: 'unreadable';
      readonly collection: string;
      readonly entity: EntityId;
      readonly error: TendrilError;
    }
  /**
   * In position order; then each transaction as it is committed: one without operations came from whom it is told to, by
   * `offer`. `floor`: of the log, as in `offer`.
   */
  | { readonly kind: 'logged'; readonly floor: Position; readonly transactions: readonly LogTransaction[] }
  /** The offered transaction is here, durable, and stands at `at` in this log; or it is refused, whole. */
  | {
      readonly kind: 'taken';
      readonly position: Position;
      readonly at: Position | null;
      readonly error: TendrilError | null;
    }
  /** Of a relay: written by another session of the same actor, and not settled yet. It shows, and may be built on. */
  | { readonly kind: 'pending'; readonly transaction: TransactionId; readonly operations: readonly Uint8Array[] }
  /** It has been settled, refused or made anew: what it was shows no more. */
  | { readonly kind: 'withdrawn'; readonly transaction: TransactionId }
  /**
   * Of a relay: whether it reaches its own upstream. While it does not, what it says is as old as that; said at once, before
   * all else, and again when it has no more to say of what was asked for.
   */
  | { readonly kind: 'linked'; readonly online: boolean; readonly error: TendrilError | null };

/* ------------------------------------------------------------------ the follower's port */

/** Where an ephemeral node's upstream is: what `webSocket(url)` and its like return. */
export interface Upstream {
  /** For reports: where it leads, without secrets. */
  readonly name: string;
  /** Begins a session. Nothing is thrown: a failure is the session's end. */
  readonly connect: (greeting: Greeting, receiver: Receiver, ports: Ports) => UpstreamSession;
  /** Calls `wake` whenever the way there may have become free (a browser came online). Returns what stops it. */
  readonly onReachable?: (wake: () => void) => () => void;
}

export interface Receiver {
  /** First, and once. */
  readonly welcomed: (welcome: Welcome) => void;
  /** What one frame held, in order. Never before `welcomed` or after `ended`. */
  readonly said: (messages: readonly Said[]) => void;
  /** Once; nothing follows. `final`: connecting again would end the same way. */
  readonly ended: (reason: TendrilError, final: boolean) => void;
}

export interface UpstreamSession {
  /** Requests of one turn leave in one frame. Ignored before `welcomed` and after `ended`. */
  readonly send: (request: Request) => void;
  /** Sends what was asked to be sent, then ends; `ended` is called. */
  readonly close: () => void;
}

/* ------------------------------------------------------------------ the authority's port */

/** One session as the authority's feed sees it. */
export interface Peer {
  /** What its uploads must name as author. */
  readonly author: string;
  /** It may upload what others wrote: a relay. */
  readonly relays: boolean;
  /** Rows of one chunk; MAX_CHUNK_ROWS where it is not said. */
  readonly chunkRows?: number;
  /** What it said of itself. */
  readonly greeting: Pick<Greeting, 'node' | 'cursor'>;
  /** In order; what one turn says leaves in one frame. */
  readonly say: (said: Said) => void;
  /** The feed has chunks or answers to say: it says one for each `FeedSession.pull`. */
  readonly hasMore: () => void;
  /** After `take` returned false: it takes again. */
  readonly hasRoom: () => void;
}

export interface FeedSession {
  readonly welcome: () => Welcome;
  /**
   * Never throws for what a peer may send: it is answered by a refusal. What no well-meaning follower sends (a number
   * used twice, an unknown kind of thing) throws `protocol-violation`: the session is to be ended with it.
   *
   * False when so much waits already that nothing more should be read from the peer until `Peer.hasRoom` is called.
   */
  readonly take: (request: Request) => boolean;
  /**
   * Says the next chunk, if there is one. False when there is nothing more to pull until `hasMore` is called again.
   * Where the session cannot be told the truth any more (the storage failed under an upload), `hasMore` is called and this
   * throws why, as `take` does: the session is to be ended with it.
   */
  readonly pull: () => boolean;
  /** Forgets the session. */
  readonly close: () => void;
}

export type SaidOf<Kind extends Said['kind']> = Extract<Said, { readonly kind: Kind }>;

export type RequestOf<Kind extends Request['kind']> = Extract<Request, { readonly kind: Kind }>;
