/**
 * Taking: another node's log becomes part of this one, by union.
 *
 * Invariants
 *   - transactions are taken in the order in which they are told; what comes while a group commits goes in together;
 *   - the cursor is kept in the commit of what it covers, or in a later one: never before it. A session begins at all that
 *     is here, kept or not: an upstream that has lost some of it must not take it for its own;
 *   - one that cannot be taken stops nothing: it is noted, and the cursor stays before it, so that it is told again. What an
 *     earlier session told moves no cursor once another has begun: that one is told it again, and notes what is absent;
 *   - what is told from below the other's floor cannot be undone here either.
 */
import { TendrilError } from '../../errors.ts';
import {
  type Cursor,
  decodeKept,
  type EpochId,
  type LogTransaction,
  type NodeId,
  type OperationId,
  type Position,
} from '../../storage/index.ts';
import type { Core, Prepared } from '../core.ts';
import type { Ingester } from '../ingest/ingest.ts';
import type { Batch } from '../ingest/ingest-part.ts';
import type { SaidOf } from '../stream.ts';
import { type CommitQueue, NOTHING_DONE } from '../write/commit-queue.ts';
import { sizeOfPieces } from '../write/prepared.ts';
import { type Absent, AbsentTransactions } from './absent.ts';
import { MAX_HEARD_BYTES, MAX_UNKEPT_POSITIONS } from './limits.ts';

const START = 0 as Position;

export type Logged = SaidOf<'logged'>;

export interface TakingParts {
  readonly core: Pick<Core, 'log' | 'scheduler'>;
  readonly ingester: Ingester;
  readonly queue: Pick<CommitQueue, 'add'>;
  /** Keeps it. Inside the caller's transaction. */
  readonly keep: (cursor: Cursor) => void;
  /** The cursor stands there. */
  readonly vouch: (cursor: Position) => void;
  /** These positions of this log hold what the upstream has too, up to `told`. After the COMMIT. */
  readonly areThere: (positions: readonly Position[], told: Position) => void;
  /** The session is to end. */
  readonly fail: (error: unknown) => void;
}

/** A session of the upstream's. */
export interface TakingSession {
  readonly epoch: EpochId;
  readonly peer: NodeId;
}

interface Heard {
  readonly session: TakingSession;
  readonly message: Logged;
  readonly bytes: number;
}

/** One told transaction as it was read. */
interface Read extends Absent {
  readonly batch: Batch | null;
}

export class Taking {
  readonly absent = new AbsentTransactions();
  readonly #parts: TakingParts;
  #cursor: Cursor | null;
  /** What the file says of it. */
  #kept: Position;
  #session: TakingSession | null = null;
  #epoch: EpochId | null;
  /** The last one that began, whether it has ended or not, until another is asked for: what it told counts as told. */
  #noted: TakingSession | null = null;
  #heard: Heard[] = [];
  #bytes = 0;
  #isRunning = false;
  #idle: (() => void)[] = [];

  constructor(parts: TakingParts, cursor: Cursor | null) {
    this.#parts = parts;
    this.#cursor = cursor;
    this.#kept = cursor?.position ?? START;
    this.#epoch = cursor?.epoch ?? null;
  }

  /** Of the last session that began: what that was offered says nothing of another log. */
  get epoch(): EpochId | null {
    return this.#epoch;
  }

  get cursor(): Cursor | null {
    return this.#cursor;
  }

  /** Where the next session is to begin. It does, whatever of an earlier one is committed until then. */
  greet(): Cursor | null {
    this.#noted = null;
    return this.#cursor;
  }

  /** Nothing that was told waits. */
  get isIdle(): boolean {
    return !this.#isRunning;
  }

  begin(session: TakingSession): void {
    this.#session = session;
    this.#noted = session;
    this.#epoch = session.epoch;
    if (this.#cursor?.epoch !== session.epoch) this.#kept = START;
    this.absent.clear();
  }

  /** What was not begun to be taken is told again by the next session. */
  end(): void {
    this.#session = null;
    this.#heard = [];
    this.#bytes = 0;
  }

  /** Resolves when what is being committed has been, and the cursor is kept. */
  async close(): Promise<void> {
    this.end();
    if (this.#isRunning) await new Promise<void>((resolve) => this.#idle.push(resolve));
    // Without it the next session only begins earlier.
    await this.#keepCursor().catch(() => undefined);
  }

  hear(message: Logged): void {
    const session = this.#session;
    if (session === null) return;
    const bytes = message.transactions.reduce((sum, { operations }) => sum + sizeOfPieces(operations), 0);
    if (this.#heard.length > 0 && this.#bytes + bytes > MAX_HEARD_BYTES) {
      this.#parts.fail(tooMuchHeard());
      return;
    }
    this.#heard.push({ session, message, bytes });
    this.#bytes += bytes;
    if (!this.#isRunning) void this.#run();
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    try {
      while (this.#heard.length > 0) {
        // What has arrived already is heard first: a commit for each message would cost more than what it says.
        await new Promise<void>((resolve) => this.#parts.core.scheduler.next(resolve));
        const heard = this.#heard;
        this.#heard = [];
        this.#bytes = 0;
        await this.#take(heard);
      }
    } catch (error) {
      this.#parts.fail(error);
    } finally {
      this.#isRunning = false;
      for (const resolve of this.#idle.splice(0)) resolve();
    }
  }

  async #take(heard: readonly Heard[]): Promise<void> {
    if (heard.length === 0) return;
    const { session } = heard[0]!;
    const read = heard.flatMap(({ message }) =>
      message.transactions.map((one) => readOne(one, message.floor, session)),
    );
    const last = read.at(-1);
    if (last === undefined) return;
    // Told of what came from here: not worth a commit each.
    if (this.absent.size === 0 && read.every(isOwn) && last.position - this.#kept < MAX_UNKEPT_POSITIONS) {
      if (this.#noted !== session) return;
      this.#cursor = { epoch: session.epoch, position: last.position };
      this.#parts.vouch(last.position);
      return;
    }
    const batches = read.flatMap(({ batch }) => (batch === null ? [] : [batch]));
    const transactions = new Set(read.map(({ transaction }) => transaction));
    /** First operations of what was applied: of the others one has to look whether they are here. */
    const applied = new Set<OperationId>();
    const taken = this.#parts.ingester.take(batches, {
      applied: (commits) => {
        for (const { touched } of commits) applied.add(touched[0]!.operations[0]!.id);
      },
      committed: (commits) => {
        if (this.#noted !== session) return;
        // What waited here for what was told is not known to be there.
        const told = commits.filter(({ transaction }) => transactions.has(transaction!));
        this.#parts.areThere(
          told.map(({ position }) => position),
          last.position,
        );
      },
      failed: () => applied.clear(),
    });
    // Behind its parts, and so in the last of their groups, or the one after.
    const moved = this.#move(session, read, applied, last.position);
    const [{ refused }] = await Promise.all([taken, moved]);
    for (const [transaction, reason] of refused) this.absent.explain(transaction, reason);
  }

  /** The cursor, as far as everything is here. */
  #move(
    session: TakingSession,
    read: readonly Read[],
    applied: ReadonlySet<OperationId>,
    told: Position,
  ): Promise<void> {
    const { core, queue, keep, vouch, areThere } = this.#parts;
    const positionOf = ({ operation }: Absent) =>
      operation === null ? null : (core.log.identity(operation)?.position ?? null);
    return new Promise((resolve, reject) => {
      let cursor: Cursor | null = null;
      const here: Position[] = [];
      const run = () => {
        for (const absent of this.absent.entries())
          if (positionOf(absent) !== null) this.absent.came(absent.transaction);
        for (const one of read) {
          if (one.operation !== null && applied.has(one.operation)) {
            this.absent.came(one.transaction);
            continue;
          }
          const position = positionOf(one);
          if (position !== null && this.#isWhole(one, position)) here.push(position);
          if (position !== null || isOwn(one)) this.absent.came(one.transaction);
          else if (this.#noted === session) this.absent.note(one);
        }
        if (this.#noted !== session) return NOTHING_DONE;
        cursor = { epoch: session.epoch, position: this.absent.below(told) };
        keep(cursor);
        return NOTHING_DONE;
      };
      const committed = () => {
        if (cursor !== null) {
          this.#cursor = cursor;
          this.#kept = cursor.position;
          areThere(here, told);
          vouch(cursor.position);
        }
        resolve();
      };
      queue.add({ run, committed, failed: reject });
    });
  }

  /** What stands at that place here was told: in portions it may not all have been. */
  #isWhole({ batch }: Read, position: Position): boolean {
    if (batch === null) return false;
    const { log } = this.#parts.core;
    if (!batch.items.every(({ operation }) => log.identity(operation.id)?.position === position)) return false;
    const [here] = log.transactionsSince((position - 1) as Position, 1, MAX_HEARD_BYTES);
    return here?.operations.length === batch.items.length;
  }

  /** As it is in memory, where that is ahead of the file. */
  async #keepCursor(): Promise<void> {
    const { queue, keep } = this.#parts;
    const cursor = this.#cursor;
    if (cursor === null || cursor.epoch !== this.#epoch) return;
    const run = () => {
      keep(cursor);
      return NOTHING_DONE;
    };
    await new Promise<void>((resolve, reject) => {
      queue.add({ run, committed: resolve, failed: reject });
    });
    this.#kept = cursor.position;
  }
}

/** It came from here. */
function isOwn({ operation, batch, reason }: Read): boolean {
  return operation === null && batch === null && reason === null;
}

function readOne({ position, transaction, operations }: LogTransaction, floor: Position, session: TakingSession): Read {
  const absent = { transaction, position, peer: session.peer };
  if (operations.length === 0) return { ...absent, operation: null, batch: null, reason: null };
  try {
    const items: readonly Prepared[] = operations.map((bytes) => decodeKept(viewOf(bytes)));
    if (items.some(({ operation }) => operation.transaction !== transaction)) throw foreign(transaction);
    const batch = { transaction, items, bytes: sizeOfPieces(operations), truncated: position <= floor };
    return { ...absent, operation: items[0]!.operation.id, batch, reason: null };
  } catch (error) {
    if (!(error instanceof TendrilError)) throw error;
    return { ...absent, operation: null, batch: null, reason: error };
  }
}

/** Without what a Buffer does otherwise. */
function viewOf(bytes: Uint8Array): Uint8Array {
  return bytes.constructor === Uint8Array ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

function foreign(transaction: string): TendrilError {
  return new TendrilError({
    code: 'invalid-operation',
    problem: `The transaction ${transaction} was told with an operation of another one.`,
    remedy: 'Check the upstream: its version, and that its file is intact.',
    facts: { transaction },
  });
}

function tooMuchHeard(): TendrilError {
  return new TendrilError({
    code: 'limit-exceeded',
    problem: `The upstream has told more than ${MAX_HEARD_BYTES} bytes that are not committed here.`,
    remedy: 'Nothing is lost: the next session goes on where the commits stand. If it is seen often, look at the disk.',
    facts: { limit: MAX_HEARD_BYTES },
  });
}
