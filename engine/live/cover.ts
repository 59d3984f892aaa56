/**
 * Cover: whether this node holds what a live query asks for. A durable node holds everything, always.
 */
import type { TendrilError } from '../../errors.ts';

/** `total`: as far as the upstream has counted. */
export interface Progress {
  readonly received: number;
  readonly total: number | null;
}

export interface Cover {
  /**
   * `complete`: all of it is held. `syncing`: the upstream is being asked. `offline`: it cannot be. `denied`: it said no.
   * `local`: nobody is asked, what is held is all that was asked for.
   */
  readonly status: 'complete' | 'syncing' | 'offline' | 'denied' | 'local';
  /** Why it is offline or denied. */
  readonly error: TendrilError | null;
  /** While rows are coming: how many have. Null otherwise. */
  readonly progress: Progress | null;
  /** Calls `task` once, when it is known that there are rows to show (also while offline: those held) or none to be had. */
  readonly whenAnswered: (task: () => void) => void;
  /**
   * Calls `task` once, when this node has rows of it to show though the answer is not here: those held from before, or
   * written here. Not at all where the answer comes first.
   */
  readonly whenHeld: (task: () => void) => void;
  /** Calls `stirred` whenever status, error or progress may have changed. Returns what stops it. */
  readonly watch: (stirred: () => void) => () => void;
  /** The live query has ended, or asks for something else. */
  readonly leave: () => void;
}

export const COMPLETE: Cover = {
  status: 'complete',
  error: null,
  progress: null,
  whenAnswered: (task) => task(),
  whenHeld: () => undefined,
  watch: () => () => undefined,
  leave: () => undefined,
};

export const LOCAL: Cover = { ...COMPLETE, status: 'local' };
