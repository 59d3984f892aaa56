/**
 * Replica: the part of an ephemeral node that replicates: its outbox, what it follows, and its session with the upstream.
 *
 * Invariants
 *   - a session begins with all that the node uses and all that it has pending; its rows replace those before in one step;
 *   - what comes in waits its turn in the commit queue like any transaction made here;
 *   - a frame that cannot be taken ends the session, and leaves no trace.
 */
import { TendrilError } from '../../errors.ts';
import type { EntityId, SystemId } from '../../storage/index.ts';
import type { Commit } from '../change.ts';
import type { Core, CoreBase } from '../core.ts';
import type { Covers } from '../covers.ts';
import type { Reader } from '../reader.ts';
import type { CommitQueue } from '../write/commit-queue.ts';
import { Journal } from '../write/journal.ts';
import type { AuthorityClock } from './authority-clock.ts';
import { Collections } from './collections.ts';
import { Confirming } from './confirming.ts';
import { Connection, interrupted } from './connection.ts';
import { createCoverage } from './coverage.ts';
import { Following } from './following.ts';
import { HeldIds, SWEEP_MS } from './held-ids.ts';
import { Frame, type IncomingParts, replaceAll } from './incoming.ts';
import { MAX_CLOSE_MS } from './limits.ts';
import { Outbox, type RowKey, rowKey } from './outbox.ts';
import { Overlay, OverlayStep } from './overlay.ts';
import { Questions } from './questions.ts';
import { RecentRows } from './recent-rows.ts';
import { rebase } from './remint.ts';
import { Sender } from './sender.ts';
import { Settlements } from './settlements.ts';
import { Stages } from './stages.ts';
import type { Said, Upstream, Welcome } from './stream.ts';

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
  readonly outbox = new Outbox(this.journal);
  readonly overlay: Overlay;
  readonly recent: RecentRows;
  readonly settlements: Settlements;
  readonly covers: Covers;
  readonly connection: Connection;
  readonly heldIds: HeldIds;
  readonly following: Following;
  readonly questions = new Questions();
  readonly sender = new Sender(this.outbox);
  readonly collections: Collections;
  readonly #parts: ReplicaParts;
  readonly #stages = new Stages((entry, bytes) => this.#confirming.read(entry, bytes));
  readonly #confirming: Confirming;
  #author: string;
  #assembled: Assembled | null = null;
  #cancelSweep: (() => void) | null = null;

  constructor(parts: ReplicaParts) {
    const { base, upstream } = parts;
    const { rows, driver, catalog, scheduler } = base;
    this.#parts = parts;
    this.#author = base.author;
    this.recent = new RecentRows(driver, rows, this.journal);
    this.overlay = new Overlay({ rows, outbox: this.outbox, journal: this.journal, recent: this.recent });
    this.settlements = new Settlements(this.outbox, parts.onError);
    this.connection = new Connection({
      core: base,
      upstream,
      author: () => this.#author,
      began: (welcome) => this.#began(welcome),
      said: (messages) => this.#said(messages),
      lost: (reason) => this.#lost(reason),
      isWhole: () => this.#stages.isWhole,
    });
    const { send, state } = this.connection;
    const { overlay } = this;
    this.collections = new Collections(catalog);
    this.#confirming = new Confirming(this.collections, this.#stages);
    const { refusalOf } = this.collections;
    this.following = new Following({ overlay, probe: driver.all, scheduler, send, connection: state, refusalOf });
    const hasPending = (collection: string, id: EntityId) => overlay.hasPending(collection, id);
    this.heldIds = new HeldIds({ hasPending, send, isWhole: () => state().whole });
    const { following, heldIds } = this;
    this.covers = createCoverage({ catalog, rows, following, heldIds, reader: () => this.#assembled!.reader });
  }

  get author(): string {
    return this.#author;
  }

  get system(): SystemId | null {
    return this.connection.system;
  }

  /** The first attempt. Whoever wants to know how it went looks at the state. */
  start(assembled: Assembled): void {
    this.#assembled = assembled;
    this.connection.connect().catch(() => undefined);
    this.#sweepLater();
  }

  /** Told of each group after its COMMIT: transactions made here leave for the authority. */
  committed(commits: readonly Commit[]): void {
    for (const { transaction } of commits) {
      const pending = transaction === null ? undefined : this.outbox.get(transaction);
      if (pending === undefined) continue;
      for (const { operation } of pending.operations) this.heldIds.wrote(operation.collection, operation.entity);
      this.sender.upload([pending]);
    }
    this.#forgetUndo();
  }

  /** A group was committed: also one that nobody sees a difference of, of which nobody is told. */
  #forgetUndo(): void {
    this.journal.clear();
    this.recent.trim(this.#assembled!.readers() > 0, this.overlay.position());
  }

  /** Gives the authority MAX_CLOSE_MS to settle what is pending, if there is a session; then ends it. */
  async close(reason: TendrilError): Promise<void> {
    this.#cancelSweep?.();
    this.following.close();
    if (this.connection.state().online && this.outbox.size > 0) {
      await new Promise<void>((resolve) => {
        const cancel = this.#parts.base.scheduler.after(MAX_CLOSE_MS, resolve);
        this.settlements.drained().then(() => {
          cancel();
          resolve();
        });
      });
    }
    this.connection.close(reason);
    this.settlements.close(reason);
  }

  #began({ author, time, maxId }: Welcome): void {
    const { clock, base } = this.#parts;
    clock.adjust(time);
    if (maxId !== null) {
      base.mint.observe(maxId);
      this.#confirming.observe(maxId);
    }
    const { send } = this.connection;
    send(this.collections.describe());
    const followed = this.following.begin();
    const held = this.#holdAll();
    this.#stages.begin([...followed, ...held]);
    if (author !== this.#author) this.#becomeAuthor(author);
    else this.sender.begin(send);
    if (followed.length + held.length === 0) this.#replaceNow();
  }

  /** Asks for every id that is held. Returns what was asked about. */
  #holdAll(): readonly RowKey[] {
    const keys: RowKey[] = [];
    const byCollection = new Map<string, EntityId[]>();
    for (const { collection, id, state } of this.heldIds.all()) {
      if (state === 'written') continue;
      keys.push(rowKey(collection, id));
      const ids = byCollection.get(collection);
      if (ids === undefined) byCollection.set(collection, [id]);
      else ids.push(id);
    }
    for (const [collection, ids] of byCollection) this.connection.send({ kind: 'hold', collection, ids });
    return keys;
  }

  /** The authority knows this node under another name: what is pending is made anew under it. */
  #becomeAuthor(author: string): void {
    this.#author = author;
    const { core, queue } = this.#assembled!;
    queue.add({
      run: () => {
        const step = new OverlayStep(this.overlay);
        rebase(core, this.outbox, step, this.outbox.inOrder());
        const commit = step.end(() => []);
        return { kind: 'done', commits: commit === null ? [] : [commit], operations: 0, bytes: 0 };
      },
      committed: () => this.sender.begin(this.connection.send),
      failed: (error) => this.#fail(error),
    });
  }

  /** Nothing was asked for: what is held of a session before belongs to nobody. */
  #replaceNow(): void {
    const stage = this.#stages.arrived([]);
    if (stage === null) return;
    this.#assembled!.queue.add({
      run: () => ({ kind: 'done', commits: replaceAll(this.#incoming(), stage), operations: 0, bytes: 0 }),
      committed: () => this.following.tellAll(),
      failed: (error) => this.#fail(error),
    });
  }

  #said(messages: readonly Said[]): void {
    const session = this.connection.session;
    const frame = new Frame(this.#incoming());
    this.#assembled!.queue.add({
      run: () => {
        // Another session may have begun while it waited.
        if (session !== this.connection.session) return { kind: 'done', commits: [], operations: 0, bytes: 0 };
        return frame.run(messages);
      },
      committed: () => {
        this.#forgetUndo();
        frame.committed();
        this.heldIds.makeRoom(0);
      },
      failed: (error) => this.#fail(error),
    });
  }

  #lost(reason: TendrilError): void {
    this.sender.end();
    this.questions.lost(reason);
    this.settlements.lost();
    this.heldIds.lost(reason);
    this.following.tellAll();
  }

  #fail(error: unknown): void {
    this.#parts.onError(error);
    this.connection.end(error instanceof TendrilError ? error : interrupted(String(error)));
  }

  #sweepLater(): void {
    this.#cancelSweep = this.#parts.base.scheduler.after(SWEEP_MS, () => {
      this.heldIds.sweep();
      this.#sweepLater();
    });
  }

  #incoming(): IncomingParts {
    const { core, views } = this.#assembled!;
    const { overlay, outbox, collections, following, heldIds, questions, sender, settlements } = this;
    const { adjust: adjustClock } = this.#parts.clock;
    return {
      core,
      overlay,
      outbox,
      collections,
      confirming: this.#confirming,
      stages: this.#stages,
      following,
      heldIds,
      questions,
      sender,
      settlements,
      isWatched: () => views() > 0,
      adjustClock,
    };
  }
}
