/** Transitions that both roles' tables are made of. */
import type { TendrilError } from '../errors.ts';
import { MAX_CLOSE_MS, MAX_IDLE_MS, MAX_PAUSE_MS, PING_AFTER_MS } from './limits.ts';
import type { Effect, SessionState, Transition } from './session.ts';
import { offline, outOfPlace } from './session-errors.ts';

const NOTHING: readonly never[] = [];

type Open = Extract<SessionState, { readonly phase: 'open' }>;

/** An open session as it begins: all is read, and the silence measured. */
export const LISTENING: Open = { phase: 'open', pinged: false, pausedMs: null };

/** Another session would meet the same. What a server is short of, or a link that broke, may pass. */
function isFinal({ code }: TendrilError): boolean {
  return (
    code === 'protocol-mismatch' ||
    code === 'protocol-violation' ||
    code === 'system-mismatch' ||
    code === 'policy-denied'
  );
}

export function stay(state: SessionState): Transition<never> {
  return { state, effects: NOTHING };
}

export function become<Taken>(state: SessionState, ...effects: readonly Effect<Taken>[]): Transition<Taken> {
  return { state, effects };
}

/** The end at once: the link is of no use any more, or the other side said goodbye. */
export function end(reason: TendrilError, final = isFinal(reason)): Transition<never> {
  return become({ phase: 'closed' }, { kind: 'ended', reason, final }, { kind: 'close', reason: reason.code });
}

/** The end, told at once here, and to the other side with what is still queued before it. */
export function quit(error: TendrilError): Transition<never> {
  return become(
    { phase: 'closing', reason: null },
    { kind: 'arm', ms: MAX_CLOSE_MS },
    { kind: 'send', message: { kind: 'bye', error } },
    { kind: 'ended', reason: error, final: isFinal(error) },
  );
}

/** As `quit`, for one that takes too slowly: what waits for it is forgotten. */
export function cutOff(error: TendrilError): Transition<never> {
  const { state, effects } = quit(error);
  return { state, effects: [{ kind: 'drop' }, ...effects] };
}

/** A message that has no place in this phase. */
export function violated(state: SessionState, event: { readonly kind: string }): Transition<never> {
  return quit(outOfPlace(event.kind, state.phase));
}

/** The same, on a link that is not even open: there is nothing to say it on. */
export function premature(state: SessionState, event: { readonly kind: string }): Transition<never> {
  return end(outOfPlace(event.kind, state.phase));
}

export function broken(_state: SessionState, event: { readonly error: TendrilError }): Transition<never> {
  return quit(event.error);
}

export function over(_state: SessionState, event: { readonly error: TendrilError }): Transition<never> {
  return end(event.error);
}

/** Something was heard in `open`: the silence is measured anew. */
export function listenOn(state: Open): Transition<never> {
  return become({ ...state, pinged: false }, { kind: 'arm', ms: PING_AFTER_MS });
}

export function pause(state: Open): Transition<never> {
  if (state.pausedMs !== null) return stay(state);
  return become({ ...LISTENING, pausedMs: 0 }, { kind: 'arm', ms: PING_AFTER_MS });
}

export function resume(state: Open): Transition<never> {
  if (state.pausedMs === null) return stay(state);
  return become(LISTENING, { kind: 'arm', ms: PING_AFTER_MS });
}

export function silent({ pinged, pausedMs }: Open): Transition<never> {
  if (pausedMs !== null) return stillPaused(pausedMs + PING_AFTER_MS);
  if (pinged) return end(offline(`Nothing was heard for ${MAX_IDLE_MS / 1_000} s.`));
  return become(
    { ...LISTENING, pinged: true },
    { kind: 'send', message: { kind: 'ping' } },
    { kind: 'arm', ms: MAX_IDLE_MS - PING_AFTER_MS },
  );
}

/** What the other side says is not heard now, but it is to hear that somebody is here. */
function stillPaused(pausedMs: number): Transition<never> {
  if (pausedMs >= MAX_PAUSE_MS) {
    return quit(offline(`The server could not take what was sent for ${MAX_PAUSE_MS / 1_000} s.`));
  }
  return become(
    { ...LISTENING, pausedMs },
    { kind: 'send', message: { kind: 'ping' } },
    { kind: 'arm', ms: PING_AFTER_MS },
  );
}

export function answerPing(state: SessionState): Transition<never> {
  return become(state, { kind: 'send', message: { kind: 'pong' } });
}

/** Out of `closing`: all has left, or it did not in time, or the link is gone. */
export function close({ reason }: { readonly reason: TendrilError | null }): Transition<never> {
  if (reason !== null) return end(reason);
  return become({ phase: 'closed' }, { kind: 'close', reason: 'closed' });
}
