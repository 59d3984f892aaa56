/** An authority small enough to see through: it remembers what it was asked, and says what a test tells it to. */
import type { FeedSession, Peer, Request, Said, Step, Welcome } from '../../engine/index.ts';
import { TendrilError } from '../../errors.ts';
import type { Authority } from '../../net/serve-session.ts';
import type { Position } from '../../storage/index.ts';

export const WELCOME: Omit<Welcome, 'author'> = {
  system: '01J000000000000000000SYSTM' as Welcome['system'],
  node: '01J0000000000000000000N0DE' as Welcome['node'],
  epoch: '01J000000000000000000EP0CH' as Welcome['epoch'],
  position: 7 as Position,
  time: 1_704_067_200_000,
  maxId: null,
  resumes: false,
};

export interface FakeSession {
  readonly peer: Peer;
  readonly taken: Request[];
  isClosed: boolean;
  /** It takes what comes, and then no more. */
  isFull: boolean;
  /** Said by `pull`, one at a time. */
  readonly toPull: Said[];
}

export interface FakeAuthority extends Authority {
  readonly sessions: FakeSession[];
  /** Says it to every session that is open. */
  readonly say: (said: Said) => void;
}

/** A request named `fail` makes it throw what a feed throws at a hostile peer; one named `bug`, what none should. */
export function fakeAuthority(): FakeAuthority {
  const sessions: FakeSession[] = [];
  return {
    role: 'durable',
    sessions,
    say: (said) => {
      for (const { peer, isClosed } of sessions) if (!isClosed) peer.say(said);
    },
    follow: (peer): FeedSession => {
      const session: FakeSession = { peer, taken: [], isClosed: false, isFull: false, toPull: [] };
      sessions.push(session);
      return {
        welcome: () => ({ ...WELCOME, author: peer.author }),
        take: (request) => {
          session.taken.push(request);
          if (request.kind !== 'subscribe') return !session.isFull;
          if (request.collection === 'fail')
            throw new TendrilError({ code: 'protocol-violation', problem: 'No.', remedy: 'None.' });
          if (request.collection === 'bug') throw new RangeError('a bug');
          return !session.isFull;
        },
        pull: () => {
          const said = session.toPull.shift();
          if (said === undefined) return false;
          peer.say(said);
          return session.toPull.length > 0;
        },
        close: () => {
          session.isClosed = true;
        },
      };
    },
  };
}

export function subscribe(subscription: number, collection = 'flight'): Request {
  return { kind: 'subscribe', subscription, collection, text: 'origin = ?', parameters: ['SFO'], had: null };
}

/** A step with one row of `bytes` bytes. */
export function step(position: number, bytes = 100): Step {
  const row = new Uint8Array(bytes).fill(position);
  return {
    kind: 'step',
    position: position as Position,
    parts: [{ kind: 'whole', collection: 'flight', row }],
    edges: [],
    settled: null,
  };
}

export function chunk(subscription: number, bytes: number, last = false): Said {
  const rows = [new Uint8Array(bytes)];
  const none = { basis: 'nothing', left: [], differing: new Uint8Array(0), total: null } as const;
  return { kind: 'chunk', subscription, selection: 1, position: 7 as Position, rows, ...none, last, edge: null };
}
