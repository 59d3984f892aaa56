/**
 * Replica: the part of an ephemeral node that replicates: its outbox, what it follows, and its session with the upstream.
 *
 * Invariants
 *   - a session begins with all that the node uses and all that it has pending; its rows amend those before, or replace them, in one step;
 *   - what comes in waits its turn in the commit queue like any transaction made here;
 *   - a frame that cannot be taken ends the session, and leaves no trace.
 */
import { TendrilError } from '../../errors.ts';
import type { EntityId, KeptReplica, OperationId, SystemId } from '../../storage/index.ts';
import type { Commit } from '../change.ts';
import type { Core, CoreBase } from '../core.ts';
import type { Covers } from '../covers.ts';
import type { Reader } from '../reader.ts';
import type { RowKey } from '../row-key.ts';
import type { Said, Upstream, Welcome } from '../stream.ts';
import { type CommitQueue, NOTHING_DONE, type Outcome } from '../write/commit-queue.ts';
import { Journal } from '../write/journal.ts';
import { Confirming } from './confirming/confirming.ts';
import { Quarantine } from './confirming/quarantine.ts';
import { Stages } from './confirming/stages.ts';
import { Standing } from './confirming/standing.ts';
import { letGoUntoldStaged } from './confirming/untold.ts';
import { becomeWhole } from './confirming/whole.ts';
import { createCoverage } from './following/coverage.ts';
import { Following } from './following/following.ts';
import { HeldIds, SWEEP_MS } from './following/held-ids.ts';
import { beginUploads } from './incoming/first-upload.ts';
import { dropForeign } from './incoming/foreign-step.ts';
import { Frame } from './incoming/incoming.ts';
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
import { interrupted } from './session/session-errors.ts';
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
  /** What the last session had said and is not in the tables can be built on. */
  #isStageUsable = false;
  /** A frame could not be taken, or is being taken. */
  #hasFailed = false;
  #author: string;
  #assembled: Assembled | null = null;
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
      began: (welcome) => this.#began(welcome),
      said: (messages) => this.#said(messages),
      lost: (reason) => this.#lost(reason),
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
      keeps: (collection, row) => this.following.keeps(collection, row),
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
      isKnown: (key: RowKey) => heldIds.isKnown(key),
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
    const { core, reader } = assembled;
    const { outbox, overlay, following, heldIds, kept } = this;
    const { onError } = this.#parts;
    const cursor = restore({ core, reader, outbox, overlay, following, heldIds, kept, onError }, this.#found);
    this.standing.restore(cursor, this.#found);
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

  #began(welcome: Welcome): void {
    const { time, maxId, epoch, position } = welcome;
    const { clock, base } = this.#parts;
    clock.adjust(time);
    if (maxId !== null) {
      base.mint.observe(maxId);
      this.#confirming.observe(maxId);
    }
    const { send } = this.connection;
    send(this.collections.describe());
    const resumes = this.standing.begin(epoch, position, welcome.resumes);
    const replaces = !resumes || this.#stages.present?.replaces === true;
    const isOther = replaces && (this.standing.began === 'anew' || this.standing.kept !== null);
    const followed = this.following.begin(resumes, this.#isStageUsable);
    const held = this.heldIds.begin(resumes, isOther);
    this.#stages.begin([...followed, ...held], resumes);
    this.#isStageUsable = false;
    // What is pending may stand on what another log does not have: first its rows are to be known.
    if (isOther) this.#stages.whenWhole(() => this.#offer(welcome));
    else this.#offer(welcome);
    this.#served?.began(!replaces);
    if (followed.length + held.length === 0) this.#wholeAtOnce();
    for (const [collection, ids] of this.quarantine.ids()) {
      // Whether it can be read now.
      for (const id of ids) void this.heldIds.want(collection, id).catch(() => undefined);
    }
  }

  #offer(welcome: Welcome): void {
    const { queue } = this.#assembled!;
    const become = (author: string) => {
      this.#author = author;
    };
    const failed = (error: unknown) => this.#fail(error);
    beginUploads({ incoming: this.#incoming(), queue, connection: this.connection, become, failed }, welcome);
  }

  /** Nothing was asked for: what is held of a session before belongs to nobody. */
  #wholeAtOnce(): void {
    const present = this.#stages.arrived([]);
    if (present === null) return;
    this.#assembled!.queue.add({
      run: () => {
        this.kept.begin();
        const commit = becomeWhole({ ...this.#incoming(), lacking: () => undefined }, present);
        // Nothing is held, and so it stands wherever the session does.
        if (this.standing.session !== null) this.standing.told(this.standing.session.position, true, false);
        this.kept.flush(true);
        return { kind: 'done', commits: commit === null ? [] : [commit], operations: 0, bytes: 0 };
      },
      committed: () => {
        this.#served?.committed();
        for (const task of this.#stages.takeTasks()) task();
        this.following.tellAll();
      },
      failed: (error) => this.#fail(error),
    });
  }

  #said(messages: readonly Said[]): void {
    const session = this.connection.session;
    const frame = new Frame(this.#incoming());
    this.#assembled!.queue.add({
      run: () => {
        // Another session may have begun while it waited; and behind a frame that was not taken none is.
        const isOver = session !== this.connection.session || this.#hasFailed;
        if (isOver) return NOTHING_DONE;
        this.#hasFailed = true;
        const outcome = frame.run(messages);
        this.#hasFailed = false;
        return outcome;
      },
      committed: () => {
        this.#forgetUndo();
        frame.committed();
        this.following.givingUp.goOn();
        this.heldIds.makeRoom(0);
      },
      failed: (error) => this.#fail(error),
    });
  }

  #lost(reason: TendrilError): void {
    if (this.standing.session !== null) this.#standStill();
    this.sender.end();
    this.#served?.lost(reason);
    this.questions.lost(reason);
    this.verifying.lost(reason);
    this.settlements.giveUp();
    this.heldIds.lost(reason);
    this.#dropForeign();
    this.following.tellAll();
  }

  #dropForeign(): void {
    if (this.foreign.size === 0) return;
    const run = (): Outcome => {
      const commit = dropForeign(this.#incoming()).end(() => []);
      return { kind: 'done', commits: commit === null ? [] : [commit], operations: 0, bytes: 0 };
    };
    this.#assembled!.queue.add({ run, committed: () => undefined, failed: this.#parts.onError });
  }

  /** The session has ended: what it had said of what is not whole is kept for the next one, where that can build on it. */
  #standStill(): void {
    const isWhole = this.#stages.isWhole;
    const isCaughtUp = isWhole || (this.following.isCaughtUp && this.heldIds.isCaughtUp);
    this.#isStageUsable = isCaughtUp && !this.#hasFailed;
    this.#hasFailed = false;
    this.standing.lost(this.#isStageUsable);
    const stage = this.#stages.session;
    if (this.#isStageUsable && stage !== null) letGoUntoldStaged(this.#incoming(), stage);
    this.following.lost();
    if (this.#isStageUsable) return;
    this.#stages.drop();
    this.following.dropStaged();
  }

  #fail(error: unknown): void {
    // What it had put on stages, or taken from them, was not taken back with the tables.
    this.#hasFailed = this.standing.session !== null;
    this.#parts.onError(error);
    const reason = error instanceof TendrilError ? error : interrupted(String(error));
    this.connection.end(reason, reason.code === 'protocol-violation');
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
