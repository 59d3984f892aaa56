/** An upstream whose every message a test can count, hold back, plant, or cut at: each travels in a turn of its own. */
import type {
  Greeting,
  Peer,
  Receiver,
  Request,
  Said,
  Upstream,
  UpstreamSession,
  Welcome,
} from '../../engine/stream.ts';
import { type Node, TendrilError } from '../../index.ts';

type RequestOf<Kind extends Request['kind']> = Extract<Request, { readonly kind: Kind }>;
type SaidOf<Kind extends Said['kind']> = Extract<Said, { readonly kind: Kind }>;
export type UploadRequest = RequestOf<'upload'>;

export class GatedUpstream implements Upstream {
  readonly name = 'gated';
  /** All that have been delivered, over all sessions. */
  readonly requests: Request[] = [];
  readonly said: Said[] = [];
  /** While true, nothing passes in that direction. */
  holdRequests = false;
  holdSaid = false;
  /** While true, nothing more is said of what is said in several parts. */
  holdPull = false;
  /** Rows of one chunk, if not the authority's own. */
  chunkRows: number | null = null;
  /** While true, uploads stay behind, and the others overtake them. */
  holdUploads = false;
  /** While false, no session can be made. */
  isReachable = true;
  /** While true, sessions wait for their welcome. */
  holdWelcome = false;
  /** Messages after which the session is cut. */
  cutAfter = Number.POSITIVE_INFINITY;
  /** What the authority knows the follower as; what it calls itself if null. */
  author: string | null = null;
  /** Answers an upload in place of the authority; null lets it pass. */
  judge: (upload: UploadRequest) => Said | null = () => null;
  welcome: (welcome: Welcome) => Welcome = (welcome) => welcome;
  alter: (said: Said) => Said = (said) => said;
  sessions = 0;
  #authority: () => Node;
  #cut: (reason?: TendrilError) => void = () => {};
  #tell: (said: Said) => void = () => {};
  #frame: (said: readonly Said[]) => void = () => {};
  #waiting: Said[] = [];
  #ticks = 0;

  constructor(authority: () => Node) {
    this.#authority = authority;
  }

  /** Grows while anything happens. */
  get ticks(): number {
    return this.#ticks;
  }

  cut(): void {
    this.#cut();
  }

  /** Takes out what waits to be said, to be planted later. */
  takeWaiting<Kind extends Said['kind']>(kind: Kind): SaidOf<Kind>[] {
    const taken = this.#waiting.filter((said) => said.kind === kind) as SaidOf<Kind>[];
    const rest = this.#waiting.filter((said) => said.kind !== kind);
    this.#waiting.splice(0, this.#waiting.length, ...rest);
    return taken;
  }

  /** Says several things in one frame, now. */
  plantFrame(...said: readonly Said[]): void {
    this.#frame(said);
  }

  /** Says something that the authority did not. */
  plant(said: Said): void {
    this.#tell(said);
  }

  askedOf<Kind extends Request['kind']>(kind: Kind): RequestOf<Kind>[] {
    return this.requests.filter((request) => request.kind === kind) as RequestOf<Kind>[];
  }

  saidOf<Kind extends Said['kind']>(kind: Kind): SaidOf<Kind>[] {
    return this.said.filter((said) => said.kind === kind) as SaidOf<Kind>[];
  }

  connect(greeting: Greeting, receiver: Receiver): UpstreamSession {
    this.sessions += 1;
    let feed: ReturnType<Node['follow']> | null = null;
    let ended = false;
    const waiting: Said[] = [];
    this.#waiting = waiting;
    const asked: Request[] = [];
    let isPulling = false;
    const end = (reason: TendrilError) => {
      if (ended) return;
      ended = true;
      feed?.close();
      receiver.ended(reason, false);
    };
    const upstream = this;
    const peer: Peer = {
      get author() {
        return upstream.author ?? greeting.author;
      },
      relays: true,
      ...(this.chunkRows === null ? {} : { chunkRows: this.chunkRows }),
      greeting,
      hasRoom: () => undefined,
      say: (said) => waiting.push(said),
      hasMore: () => {
        isPulling = true;
      },
    };
    const passed = () => {
      this.#ticks += 1;
      this.cutAfter -= 1;
      if (this.cutAfter <= 0) this.#cut();
    };
    const take = (request: Request) => {
      this.requests.push(request);
      const verdict = request.kind === 'upload' ? this.judge(request) : null;
      if (verdict !== null) waiting.push(verdict);
      else feed!.take(request);
    };
    const nextRequest = () =>
      this.holdRequests ? -1 : asked.findIndex(({ kind }) => kind !== 'upload' || !this.holdUploads);
    const turn = () => {
      if (ended) return;
      setImmediate(turn);
      try {
        if (feed === null) {
          if (!this.isReachable) return end(unreachable());
          if (this.holdWelcome) return;
          this.#ticks += 1;
          feed = this.#authority().follow(peer);
          receiver.welcomed(this.welcome(feed.welcome()));
        } else if (nextRequest() >= 0) {
          take(asked.splice(nextRequest(), 1)[0]!);
          passed();
        } else if (waiting.length > 0 && !this.holdSaid) {
          const said = this.alter(waiting.shift()!);
          this.said.push(said);
          receiver.said([said]);
          passed();
        } else if (isPulling && !this.holdPull) {
          this.#ticks += 1;
          isPulling = feed.pull();
        }
      } catch (error) {
        end(error as TendrilError);
      }
    };
    this.#cut = (reason = cutOff()) => end(reason);
    this.#tell = (said) => waiting.push(said);
    this.#frame = receiver.said;
    setImmediate(turn);
    return {
      send: (request) => asked.push(request),
      close: () => setImmediate(() => end(cutOff())),
    };
  }
}

/** Waits until nothing moves any more. */
export async function quiet(...upstreams: readonly GatedUpstream[]): Promise<void> {
  const ticks = () => upstreams.reduce((sum, upstream) => sum + upstream.ticks, 0);
  let still = 0;
  for (let before = ticks(); still < 6; before = ticks()) {
    await new Promise(setImmediate);
    still = ticks() === before ? still + 1 : 0;
  }
}

function cutOff(): TendrilError {
  return new TendrilError({ code: 'offline', problem: 'The link was cut.', remedy: 'Reconnect.' });
}

function unreachable(): TendrilError {
  return new TendrilError({ code: 'offline', problem: 'Nobody answers.', remedy: 'Reconnect.' });
}
