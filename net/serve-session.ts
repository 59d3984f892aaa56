/**
 * Serve session: the authority's side of one link, between a connector and the node's feed.
 *
 * Invariants
 *   - the feed hears of a follower only after it was let in, and is closed as its session ends, whoever ends it;
 *   - once the feed takes no more, nothing more is read of this follower until it does;
 *   - steps are said as they come; chunks and answers only while little waits, a turn for everyone between.
 */
import type { FeedSession, Peer, Request } from '../engine/index.ts';
import { TendrilError } from '../errors.ts';
import { utf8Length } from '../query/index.ts';
import { MAX_NAME_BYTES } from '../storage/index.ts';
import { authorityMachine } from './authority-session.ts';
import type { Connector } from './link.ts';
import type { Hello } from './messages.ts';
import type { Phase } from './session.ts';
import { denied, offline } from './session-errors.ts';
import { type SessionGround, SessionRun } from './session-run.ts';
import type { InTurn } from './turns.ts';

/** What the sessions of one server share. */
export interface ServeGround extends SessionGround {
  readonly inTurn: InTurn;
  /** Of chunks and answers, made together in one turn. */
  readonly pullBytes: number;
  /** They are made while fewer bytes than these wait. */
  readonly lowWaterBytes: number;
}

/** A node that can be followed: a durable one, or a relay. */
export interface Authority {
  readonly role: 'durable' | 'ephemeral';
  readonly follow: (peer: Peer) => FeedSession;
}

/** Who is asking, as `authenticate` found. */
export interface Context {
  /** Stands as author in every operation that the session uploads. */
  readonly actor: string;
  /** It may upload what others wrote, and is told who: a relay. */
  readonly relays?: boolean;
}

/** Decides on a hello: who it is; null, or a thrown TendrilError, for somebody who is not let in, for good. */
export type Judge = (hello: Hello) => Context | null | Promise<Context | null>;

export class ServeSession {
  readonly #authority: Authority;
  readonly #ground: ServeGround;
  readonly #judge: Judge;
  readonly #run: SessionRun<Request>;
  readonly #ended: (reason: TendrilError) => void;
  #feed: FeedSession | null = null;
  #hasMore = false;
  #isPulling = false;
  /** Come, and not yet taken by the feed: which said that it takes no more for now. */
  #untaken: Request[] = [];
  #isPaused = false;

  /** `ended`: told why it ends; `gone`: its link is closed. Each once. */
  constructor(
    authority: Authority,
    connector: Connector,
    ground: ServeGround,
    judge: Judge,
    told: { readonly ended: (reason: TendrilError) => void; readonly gone: () => void },
  ) {
    this.#authority = authority;
    this.#ground = ground;
    this.#judge = judge;
    this.#ended = told.ended;
    this.#run = new SessionRun(connector, ground, {
      machine: authorityMachine,
      greet: () => {},
      judge: (hello) => this.#decide(hello),
      welcomed: () => {},
      deliver: (requests) => this.#deliver(requests),
      ended: (reason) => this.#end(reason),
      gone: told.gone,
      progress: () => this.#pullLater(),
    });
  }

  get phase(): Phase {
    return this.#run.phase;
  }

  /** Bytes that wait for this follower. */
  waiting(): number {
    return this.#run.waiting();
  }

  /** Says goodbye, and ends when all has left. */
  close(error: TendrilError | null): void {
    this.#run.happen({ kind: 'leave', error });
  }

  #decide(hello: Hello): void {
    try {
      const verdict = this.#judge(hello);
      if (!(verdict instanceof Promise)) this.#admit(hello, verdict);
      else void verdict.then((context) => this.#admit(hello, context)).catch((error) => this.#reject(error));
    } catch (error) {
      this.#reject(error);
    }
  }

  #admit(hello: Hello, context: Context | null): void {
    if (this.#run.phase !== 'judging') return;
    if (context === null) {
      this.#run.happen({ kind: 'rejected', error: denied(), final: true });
      return;
    }
    checkActor(context);
    const peer: Peer = {
      author: context.actor,
      relays: context.relays === true,
      greeting: { node: hello.node, cursor: hello.cursor },
      say: (said) => this.#run.say(said),
      hasMore: () => {
        this.#hasMore = true;
        this.#pullLater();
      },
      hasRoom: () => this.#takeLater(),
    };
    this.#run.attempt(() => {
      this.#feed = this.#authority.follow(peer);
      this.#run.happen({ kind: 'admitted', welcome: this.#feed.welcome() });
    });
  }

  #reject(error: unknown): void {
    if (error instanceof TendrilError) {
      this.#run.happen({ kind: 'rejected', error, final: true });
      return;
    }
    this.#ground.onError(error);
    this.#run.happen({
      kind: 'rejected',
      error: offline('The server could not decide whom it lets in.'),
      final: false,
    });
  }

  #deliver(requests: readonly Request[]): void {
    if (this.#isPaused) this.#untaken.push(...requests);
    else this.#take(requests);
  }

  #take(requests: readonly Request[]): void {
    for (const [index, request] of requests.entries()) {
      if (this.#feed === null) return;
      if (this.#feed.take(request)) continue;
      this.#isPaused = true;
      this.#untaken = requests.slice(index + 1);
      this.#run.pause();
      return;
    }
  }

  /** Not at once: the feed may be in the middle of something. */
  #takeLater(): void {
    this.#ground.scheduler.next(() => {
      if (!this.#isPaused || this.#feed === null) return;
      this.#isPaused = false;
      const untaken = this.#untaken;
      this.#untaken = [];
      this.#run.attempt(() => this.#take(untaken));
      if (!this.#isPaused) this.#run.resume();
    });
  }

  #end(reason: TendrilError): void {
    const feed = this.#feed;
    this.#feed = null;
    this.#untaken = [];
    feed?.close();
    this.#ended(reason);
  }

  #pullLater(): void {
    if (this.#isPulling || !this.#canPull()) return;
    this.#isPulling = true;
    this.#ground.inTurn(() => {
      // The link may have taken less than was said: then it asks again when it has.
      const hasBegun = this.#canPull();
      if (hasBegun) this.#run.attempt(() => this.#pull());
      this.#isPulling = hasBegun && this.#feed !== null && this.#hasMore;
      return this.#isPulling;
    });
  }

  #canPull(): boolean {
    return this.#feed !== null && this.#hasMore && this.waiting() < this.#ground.lowWaterBytes;
  }

  /** A chunk, or as many small ones as are worth a frame. */
  #pull(): void {
    const { pullBytes, lowWaterBytes } = this.#ground;
    const limit = Math.min(this.waiting() + pullBytes, lowWaterBytes);
    while (this.#hasMore && this.#feed !== null && this.waiting() < limit) {
      const before = this.waiting();
      this.#hasMore = false;
      if (this.#feed.pull()) this.#hasMore = true;
      if (this.waiting() === before) break;
    }
  }
}

function checkActor({ actor }: Context): void {
  if (typeof actor === 'string' && actor !== '' && utf8Length(actor) <= MAX_NAME_BYTES) return;
  throw new TypeError(`authenticate gave an actor that is no text of 1 to ${MAX_NAME_BYTES} bytes.`);
}
