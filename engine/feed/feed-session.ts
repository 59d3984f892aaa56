/**
 * Feed session: what the authority says to one follower, and takes from it.
 *
 * Invariants
 *   - rows are told in position order: a request that comes while a transaction is being told waits until it has been;
 *   - what is said of a row stands at a position at which the session followed it, or was asked for;
 *   - a session that cannot be told the truth any more (this node's storage failed, a limit was passed that no
 *     well-meaning follower passes) says nothing more: `take` and `pull` throw why.
 */
import { assert, TendrilError } from '../../errors.ts';
import { type EntityId, encodeRow, type OperationId, type Position, sameBytes } from '../../storage/index.ts';
import { unknownCollection } from '../catalog.ts';
import type { FeedSession, Part, Peer, Request, Said, Welcome } from '../upstream/stream.ts';
import { type Answer, Answering, type Ask, Asking } from './answers.ts';
import type { FeedDesk } from './feed-desk.ts';
import type { FollowedCollection } from './followed-collection.ts';
import { HeldIds, tooManyHeld } from './held-ids.ts';
import { Holding } from './holding.ts';
import { Hydration, type Job } from './hydration.ts';
import type { Uploaded } from './judge-upload.ts';
import { MAX_OPEN_ASKS, MAX_OPEN_HOLDS, MAX_SUBSCRIPTIONS } from './limits.ts';
import type { Follower } from './subscription.ts';
import { Upload, type UploadRequest, type Verdict } from './upload.ts';
import { WaitingUploads } from './waiting-uploads.ts';

type RequestOf<Kind extends Request['kind']> = Extract<Request, { readonly kind: Kind }>;

export class Session implements FeedSession, Follower {
  readonly #desk: FeedDesk;
  readonly #peer: Peer;
  readonly #held: HeldIds;
  readonly #uploads: WaitingUploads;
  /** Open ones, each with what says its chunks. */
  readonly #subscriptions = new Map<
    number,
    { readonly collection: FollowedCollection; readonly hydration: Hydration }
  >();
  /** Those that have more to say. */
  readonly #holdings = new Set<Holding>();
  /** What has more to say, whose turn is next first. */
  readonly #jobs: Job[] = [];
  /** Requests that came while a transaction was told. */
  readonly #inbox: Request[] = [];
  #greatestSubscription = 0;
  #asks = 0;
  #isClosed = false;
  #failure: { readonly error: unknown } | null = null;

  constructor(desk: FeedDesk, peer: Peer) {
    this.#desk = desk;
    this.#peer = peer;
    this.#held = new HeldIds(this);
    this.#uploads = new WaitingUploads(desk.load);
  }

  get sizes(): { readonly hydrating: number; readonly waiting: number; readonly asks: number } {
    const hydrating = [...this.#subscriptions.values()].filter(({ hydration }) => !hydration.subscription.isComplete);
    return { hydrating: hydrating.length, waiting: this.#uploads.count, asks: this.#asks };
  }

  welcome(): Welcome {
    const { core, source } = this.#desk;
    const { system, node, log, clock } = core;
    const { author } = this.#peer;
    return {
      system,
      node,
      epoch: log.epoch(),
      position: source.position(),
      time: clock.now(),
      maxId: log.greatestId(),
      author,
    };
  }

  take(request: Request): void {
    this.#check();
    if (this.#isClosed) return;
    if (!this.#desk.isBusy() && this.#inbox.length === 0) {
      this.#answer(request);
      return;
    }
    this.#inbox.push(request);
    if (this.#inbox.length === 1) this.#desk.whenQuiet(() => this.#takeWaiting());
  }

  pull(): boolean {
    this.#check();
    const job = this.#jobs[0];
    if (this.#isClosed || job === undefined) return false;
    if (this.#desk.isBusy()) {
      this.#desk.whenQuiet(() => this.#hasMore());
      return false;
    }
    this.#jobs.shift();
    try {
      if (job.advance()) this.#jobs.push(job);
    } catch (error) {
      this.fail(error);
    }
    this.#check();
    return true;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const { collection, hydration } of this.#subscriptions.values())
      collection.unsubscribe(hydration.subscription);
    this.#subscriptions.clear();
    this.#held.clear();
    this.#jobs.length = 0;
    this.#inbox.length = 0;
    this.#desk.forget(this);
  }

  say(said: Said): void {
    if (this.#isClosed || this.#failure !== null) return;
    try {
      this.#peer.say(said);
    } catch (error) {
      this.fail(error);
    }
  }

  fail(error: unknown): void {
    if (this.#isClosed || this.#failure !== null) return;
    this.#failure = { error };
    // What it follows may be in use just now.
    this.#desk.whenQuiet(() => {
      this.close();
      this.#peer.hasMore();
    });
  }

  /** Of its own transaction: from now on. */
  hold(collection: string, id: EntityId): void {
    if (!this.#isClosed) this.#held.add(this.#desk.collections.get(collection)!, id);
  }

  #check(): void {
    if (this.#failure !== null) throw this.#failure.error;
  }

  #hasMore(): void {
    if (!this.#isClosed && this.#jobs.length > 0) this.#peer.hasMore();
  }

  #add(job: Job): void {
    this.#jobs.push(job);
    if (this.#jobs.length === 1) this.#peer.hasMore();
  }

  #takeWaiting(): void {
    try {
      // It leaves when it has been answered, so that what comes meanwhile waits behind it.
      for (; this.#inbox[0] !== undefined; this.#inbox.shift()) this.#answer(this.#inbox[0]);
    } catch (error) {
      // Whoever brought the request has gone: the session ends with the next `pull`.
      this.fail(error);
    }
  }

  #answer(request: Request): void {
    switch (request.kind) {
      case 'describe':
        this.#describe(request);
        return;
      case 'subscribe':
        this.#subscribe(request);
        return;
      case 'unsubscribe':
        this.#unsubscribe(request);
        return;
      case 'hold':
        this.#hold(request);
        return;
      case 'release':
        this.#release(request);
        return;
      case 'upload':
        this.#upload(request);
        return;
      case 'ask':
        this.#ask(request);
        return;
    }
  }

  #describe({ collections }: RequestOf<'describe'>): void {
    const { catalog } = this.#desk.core;
    const differing = collections.flatMap(({ name, hash }) => {
      const descriptor = catalog.named(name)?.descriptor ?? null;
      if (descriptor !== null && sameBytes(descriptor.hash, hash)) return [];
      return [{ name, canonical: descriptor?.canonical ?? null }];
    });
    this.say({ kind: 'described', differing });
  }

  #subscribe({ subscription: number, collection: name, text, parameters }: RequestOf<'subscribe'>): void {
    if (number <= this.#greatestSubscription) throw usedTwice(number);
    this.#greatestSubscription = number;
    let hydration: Hydration;
    try {
      const collection = this.#desk.collections.get(name);
      if (collection === undefined) throw unknownCollection(name);
      if (this.#subscriptions.size >= MAX_SUBSCRIPTIONS) throw tooManySubscriptions();
      const selection = this.#desk.reader.select(collection.entry, text, parameters);
      const subscription = collection.subscribe(this, number, selection, text);
      hydration = new Hydration(this.#desk, collection, subscription, (error) => this.#deny(number, error));
      this.#subscriptions.set(number, { collection, hydration });
    } catch (error) {
      if (!(error instanceof TendrilError)) throw error;
      this.say({ kind: 'denied', subscription: number, error });
      return;
    }
    this.#add(hydration);
  }

  /** Its rows cannot be read: SQLite fails at one of them. */
  #deny(number: number, error: TendrilError): void {
    this.#drop(number);
    this.say({ kind: 'denied', subscription: number, error });
  }

  #drop(number: number): void {
    const open = this.#subscriptions.get(number);
    if (open === undefined) return;
    this.#subscriptions.delete(number);
    open.hydration.cancel();
    open.collection.unsubscribe(open.hydration.subscription);
  }

  /** Of one that was denied, too: its follower may not have heard of that yet. */
  #unsubscribe({ subscription: number }: RequestOf<'unsubscribe'>): void {
    if (number > this.#greatestSubscription) throw neverUsed(number);
    this.#drop(number);
    this.say({ kind: 'unsubscribed', subscription: number });
  }

  /** Of a collection that this node has not, nothing exists here. */
  #hold({ collection: name, ids }: RequestOf<'hold'>): void {
    const collection = this.#desk.collections.get(name);
    if (collection === undefined) {
      this.say({ kind: 'held', collection: name, position: this.#desk.source.position(), ids, rows: [] });
      return;
    }
    if (this.#holdings.size >= MAX_OPEN_HOLDS) throw tooManyHeld();
    this.#held.want(collection, ids, this.#uploads.entities);
    const holding = new Holding(this.#desk, this, this.#held, collection, ids);
    const advance = () => {
      const hasMore = holding.advance();
      if (!hasMore) this.#holdings.delete(holding);
      return hasMore;
    };
    // Most are few, and wait for nobody.
    if (!advance()) return;
    this.#holdings.add(holding);
    this.#add({ advance });
  }

  #release({ collection: name, ids }: RequestOf<'release'>): void {
    const collection = this.#desk.collections.get(name);
    if (collection !== undefined) for (const id of ids) this.#held.remove(collection, id);
    this.say({ kind: 'released', collection: name, ids });
  }

  #upload(request: UploadRequest): void {
    const { core, queue, uploaders } = this.#desk;
    const waiting = this.#uploads.add(request, this.#held.size);
    const { transaction } = request;
    const begin = (_: unknown, operations: ReadonlySet<OperationId>) => {
      const hold = (collection: string, id: EntityId) => this.hold(collection, id);
      uploaders.set(transaction, { follower: this, operations, hold });
    };
    const end = (verdict: Verdict | null, failure: unknown) => {
      this.#uploads.remove(waiting);
      if (verdict?.kind !== 'known') uploaders.delete(transaction);
      if (verdict === null) this.fail(failure);
      else this.#conclude(request, verdict);
    };
    queue.add(new Upload({ core, begin, end }, this.#peer.author, request));
  }

  #conclude({ transaction, attempt }: UploadRequest, verdict: Verdict): void {
    switch (verdict.kind) {
      case 'applied':
        return;
      case 'known':
        this.#settleAgain(verdict.uploaded, verdict.position);
        return;
      case 'refused':
        this.say({ kind: 'refused', transaction, attempt, error: verdict.error });
        return;
      case 'rebase': {
        const { reason } = verdict;
        this.say({ kind: 'rebase', transaction, attempt, reason, time: this.#desk.core.clock.now() });
      }
    }
  }

  /**
   * Its answer was lost once. What it touched and this session does not hold comes whole, as it is now, because the
   * session holds it from now on; a row says itself at which position it stands.
   */
  #settleAgain({ transaction, operations }: Uploaded, position: Position): void {
    if (this.#isClosed) return;
    const parts: Part[] = [];
    for (const { operation } of operations) {
      const collection = this.#desk.collections.get(operation.collection)!;
      if (this.#held.has(collection, operation.entity)) continue;
      this.#held.add(collection, operation.entity);
      const row = this.#desk.core.rows.read(collection.name, operation.entity);
      assert(row !== null, 'an entity without the row of its settled operation');
      parts.push({ kind: 'whole', collection: collection.name, row: encodeRow(collection.entry.descriptor, row) });
    }
    this.say({ kind: 'step', position, parts, edges: [], settled: transaction });
  }

  #ask(ask: Ask): void {
    const { request } = ask;
    if (this.#asks >= MAX_OPEN_ASKS) {
      this.say({ kind: 'unanswered', request, error: tooManyAsks() });
      return;
    }
    this.#asks += 1;
    const end = (result: Answer | TendrilError | null, failure: unknown) => {
      if (this.#isClosed) return;
      if (result === null) this.fail(failure);
      else if (result instanceof TendrilError) {
        this.#asks -= 1;
        this.say({ kind: 'unanswered', request, error: result });
      } else {
        const onLast = () => {
          this.#asks -= 1;
        };
        this.#add(new Answering(this, request, result, onLast));
      }
    };
    this.#desk.queue.add(new Asking(this.#desk.answers, ask, end));
  }
}

function usedTwice(number: number): TendrilError {
  return violation(`used the subscription number ${number} twice, or out of order`, { number });
}

function neverUsed(number: number): TendrilError {
  return violation(`unsubscribed from ${number}, which it never subscribed to`, { number });
}

function violation(what: string, facts: Readonly<Record<string, unknown>>): TendrilError {
  return new TendrilError({
    code: 'protocol-violation',
    problem: `The follower ${what}.`,
    remedy: 'Check its version: numbers are 1, 2, 3, ..., each used once.',
    facts,
  });
}

function tooManySubscriptions(): TendrilError {
  return new TendrilError({
    code: 'limit-exceeded',
    problem: `The session follows ${MAX_SUBSCRIPTIONS} selections already.`,
    remedy: 'Close live queries that nobody looks at, or ask for more with fewer selections.',
    facts: { limit: MAX_SUBSCRIPTIONS },
  });
}

function tooManyAsks(): TendrilError {
  return new TendrilError({
    code: 'limit-exceeded',
    problem: `${MAX_OPEN_ASKS} questions of this session wait for their answers already.`,
    remedy: 'Await some of them before asking more.',
    facts: { limit: MAX_OPEN_ASKS },
  });
}
