/**
 * Serving: the sessions of one node behind one door, whatever their links; what they share, their number, and their end.
 *
 * Invariants
 *   - nobody is let in unless `authenticate` says so or `access: 'open'` was given: there is no default;
 *   - a change that says the same to many sessions is encoded and framed once for all of them;
 *   - `close` ends within MAX_CLOSE_MS, whatever the followers do.
 */
import type { Scheduler } from '../engine/index.ts';
import { systemScheduler } from '../engine/index.ts';
import { type ErrorCode, TendrilError } from '../errors.ts';
import { type Codec, createCodec } from './codec.ts';
import { createFrameWriter } from './frames.ts';
import { LOW_WATER_BYTES, MAX_QUEUE_BYTES, MAX_SESSIONS, PULL_BYTES } from './limits.ts';
import type { Connector } from './link.ts';
import { type Authority, type Context, type Judge, type ServeGround, ServeSession } from './serve-session.ts';
import { tooMany } from './session-errors.ts';
import { createTraffic, type Traffic } from './traffic.ts';
import { createTurnEnd } from './turn-end.ts';
import { createTurns } from './turns.ts';

export interface ServingOptions {
  readonly limits?: {
    /** Followers at a time; 10,000 by default. */
    readonly sessions?: number;
    /** Bytes that may wait for one follower before it is cut off; 4 MiB by default. */
    readonly queueBytes?: number;
    /** Rows of a snapshot that a follower is sent at once; 1,000 by default. */
    readonly chunkRows?: number;
  };
  /** Gets what `authenticate` throws that is no TendrilError, and failures inside the node; `console.error` by default. */
  readonly onError?: (error: unknown) => void;
  /** For simulation. */
  readonly ports?: { readonly scheduler?: Scheduler };
}

/** Who is let in: everybody, or whom `authenticate` knows. One of the two must be said. */
export interface Access<Asked extends readonly unknown[]> {
  /** Everybody, as the author that they say they are. */
  readonly access?: 'open';
  /**
   * Who is asking, or null if it is not let in. A TendrilError thrown is told to the follower, who does not try again;
   * anything else thrown is told to `onError`, and the follower may.
   */
  authenticate?(...asked: Asked): Context | null | Promise<Context | null>;
}

/** How a server does. */
export interface ServingReport {
  /** Links that are open now, greeted or not. */
  readonly sessions: number;
  /** Sessions that ended, by why: `closed` where nothing was wrong. */
  readonly ended: Readonly<Partial<Record<ErrorCode, number>>>;
  /** Bytes that wait, of all sessions together. */
  readonly queuedBytes: number;
  /** Since it began. */
  readonly traffic: Readonly<Traffic>;
  /** Messages that had to be encoded: one for each that is said to many. */
  readonly encodings: number;
}

export class Serving {
  readonly #authority: Authority;
  readonly #ground: ServeGround;
  readonly #codec: Codec;
  readonly #sessions = new Set<ServeSession>();
  readonly #maxSessions: number;
  readonly #ended: Partial<Record<ErrorCode, number>> = {};
  #whenEmpty: (() => void)[] = [];
  #isClosed = false;

  /** @throws {TendrilError} `invalid-option` */
  constructor(authority: Authority, { limits = {}, onError = console.error, ports = {} }: ServingOptions) {
    this.#authority = withChunks(authority, limits.chunkRows);
    this.#maxSessions = checkedLimit('limits.sessions', limits.sessions ?? MAX_SESSIONS);
    this.#codec = createCodec();
    const { scheduler = systemScheduler } = ports;
    const maxQueueBytes = checkedLimit('limits.queueBytes', limits.queueBytes ?? MAX_QUEUE_BYTES);
    this.#ground = {
      codec: this.#codec,
      write: createFrameWriter(),
      traffic: createTraffic(),
      scheduler,
      atTurnEnd: createTurnEnd(scheduler),
      inTurn: createTurns(scheduler),
      maxQueueBytes,
      lowWaterBytes: lowWaterOf(maxQueueBytes),
      // One chunk at a time.
      pullBytes: limits.chunkRows === undefined ? PULL_BYTES : 1,
      onError,
    };
  }

  get scheduler(): Scheduler {
    return this.#ground.scheduler;
  }

  /** No other session is taken now. */
  isFull(): boolean {
    return this.#isClosed || this.#sessions.size >= this.#maxSessions;
  }

  /** Begins a session over one link. */
  begin(connector: Connector, judge: Judge): ServeSession {
    // Told so once it has said hello: before, there is nobody to tell.
    const turnAway: Judge = () => {
      session.close(tooMany(this.#maxSessions));
      return null;
    };
    const judging = this.isFull() ? turnAway : judge;
    const session: ServeSession = new ServeSession(this.#authority, connector, this.#ground, judging, {
      ended: ({ code }) => {
        this.#ended[code] = (this.#ended[code] ?? 0) + 1;
      },
      gone: () => this.#forget(session),
    });
    this.#sessions.add(session);
    if (this.#isClosed) session.close(null);
    return session;
  }

  /** Says goodbye to everyone; resolves when all links are closed. */
  close(): Promise<void> {
    this.#isClosed = true;
    for (const session of [...this.#sessions]) session.close(null);
    if (this.#sessions.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#whenEmpty.push(resolve);
    });
  }

  report(): ServingReport {
    let queuedBytes = 0;
    for (const session of this.#sessions) queuedBytes += session.waiting();
    return {
      sessions: this.#sessions.size,
      ended: { ...this.#ended },
      queuedBytes,
      traffic: { ...this.#ground.traffic },
      encodings: this.#codec.encodings(),
    };
  }

  #forget(session: ServeSession): void {
    this.#sessions.delete(session);
    if (this.#sessions.size > 0) return;
    for (const resolve of this.#whenEmpty) resolve();
    this.#whenEmpty = [];
  }
}

/** @throws {TendrilError} `invalid-option` where it was not said who is let in. */
export function judgeFor<Asked extends readonly unknown[]>({
  access,
  authenticate,
}: Access<Asked>): (asked: (credential: string | null) => Asked) => Judge {
  if (authenticate !== undefined && access === undefined && typeof authenticate === 'function') {
    return (asked) =>
      ({ credential }) =>
        authenticate(...asked(credential));
  }
  if (access === 'open' && authenticate === undefined)
    return () =>
      ({ author }) => ({ actor: author, relays: true });
  throw new TendrilError({
    code: 'invalid-option',
    problem: 'It was not said who is let in.',
    remedy: "Give `authenticate`, or `access: 'open'` to let everybody in who can reach the port; not both.",
    facts: { option: 'authenticate' },
  });
}

function withChunks(authority: Authority, chunkRows: number | undefined): Authority {
  if (chunkRows === undefined) return authority;
  const checked = checkedLimit('limits.chunkRows', chunkRows);
  return { role: authority.role, follow: (peer) => authority.follow({ ...peer, chunkRows: checked }) };
}

/** A chunk more has room then; where the queue is shorter than that, there is one at a time. */
function lowWaterOf(maxQueueBytes: number): number {
  return Math.max(1, Math.min(LOW_WATER_BYTES, maxQueueBytes - LOW_WATER_BYTES));
}

function checkedLimit(option: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new TendrilError({
    code: 'invalid-option',
    problem: `The option \`${option}\` is no whole number of 1 or more.`,
    remedy: 'Correct it, or leave it out.',
    facts: { option, value },
  });
}
