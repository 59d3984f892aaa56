/** The session machines: every phase × every event of both roles, by hand; and what holds whatever happens. */
import { describe, expect, test } from 'vitest';
import { TendrilError } from '../../errors.ts';
import { authorityMachine } from '../../net/authority-session.ts';
import { followerMachine } from '../../net/follower-session.ts';
import {
  MAX_CLOSE_MS,
  MAX_HELLO_MS,
  MAX_IDLE_MS,
  MAX_JUDGING_MS,
  MAX_PAUSE_MS,
  MAX_WELCOME_MS,
  PING_AFTER_MS,
} from '../../net/limits.ts';
import { type Hello, PROTOCOL_VERSION } from '../../net/messages.ts';
import {
  type Effect,
  type EventKind,
  type Machine,
  type Phase,
  type SessionEvent,
  type SessionState,
  stepFrame,
} from '../../net/session.ts';
import type { SystemId } from '../../storage/index.ts';
import { createRandom, runs, seedFor } from '../support/random.ts';
import { step, subscribe, WELCOME } from './fake-authority.ts';

const error = new TendrilError({ code: 'offline', problem: 'Gone.', remedy: 'Wait.' });
const welcome = { ...WELCOME, author: 'ana' };
const hello: Hello = {
  kind: 'hello',
  protocol: PROTOCOL_VERSION,
  node: WELCOME.node,
  author: 'ana',
  system: null,
  credential: null,
  cursor: null,
};

const EVENTS: { readonly [Kind in EventKind]: Extract<SessionEvent, { readonly kind: Kind }> } = {
  opened: { kind: 'opened' },
  heard: { kind: 'heard' },
  hello,
  welcome: { kind: 'welcome', ...welcome },
  refuse: { kind: 'refuse', error },
  bye: { kind: 'bye', error: null },
  ping: { kind: 'ping' },
  pong: { kind: 'pong' },
  request: { kind: 'request', request: subscribe(1) },
  said: { kind: 'said', said: step(1) },
  admitted: { kind: 'admitted', welcome },
  rejected: { kind: 'rejected', error, final: true },
  paused: { kind: 'paused' },
  resumed: { kind: 'resumed' },
  timeout: { kind: 'timeout' },
  broken: { kind: 'broken', error },
  overflow: { kind: 'overflow', error },
  leave: { kind: 'leave', error: null },
  emptied: { kind: 'emptied' },
  lost: { kind: 'lost', error },
};
const STATES: { readonly [InPhase in Phase]: Extract<SessionState, { readonly phase: InPhase }> } = {
  opening: { phase: 'opening' },
  greeting: { phase: 'greeting' },
  judging: { phase: 'judging', hello },
  open: { phase: 'open', pinged: false, pausedMs: null },
  closing: { phase: 'closing', reason: error },
  closed: { phase: 'closed' },
};

const END = 'closed: ended close';
/** Told at once here, and to the other side. */
const QUIT = 'closing: arm bye ended';
const CUT = 'closing: drop arm bye ended';
const STAY = '-';
const IGNORED: Row = {
  ...{ opened: STAY, heard: STAY, hello: STAY, welcome: STAY, refuse: STAY, bye: STAY, ping: STAY, pong: STAY },
  ...{ request: STAY, said: STAY, admitted: STAY, rejected: STAY, timeout: STAY, broken: STAY, overflow: STAY },
  ...{ paused: STAY, resumed: STAY, leave: STAY, emptied: STAY, lost: STAY },
};
/** What each message does where none is awaited, on an open link. */
const NO_MESSAGE = {
  hello: QUIT,
  welcome: QUIT,
  refuse: QUIT,
  bye: QUIT,
  ping: QUIT,
  pong: QUIT,
  request: QUIT,
  said: QUIT,
};
const CLOSING: Row = { ...IGNORED, timeout: END, emptied: END, lost: END };
const UNOPENED: Row = {
  ...IGNORED,
  ...{ hello: END, welcome: END, refuse: END, bye: END, ping: END, pong: END, request: END, said: END },
  ...{ timeout: END, broken: END, overflow: END, leave: END, lost: END },
};

type Row = Readonly<Record<EventKind, string>>;

const FOLLOWER: Readonly<Record<Exclude<Phase, 'judging'>, Row>> = {
  opening: { ...UNOPENED, opened: 'greeting: arm greet' },
  greeting: {
    ...IGNORED,
    ...NO_MESSAGE,
    welcome: 'open: arm welcomed',
    refuse: END,
    bye: END,
    timeout: QUIT,
    broken: QUIT,
    overflow: CUT,
    leave: END,
    lost: END,
  },
  open: {
    ...IGNORED,
    ...NO_MESSAGE,
    heard: 'open: arm',
    bye: END,
    ping: 'open: pong',
    pong: STAY,
    said: 'open: deliver',
    timeout: 'open: ping arm',
    broken: QUIT,
    overflow: CUT,
    leave: 'closing: arm bye',
    lost: END,
  },
  closing: CLOSING,
  closed: IGNORED,
};

const AUTHORITY: Readonly<Record<Phase, Row>> = {
  opening: { ...UNOPENED, opened: 'greeting: arm' },
  greeting: {
    ...IGNORED,
    ...NO_MESSAGE,
    hello: 'judging: arm judge',
    bye: END,
    timeout: QUIT,
    broken: QUIT,
    overflow: CUT,
    leave: QUIT,
    lost: END,
  },
  judging: {
    ...IGNORED,
    ...NO_MESSAGE,
    bye: END,
    admitted: 'open: arm welcome welcomed',
    rejected: 'closing: arm refuse ended',
    timeout: QUIT,
    broken: QUIT,
    overflow: CUT,
    leave: QUIT,
    lost: END,
  },
  open: {
    ...IGNORED,
    ...NO_MESSAGE,
    heard: 'open: arm',
    bye: END,
    ping: 'open: pong',
    pong: STAY,
    request: 'open: deliver',
    paused: 'open: arm',
    timeout: 'open: ping arm',
    broken: QUIT,
    overflow: CUT,
    leave: QUIT,
    lost: END,
  },
  closing: CLOSING,
  closed: IGNORED,
};

function told<Taken>(machine: Machine<Taken>, before: SessionState, event: SessionEvent): string {
  const { state, effects } = machine.step(before, event);
  const words = effects.map((effect) => (effect.kind === 'send' ? effect.message.kind : effect.kind));
  return state.phase === before.phase && words.length === 0 ? STAY : `${state.phase}: ${words.join(' ')}`;
}

/** The follower is never told what was decided of a hello, and takes all it is told: its table has no rules for that. */
const isFollowers = (kind: string) => !['admitted', 'rejected', 'paused', 'resumed'].includes(kind);

describe('the table of the follower', () => {
  for (const [phase, row] of Object.entries(FOLLOWER) as [Phase, Row][]) {
    test.each((Object.entries(row) as [EventKind, string][]).filter(([kind]) => isFollowers(kind)))(
      `${phase} × %s gives %s`,
      (kind, expected) => expect(told(followerMachine, STATES[phase], EVENTS[kind])).toBe(expected),
    );
  }
});

describe('the table of the authority', () => {
  for (const [phase, row] of Object.entries(AUTHORITY) as [Phase, Row][]) {
    test.each(Object.entries(row) as [EventKind, string][])(`${phase} × %s gives %s`, (kind, expected) =>
      expect(told(authorityMachine, STATES[phase], EVENTS[kind])).toBe(expected),
    );
  }
});

function armed<Taken>({ effects }: { readonly effects: readonly Effect<Taken>[] }): number | undefined {
  return effects.flatMap((effect) => (effect.kind === 'arm' ? [effect.ms] : []))[0];
}

test('every deadline is the one that is promised', () => {
  const follower = (phase: Phase, kind: EventKind) => armed(followerMachine.step(STATES[phase], EVENTS[kind]));
  const authority = (phase: Phase, kind: EventKind) => armed(authorityMachine.step(STATES[phase], EVENTS[kind]));
  expect(authority('opening', 'opened')).toBe(MAX_HELLO_MS);
  expect(authority('greeting', 'hello')).toBe(MAX_JUDGING_MS);
  expect(follower('opening', 'opened')).toBe(MAX_WELCOME_MS);
  for (const side of [follower, authority]) {
    expect(side('open', 'heard')).toBe(PING_AFTER_MS);
    expect(side('open', 'timeout')).toBe(MAX_IDLE_MS - PING_AFTER_MS);
    expect(side('open', 'leave')).toBe(MAX_CLOSE_MS);
  }
});

test('silence after a ping ends the session, and a sign of life in between does not', () => {
  for (const machine of [followerMachine, authorityMachine] as readonly Machine<unknown>[]) {
    const pinged: SessionState = { phase: 'open', pinged: true, pausedMs: null };
    expect(told(machine, pinged, { kind: 'timeout' })).toBe(END);
    const { state } = machine.step(pinged, { kind: 'heard' });
    expect(told(machine, state, { kind: 'timeout' })).toBe('open: ping arm');
  }
});

test('silence of its own making does not end a session: it is pinged all the while, up to the limit', () => {
  const { step: next } = authorityMachine;
  let transition = next({ phase: 'open', pinged: true, pausedMs: null }, { kind: 'paused' });
  expect(armed(transition)).toBe(PING_AFTER_MS);
  for (let pausedMs = PING_AFTER_MS; pausedMs < MAX_PAUSE_MS; pausedMs += PING_AFTER_MS) {
    expect(told(authorityMachine, transition.state, { kind: 'timeout' })).toBe('open: ping arm');
    transition = next(transition.state, { kind: 'timeout' });
    expect([transition.state, armed(transition)]).toEqual([{ phase: 'open', pinged: false, pausedMs }, PING_AFTER_MS]);
    expect(next(transition.state, { kind: 'paused' }).state).toBe(transition.state);
  }
  expect(next(transition.state, { kind: 'resumed' })).toEqual({
    state: STATES.open,
    effects: [{ kind: 'arm', ms: PING_AFTER_MS }],
  });
  const over = next(transition.state, { kind: 'timeout' });
  expect(over.effects.map(({ kind }) => kind)).toEqual(['arm', 'send', 'ended']);
  expect(ends(over.effects)).toEqual([['offline', false]]);
});

test('another version of the protocol and another system are refused by name, for good', () => {
  const future = authorityMachine.step(STATES.greeting, { ...hello, protocol: PROTOCOL_VERSION + 1 });
  expect(ends(future.effects)).toEqual([['protocol-mismatch', true]]);
  const foreign: SessionState = {
    phase: 'judging',
    hello: { ...hello, system: '01J0000000000000000000TH3R' as SystemId },
  };
  const other = authorityMachine.step(foreign, { kind: 'admitted', welcome });
  expect(ends(other.effects)).toEqual([['system-mismatch', true]]);
  const same: SessionState = { phase: 'judging', hello: { ...hello, system: welcome.system } };
  expect(authorityMachine.step(same, { kind: 'admitted', welcome }).state.phase).toBe('open');
});

test('a refusal is final at the follower whatever its code; a goodbye only where the next would end the same way', () => {
  const refused = followerMachine.step(STATES.greeting, { kind: 'refuse', error });
  expect(ends(refused.effects)).toEqual([['offline', true]]);
  const bye = (code: TendrilError['code']) =>
    ends(followerMachine.step(STATES.open, { kind: 'bye', error: new TendrilError({ ...error, code }) }).effects);
  expect(bye('limit-exceeded')).toEqual([['limit-exceeded', false]]);
  expect(bye('protocol-violation')).toEqual([['protocol-violation', true]]);
  expect(ends(followerMachine.step(STATES.open, { kind: 'bye', error: null }).effects)).toEqual([['offline', false]]);
});

function ends<Taken>(effects: readonly Effect<Taken>[]) {
  return effects.flatMap((effect) => (effect.kind === 'ended' ? [[effect.reason.code, effect.final]] : []));
}

describe('a frame', () => {
  test('is heard once, and its messages are delivered together', () => {
    const messages = [step(1), step(2), step(3)];
    const { effects } = stepFrame(followerMachine, STATES.open, messages);
    expect(effects.map(({ kind }) => kind)).toEqual(['arm', 'deliver']);
    expect(effects[1]).toEqual({ kind: 'deliver', messages });
  });

  test('keeps the order of what lies between its messages', () => {
    const { effects } = stepFrame(followerMachine, STATES.open, [step(1), { kind: 'ping' }, step(2)]);
    expect(effects.map(({ kind }) => kind)).toEqual(['arm', 'deliver', 'send', 'deliver']);
  });

  test('with a welcome and news behind it is taken whole', () => {
    const messages = [{ kind: 'welcome', ...welcome } as const, step(8)];
    const { effects, state } = stepFrame(followerMachine, STATES.greeting, messages);
    expect(effects.map(({ kind }) => kind)).toEqual(['arm', 'welcomed', 'deliver']);
    expect(state.phase).toBe('open');
  });

  test('with two hellos, or a request behind the hello, is refused: nothing is taken of it', () => {
    for (const second of [hello, subscribe(1)]) {
      const { effects, state } = stepFrame(authorityMachine, STATES.greeting, [hello, second, subscribe(2)]);
      expect(effects.map(({ kind }) => kind)).toEqual(['arm', 'judge', 'arm', 'send', 'ended']);
      expect(ends(effects)).toEqual([['protocol-violation', true]]);
      expect(state).toEqual({ phase: 'closing', reason: null });
      expect(authorityMachine.step(state, { kind: 'admitted', welcome })).toEqual({ state, effects: [] });
    }
  });
});

test('whatever happens in whatever order: one end, one close, nothing after, and a deadline until then', () => {
  const random = createRandom(seedFor('session'));
  const kinds = Object.keys(EVENTS) as EventKind[];
  const roles = [
    { machine: followerMachine as Machine<unknown>, own: kinds.filter(isFollowers) },
    { machine: authorityMachine as Machine<unknown>, own: kinds },
  ];
  for (let run = 0; run < runs(20_000); run += 1) {
    const { machine, own } = random.pick(roles);
    let state: SessionState = { phase: 'opening' };
    const done: string[] = [];
    for (let count = 0; count < 30; count += 1) {
      const before: SessionState = state;
      const transition = machine.step(state, EVENTS[random.pick(own)]);
      state = transition.state;
      const now = transition.effects.map(({ kind }) => kind);
      done.push(...now);
      if (state.phase !== before.phase && state.phase !== 'closed') expect(now).toContain('arm');
      if (before.phase === 'closed') expect(now).toEqual([]);
      if (before.phase === 'closing') expect(now).not.toContain('deliver');
    }
    const count = (kind: string) => done.filter((each) => each === kind).length;
    expect(count('close')).toBe(state.phase === 'closed' ? 1 : 0);
    expect(count('ended')).toBeLessThanOrEqual(1);
    if (state.phase === 'closed') {
      expect(count('ended')).toBe(1);
      expect(done.at(-1)).toBe('close');
    }
  }
});
