/**
 * Session run: the shell around a session machine: one link, one deadline, frames in, messages out.
 *
 * Invariants
 *   - effects of one event are done before the next event is looked at, whatever they call;
 *   - nothing a peer sends, and nothing that is called from here, throws out of here: it ends the session;
 *   - whoever says something is never called back inside that call: not even when it was too much.
 */
import type { Scheduler, Welcome } from '../engine/index.ts';
import { TendrilError } from '../errors.ts';
import type { Codec } from './codec.ts';
import { createFrameReader, type FrameWriter, MAX_FRAME_BYTES, MAX_GREETING_FRAME_BYTES } from './frames.ts';
import { Inbound } from './inbound.ts';
import { MAX_OPENING_MS, MAX_PAUSED_BYTES } from './limits.ts';
import type { Connector, Link } from './link.ts';
import type { Hello, Message } from './messages.ts';
import { Outbound } from './outbound.ts';
import {
  type Effect,
  type Machine,
  type Phase,
  type SessionEvent,
  type SessionState,
  stepFrame,
  type Transition,
} from './session.ts';
import { offline, tooFarAhead, tooSlow } from './session-errors.ts';
import type { Traffic } from './traffic.ts';
import type { AtTurnEnd } from './turn-end.ts';

/** What sessions of one server, or of one upstream, share. */
export interface SessionGround {
  readonly codec: Codec;
  readonly write: FrameWriter;
  readonly traffic: Traffic;
  readonly scheduler: Scheduler;
  readonly atTurnEnd: AtTurnEnd;
  readonly maxQueueBytes: number;
  /** Gets what callbacks throw that is no TendrilError: a mistake of the program, not of the peer. */
  readonly onError: (error: unknown) => void;
}

/** What the two roles do differently. */
export interface Role<Taken> {
  readonly machine: Machine<Taken>;
  readonly greet: () => void;
  readonly judge: (hello: Hello) => void;
  readonly welcomed: (welcome: Welcome) => void;
  /** What it throws ends the session. */
  readonly deliver: (messages: readonly Taken[]) => void;
  readonly ended: (reason: TendrilError, final: boolean) => void;
  /** The link is closed: this was the last call. */
  readonly gone: () => void;
  /** Less waits to leave than before. */
  readonly progress: () => void;
}

const NO_LINK: Link = { send: () => {}, queued: () => 0, close: () => {} };

export class SessionRun<Taken> {
  readonly #role: Role<Taken>;
  readonly #ground: SessionGround;
  readonly #name: string;
  readonly #outbound: Outbound;
  readonly #inbound: Inbound;
  readonly #read = createFrameReader({
    limit: () => (this.#state.phase === 'open' ? MAX_FRAME_BYTES : MAX_GREETING_FRAME_BYTES),
  });
  #state: SessionState = { phase: 'opening' };
  #link: Link = NO_LINK;
  #disarm: () => void = () => {};
  /** What has happened and was not looked at yet; null while nothing is being looked at. */
  #waiting: (() => Transition<Taken>)[] | null = null;
  /** Its end is certain but not begun: what is said goes nowhere. */
  #doomed = false;

  constructor(connector: Connector, ground: SessionGround, role: Role<Taken>) {
    this.#role = role;
    this.#ground = ground;
    this.#name = connector.name;
    const { codec, write, atTurnEnd, traffic, maxQueueBytes: maxBytes } = ground;
    this.#outbound = new Outbound({
      ...{ codec, write, atTurnEnd, traffic, maxBytes },
      link: () => this.#link,
      progress: this.#progress,
      failed: (error) => this.happenSoon({ kind: 'lost', error: offline(`The link to ${this.#name} failed.`, error) }),
    });
    this.#inbound = new Inbound({
      scheduler: ground.scheduler,
      link: () => this.#link,
      take: (frame) => this.#frame(frame),
      closed: (reason) => this.happen({ kind: 'lost', error: this.#lost(reason) }),
      overflow: () => this.happen({ kind: 'broken', error: tooFarAhead(MAX_PAUSED_BYTES) }),
    });
    this.#arm(MAX_OPENING_MS);
    this.#connect(connector);
  }

  get phase(): Phase {
    return this.#state.phase;
  }

  /** Bytes said and not yet taken over by the link. */
  waiting(): number {
    return this.#outbound.waiting();
  }

  /** Goes nowhere unless the session is open. */
  say(message: Message): void {
    if (this.#state.phase === 'open' && !this.#doomed) this.#say(message);
  }

  /** The hello, when it is known: some credentials take their time. */
  greet(hello: Hello): void {
    if (this.#state.phase === 'greeting') this.#say(hello);
  }

  happen(event: SessionEvent): void {
    this.#run(() => this.#role.machine.step(this.#state, event));
  }

  /** The same, when the code that runs now has ended. */
  happenSoon(event: SessionEvent): void {
    this.#ground.scheduler.soon(() => this.happen(event));
  }

  /** Nothing more is read of the other side. */
  pause(): void {
    this.#inbound.pause();
    this.happen({ kind: 'paused' });
  }

  /** All is read again, from the next turn on. */
  resume(): void {
    this.#inbound.resume();
    this.happen({ kind: 'resumed' });
  }

  #connect(connector: Connector): void {
    const { scheduler } = this.#ground;
    try {
      this.#link = connector.connect(
        {
          opened: () => this.happen({ kind: 'opened' }),
          frame: this.#inbound.frame,
          drained: this.#outbound.pump,
          closed: this.#inbound.closed,
        },
        scheduler,
      );
    } catch (error) {
      this.happenSoon({ kind: 'lost', error: offline(`No link to ${this.#name} could be made.`, error) });
    }
  }

  #lost(reason: string): TendrilError {
    return offline(
      `The link to ${this.#name} ${this.phase === 'opening' ? 'could not be opened' : 'was lost'} (${reason}).`,
    );
  }

  #frame(bytes: Uint8Array): void {
    if (this.phase === 'closing' || this.phase === 'closed') return;
    const { codec, traffic } = this.#ground;
    traffic.framesTaken += 1;
    traffic.bytesTaken += bytes.length;
    let messages: readonly Message[];
    try {
      const content = this.#read(bytes);
      messages = content === null ? [] : codec.decodeMessages(content);
    } catch (error) {
      this.happen({ kind: 'broken', error: this.#told(error) });
      return;
    }
    this.#run(() => stepFrame(this.#role.machine, this.#state, messages));
  }

  #run(transition: () => Transition<Taken>): void {
    if (this.#waiting !== null) {
      this.#waiting.push(transition);
      return;
    }
    const waiting = [transition];
    this.#waiting = waiting;
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const { state, effects } = next();
      this.#state = state;
      for (const effect of effects) this.#perform(effect);
    }
    this.#waiting = null;
  }

  #perform(effect: Effect<Taken>): void {
    const { kind } = effect;
    switch (kind) {
      case 'send':
        this.#say(effect.message);
        return;
      case 'arm':
        this.#arm(effect.ms);
        return;
      case 'drop':
        this.#outbound.drop();
        return;
      case 'close':
        this.#disarm();
        this.#inbound.drop();
        this.#link.close(effect.reason);
        this.attempt(() => this.#role.gone());
        return;
      case 'greet':
        this.attempt(() => this.#role.greet());
        return;
      case 'judge':
        this.attempt(() => this.#role.judge(effect.hello));
        return;
      case 'welcomed':
        this.attempt(() => this.#role.welcomed(effect.welcome));
        return;
      case 'deliver':
        this.attempt(() => this.#role.deliver(effect.messages));
        return;
      case 'ended':
        this.attempt(() => this.#role.ended(effect.reason, effect.final));
        return;
    }
  }

  /** Runs `body`; what it throws ends the session. */
  attempt(body: () => void): void {
    try {
      body();
    } catch (error) {
      this.#doomed = true;
      this.happen({ kind: 'broken', error: this.#told(error) });
    }
  }

  #say(message: Message): void {
    try {
      if (this.#outbound.say(message)) return;
      this.#doomed = true;
      this.happenSoon({ kind: 'overflow', error: tooSlow(this.#ground.maxQueueBytes) });
    } catch (error) {
      this.#doomed = true;
      this.happenSoon({ kind: 'broken', error: this.#told(error) });
    }
  }

  readonly #progress = (): void => {
    if (this.phase === 'closing' && this.waiting() === 0) this.happen({ kind: 'emptied' });
    else if (this.phase === 'open') this.attempt(this.#role.progress);
  };

  #arm(ms: number): void {
    this.#disarm();
    this.#disarm = this.#ground.scheduler.after(ms, () => this.happen({ kind: 'timeout' }));
  }

  /** What the other side is told of `error`: what only this program is meant to see stays here. */
  #told(error: unknown): TendrilError {
    if (error instanceof TendrilError) return error;
    this.#ground.onError(error);
    return offline('A failure inside the program that took it ended the session.', error);
  }
}
