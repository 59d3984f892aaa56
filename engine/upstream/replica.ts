/**
 * Replica: the part of an ephemeral node that replicates: its outbox, what it follows, and its session with the upstream.
 *
 * Invariant: its parts know each other through what this file gives them, and nothing else puts them together.
 */
import type { TendrilError } from '../../errors.ts';
import type { EntityId, KeptReplica, OperationId, SystemId } from '../../storage/index.ts';
import type { Commit } from '../change.ts';
import type { Core, CoreBase } from '../core.ts';
import type { Covers } from '../covers.ts';
import type { Reader } from '../reader.ts';
import type { RowKey } from '../row-key.ts';
import type { Upstream } from '../stream.ts';
import { type CommitQueue, NOTHING_DONE, type Outcome } from '../write/commit-queue.ts';
import { Journal } from '../write/journal.ts';
import { Confirming } from './confirming/confirming.ts';
import { Quarantine } from './confirming/quarantine.ts';
import { Stages } from './confirming/stages.ts';
import { Standing } from './confirming/standing.ts';
import { createCoverage } from './following/coverage.ts';
import { Following } from './following/following.ts';
import { HeldIds, SWEEP_MS } from './following/held-ids.ts';
import type { IncomingParts } from './incoming/incoming-parts.ts';
import { Kept } from './kept/kept.ts';
import { restore } from './kept/restore.ts';
import { MAX_CLOSE_MS } from './limits.ts';
import { Outbox } from './outbox/outbox.ts';
import { Sender } from './outbox/sender.ts';
import { Settlements } from './outbox/settlements.ts';
import { ForeignPending } from './overlay/foreign-pending.ts';
import { Overlay } from './overlay/overlay.ts';
import { RecentRows } from './overlay/recent-rows.ts';
import { ShelfRows } from './refusals/shelf-rows.ts';
import type { Served } from './served.ts';
import type { AuthorityClock } from './session/authority-clock.ts';
import { Collections } from './session/collections.ts';
import { Connection } from './session/connection.ts';
import { Questions } from './session/questions.ts';
import { SessionLife } from './session/session-life.ts';
import { Verifying } from './verifying/verifying.ts';

export interface ReplicaParts {
  readonly base: CoreBase;
  readonly clock: AuthorityClock;
  readonly upstream: Upstream;
  readonly onError: (error: unknown) => void;
}

/** What exists only once the node has been assembled over the replica. */
export interface Assembled {
  readonly core: Core;
  readonly queue: CommitQueue;
  readonly reader: Reader;
  /** Asynchronous transactions that read a snapshot. */
  readonly readers: () => number;
  /** Results that live queries keep. */
  readonly views: () => number;
}

export class Replica {
  readonly journal = new Journal();
  readonly outbox: Outbox;
  readonly overlay: Overlay;
  readonly recent: RecentRows;
  readonly settlements: Settlements;
  readonly shelf: ShelfRows;
  readonly covers: Covers;
  readonly connection: Connection;
  readonly heldIds: HeldIds;
  readonly following: Following;
  readonly questions = new Questions();
  readonly sender: Sender;
  readonly collections: Collections;
  readonly quarantine: Quarantine;
  readonly standing: Standing;
  readonly kept: Kept;
  readonly verifying: Verifying;
  readonly foreign = new ForeignPending(this.journal);
  /** Of a relay. */
  #served: Served | null = null;
  readonly #parts: ReplicaParts;
  readonly #stages = new Stages((entry, bytes) => this.#confirming.read(entry, bytes));
  readonly #confirming: Confirming;
  /** What the file had kept. */
  readonly #found: KeptReplica;
  #author: string;
  #assembled: Assembled | null = null;
  /** Once the node has been assembled over this. */
  #life: SessionLife | null = null;
  #cancelSweep: (() => void) | null = null;

  constructor(parts: ReplicaParts) {
    const { base, upstream } = parts;
    const { rows, driver, catalog, scheduler, replica: store } = base;
    const { journal, foreign } = this;
    this.#parts = parts;
    this.#found = store.read();
    this.outbox = new Outbox(journal, store);
    this.sender = new Sender(this.outbox);
    this.#author = base.author;
    this.recent = new RecentRows(driver, rows, this.journal);
    this.overlay = new Overlay({ rows, outbox: this.outbox, journal, recent: this.recent, store, foreign });
    this.settlements = new Settlements(this.outbox, journal);
    this.shelf = new ShelfRows(base, this.journal, parts.onError);
    this.connection = new Connection({
      core: base,
      upstream,
      author: () => this.#author,
      cursor: () => this.standing.resume,
      system: this.#found.system,
      began: (welcome) => this.#life!.began(welcome),
      said: (messages) => this.#life!.said(messages),
      lost: (reason) => this.#life?.lost(reason),
      isWhole: () => this.#stages.isWhole,
    });
    const { send, state } = this.connection;
    const { overlay } = this;
    this.collections = new Collections(catalog);
    this.quarantine = new Quarantine(() => this.connection.peer, journal);
    this.standing = new Standing(journal);
    this.#confirming = new Confirming({
      collections: this.collections,
      stages: this.#stages,
      quarantine: this.quarantine,
      keeps: (collection, row) => this.following.subscriptions.keeps(collection, row),
    });
    const { refusalOf } = this.collections;
    this.following = new Following({ overlay, driver, scheduler, send, connection: state, refusalOf });
    const hasPending = (collection: string, id: EntityId) =>
      overlay.hasPending(collection, id) || this.#served?.holds(collection, id) === true;
    const isWhole = () => state().whole;
    const { following, collections } = this;
    const isComing = (collection: string) => following.givingUp.isComing(collection);
    const changed = (key: RowKey) => this.kept.changed(key);
    this.heldIds = new HeldIds({ hasPending, send, isWhole, isComing, journal, changed });
    const { heldIds } = this;
    const keptParts = {
      store,
      journal,
      selections: () => following.withRows(),
      isPartial: () => [...following.all()].some(({ state, hasRows }) => state !== 'denied' && !hasRows),
      isHere: (key: RowKey) => heldIds.isHere(key),
      isInTables: (key: RowKey) => heldIds.isInTables(key),
      // The tables lack a row that could not be read, and another log may lack what they have ahead: nobody would tell.
      cursor: () => (this.quarantine.isEmpty && !this.standing.isAhead ? this.standing.kept : null),
      written: () => Number(driver.get('SELECT total_changes()', [])![0]),
    };
    this.kept = new Kept(keptParts, this.#found.system);
    const [connection, confirming, stages] = [this.connection, this.#confirming, this.#stages];
    this.verifying = new Verifying({ base, overlay, connection, confirming, following, heldIds, stages, collections });
    this.covers = createCoverage({ catalog, rows, following, heldIds, reader: () => this.#assembled!.reader });
  }

  get author(): string {
    return this.#author;
  }

  /** The greatest operation id that the authority has shown. */
  get greatest(): OperationId | null {
    return this.#confirming.greatest;
  }

  /** It is followed itself from now on. */
  serve(served: Served): void {
    this.#served = served;
    this.overlay.isServed = true;
    const replaces = this.standing.began !== 'resumed' || this.#stages.present?.replaces === true;
    if (this.connection.peer !== null) served.began(!replaces);
  }

  get system(): SystemId | null {
    return this.connection.system;
  }

  /** The first attempt. Whoever wants to know how it went looks at the state. */
  start(assembled: Assembled): void {
    this.#assembled = assembled;
    const { core, queue, reader } = assembled;
    const { outbox, overlay, following, heldIds, kept } = this;
    const { onError } = this.#parts;
    const cursor = restore({ core, reader, outbox, overlay, following, heldIds, kept, onError }, this.#found);
    this.standing.restore(cursor, this.#found);
    this.#life = new SessionLife({
      ...{ incoming: this.#incoming(), queue, onError },
      become: (author) => {
        this.#author = author;
      },
      committed: () => this.#forgetUndo(),
    });
    this.connection.connect().catch(() => undefined);
    this.#sweepLater();
  }

  /** Told of each group after its COMMIT: transactions made here leave for the authority. */
  committed(commits: readonly Commit[]): void {
    this.#served?.committed();
    for (const { transaction } of commits) {
      const pending = transaction === null ? undefined : this.outbox.get(transaction);
      if (pending === undefined) continue;
      for (const { operation } of pending.operations) this.heldIds.wrote(operation.collection, operation.entity);
      this.following.wrote(new Set(pending.operations.map(({ operation }) => operation.collection)));
      this.#served?.wrote(pending);
      this.sender.upload([pending]);
    }
    this.#forgetUndo();
  }

  /** A group was committed: also one that nobody sees a difference of, of which nobody is told. */
  #forgetUndo(): void {
    this.journal.clear();
    this.recent.trim(this.#assembled!.readers() > 0, this.overlay.position());
  }

  /** Gives the authority MAX_CLOSE_MS to settle what is pending, as long as it is reached; then ends the session. */
  async close(reason: TendrilError): Promise<void> {
    this.#cancelSweep?.();
    this.following.close();
    if (this.connection.state().reaches && !this.settlements.isDrained) {
      const cancel = this.#parts.base.scheduler.after(MAX_CLOSE_MS, () => this.settlements.giveUp());
      await this.settlements.drained();
      cancel();
    }
    this.connection.close(reason);
    this.settlements.close(reason);
    this.#keepCursor();
  }

  #keepCursor(): void {
    const run = (): Outcome => {
      this.kept.keepCursor();
      return NOTHING_DONE;
    };
    this.#assembled!.queue.add({ run, committed: () => undefined, failed: () => undefined });
  }

  #sweepLater(): void {
    this.#cancelSweep = this.#parts.base.scheduler.after(SWEEP_MS, () => {
      this.heldIds.sweep();
      this.#sweepLater();
    });
  }

  #incoming(): IncomingParts {
    const { core, views } = this.#assembled!;
    const { overlay, outbox, collections, following, heldIds, kept, questions, sender, settlements, shelf } = this;
    return {
      core,
      overlay,
      outbox,
      collections,
      confirming: this.#confirming,
      stages: this.#stages,
      standing: this.standing,
      quarantine: this.quarantine,
      following,
      heldIds,
      kept,
      questions,
      sender,
      settlements,
      verifying: this.verifying,
      shelf,
      isWatched: () => views() > 0,
      adjustClock: this.#parts.clock.adjust,
      foreign: this.foreign,
      served: () => this.#served,
      connection: this.connection,
    };
  }
}
