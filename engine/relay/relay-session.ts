/**
 * Relay session: what a relay says to one follower, and takes from it.
 *
 * Invariants
 *   - rows are told by a session of the relay's feed, which knows confirmed rows only; it is asked for a selection, or an id,
 *     when this node holds that itself, and this node holds it as long as the follower does;
 *   - while the upstream is out of reach, or this node has not been told all that it missed, the follower hears that before
 *     anything else, so that nothing is shown as if it were the upstream's answer; and once more after all that can be
 *     answered: what cannot be waits;
 *   - uploads and questions go upstream; nothing is settled here.
 */
import { TendrilError } from '../../errors.ts';
import type { EntityId } from '../../storage/index.ts';
import { collectionNotHere } from '../catalog.ts';
import { Answering } from '../feed/answers.ts';
import type { Follower } from '../feed/follower.ts';
import type { Job } from '../feed/job.ts';
import { MAX_OPEN_ASKS, MAX_SUBSCRIPTIONS } from '../feed/limits.ts';
import { readUpload } from '../feed/uploads/judge-upload.ts';
import type { UploadRequest } from '../feed/uploads/upload.ts';
import { WaitingUploads } from '../feed/uploads/waiting-uploads.ts';
import {
  hadWithoutResuming,
  neverUsed,
  relayHasNoLog,
  tooManyAsks,
  tooManySubscriptions,
  usedTwice,
} from '../feed/violations.ts';
import { refuseOffset } from '../live/plan.ts';
import type { RowKey } from '../row-key.ts';
import type { FeedSession, Peer, Request, RequestOf, Said, Welcome } from '../stream.ts';
import { sizeOfPieces } from '../write/prepared.ts';
import { AwaitedIds } from './awaited-ids.ts';
import { AwaitedSelection } from './awaited-selection.ts';
import type { Brought } from './forwarding.ts';
import type { Teller } from './pending-writes.ts';
import type { RelayDesk } from './relay-desk.ts';

export class RelaySession implements FeedSession, Teller, Follower {
  readonly author: string;
  /** The feed's, which numbers its subscriptions itself, as they come to be answered. */
  readonly feed: FeedSession;
  readonly #desk: RelayDesk;
  readonly #peer: Peer;
  readonly #subscriptions = new Map<number, AwaitedSelection>();
  /** By the feed's number. */
  readonly #answered = new Map<number, number>();
  readonly #ids: AwaitedIds;
  readonly #uploads: WaitingUploads;
  readonly #jobs: Job[] = [];
  #greatest = 0;
  /** Given to the feed. */
  #numbers = 0;
  #asks = 0;
  #hasJoined = false;
  /** It has heard that the upstream is out of reach. */
  #isToldUnlinked = false;
  /** And is to hear it again, once nothing else can be said. */
  #owesLast = false;
  #failure: { readonly error: unknown } | null = null;
  #isClosed = false;

  constructor(desk: RelayDesk, peer: Peer) {
    this.#desk = desk;
    this.#peer = peer;
    this.author = peer.author;
    this.#uploads = new WaitingUploads(desk.load);
    this.feed = desk.openFeed({
      author: peer.author,
      relays: false,
      ...(peer.chunkRows === undefined ? {} : { chunkRows: peer.chunkRows }),
      greeting: { node: peer.greeting.node, cursor: null },
      say: (said) => this.say(this.#outer(said)),
      hasMore: () => peer.hasMore(),
      hasRoom: () => undefined,
    });
    this.#ids = new AwaitedIds(desk, {
      answer: (collection, ids) => this.#answerIds(collection, ids),
      fail: (error) => this.fail(error),
    });
  }

  /** How many ids it holds. */
  get ids(): number {
    return this.#ids.size;
  }

  welcome(): Welcome {
    return this.feed.welcome();
  }

  take(request: Request): boolean {
    this.#check();
    if (this.#isClosed) return true;
    if (!this.#hasJoined) this.#join();
    this.#take(request);
    return true;
  }

  pull(): boolean {
    this.#check();
    if (this.feed.pull()) return true;
    const job = this.#jobs.shift();
    if (job !== undefined) {
      if (job.advance()) this.#jobs.push(job);
      return true;
    }
    if (this.#owesLast && !this.#isClosed) {
      this.#owesLast = false;
      this.#sayUnlinked();
    }
    return false;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.feed.close();
    for (const subscription of this.#subscriptions.values()) subscription.leave();
    this.#subscriptions.clear();
    this.#ids.close();
    this.#jobs.length = 0;
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

  readonly tell = (said: Said): void => {
    // Before its first word it has not heard the welcome.
    if (this.#hasJoined) this.say(said);
  };

  /** It cannot be told the truth any more. */
  fail(error: unknown): void {
    if (this.#isClosed || this.#failure !== null) return;
    this.#failure = { error };
    this.#peer.hasMore();
  }

  /** The upstream cannot be reached. - `isLast`: nor can it say anything more itself. */
  unlinked(isLast: boolean): void {
    // Before its first word it has not heard the welcome.
    if (!this.#hasJoined) return;
    if (!this.#isToldUnlinked) {
      this.#isToldUnlinked = true;
      this.#sayUnlinked();
    }
    if (isLast) this.#wait();
  }

  /** It is reached again, and what this node holds is as the upstream has it. */
  linked(): void {
    this.#owesLast = false;
    if (this.#isToldUnlinked) this.tell({ kind: 'linked', online: true, error: null });
    this.#isToldUnlinked = false;
    for (const subscription of [...this.#subscriptions.values()]) subscription.retry();
    this.#ids.retry();
  }

  /** Whatever was answered must be held still. */
  checkHeld(): void {
    for (const subscription of this.#subscriptions.values()) if (subscription.isLost) this.fail(notHeld());
  }

  /** Of its own transaction, from the step on that settles it. */
  holdsFromNow(keys: Iterable<RowKey>): void {
    if (!this.#isClosed) for (const key of keys) this.#ids.pin(key);
  }

  /** Its outcome is known. */
  concluded({ pieces }: Brought): void {
    this.#uploads.remove({ bytes: sizeOfPieces(pieces), entities: pieces.length });
  }

  #check(): void {
    if (this.#failure !== null) throw this.#failure.error;
  }

  #join(): void {
    this.#hasJoined = true;
    if (!this.#desk.isLinked()) this.unlinked(true);
    this.#desk.joined(this);
  }

  #sayUnlinked(): void {
    this.say({ kind: 'linked', online: false, error: this.#desk.linkError() });
  }

  #take(request: Request): void {
    switch (request.kind) {
      case 'describe':
        this.feed.take(request);
        return;
      case 'subscribe':
        this.#subscribe(request);
        return;
      case 'unsubscribe':
        this.#unsubscribe(request.subscription);
        return;
      case 'hold':
        if (request.had) throw hadWithoutResuming();
        this.#ids.hold(request.collection, request.ids);
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
      case 'log':
      case 'offer':
        throw relayHasNoLog(request.kind);
    }
  }

  #subscribe(request: RequestOf<'subscribe'>): void {
    const { subscription: number, collection, text, parameters } = request;
    if (number <= this.#greatest) throw usedTwice(number);
    this.#greatest = number;
    // No session of a relay resumes.
    if (request.had?.kind === 'held') throw hadWithoutResuming();
    try {
      const entry = this.#desk.core.catalog.named(collection);
      if (entry === null) throw collectionNotHere(collection);
      if (this.#subscriptions.size >= MAX_SUBSCRIPTIONS) throw tooManySubscriptions();
      const selection = this.#desk.reader.select(entry, text, parameters);
      refuseOffset(selection, text);
      const awaited = new AwaitedSelection(
        this.#desk,
        collection,
        { selection, text, parameters },
        {
          answer: () => this.#answer(request),
          deny: (error) => this.#deny(number, error),
          wait: () => this.#wait(),
        },
      );
      this.#subscriptions.set(number, awaited);
      awaited.retry();
    } catch (error) {
      if (!(error instanceof TendrilError)) throw error;
      this.#deny(number, error);
    }
  }

  #answer(request: RequestOf<'subscribe'>): void {
    // What cannot be read may be of any selection.
    this.#tellUnreadable(request.collection, () => true);
    this.#numbers += 1;
    const subscription = this.#numbers;
    this.#answered.set(subscription, request.subscription);
    try {
      this.feed.take({ ...request, subscription });
    } catch (error) {
      // Whoever brought the request may be gone: it may be the upstream that has just answered.
      this.fail(error);
    }
  }

  #answerIds(collection: string, ids: ReadonlySet<EntityId>): void {
    this.#tellUnreadable(collection, (id) => ids.has(id));
    try {
      this.feed.take({ kind: 'hold', collection, ids: [...ids], had: false });
    } catch (error) {
      this.fail(error);
    }
  }

  #tellUnreadable(asked: string, isAsked: (id: EntityId) => boolean): void {
    for (const { collection, id, reason } of this.#desk.unreadable()) {
      if (collection === asked && isAsked(id)) this.say({ kind: 'unreadable', collection, entity: id, error: reason });
    }
  }

  /** It hears that nothing more can be said now. */
  #wait(): void {
    if (this.#owesLast) return;
    this.#owesLast = true;
    this.#peer.hasMore();
  }

  #deny(number: number, error: unknown): void {
    this.#subscriptions.get(number)?.leave();
    this.#subscriptions.delete(number);
    // What this node is denied is so by its upstream.
    if (error instanceof TendrilError) this.say({ kind: 'denied', subscription: number, error });
    else this.fail(error);
  }

  #unsubscribe(number: number): void {
    if (number > this.#greatest) throw neverUsed(number);
    this.#subscriptions.get(number)?.leave();
    this.#subscriptions.delete(number);
    for (const [subscription, outer] of this.#answered) {
      if (outer === number) return void this.feed.take({ kind: 'unsubscribe', subscription });
    }
    this.say({ kind: 'unsubscribed', subscription: number });
  }

  #release(request: RequestOf<'release'>): void {
    this.#ids.release(request.collection, request.ids);
    this.feed.take(request);
  }

  #upload(request: UploadRequest): void {
    const { transaction, attempt, operations: pieces } = request;
    const author = this.#peer.relays ? null : this.author;
    try {
      const { operations } = readUpload(transaction, pieces, author);
      for (const { operation } of operations) {
        if (this.#desk.core.catalog.named(operation.collection) === null) throw collectionNotHere(operation.collection);
      }
      const brought: Brought = { transaction, attempt, operations, pieces };
      this.#desk.checkBrought(brought);
      this.#uploads.add(request, 0);
      this.#desk.forward(this, brought);
    } catch (error) {
      if (!(error instanceof TendrilError) || error.code === 'limit-exceeded') throw error;
      this.say({ kind: 'refused', transaction, attempt, error });
    }
  }

  #ask({ request, collection, text, parameters }: RequestOf<'ask'>): void {
    const unanswered = (error: TendrilError) => this.say({ kind: 'unanswered', request, error });
    if (this.#asks >= MAX_OPEN_ASKS) {
      unanswered(tooManyAsks());
      return;
    }
    this.#asks += 1;
    const over = () => {
      this.#asks -= 1;
    };
    this.#desk.ask(this, { collection, text, parameters }).then(
      (answer) => {
        if (this.#isClosed) return;
        this.#jobs.push(new Answering(this, request, answer, over));
        this.#peer.hasMore();
      },
      (error) => {
        over();
        unanswered(error);
      },
    );
  }

  /** In the follower's numbers. */
  #outer(said: Said): Said {
    if (said.kind === 'chunk') return { ...said, subscription: this.#answered.get(said.subscription)! };
    if (said.kind !== 'denied' && said.kind !== 'unsubscribed') return said;
    const subscription = this.#answered.get(said.subscription)!;
    this.#answered.delete(said.subscription);
    this.#subscriptions.get(subscription)?.leave();
    this.#subscriptions.delete(subscription);
    return { ...said, subscription };
  }
}

function notHeld(): TendrilError {
  return new TendrilError({
    code: 'offline',
    problem: 'The upstream of the node that is followed answers no more what was followed through it.',
    remedy: 'Another session is made by itself, and is told why.',
  });
}
