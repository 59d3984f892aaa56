/**
 * Log follower: a durable node's session with the durable node it follows. Each tells the other its log; whoever follows
 * this one has its uploads settled there.
 *
 * Invariants
 *   - a fresh node, which has written nothing, joins the system of its upstream; any other stays in its own, and an
 *     upstream of another system is left, with nothing exchanged;
 *   - a session begins at the cursor that is kept; where the upstream's log is another than the one that the cursor is of,
 *     everything is told again, in both directions, and known by its identity.
 */
import { TendrilError } from '../../errors.ts';
import {
  type Cursor,
  type FollowerPlace,
  type NodeId,
  type Position,
  readFollowedLog,
  type SystemId,
  type TransactionId,
  writeFollowedLog,
} from '../../storage/index.ts';
import type { Commit } from '../change.ts';
import type { Core } from '../core.ts';
import type { Ingester } from '../ingest/ingest.ts';
import type { Said, Upstream, Welcome } from '../stream.ts';
import { Connection } from '../upstream/session/connection.ts';
import { violation } from '../upstream/session/session-errors.ts';
import { type CommitQueue, NOTHING_DONE } from '../write/commit-queue.ts';
import type { QuarantinedTransaction } from './absent.ts';
import { Forwarding } from './forwarding.ts';
import { ASK_AGAIN_MS, MAX_CLOSE_MS } from './limits.ts';
import { Offering } from './offering.ts';
import { Taking } from './taking.ts';

export interface LogFollowerParts {
  readonly core: Core;
  readonly ingester: Ingester;
  readonly queue: CommitQueue;
  readonly upstream: Upstream;
  readonly position: () => Position;
  /** From now on this node is of that system. */
  readonly joined: (system: SystemId) => void;
}

export interface LogReport {
  readonly name: string;
  readonly state: 'connected' | 'connecting' | 'offline';
  readonly error: TendrilError | null;
  readonly node: NodeId | null;
  readonly began: 'first' | 'resumed' | 'anew' | null;
  readonly cursor: Cursor | null;
  /** Transactions of this log that the upstream is not known to have, and bytes of those that were offered. */
  readonly untold: number;
  readonly untoldBytes: number;
  /** Of these, those that it refused. */
  readonly refused: number;
  /** Uploads of followers that wait for the upstream. */
  readonly forwarded: number;
  readonly quarantine: readonly QuarantinedTransaction[];
}

const START = 0 as Position;

export class LogFollower {
  readonly connection: Connection;
  readonly forwarding: Forwarding;
  readonly #parts: LogFollowerParts;
  readonly #taking: Taking;
  readonly #offering: Offering;
  #began: 'first' | 'resumed' | 'anew' | null = null;
  #peer: NodeId | null = null;
  #cancelAsking: () => void = () => {};
  #onMove: (() => void) | null = null;
  #onStart: () => void = () => {};

  constructor(parts: LogFollowerParts) {
    const { core, ingester, queue, upstream, position } = parts;
    const { driver, log, system } = core;
    this.#parts = parts;
    const kept = readFollowedLog(driver);
    this.connection = new Connection({
      core,
      upstream,
      author: () => core.author,
      cursor: () => this.#taking.greet(),
      system: kept === null && log.position() === 0 ? null : system,
      began: (welcome) => this.#welcomed(welcome),
      said: (messages) => this.#said(messages),
      lost: () => this.#lost(),
      isWhole: () => this.#taking.isIdle,
    });
    const { send } = this.connection;
    this.forwarding = new Forwarding({ core, send });
    this.#offering = new Offering({ core, position, send }, kept ?? { offered: START, refused: [] });
    const keep = (cursor: Cursor) => writeFollowedLog(driver, { cursor, ...this.#offering.toldAt(cursor.position) });
    const { vouch, areThere } = this.#offering;
    const fail = (error: unknown) => this.#fail(error);
    this.#taking = new Taking({ core, ingester, queue, keep, vouch, areThere, fail }, kept?.cursor ?? null);
  }

  /**
   * The first attempt. Resolves when the session has begun, or could not: at once where this node has a system already,
   * which a fresh one is to join before anything is written in it.
   */
  start(): Promise<void> {
    const isFresh = this.connection.system === null;
    return new Promise((resolve) => {
      this.#onStart = resolve;
      this.connection.connect().catch(() => resolve());
      if (!isFresh) resolve();
    });
  }

  /** Resolves when the upstream has the transaction too; rejects with why it does not take it. */
  settled(transaction: TransactionId): Promise<void> {
    return this.#offering.settled(transaction);
  }

  /** Told of each group after its COMMIT, and after the feed. */
  committed(commits: readonly Commit[]): void {
    this.forwarding.committed(commits);
    this.#offering.go();
  }

  /** What the upstream still has to be told is not to be compacted; what it refused holds nothing back. */
  place(): FollowerPlace {
    return { node: this.#peer ?? this.#parts.core.node, position: this.#offering.offered };
  }

  report(): LogReport {
    const { connection, forwarding } = this;
    const { online, error } = connection.state();
    return {
      name: this.#parts.upstream.name,
      state: connection.peer !== null ? 'connected' : online ? 'connecting' : 'offline',
      error: error ?? this.#offering.error,
      node: connection.peer,
      began: this.#began,
      cursor: this.#taking.cursor,
      untold: this.#offering.untold,
      untoldBytes: this.#offering.bytes,
      refused: this.#offering.refused,
      forwarded: forwarding.size,
      quarantine: this.#taking.absent.all(),
    };
  }

  /** Gives the upstream MAX_CLOSE_MS to take what was written here, if there is a session; then ends it. */
  async close(reason: TendrilError): Promise<void> {
    if (this.connection.peer !== null && !this.#isDone()) {
      await new Promise<void>((resolve) => {
        const cancel = this.#parts.core.scheduler.after(MAX_CLOSE_MS, resolve);
        this.#onMove = () => {
          if (this.connection.peer !== null && !this.#isDone()) return;
          cancel();
          resolve();
        };
      });
    }
    this.connection.close(reason);
    this.#cancelAsking();
    this.#offering.close(reason);
    await this.#taking.close();
  }

  #isDone(): boolean {
    return this.#offering.offered >= this.#parts.position() || this.#offering.isStuck;
  }

  #welcomed(welcome: Welcome): void {
    const { core, queue, position, joined } = this.#parts;
    if (welcome.system === core.system) {
      this.#begin(welcome);
      return;
    }
    const { peer, session } = this.connection;
    const isPresent = () => this.connection.peer === peer && this.connection.session === session;
    const run = () => {
      if (position() > 0 || core.log.position() > 0) throw otherSystem(core.system, welcome);
      core.joinSystem(welcome.system);
      return NOTHING_DONE;
    };
    const committed = () => {
      joined(welcome.system);
      if (isPresent()) this.#begin(welcome);
    };
    const failed = (error: unknown) => {
      if (isPresent()) this.#fail(error);
    };
    queue.add({ run, committed, failed });
  }

  #begin({ epoch, node, resumes }: Welcome): void {
    const { cursor, epoch: last } = this.#taking;
    this.#began = resumes ? 'resumed' : cursor === null ? 'first' : 'anew';
    this.#peer = node;
    this.#taking.begin({ epoch, peer: node });
    this.connection.send({ kind: 'log' });
    if (cursor !== null && cursor.epoch === last) this.#offering.vouch(cursor.position);
    this.#offering.begin({ isSame: epoch === last, resumes });
    this.forwarding.begin();
    this.#askAgainLater();
    this.#onStart();
  }

  #said(messages: readonly Said[]): void {
    for (const said of messages) this.#hear(said);
    this.#onMove?.();
  }

  #hear(said: Said): void {
    switch (said.kind) {
      case 'logged':
        this.#taking.hear(said);
        return;
      case 'taken':
        if ((said.at === null) === (said.error === null))
          this.#fail(violation('a taken without its place or its error'));
        else this.#offering.taken(said);
        return;
      case 'step':
        if (said.settled !== null) this.forwarding.settled(said.settled);
        return;
      case 'refused':
        this.forwarding.refused(said);
        return;
      case 'rebase':
        this.forwarding.rebase(said);
        return;
      // What is said of rows, the log tells.
      case 'at':
      case 'described':
      case 'chunk':
      case 'denied':
      case 'unsubscribed':
      case 'held':
      case 'released':
      case 'answer':
      case 'unanswered':
      case 'unreadable':
      case 'pending':
      case 'withdrawn':
      case 'linked':
    }
  }

  #lost(): void {
    this.#cancelAsking();
    this.#taking.end();
    this.#offering.end();
    this.forwarding.end();
    this.#onMove?.();
    this.#onStart();
  }

  #fail(error: unknown): void {
    const reason = error instanceof TendrilError ? error : failure(error);
    this.connection.end(reason, reason.code === 'system-mismatch');
  }

  /** What could not be taken, here or there, is told again by a new session. */
  #askAgainLater(): void {
    this.#cancelAsking();
    this.#cancelAsking = this.#parts.core.scheduler.after(ASK_AGAIN_MS, () => {
      if (this.#taking.absent.size === 0 && !this.#offering.isEarly) this.#askAgainLater();
      else this.connection.connect().catch(() => undefined);
    });
  }
}

function otherSystem(own: SystemId, { system, node }: Welcome): TendrilError {
  return new TendrilError({
    code: 'system-mismatch',
    problem: `This node belongs to the system ${own} and has written in it; the upstream ${node} is of the system ${system}.`,
    remedy: 'Connect to an upstream of the same system, or open a fresh node for the other one. Nothing was changed.',
    facts: { own, system, node },
  });
}

function failure(error: unknown): TendrilError {
  return new TendrilError({
    code: 'storage-failed',
    problem: 'What the upstream told could not be taken.',
    remedy: 'Look at the cause. It is told again by the next session.',
    cause: error,
  });
}
