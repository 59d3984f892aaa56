/**
 * Cover: whether this node holds what a live query asks for. A durable node holds everything, always.
 */
export interface Cover {
  /** `complete`: all of it is held. `syncing`: the upstream is being asked. `offline`: it cannot be. `denied`: it said no. */
  readonly status: 'complete' | 'syncing' | 'offline' | 'denied';
  /** Why it is offline or denied. */
  readonly error: unknown;
  /** Calls `task` once, when it is known that there are rows to show (also while offline: those held) or none to be had. */
  readonly whenAnswered: (task: () => void) => void;
  /** The live query has ended, or asks for something else. */
  readonly leave: () => void;
}

export const COMPLETE: Cover = {
  status: 'complete',
  error: null,
  whenAnswered: (task) => task(),
  leave: () => undefined,
};
