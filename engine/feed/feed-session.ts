/**
 * Feed session: what the authority says to one follower, and takes from it.
 *
 * Invariants
 *   - rows are told in position order: a request that comes while a transaction is being told waits until it has been;
 *   - what is said of a row stands at a position at which the session followed it, or was asked for;
 *   - a session that cannot be told the truth any more (this node's storage failed, a limit was passed that no
 *     well-meaning follower passes) says nothing more: `take` and `pull` throw why.
 */
import { TendrilError } from '../../errors.ts';
import { type EntityId, type FollowerPlace, sameBytes } from '../../storage/index.ts';
import { collectionNotHere } from '../catalog.ts';
import type { Answer, FeedSession, Peer, Request, RequestOf, Said, Welcome } from '../stream.ts';
import { Answering, type Ask, Asking } from './answers.ts';
import type { FeedDesk } from './feed-desk.ts';
import type { FollowedCollection } from './followed/followed-collection.ts';
import { HeldIds, tooManyHeld } from './followed/held-ids.ts';
import type { Follower } from './follower.ts';
import { checkHad, chooseWalk } from './hydration/choose-walk.ts';
import { Holding } from './hydration/holding.ts';
import { Hydration } from './hydration/hydration.ts';
import type { Job } from './job.ts';
import { MAX_OPEN_ASKS, MAX_OPEN_HOLDS, MAX_SUBSCRIPTIONS } from './limits.ts';
import { LogFeed } from './log/log-feed.ts';
import { Offers } from './log/offers.ts';
import { CatchUp, canResume } from './past/catch-up.ts';
import { SessionUploads } from './uploads/session-uploads.ts';
import { hadWithoutResuming, neverUsed, tooManyAsks, tooManySubscriptions, usedTwice } from './violations.ts';

export class Session implements FeedSession, Follower {
  readonly #desk: FeedDesk;
  readonly #peer: Peer;
  readonly #held: HeldIds;
  readonly #uploads: SessionUploads;
  readonly #catchUp: CatchUp;
  readonly #offers: Offers;
  /** Of a durable follower. */
  #logFeed: LogFeed | null = null;
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
    this.#desk = peer.chunkRows === undefined ? desk : { ...desk, chunkRows: peer.chunkRows };
    this.#peer = peer;
    this.#held = new HeldIds(this);
    const isClosed = () => this.#isClosed;
    const followsLog = () => this.#logFeed !== null;
    this.#uploads = new SessionUploads({ desk, peer, session: this, held: this.#held, isClosed, followsLog });
    const say = (said: Said) => this.say(said);
    const fail = (error: unknown) => this.fail(error);
    const { core, ingester, load } = desk;
    this.#offers = new Offers({ core, ingester, load, peer, followsLog, say, fail });
    const { cursor } = peer.greeting;
    const { log } = desk.core;
    const resumes = canResume({ log }, cursor, desk.operations);
    this.#catchUp = new CatchUp({ log, past: desk.past }, resumes ? cursor.position : null);
    desk.silence.told(this, desk.source.position());
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
      resumes: this.#catchUp.cursor !== null,
    };
  }

  take(request: Request): boolean {
    this.#check();
    if (this.#isClosed) return true;
    if (!this.#desk.isBusy() && this.#inbox.length === 0) this.#answer(request);
    else {
      this.#inbox.push(request);
      if (this.#inbox.length === 1) this.#desk.whenQuiet(() => this.#takeWaiting());
    }
    return !this.#uploads.shouldPause();
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
    // Who follows nothing needs nothing of what may be compacted.
    const isFollower = this.#subscriptions.size > 0 || this.#held.size > 0 || this.#logFeed !== null;
    for (const { collection, hydration } of this.#subscriptions.values())
      collection.unsubscribe(hydration.subscription);
    this.#subscriptions.clear();
    this.#held.clear();
    this.#desk.silence.forget(this);
    const { node, position } = this.place;
    if (isFollower) this.#desk.core.followers.note(node, position, this.#desk.core.clock.now());
    this.#jobs.length = 0;
    this.#inbox.length = 0;
    this.#catchUp.close();
    this.#desk.forget(this);
  }

  say(said: Said): void {
    if (this.#isClosed || this.#failure !== null) return;
    try {
      if ('position' in said) this.#desk.silence.told(this, this.#desk.source.position());
      if (said.kind === 'step') {
        for (const part of said.parts) if (part.kind === 'leave') this.#catchUp.left(part.collection, part.entity);
      }
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
        this.#uploads.take(request);
        return;
      case 'ask':
        this.#ask(request);
        return;
      case 'log':
        this.#followLog();
        return;
      case 'offer':
        this.#offers.take(request);
        return;
    }
  }

  /** A group was committed and told. */
  committed(): void {
    if (this.#isClosed || this.#logFeed?.isIdle !== true) return;
    this.#logFeed.isIdle = false;
    this.#add(this.#logFeed);
  }

  /** Up to where it has been told all that concerns it; what was said may not have arrived. */
  get place(): FollowerPlace {
    const { cursor, node } = this.#peer.greeting;
    const now = this.#desk.source.position();
    const behind = this.#catchUp.cursor === null ? now : (cursor?.position ?? now);
    return { node, position: this.#logFeed?.told ?? (this.#jobs.length === 0 ? now : behind) };
  }

  #followLog(): void {
    const { cursor } = this.#peer.greeting;
    if (this.#logFeed !== null) return;
    this.#logFeed = new LogFeed({ core: this.#desk.core, cursor, say: (said) => this.say(said) }, this.#offers.places);
    this.#add(this.#logFeed);
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

  #subscribe({ subscription: number, collection: name, text, parameters, had }: RequestOf<'subscribe'>): void {
    if (number <= this.#greatestSubscription) throw usedTwice(number);
    this.#greatestSubscription = number;
    checkHad(this.#catchUp, had);
    let hydration: Hydration;
    try {
      const collection = this.#desk.collections.get(name);
      if (collection === undefined) throw collectionNotHere(name);
      if (this.#subscriptions.size >= MAX_SUBSCRIPTIONS) throw tooManySubscriptions();
      const selection = this.#desk.reader.select(collection.entry, text, parameters);
      const subscription = collection.subscribe(this, number, selection, text);
      const walk = chooseWalk(this.#desk, this.#catchUp, collection, subscription, had);
      hydration = new Hydration(this.#desk, collection, subscription, walk, (error) => this.#deny(number, error));
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
  #hold({ collection: name, ids, had }: RequestOf<'hold'>): void {
    if (had && this.#catchUp.cursor === null) throw hadWithoutResuming();
    const collection = this.#desk.collections.get(name);
    if (collection === undefined) {
      const position = this.#desk.source.position();
      this.say({ kind: 'held', collection: name, position, basis: 'nothing', ids, rows: [] });
      return;
    }
    if (this.#holdings.size >= MAX_OPEN_HOLDS) throw tooManyHeld();
    this.#held.want(collection, ids, this.#uploads.entities);
    const holding = new Holding(this.#desk, this, this.#held, collection, ids, had ? this.#catchUp : null);
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
