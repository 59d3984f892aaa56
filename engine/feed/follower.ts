/** Follower: a session, as what it follows knows it. */
import type { Said } from '../stream.ts';

export interface Follower {
  readonly say: (said: Said) => void;
  /** It cannot be told the truth any more: it ends with `error`. */
  readonly fail: (error: unknown) => void;
}
