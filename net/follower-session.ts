/** The follower's table: it opens the link, says hello, is welcomed, and from then on asks and is told. */
import type { Said } from '../engine/index.ts';
import { closed, closing } from './ending.ts';
import { MAX_CLOSE_MS, MAX_WELCOME_MS, PING_AFTER_MS } from './limits.ts';
import { createMachine, type EventKind, type Phase, type Rules } from './session.ts';
import { ended, offline } from './session-errors.ts';
import {
  answerPing,
  become,
  broken,
  cutOff,
  end,
  LISTENING,
  listenOn,
  over,
  premature,
  quit,
  silent,
  stay,
  violated,
} from './transitions.ts';

export type FollowerPhase = Exclude<Phase, 'judging'>;
export type FollowerEvent = Exclude<EventKind, 'admitted' | 'rejected' | 'paused' | 'resumed'>;

const leave = ({ error }: { readonly error: Parameters<typeof end>[0] | null }) =>
  end(error ?? ended('The session was closed here.'));
const dismissed = ({ error }: { readonly error: Parameters<typeof end>[0] | null }) =>
  end(error ?? offline('The server ended the session.'));

const rules: Rules<FollowerPhase, FollowerEvent, Said> = {
  opening: {
    opened: () => become({ phase: 'greeting' }, { kind: 'arm', ms: MAX_WELCOME_MS }, { kind: 'greet' }),
    heard: stay,
    hello: premature,
    welcome: premature,
    refuse: premature,
    bye: premature,
    ping: premature,
    pong: premature,
    request: premature,
    said: premature,
    timeout: () => end(offline('The link could not be opened in time.')),
    broken: over,
    overflow: over,
    leave: (_, event) => leave(event),
    emptied: stay,
    lost: over,
  },
  greeting: {
    opened: stay,
    heard: stay,
    hello: violated,
    welcome: (_, { kind: _kind, ...welcome }) =>
      become(LISTENING, { kind: 'arm', ms: PING_AFTER_MS }, { kind: 'welcomed', welcome }),
    refuse: (_, { error }) => end(error, true),
    bye: (_, event) => dismissed(event),
    ping: violated,
    pong: violated,
    request: violated,
    said: violated,
    timeout: () => quit(offline('The server did not answer the greeting in time.')),
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
    request: violated,
    said: (state, { said }) => become(state, { kind: 'deliver', messages: [said] }),
    timeout: silent,
    broken,
    overflow: (_, { error }) => cutOff(error),
    leave: (_, { error }) =>
      error === null
        ? become(
            { phase: 'closing', reason: ended('The session was closed here.') },
            { kind: 'arm', ms: MAX_CLOSE_MS },
            { kind: 'send', message: { kind: 'bye', error: null } },
          )
        : quit(error),
    emptied: stay,
    lost: over,
  },
  closing,
  closed,
};

export const followerMachine = createMachine(rules);
