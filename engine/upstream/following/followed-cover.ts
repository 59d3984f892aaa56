/** Followed cover: what one user of a followed selection sees of it, until it leaves. */
import type { Cover } from '../../live/cover.ts';
import type { Overlay } from '../overlay/overlay.ts';
import type { ConnectionState } from '../session/connection.ts';
import type { Followed } from './followed.ts';

export interface FollowedCoverParts {
  readonly connection: () => ConnectionState;
  readonly overlay: Overlay;
}

/** - `left`: called once. */
export function coverOf(followed: Followed, { connection, overlay }: FollowedCoverParts, left: () => void): Cover {
  const isAnswered = () => followed.state === 'complete' && connection().whole;
  let hasLeft = false;
  /** Somebody has waited for its answer. */
  let isAwaited = false;
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
      return followed.state === 'denied' ? followed.error : connection().error;
    },
    whenAnswered: (task) => {
      // It was told before that none will come for now, and will not be told again.
      const isKnown = !isAwaited && followed.isUnanswered && !connection().answers;
      isAwaited = true;
      if (followed.state === 'denied' || !connection().online || isAnswered() || isKnown) task();
      else followed.waiting.push(task);
    },
    whenHeld: (task) => {
      if (followed.hasRows || overlay.isPending(followed.entry.collection.name)) task();
      else followed.unshown.push(task);
    },
    watch: (stirred) => {
      followed.watchers.add(stirred);
      return () => void followed.watchers.delete(stirred);
    },
    leave: () => {
      if (hasLeft) return;
      hasLeft = true;
      left();
    },
  };
}
