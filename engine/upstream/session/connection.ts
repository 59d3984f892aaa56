/**
 * Connection: this node's session with its upstream, from the first attempt to the end.
 *
 * Invariants
 *   - at most one session at a time; whatever an earlier one still says is not heard;
 *   - a system is adopted once; an upstream of another system is refused, and nothing that is held is touched;
 *   - while there is no session the node is offline: it shows what it holds and keeps what it writes;
 *   - a session that is lost is made again after a while (backoff.ts), at once where the way is said to be free, and not
 *     before `connect` is called where the upstream's refusal is final.
 */

import { TendrilError } from '../../../errors.ts';
import type { Cursor, NodeId, SystemId } from '../../../storage/index.ts';
import type { Core } from '../../core.ts';
import type { Ports } from '../../ports/ports.ts';
import type { Request, Said, Upstream, UpstreamSession, Welcome } from '../../stream.ts';
import { STABLE_MS } from '../limits.ts';
import { delayAfter } from './backoff.ts';
import { interrupted } from './session-errors.ts';

export interface ConnectionParts {
  readonly core: Pick<Core, 'node'> & Ports;
  readonly upstream: Upstream;
  readonly author: () => string;
  /** Where all that is held stands. */
  readonly cursor: () => Cursor | null;
  /** That it belongs to; null before it has met one. */
  readonly system: SystemId | null;
  /** A session has begun. */
  readonly began: (welcome: Welcome) => void;
  readonly said: (messages: readonly Said[]) => void;
  /** It has ended; or none could be made. */
  readonly lost: (reason: TendrilError) => void;
  readonly isWhole: () => boolean;
}

export interface ConnectionState {
  /** A session exists or is being made; if not, `error` says why. */
  readonly online: boolean;
  /** And no relay on the way is cut off. */
  readonly reaches: boolean;
  /** What was asked for may yet be answered: a relay that is cut off says so again when it has no more to say. */
  readonly answers: boolean;
  readonly error: TendrilError | null;
  /** All that was asked for at the session's begin has come. */
  readonly whole: boolean;
  /** Not yet: the session has begun. */
  readonly resyncing: boolean;
}

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class Connection {
  readonly #parts: ConnectionParts;
  #session: UpstreamSession | null = null;
  /** Whatever another one says is not heard. */
  #attempt: object | null = null;
  #welcome: Welcome | null = null;
  #system: SystemId | null;
  #error: TendrilError | null = null;
  /** Why there will be no session any more. */
  #closed: TendrilError | null = null;
  /** Until the session has begun, or has failed to. */
  #waiting: Waiting[] = [];
  /** Sessions in a row that were lost before they were stable. */
  #failures = 0;
  /** Of the next attempt, or of the time until the session is stable. */
  #cancelTimer: () => void = () => {};
  #isRetrying = false;
  /** Why the upstream, a relay, does not reach its own. */
  #cut: TendrilError | null = null;
  /** And has said all that it can. */
  #hasSaidAll = false;
  /** How often it was said that it reaches it again. */
  timesReached = 0;
  readonly #stopWaking: () => void;

  constructor(parts: ConnectionParts) {
    this.#parts = parts;
    this.#system = parts.system;
    const wake = () => {
      if (this.#isRetrying) this.#attemptOnce();
    };
    this.#stopWaking = parts.upstream.onReachable?.(wake) ?? (() => {});
  }

  get system(): SystemId | null {
    return this.#system;
  }

  /** The authority's own id, while there is a session. */
  get peer(): NodeId | null {
    return this.#welcome?.node ?? null;
  }

  /** The present session: another object for each. */
  get session(): unknown {
    return this.#session;
  }

  readonly state = (): ConnectionState => ({
    // An attempt after a failure is no session yet.
    online: this.#session !== null && this.#error === null,
    reaches: this.#session !== null && this.#error === null && this.#cut === null,
    answers: this.#session !== null && this.#error === null && !this.#hasSaidAll,
    error: this.#cut ?? this.#error,
    whole: this.#welcome !== null && this.#parts.isWhole(),
    resyncing: this.#welcome !== null && !this.#parts.isWhole(),
  });

  /** Whether the upstream, a relay, does not reach its own. */
  get isCut(): boolean {
    return this.#cut !== null;
  }

  /** Of an upstream that is a relay: why it does not reach its own; null if it does. Said again, it has no more to say. */
  readonly linked = (error: TendrilError | null): void => {
    this.#hasSaidAll = error !== null && this.#cut !== null;
    this.#cut = error;
    if (error === null) this.timesReached += 1;
  };

  /** Ignored while there is no session. */
  readonly send = (request: Request): void => {
    if (this.#welcome !== null) this.#session?.send(request);
  };

  /** Makes a new session, in place of the present one if there is one. Resolves when it has begun. */
  connect(): Promise<void> {
    if (this.#closed !== null) return Promise.reject(this.#closed);
    this.end(interrupted('It was replaced by another.'));
    this.#error = null;
    this.#failures = 0;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#attemptOnce();
    });
  }

  /** Ends the session from this side. - `final`: another would end the same way. */
  end(reason: TendrilError, final = false): void {
    const session = this.#session;
    if (session === null) return;
    this.#lost(reason, final);
    session.close();
  }

  close(reason: TendrilError): void {
    this.#closed = reason;
    this.end(reason);
    this.#stopTimer();
    this.#stopWaking();
  }

  #attemptOnce(): void {
    this.#stopTimer();
    const { upstream, core, author, cursor } = this.#parts;
    const { clock, random, scheduler } = core;
    const attempt = {};
    this.#attempt = attempt;
    const isPresent = () => attempt === this.#attempt;
    const greeting = { node: core.node, author: author(), system: this.#system, cursor: cursor() };
    const receiver = {
      welcomed: (welcome: Welcome) => {
        if (isPresent()) this.#welcomed(welcome);
      },
      said: (messages: readonly Said[]) => {
        if (isPresent() && this.#welcome !== null) this.#parts.said(messages);
      },
      ended: (reason: TendrilError, final: boolean) => {
        if (isPresent()) this.#lost(reason, final);
      },
    };
    const session = upstream.connect(greeting, receiver, { clock, random, scheduler });
    // It may have failed at once.
    if (isPresent()) this.#session = session;
  }

  #welcomed(welcome: Welcome): void {
    if (this.#system !== null && this.#system !== welcome.system) {
      this.end(otherSystem(this.#system, welcome), true);
      return;
    }
    this.#system = welcome.system;
    this.#welcome = welcome;
    this.#error = null;
    this.#cancelTimer = this.#parts.core.scheduler.after(STABLE_MS, () => {
      this.#failures = 0;
    });
    this.#parts.began(welcome);
    for (const { resolve } of this.#waiting.splice(0)) resolve();
  }

  #lost(reason: TendrilError, final: boolean): void {
    this.#stopTimer();
    this.#session = null;
    this.#attempt = null;
    this.#welcome = null;
    this.#cut = null;
    this.#hasSaidAll = false;
    this.#error = reason;
    for (const { reject } of this.#waiting.splice(0)) reject(reason);
    this.#parts.lost(reason);
    // Whoever was told may have asked for a session already.
    if (!final && this.#closed === null && this.#session === null) this.#retryLater();
  }

  #retryLater(): void {
    const { random, scheduler } = this.#parts.core;
    this.#failures += 1;
    this.#isRetrying = true;
    this.#cancelTimer = scheduler.after(delayAfter(this.#failures, random), () => this.#attemptOnce());
  }

  #stopTimer(): void {
    this.#cancelTimer();
    this.#cancelTimer = () => {};
    this.#isRetrying = false;
  }
}

function otherSystem(own: SystemId, { system, node }: Welcome): TendrilError {
  return new TendrilError({
    code: 'system-mismatch',
    problem: `This node belongs to the system ${own}; the upstream ${node} is of the system ${system}.`,
    remedy: 'Connect to an upstream of the same system, or open a fresh node for the other one. Nothing was changed.',
    facts: { own, system, node },
  });
}
