/**
 * Session: the protocol as a pure machine, (state, event) → (state, effects); one table for each role.
 *
 * Invariants
 *   - each table has a rule for every phase and every event: a gap does not compile;
 *   - `ended` is told once, `close` comes once, as the session becomes `closed`; nothing comes after that;
 *   - in every phase but `open` and `closed` a deadline is armed, and in `open` the silence is measured: nobody waits forever.
 */
import type { Request, Said, Welcome } from '../engine/index.ts';
import type { TendrilError } from '../errors.ts';
import type { Bye, Hello, Message, Ping, Pong, Refuse, WelcomeMessage } from './messages.ts';

export type SessionState =
  /** The link is not open yet. */
  | { readonly phase: 'opening' }
  /** The follower's hello, or the answer to it, is awaited. */
  | { readonly phase: 'greeting' }
  /** The authority alone: the hello is being judged. */
  | { readonly phase: 'judging'; readonly hello: Hello }
  /**
   * `pinged`: nothing was heard since a ping was sent. `pausedMs`: nothing is read, since so long, to the last ping; null
   * while all is read. Then silence says nothing: it is this side's own.
   */
  | { readonly phase: 'open'; readonly pinged: boolean; readonly pausedMs: number | null }
  /** What was said leaves; nothing is taken any more. `reason`: to be told at the end; null when it was told. */
  | { readonly phase: 'closing'; readonly reason: TendrilError | null }
  | { readonly phase: 'closed' };

export type Phase = SessionState['phase'];

export type SessionEvent =
  /** The link carries frames now. */
  | { readonly kind: 'opened' }
  /** A frame, or a part of one, has come. Its messages are events of their own and follow. */
  | { readonly kind: 'heard' }
  | Hello
  | WelcomeMessage
  | Refuse
  | Bye
  | Ping
  | Pong
  | { readonly kind: 'request'; readonly request: Request }
  | { readonly kind: 'said'; readonly said: Said }
  /** The authority alone: what was decided of the hello. */
  | { readonly kind: 'admitted'; readonly welcome: Welcome }
  | { readonly kind: 'rejected'; readonly error: TendrilError; readonly final: boolean }
  /** The authority alone: it takes nothing, until `resumed`. */
  | { readonly kind: 'paused' }
  | { readonly kind: 'resumed' }
  /** The deadline that was armed last has passed. */
  | { readonly kind: 'timeout' }
  /** What came cannot be read, or cannot be taken. */
  | { readonly kind: 'broken'; readonly error: TendrilError }
  /** More was said than may wait. */
  | { readonly kind: 'overflow'; readonly error: TendrilError }
  /** This side ends it; `error` where something is wrong. */
  | { readonly kind: 'leave'; readonly error: TendrilError | null }
  /** All that was said has left. */
  | { readonly kind: 'emptied' }
  /** The link is closed. */
  | { readonly kind: 'lost'; readonly error: TendrilError };

export type EventKind = SessionEvent['kind'];

/** What is to be done, in order. `Taken`: what this role takes from the other. */
export type Effect<Taken> =
  /** Says hello. */
  | { readonly kind: 'greet' }
  /** Has the hello judged: answered by `admitted` or `rejected`. */
  | { readonly kind: 'judge'; readonly hello: Hello }
  | { readonly kind: 'welcomed'; readonly welcome: Welcome }
  | { readonly kind: 'send'; readonly message: Message }
  | { readonly kind: 'deliver'; readonly messages: readonly Taken[] }
  /** Replaces the deadline. */
  | { readonly kind: 'arm'; readonly ms: number }
  /** Forgets what waits to be sent. */
  | { readonly kind: 'drop' }
  /** Whoever uses the session is told of its end. `final`: another session would end the same way. */
  | { readonly kind: 'ended'; readonly reason: TendrilError; readonly final: boolean }
  /** Closes the link; no deadline is armed any more. */
  | { readonly kind: 'close'; readonly reason: string };

export interface Transition<Taken> {
  readonly state: SessionState;
  readonly effects: readonly Effect<Taken>[];
}

type StateOf<P extends Phase> = Extract<SessionState, { readonly phase: P }>;
type EventOf<K extends EventKind> = Extract<SessionEvent, { readonly kind: K }>;

/** A role's table. `P`: its phases, `K`: what can happen to it, `Taken`: what it takes. */
export type Rules<P extends Phase, K extends EventKind, Taken> = {
  readonly [InPhase in P]: {
    readonly [On in K]: (state: StateOf<InPhase>, event: EventOf<On>) => Transition<Taken>;
  };
};

/** A session of one role, as its shell runs it. */
export interface Machine<Taken> {
  readonly step: (state: SessionState, event: SessionEvent) => Transition<Taken>;
}

export function createMachine<P extends Phase, K extends EventKind, Taken>(rules: Rules<P, K, Taken>): Machine<Taken> {
  type Rule = (state: SessionState, event: SessionEvent) => Transition<Taken>;
  // Which rule takes which state and event stands in the type of the table; a look-up by two unions forgets it.
  const table = rules as unknown as Readonly<Record<Phase, Readonly<Record<EventKind, Rule>>>>;
  return { step: (state, event) => table[state.phase][event.kind](state, event) };
}

/** All of one frame, heard as one: what is delivered of it one after the other is delivered together. */
export function stepFrame<Taken>(
  machine: Machine<Taken>,
  before: SessionState,
  messages: readonly Message[],
): Transition<Taken> {
  const heard = machine.step(before, { kind: 'heard' });
  let { state } = heard;
  const effects: Effect<Taken>[] = [...heard.effects];
  let delivered: Taken[] | null = null;
  for (const message of messages) {
    const transition = machine.step(state, eventOf(message));
    state = transition.state;
    for (const effect of transition.effects) {
      if (effect.kind !== 'deliver') {
        delivered = null;
        effects.push(effect);
      } else if (delivered === null) {
        delivered = [...effect.messages];
        effects.push({ kind: 'deliver', messages: delivered });
      } else {
        delivered.push(...effect.messages);
      }
    }
  }
  return { state, effects };
}

/** What a message is to a session. */
function eventOf(message: Message): SessionEvent {
  switch (message.kind) {
    case 'hello':
    case 'welcome':
    case 'refuse':
    case 'bye':
    case 'ping':
    case 'pong':
      return message;
    case 'describe':
    case 'subscribe':
    case 'unsubscribe':
    case 'hold':
    case 'release':
    case 'upload':
    case 'ask':
    case 'log':
    case 'offer':
      return { kind: 'request', request: message };
    case 'described':
    case 'chunk':
    case 'denied':
    case 'unsubscribed':
    case 'held':
    case 'released':
    case 'step':
    case 'refused':
    case 'rebase':
    case 'answer':
    case 'unanswered':
    case 'at':
    case 'unreadable':
    case 'logged':
    case 'taken':
    case 'pending':
    case 'withdrawn':
    case 'linked':
      return { kind: 'said', said: message };
  }
}
