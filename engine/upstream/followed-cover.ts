/** Followed cover: what one user of a followed selection sees of it, until it leaves. */
import type { Cover } from '../live/cover.ts';
import type { Followed } from './followed.ts';

export interface ConnectionState {
  /** A session exists or is being made; if not, `error` says why. */
  readonly online: boolean;
  /** And no relay on the way is cut off. */
  readonly reaches: boolean;
  readonly error: unknown;
  /** All that was asked for at the session's begin has come. */
  readonly whole: boolean;
  /** Not yet: the session has begun. */
  readonly resyncing: boolean;
}

/** - `left`: called once. */
export function coverOf(followed: Followed, connection: () => ConnectionState, left: () => void): Cover {
  const isAnswered = () => followed.state === 'complete' && connection().whole;
  let hasLeft = false;
  return {
    get status() {
      if (followed.state === 'denied') return 'denied';
      if (!connection().reaches) return 'offline';
      return isAnswered() ? 'complete' : 'syncing';
    },
    get progress() {
      return followed.state === 'asking' && connection().online ? followed.progress : null;
    },
    get error() {
      return followed.state === 'denied' || connection().reaches ? followed.error : connection().error;
    },
    whenAnswered: (task) => {
      if (followed.state === 'denied' || !connection().online || isAnswered()) task();
      else followed.waiting.push(task);
    },
    leave: () => {
      if (hasLeft) return;
      hasLeft = true;
      left();
    },
  };
}
