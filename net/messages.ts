/**
 * Messages: everything that travels between two nodes, as plain data. The stream's own (engine/stream.ts) go
 * unchanged; here are those by which a session begins, stays alive and ends.
 *
 * `net/codec.ts` makes bytes of them and `docs/protocol.md` describes those bytes for other implementations.
 */
import type { Request, Said, Welcome } from '../engine/index.ts';
import type { TendrilError } from '../errors.ts';
import type { Cursor, NodeId, SystemId } from '../storage/index.ts';

/** Fixes the kinds of message, their fields and the order of those. Another number is another language. */
export const PROTOCOL_VERSION = 2;

/** Of a hello's fields, those that are the same in every version of the protocol, so that versions can be compared. */
export const HELLO_SHARED_FIELDS = 5;

/** First from the follower. Its first HELLO_SHARED_FIELDS fields are the same in every version; of another's no more is read. */
export interface Hello {
  readonly kind: 'hello';
  readonly protocol: number;
  readonly node: NodeId;
  readonly author: string;
  /** Null until it has adopted one. */
  readonly system: SystemId | null;
  /** What `authenticate` is asked about; null if it has none. */
  readonly credential: string | null;
  /** See `Greeting.cursor`. Null of another version's. */
  readonly cursor: Cursor | null;
}

/** The authority's answer to a `hello` it lets in. */
export interface WelcomeMessage extends Welcome {
  readonly kind: 'welcome';
}

/** The authority's answer to a `hello` it does not let in. Final: the same hello would be refused again. */
export interface Refuse {
  readonly kind: 'refuse';
  readonly error: TendrilError;
}

/** The last message of whoever ends the session; `error` says why, null where nothing went wrong. */
export interface Bye {
  readonly kind: 'bye';
  readonly error: TendrilError | null;
}

/** Asks for a `pong`, from either side, at any time after the welcome. */
export interface Ping {
  readonly kind: 'ping';
}

export interface Pong {
  readonly kind: 'pong';
}

export type Message = Request | Said | Hello | WelcomeMessage | Refuse | Bye | Ping | Pong;
export type MessageKind = Message['kind'];
