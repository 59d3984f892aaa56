/**
 * Node: one embedded engine, durable or ephemeral. A facade: each method checks that the node is open, waits until no
 * group is half done, and hands over to the part that does the work.
 */
import { TendrilError } from '../errors.ts';
import { type RawRow, type SqlParameters, Where } from '../query/index.ts';
import {
  type Collection,
  type EntityId,
  type LoggedOperation,
  living,
  type Position,
  parseEntityId,
  type RowOf,
} from '../storage/index.ts';
import type { CatalogEntry } from './catalog.ts';
import type { Compacted, CompactOptions } from './compact.ts';
import { type Explanation, explainStatement } from './explain.ts';
import { type HistoryEntry, readHistory } from './history.ts';
import type { IngestResult } from './ingest/ingest.ts';
import type { LiveQuery } from './live/live-query.ts';
import { type DurableParts, openDurable } from './open-durable.ts';
import { type EphemeralParts, openEphemeral } from './open-ephemeral.ts';
import { invalidOption, type NodeOptions } from './open-store.ts';
import type { ReadOptions } from './read-options.ts';
import { makeReport, type Report } from './report.ts';
import { createShelf, type Shelf } from './shelf.ts';
import type { SqlResult, SqlRow } from './sql-result.ts';
import type { FeedSession, Peer, Upstream } from './stream.ts';
import { flushHeld } from './upstream/outbox/held-back.ts';
import type { Outcomes } from './upstream/outbox/settlements.ts';
import type { Verified } from './upstream/verifying/findings.ts';
import { Verifications } from './verify.ts';
import type { TransactOptions } from './write/transact.ts';
import type { Transaction } from './write/transaction.ts';

export interface GetOptions extends ReadOptions {
  /** A position of this node's log: the row as it stood then. */
  readonly at?: number;
}

/** Operations that `operations` gives at most, beyond the first transaction. */
export const MAX_OPERATIONS_READ = 10_000;

type NodeParts = DurableParts | EphemeralParts;

export class Node {
  /** The transactions made here that were refused, until they are retried or discarded; none on a durable node. */
  readonly refused: Shelf;
  readonly #parts: NodeParts;
  readonly #verifications = new Verifications();
  #closing: Promise<void> | null = null;

  private constructor(parts: NodeParts) {
    this.#parts = parts;
    this.refused = createShelf(parts, parts.role === 'durable' ? null : parts.replica, () => {
      if (this.#closing !== null) throw closed();
    });
  }

  /**
   * Opens a node: an ephemeral one of the `upstream` if that is given and `role` does not say `durable`, else a durable
   * one, in memory unless `storage` says otherwise. It opens whether its upstream can be reached or not.
   *
   * @throws {TendrilError} `invalid-option`, `invalid-schema`, `schema-mismatch`, and `storage-*` for the file.
   */
  static async open(options: NodeOptions): Promise<Node> {
    const { role, upstream } = options;
    const isDurable = upstream === undefined || role === 'durable';
    return new Node(await (isDurable ? openDurable(options) : openEphemeral(options, upstream)));
  }

  /** `durable`: it keeps every operation, and others can follow it. */
  get role(): 'durable' | 'ephemeral' {
    return this.#parts.role;
  }

  /**
   * Runs `callback` and commits what it wrote; resolves with what it returned once that is durable: in the file, or, of a
   * node in memory, in that.
   *
   * - A synchronous callback runs alone to its end. An asynchronous one reads a snapshot, and must end within 30 s.
   * - Whatever it throws rolls back all of it, and is thrown here.
   *
   * @throws {TendrilError} `conflict` where an asynchronous one wrote what another has changed meanwhile (see
   *   `retries`), `not-found`, `invalid-value`, `invalid-option`, `limit-exceeded`, `storage-failed`, `closed`. On an
   *   ephemeral node also `not-covered` for what it reads and is not held, `offline` with staging `online-only`, and with
   *   that or `until: 'settled'` the authority's refusal: `policy-denied`, `outcome-unknown`, or whatever it says.
   */
  transact<Result>(
    callback: (tx: Transaction) => Result | Promise<Result>,
    options?: TransactOptions,
  ): Promise<Result> {
    if (this.#closing !== null) return Promise.reject(closed());
    return this.#parts.transactor.transact(callback, options);
  }

  /** The row, or null. @throws {TendrilError} `history-unavailable` for an `at` below what is kept. */
  async get<C extends Collection>(collection: C, id: string, options: GetOptions = {}): Promise<RowOf<C> | null> {
    const { core, answers } = await this.#quiet();
    const entry = core.catalog.entryOf(collection);
    const entity = parseEntityId(id);
    const { at } = options;
    const row = at === undefined ? await answers.get(entry, entity, options) : this.#rowAt(entry, entity, at);
    return row === null ? null : entry.decode(row);
  }

  /**
   * The rows of one selection, in its order; by id where it names none.
   *
   * - `text`: a predicate, with ORDER BY, LIMIT and OFFSET if wanted; empty for all rows; or a `where` template.
   *
   * @throws {TendrilError} `query-syntax` (with offset), `query-unsupported`, `unknown-property`, `invalid-parameter`.
   */
  async query<C extends Collection>(
    collection: C,
    text: string | Where = '',
    parameters?: SqlParameters,
    options: ReadOptions = {},
  ): Promise<readonly RowOf<C>[]> {
    const { core, answers } = await this.#quiet();
    const entry = core.catalog.entryOf(collection);
    return (await answers.query(entry, text, parameters, options)).map(entry.decode);
  }

  /**
   * Runs one statement. A SELECT reads what is committed; INSERT, UPDATE and DELETE are a transaction of their own.
   *
   * Result columns that are plain properties are decoded to their types, expressions are SQLite's own values.
   *
   * @throws {TendrilError} as `query` and `transact` do; `unknown-collection`.
   */
  async sql(text: string, parameters?: SqlParameters, options: ReadOptions = {}): Promise<SqlResult> {
    return (await this.#quiet()).answers.sql(text, parameters, options);
  }

  /**
   * Keeps the result of one selection current until it is closed.
   *
   * Once `ready` has resolved, each committed transaction that alters the result gives one change set.
   *
   * - `text`: a predicate, with ORDER BY and LIMIT if wanted; empty for all rows; or a `where` template.
   * - Cost: O(matching rows) to hydrate; O(log selections + log rows) for each change after.
   *
   * @throws {TendrilError} what `query` throws; `query-unsupported` for an OFFSET.
   * @see Gupta, Mumick and Subrahmanian, "Maintaining Views Incrementally", SIGMOD 1993.
   */
  live<C extends Collection>(collection: C, text?: string | Where, parameters?: SqlParameters): LiveQuery<RowOf<C>>;
  /** The same for a whole SELECT. Its rows have no `id` unless it selects one. */
  live(statement: string | Where, parameters?: SqlParameters): LiveQuery<SqlRow>;
  live(asked: Collection | string | Where, text?: string | Where | SqlParameters, parameters?: SqlParameters) {
    if (this.#closing !== null) throw closed();
    const { core, live, reactor, prepareStatement } = this.#parts;
    if (isStatement(asked)) return reactor.openStatement(prepareStatement, asked, text as SqlParameters | undefined);
    return live(core.catalog.entryOf(asked), (text ?? '') as string | Where, parameters);
  }

  /** How `query` and `live` would answer this: by what plan, and how they would learn that a change concerns it. */
  explain(collection: Collection, text?: string | Where, parameters?: SqlParameters): Promise<Explanation>;
  explain(statement: string | Where, parameters?: SqlParameters): Promise<Explanation>;
  async explain(asked: Collection | string | Where, text?: string | Where | SqlParameters, parameters?: SqlParameters) {
    const { core, reader, prepareStatement } = await this.#quiet();
    if (isStatement(asked)) {
      const prepared = prepareStatement(asked, text as SqlParameters | undefined);
      return explainStatement(prepared, 0, (sql) => core.driver.all(sql, prepared.values));
    }
    return reader.explain(reader.selectHere(core.catalog.entryOf(asked), (text ?? '') as string | Where, parameters));
  }

  /** The operations of one entity, in the order in which they arrived here. */
  async history(collection: Collection, id: string): Promise<readonly HistoryEntry[]> {
    await this.#quiet();
    const { core } = this.#durable('history');
    return readHistory(core, core.catalog.entryOf(collection), parseEntityId(id));
  }

  /**
   * Takes in operations that another node made, as `operations` gives them: in any order, repeatedly, in any portions.
   *
   * @throws {TendrilError} `storage-failed`, `closed`. What is wrong with an operation stands in `refused`.
   */
  async ingest(operations: readonly Uint8Array[]): Promise<IngestResult> {
    if (this.#closing !== null) throw closed();
    return this.#durable('ingest').ingester.ingest(operations);
  }

  /** Whole transactions after `after`, in position order: at least one if there is one, then up to `limit` operations. */
  async operations(after = 0, limit = 1_000): Promise<readonly LoggedOperation[]> {
    await this.#quiet();
    const { core } = this.#durable('operations');
    if (!(limit >= 1)) throw invalidOption('limit', 'Give a number of operations, 1 or more.');
    return core.log.since(this.#position(after), Math.min(Math.floor(limit), MAX_OPERATIONS_READ));
  }

  /**
   * Copies what is committed into a new file at `path`, compacted, while the node stays open. The copy is whole and
   * synced when this resolves. Nothing else runs meanwhile: about a second for each 500 MB.
   *
   * @throws {TendrilError} `storage-failed` where the path is taken or cannot be written; `storage-unsupported` in sql.js.
   */
  async backup(path: string): Promise<void> {
    const { driver } = (await this.#quiet()).core;
    if (driver.backup === undefined) throw withoutFiles(driver.name);
    driver.backup(path);
  }

  /**
   * Opens a session for somebody who follows this node. For `net/`, which speaks with the peer.
   *
   * @internal
   */
  follow(peer: Peer): FeedSession {
    if (this.#closing !== null) throw closingServer();
    return this.#parts.role === 'durable' ? this.#parts.feed.open(peer) : this.#parts.followers.open(peer);
  }

  report(): Report {
    if (this.#closing !== null) throw closed();
    return makeReport(this.#parts);
  }

  /** The authority's clock, ms since 1970: on an ephemeral node as far as its last welcome tells. */
  now(): number {
    return this.#parts.core.clock.now();
  }

  /**
   * Makes a new session with the upstream, in place of the present one. What is held stays visible, and is brought up
   * to date in one step when all of that is here. Resolves when the session has begun.
   *
   * @throws {TendrilError} `offline`, or why the upstream refused; `invalid-option` on a durable node without upstream.
   */
  async reconnect(): Promise<void> {
    if (this.#closing !== null) throw closed();
    const { connection } = (this.#parts.role === 'durable' ? this.#parts.follower : this.#parts.replica) ?? {};
    if (connection === undefined) throw withoutUpstream();
    const begun = connection.connect();
    if (this.#parts.role === 'ephemeral') this.#parts.replica.following.stirAll();
    return begun;
  }

  /**
   * Takes out of the log what it no longer needs: how to undo old operations, and what they wrote, of those that nothing
   * of the rows comes from any more. Rows, ids and the log's chain stay; `history` shows such an operation with `edits`
   * null, and rows as they stood before the floor cannot be asked for. Not further than the nodes need that follow this
   * one, or did within 30 days. Runs in turns of at most 1,000 operations; one that was interrupted goes on when it is
   * called again. The file does not become smaller: what is free in it is used again.
   *
   * @throws {TendrilError} `history-unavailable` on an ephemeral node; `storage-failed`, `invalid-option`, `closed`.
   */
  async compact(options: CompactOptions = {}): Promise<Compacted> {
    if (this.#closing !== null) throw closed();
    const { compact } = this.#durable('compaction');
    try {
      return await compact(options);
    } catch (error) {
      // Its storage was closed between two turns.
      if (this.#closing !== null && error instanceof TendrilError && error.code === 'closed') throw closed();
      throw error;
    }
  }

  /**
   * Offers all that was written with staging `hold`, in the order in which it was written. Resolves when each has its
   * outcome, with how many were applied and refused; while there is no session that waits for one. Called again meanwhile
   * it counts only what was held since: what is under way is the first call's.
   *
   * @throws {TendrilError} `closed`, also while it waits: what is offered then stays in the outbox; `storage-failed`.
   */
  async flush(): Promise<Outcomes> {
    if (this.#closing !== null) throw closed();
    if (this.#parts.role === 'durable') return { applied: 0, refused: 0 };
    const { queue, replica } = this.#parts;
    const { journal, outbox, sender, settlements } = replica;
    return flushHeld({ queue, journal, outbox, sender, settlements });
  }

  /**
   * Compares what this node holds with an upstream, row by row where they may differ, and says where they do.
   *
   * - An ephemeral node without an argument: its own upstream, in its own session, exactly: what is pending here is no
   *   difference. What it follows is compared, and what differs is repaired. Of a selection of 64 rows and more ids and heads
   *   are compared first, 2 KiB: a value that was changed in the file without its head is found only beside another.
   * - With one, or on a durable node: every collection, in a session of its own. It only tells, and what one of both had
   *   not heard of yet is told as a difference: compare when nobody writes. What an ephemeral node does not hold is none.
   *
   * @throws {TendrilError} `offline` where there is no session, or it is lost meanwhile; `system-mismatch`,
   *   `schema-mismatch`, `invalid-option` on a durable node without upstream, `closed`.
   */
  async verify(upstream?: Upstream): Promise<Verified> {
    if (this.#closing !== null) throw closed();
    return this.#verifications.run(this.#parts, upstream);
  }

  /** Commits what was asked for before, ends what is open, and gives the storage back. May be called again. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { core, queue, transactor, reactor } = this.#parts;
    transactor.close(closed());
    this.#verifications.end(closed());
    const followers = this.#parts.role === 'durable' ? this.#parts.feed : this.#parts.followers;
    followers.end(closingServer());
    if (this.#parts.role === 'durable') await this.#parts.ingester.settled();
    await queue.drained();
    if (this.#parts.role === 'durable') await this.#parts.follower?.close(closed());
    if (this.#parts.role === 'ephemeral') await this.#parts.replica.close(closed());
    await queue.drained();
    followers.close();
    reactor.close();
    core.driver.close();
  }

  #rowAt(entry: CatalogEntry, id: EntityId, at: number): RawRow | null {
    return living(this.#durable('get at a position').core.rowAt(this.#position(at), entry.collection.name, id));
  }

  /** @throws {TendrilError} `history-unavailable` on an ephemeral node, which keeps no log. */
  #durable(what: string): DurableParts {
    if (this.#parts.role === 'durable') return this.#parts;
    throw new TendrilError({
      code: 'history-unavailable',
      problem: `An ephemeral node keeps no log, which ${what} needs.`,
      remedy: 'Ask the durable node that it follows.',
      facts: { what },
    });
  }

  #position(asked: number): Position {
    const last = this.#parts.source.position();
    if (Number.isInteger(asked) && asked >= 0 && asked <= last) return asked as Position;
    throw new TendrilError({
      code: 'history-unavailable',
      problem: `There is no position ${asked} in this node's log.`,
      remedy: `Ask for a whole number from 0 to ${last}, the position of its last transaction.`,
      facts: { position: asked, last },
    });
  }

  /** Whoever awaits it goes on a microtask later. Then no group is half done, because a drain is synchronous. */
  async #quiet(): Promise<NodeParts> {
    if (this.#closing !== null) throw closed();
    return this.#parts;
  }
}

function isStatement(asked: Collection | string | Where): asked is string | Where {
  return typeof asked === 'string' || asked instanceof Where;
}

function closed(): TendrilError {
  return new TendrilError({
    code: 'closed',
    problem: 'The node is closed.',
    remedy: 'Open another one; close a node only when nobody uses it any more.',
  });
}

/** What followers are told: it is not their own node that is closed. */
function closingServer(): TendrilError {
  return new TendrilError({
    code: 'offline',
    problem: "The server's node is closing.",
    remedy: 'Another attempt is made by itself; `reconnect()` makes one at once.',
  });
}

function withoutUpstream(): TendrilError {
  return new TendrilError({
    code: 'invalid-option',
    problem: 'A durable node has no upstream to reconnect to.',
    remedy: 'Open the node with `upstream`.',
  });
}

function withoutFiles(driver: string): TendrilError {
  return new TendrilError({
    code: 'storage-unsupported',
    problem: `A node in the memory of ${driver} cannot write files.`,
    remedy: 'Open the node on a file, with `sqliteFile` of tendril/node.',
    facts: { driver },
  });
}
