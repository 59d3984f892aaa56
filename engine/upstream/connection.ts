/**
 * Connection: this node's session with its upstream, from the first attempt to the end.
 *
 * Invariants
 *   - at most one session at a time; whatever an earlier one still says is not heard;
 *   - a system is adopted once; an upstream of another system is refused, and nothing that is held is touched;
 *   - while there is no session the node is offline: it shows what it holds and keeps what it writes.
 */
import { TendrilError } from '../../errors.ts';
import type { NodeId, SystemId } from '../../storage/index.ts';
import type { Core } from '../core.ts';
import type { Ports } from '../ports/ports.ts';
import type { ConnectionState } from './following.ts';
import type { Request, Said, Upstream, UpstreamSession, Welcome } from './stream.ts';

export interface ConnectionParts {
  readonly core: Pick<Core, 'node'> & Ports;
  readonly upstream: Upstream;
  readonly author: () => string;
  /** A session has begun. */
  readonly began: (welcome: Welcome) => void;
  readonly said: (messages: readonly Said[]) => void;
  /** It has ended; or none could be made. */
  readonly lost: (reason: TendrilError) => void;
  readonly isWhole: () => boolean;
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
  #system: SystemId | null = null;
  #error: TendrilError | null = null;
  /** Why there will be no session any more. */
  #closed: TendrilError | null = null;
  /** Until the session has begun, or has failed to. */
  #waiting: Waiting[] = [];

  constructor(parts: ConnectionParts) {
    this.#parts = parts;
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
    online: this.#session !== null,
    error: this.#session === null ? this.#error : null,
    whole: this.#welcome !== null && this.#parts.isWhole(),
    resyncing: this.#welcome !== null && !this.#parts.isWhole(),
  });

  /** Ignored while there is no session. */
  readonly send = (request: Request): void => {
    if (this.#welcome !== null) this.#session?.send(request);
  };

  /** Makes a new session, in place of the present one if there is one. Resolves when it has begun. */
  connect(): Promise<void> {
    if (this.#closed !== null) return Promise.reject(this.#closed);
    this.end(interrupted('It was replaced by another.'));
    const { upstream, core, author } = this.#parts;
    const { clock, random, scheduler } = core;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      const attempt = {};
      this.#attempt = attempt;
      const isPresent = () => attempt === this.#attempt;
      const greeting = { node: core.node, author: author(), system: this.#system };
      const receiver = {
        welcomed: (welcome: Welcome) => {
          if (isPresent()) this.#welcomed(welcome);
        },
        said: (messages: readonly Said[]) => {
          if (isPresent() && this.#welcome !== null) this.#parts.said(messages);
        },
        ended: (reason: TendrilError) => {
          if (isPresent()) this.#lost(reason);
        },
      };
      const session = upstream.connect(greeting, receiver, { clock, random, scheduler });
      // It may have failed at once.
      if (isPresent()) this.#session = session;
    });
  }

  /** Ends the session from this side. */
  end(reason: TendrilError): void {
    const session = this.#session;
    if (session === null) return;
    this.#lost(reason);
    session.close();
  }

  close(reason: TendrilError): void {
    this.#closed = reason;
    this.end(reason);
  }

  #welcomed(welcome: Welcome): void {
    if (this.#system !== null && this.#system !== welcome.system) {
      this.end(otherSystem(this.#system, welcome));
      return;
    }
    this.#system = welcome.system;
    this.#welcome = welcome;
    this.#error = null;
    this.#parts.began(welcome);
    for (const { resolve } of this.#waiting.splice(0)) resolve();
  }

  #lost(reason: TendrilError): void {
    this.#session = null;
    this.#attempt = null;
    this.#welcome = null;
    this.#error = reason;
    for (const { reject } of this.#waiting.splice(0)) reject(reason);
    this.#parts.lost(reason);
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

export function interrupted(why: string): TendrilError {
  return new TendrilError({
    code: 'offline',
    problem: `The session with the upstream has ended. ${why}`,
    remedy: 'Call reconnect().',
  });
}
