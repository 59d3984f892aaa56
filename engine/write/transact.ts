/**
 * Transact: the life of one transaction, from the caller's callback to its settled promise.
 *
 * Invariants
 *   - the callback begins inside a group. If it returns a value, the transaction is accepted there and then;
 *   - if it returns a promise, the transaction leaves the group with nothing written, holds no lock, reads its snapshot,
 *     and comes back to a later group, where an entity that it wrote and that has moved since is a `conflict`;
 *   - the transaction can be used from the call of the callback until its end, and no longer;
 *   - the caller's promise resolves only after the COMMIT.
 */
import { TendrilError } from '../../errors.ts';
import type { TransactionId } from '../../storage/index.ts';
import type { Commit } from '../change.ts';
import type { Core } from '../core.ts';
import { checkStaging, type Staging } from '../staging.ts';
import { acceptTransaction } from './accept.ts';
import type { CommitQueue, Member, Outcome } from './commit-queue.ts';
import { OpenTransaction, type Transaction, type TransactionParts } from './transaction.ts';

/** From the moment an asynchronous callback has returned its promise until that promise must have settled. */
export const MAX_TRANSACTION_MS = 30_000;
/** Runs of a callback after its first. */
export const MAX_RETRIES = 1_000;
/** Asynchronous transactions between their two groups. */
export const MAX_OPEN_TRANSACTIONS = 10_000;

export interface TransactOptions {
  /**
   * - `local` (default): committed and durable here.
   * - `settled`: by the authority, which a durable node without an upstream is itself; or its refusal is thrown. While there
   *   is no session this waits, without end: after a refusal of the session that is final (`system-mismatch`) until
   *   `reconnect()` makes another. `close` ends it with `closed`. The transaction stays in the outbox all the while. On a
   *   durable node with an upstream: when that has it too; where it does not take it this throws, and the row stays.
   */
  readonly until?: 'local' | 'settled';
  /** How often an asynchronous callback is run again after a `conflict`; 0 by default. */
  readonly retries?: number;
  /**
   * When it is offered to the authority; as `Node.open` said by default. A node that settles itself makes no difference.
   *
   * - `queue`: as soon as there is a session. - `hold`: not before `flush`.
   * - `online-only`: rejects with `offline` and writes nothing where there is no session; resolves as `until: 'settled'`.
   */
  readonly staging?: Staging;
}

/** What else a transaction does inside its last group, beside its writes. What it throws fails the transaction. */
export type Within = (commits: readonly Commit[]) => readonly Commit[];

export interface Transactor {
  readonly transact: <Result>(
    callback: (tx: Transaction) => Result | Promise<Result>,
    options?: TransactOptions,
    within?: Within,
  ) => Promise<Result>;
  /** How many are between their two groups. */
  readonly open: () => number;
  /** Ends those; none is run again. */
  readonly close: (reason: TendrilError) => void;
}

interface Request {
  readonly callback: (tx: Transaction) => unknown;
  readonly retries: number;
  readonly until: 'local' | 'settled';
  readonly staging: Staging;
  readonly within: Within | undefined;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

interface Parts {
  readonly core: Core;
  readonly queue: CommitQueue;
  readonly transactions: TransactionParts;
  /** Between their two groups. */
  readonly running: Set<Running>;
  /** Why none may be followed or run again any more. */
  closed: TendrilError | null;
}

/** - `usual`: the staging where a caller says nothing. */
export function createTransactor(
  core: Core,
  queue: CommitQueue,
  transactions: TransactionParts,
  usual: Staging = 'queue',
): Transactor {
  const parts: Parts = { core, queue, transactions, running: new Set(), closed: null };
  return {
    transact: <Result>(
      callback: (tx: Transaction) => Result | Promise<Result>,
      { retries = 0, until: asked = 'local', staging = usual }: TransactOptions = {},
      within?: Within,
    ) =>
      new Promise<Result>((resolve, reject) => {
        checkRetries(retries);
        checkStaging(staging);
        checkUntil(asked);
        const until = staging === 'online-only' ? 'settled' : asked;
        const settle = { resolve: resolve as (value: unknown) => void, reject };
        queue.add(new Beginning(parts, { callback, retries, until, staging, within, ...settle }));
      }),
    open: () => parts.running.size,
    close: (reason) => {
      parts.closed = reason;
      for (const running of parts.running) running.abandon(reason);
    },
  };
}

/** The first group: runs the callback. */
class Beginning implements Member {
  readonly #parts: Parts;
  readonly #request: Request;
  #transaction: OpenTransaction | null = null;
  #returned: unknown;
  #left = false;

  constructor(parts: Parts, request: Request) {
    this.#parts = parts;
    this.#request = request;
  }

  run(): Outcome {
    const { core, transactions } = this.#parts;
    core.checkOnline?.(this.#request.staging);
    const transaction = new OpenTransaction(transactions, core.mint.next() as TransactionId);
    this.#transaction = transaction;
    try {
      this.#returned = this.#request.callback(transaction.facade);
      this.#left = isPromise(this.#returned);
      if (this.#left) {
        // What is only like a promise may throw when it is asked: it must not throw into the group.
        this.#returned = Promise.resolve(this.#returned);
        transaction.leave(core.position());
        return { kind: 'left' };
      }
      return accept(core, this.#request, transaction);
    } finally {
      if (!this.#left) transaction.end(ended);
    }
  }

  committed(): void {
    if (this.#left) new Running(this.#parts, this.#request, this.#transaction!, this.#returned as Promise<unknown>);
    else resolveWhen(this.#parts, this.#request, this.#transaction!, this.#returned);
  }

  failed(error: unknown): void {
    this.#transaction?.end(() => error);
    // It read from a group that was not committed: whatever it says is void, and not the caller's to hear.
    if (this.#left) (this.#returned as Promise<unknown>).then(undefined, () => undefined);
    this.#request.reject(error);
  }
}

/** Between the groups: waits for the callback's promise. */
class Running {
  readonly #parts: Parts;
  readonly #request: Request;
  readonly #transaction: OpenTransaction;
  readonly #cancel: () => void;

  constructor(parts: Parts, request: Request, transaction: OpenTransaction, promise: Promise<unknown>) {
    this.#parts = parts;
    this.#request = request;
    this.#transaction = transaction;
    this.#cancel = parts.core.scheduler.after(MAX_TRANSACTION_MS, () => this.abandon(tooLong()));
    parts.running.add(this);
    promise.then(
      (value) => {
        if (this.#end(ended)) parts.queue.add(new Finishing(parts, request, transaction, value));
      },
      (error) => {
        this.#end(ended);
        request.reject(error);
      },
    );
    if (parts.closed !== null) this.abandon(parts.closed);
    else if (parts.running.size > MAX_OPEN_TRANSACTIONS) this.abandon(tooManyOpen());
  }

  abandon(reason: TendrilError): void {
    if (this.#end(() => reason)) this.#request.reject(reason);
  }

  /** False if it had ended already. */
  #end(reason: () => unknown): boolean {
    this.#cancel();
    this.#transaction.end(reason);
    return this.#parts.running.delete(this);
  }
}

/** The last group: accepts what was written, unless it has moved. */
class Finishing implements Member {
  readonly #parts: Parts;
  readonly #request: Request;
  readonly #transaction: OpenTransaction;
  readonly #value: unknown;

  constructor(parts: Parts, request: Request, transaction: OpenTransaction, value: unknown) {
    this.#parts = parts;
    this.#request = request;
    this.#transaction = transaction;
    this.#value = value;
  }

  run(): Outcome {
    const { core } = this.#parts;
    core.checkOnline?.(this.#request.staging);
    return accept(core, this.#request, this.#transaction);
  }

  committed(): void {
    resolveWhen(this.#parts, this.#request, this.#transaction, this.#value);
  }

  failed(error: unknown): void {
    const { retries, reject } = this.#request;
    const conflict = error instanceof TendrilError && error.code === 'conflict';
    if (!conflict || retries === 0 || this.#parts.closed !== null) reject(error);
    else this.#parts.queue.add(new Beginning(this.#parts, { ...this.#request, retries: retries - 1 }));
  }
}

function accept(core: Core, { staging, within }: Request, { id, writes, since }: OpenTransaction): Outcome {
  const outcome = acceptTransaction(core, id, writes.drafts, since, staging);
  return within === undefined || outcome.kind === 'left' ? outcome : { ...outcome, commits: within(outcome.commits) };
}

/** It is committed here; the caller may want to hear of it only when it is final. */
function resolveWhen(
  { core }: Parts,
  { until, resolve, reject }: Request,
  { id }: OpenTransaction,
  value: unknown,
): void {
  if (until === 'local') resolve(value);
  else core.settled(id).then(() => resolve(value), reject);
}

function isPromise(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

function checkRetries(retries: number): void {
  if (Number.isInteger(retries) && retries >= 0 && retries <= MAX_RETRIES) return;
  throw new TendrilError({
    code: 'limit-exceeded',
    problem: `A transaction was to be retried ${retries} times.`,
    remedy: `Give retries as a whole number from 0 to ${MAX_RETRIES}.`,
    facts: { retries, limit: MAX_RETRIES },
  });
}

function checkUntil(until: 'local' | 'settled'): void {
  if (until === 'local' || until === 'settled') return;
  throw new TendrilError({
    code: 'invalid-option',
    problem: 'The option `until` was given a value that makes no sense here.',
    remedy: "Give 'local' or 'settled', or leave it out.",
    facts: { option: 'until' },
  });
}

function ended(): TendrilError {
  return new TendrilError({
    code: 'closed',
    problem: 'The transaction has ended; its `tx` cannot be used any more.',
    remedy: 'Use `tx` only inside the callback, and await in it all that uses `tx`.',
  });
}

function tooLong(): TendrilError {
  return new TendrilError({
    code: 'limit-exceeded',
    problem: `The transaction's callback did not end within ${MAX_TRANSACTION_MS / 1_000} s; nothing of it was kept.`,
    remedy: 'Do what takes long before the transaction, and only read and write inside.',
    facts: { limitMs: MAX_TRANSACTION_MS },
  });
}

function tooManyOpen(): TendrilError {
  return new TendrilError({
    code: 'limit-exceeded',
    problem: `${MAX_OPEN_TRANSACTIONS} asynchronous transactions are open already.`,
    remedy: 'Await some of them before beginning others.',
    facts: { limit: MAX_OPEN_TRANSACTIONS },
  });
}
