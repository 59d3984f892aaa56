/** The authority's table: it waits for a hello, has it judged, welcomes, and from then on takes requests. */
import type { Request } from '../engine/index.ts';
import type { TendrilError } from '../errors.ts';
import { closed, closing } from './ending.ts';
import { MAX_CLOSE_MS, MAX_HELLO_MS, MAX_JUDGING_MS, PING_AFTER_MS } from './limits.ts';
import { type Hello, PROTOCOL_VERSION } from './messages.ts';
import { createMachine, type EventKind, type Phase, type Rules, type Transition } from './session.ts';
import { ended, offline, otherProtocol, otherSystem } from './session-errors.ts';
import {
  answerPing,
  become,
  broken,
  cutOff,
  end,
  LISTENING,
  listenOn,
  over,
  pause,
  premature,
  quit,
  resume,
  silent,
  stay,
  violated,
} from './transitions.ts';

/** Not let in: told why, for good. */
function refuse(error: TendrilError): Transition<never> {
  return become(
    { phase: 'closing', reason: null },
    { kind: 'arm', ms: MAX_CLOSE_MS },
    { kind: 'send', message: { kind: 'refuse', error } },
    { kind: 'ended', reason: error, final: true },
  );
}

function judge(hello: Hello): Transition<never> {
  if (hello.protocol !== PROTOCOL_VERSION) return refuse(otherProtocol(hello.protocol, PROTOCOL_VERSION));
  return become({ phase: 'judging', hello }, { kind: 'arm', ms: MAX_JUDGING_MS }, { kind: 'judge', hello });
}

/** Whatever was being waited for, this side ends it; with a word to the other. */
function leave({ error }: { readonly error: TendrilError | null }): Transition<never> {
  if (error !== null) return quit(error);
  return become(
    { phase: 'closing', reason: null },
    { kind: 'arm', ms: MAX_CLOSE_MS },
    { kind: 'send', message: { kind: 'bye', error: null } },
    { kind: 'ended', reason: ended('The session was closed here.'), final: false },
  );
}

const dismissed = ({ error }: { readonly error: TendrilError | null }) =>
  end(error ?? ended('The follower ended the session.'));

const rules: Rules<Phase, EventKind, Request> = {
  opening: {
    opened: () => become({ phase: 'greeting' }, { kind: 'arm', ms: MAX_HELLO_MS }),
    heard: stay,
    hello: premature,
    welcome: premature,
    refuse: premature,
    bye: premature,
    ping: premature,
    pong: premature,
    request: premature,
    said: premature,
    admitted: stay,
    rejected: stay,
    paused: stay,
    resumed: stay,
    timeout: () => end(offline('The link could not be opened in time.')),
    broken: over,
    overflow: over,
    leave: (_, { error }) => end(error ?? ended('The session was closed here.')),
    emptied: stay,
    lost: over,
  },
  greeting: {
    opened: stay,
    heard: stay,
    hello: (_, hello) => judge(hello),
    welcome: violated,
    refuse: violated,
    bye: (_, event) => dismissed(event),
    ping: violated,
    pong: violated,
    request: violated,
    said: violated,
    admitted: stay,
    rejected: stay,
    paused: stay,
    resumed: stay,
    timeout: () => quit(offline(`No hello came within ${MAX_HELLO_MS / 1_000} s.`)),
    broken,
    overflow: (_, { error }) => cutOff(error),
    leave: (_, event) => leave(event),
    emptied: stay,
    lost: over,
  },
  judging: {
    opened: stay,
    heard: stay,
    hello: violated,
    welcome: violated,
    refuse: violated,
    bye: (_, event) => dismissed(event),
    ping: violated,
    pong: violated,
    request: violated,
    said: violated,
    admitted: ({ hello }, { welcome }) => {
      if (hello.system !== null && hello.system !== welcome.system) {
        return refuse(otherSystem(hello.system, welcome.system));
      }
      return become(
        LISTENING,
        { kind: 'arm', ms: PING_AFTER_MS },
        { kind: 'send', message: { kind: 'welcome', ...welcome } },
        { kind: 'welcomed', welcome },
      );
    },
    // What could not be decided now is told as what may pass.
    rejected: (_, { error, final }) => (final ? refuse(error) : quit(error)),
    paused: stay,
    resumed: stay,
    timeout: () => quit(offline('The server did not decide in time whether to let this node in.')),
    broken,
    overflow: (_, { error }) => cutOff(error),
    leave: (_, event) => leave(event),
    emptied: stay,
    lost: over,
  },
  open: {
    opened: stay,
    heard: listenOn,
    hello: violated,
    welcome: violated,
    refuse: violated,
    bye: (_, event) => dismissed(event),
    ping: answerPing,
    pong: stay,
    request: (state, { request }) => become(state, { kind: 'deliver', messages: [request] }),
    said: violated,
    admitted: stay,
    rejected: stay,
    paused: pause,
    resumed: resume,
    timeout: silent,
    broken,
    overflow: (_, { error }) => cutOff(error),
    leave: (_, event) => leave(event),
    emptied: stay,
    lost: over,
  },
  closing,
  closed,
};

export const authorityMachine = createMachine(rules);
