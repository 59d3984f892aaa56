/** Relay desk: what all sessions of one relay share. */

import type { TendrilError } from '../../errors.ts';
import type { Core } from '../core.ts';
import type { UploadLoad } from '../feed/uploads/upload-load.ts';
import type { Reader } from '../reader.ts';
import type { Answer, FeedSession, Peer } from '../stream.ts';
import type { QuarantinedRow } from '../upstream/confirming/quarantine.ts';
import type { Following } from '../upstream/following/following.ts';
import type { HeldIds } from '../upstream/following/held-ids.ts';
import type { Question } from '../upstream/session/asking.ts';
import type { Brought } from './forwarding.ts';
import type { Pins } from './pins.ts';
import type { RelaySession } from './relay-session.ts';

/** As a follower asked it: what it concerns is not known yet. */
export type RelayedQuestion = Pick<Question, 'collection' | 'text' | 'parameters'>;

export interface RelayDesk {
  readonly core: Core;
  readonly reader: Reader;
  readonly following: Following;
  readonly heldIds: HeldIds;
  readonly pins: Pins;
  readonly load: UploadLoad;
  /**
   * Ends those that hold the most ids until there is room for `more`.
   *
   * - `own`: how many the one who asks would hold then.
   *
   * @throws {TendrilError} `limit-exceeded` where that one would hold the most: it is to be ended.
   */
  readonly makeRoomForIds: (own: number, more: number) => void;
  /** Why rows of a collection cannot be exchanged with the upstream, or null. */
  readonly refusalOf: (collection: string) => TendrilError | null;
  /** Rows that this node's upstream, or this node, cannot read. */
  readonly unreadable: () => readonly QuarantinedRow[];
  readonly openFeed: (peer: Peer) => FeedSession;
  /** A session with the upstream exists, or the first is being made. */
  readonly isOnline: () => boolean;
  /** What this node holds is as its upstream has it, and that is reached. */
  readonly isLinked: () => boolean;
  /** Why it is not. */
  readonly linkError: () => TendrilError | null;
  readonly joined: (session: RelaySession) => void;
  /** @throws {TendrilError} `identity-clash` where something else is on its way under its id. */
  readonly checkBrought: (brought: Brought) => void;
  readonly forward: (session: RelaySession, brought: Brought) => void;
  /** @throws {TendrilError} (rejects) why there is no answer. */
  readonly ask: (session: RelaySession, question: RelayedQuestion) => Promise<Answer>;
  readonly forget: (session: RelaySession) => void;
}
