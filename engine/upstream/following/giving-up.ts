/**
 * Giving up: when the authority is told that a selection, or an id, is followed no longer.
 *
 * Invariants
 *   - nothing of a collection is given up while another selection of it has been asked for and is not here whole. The
 *     authority tells of a row once for all that follow it: one that the coming selection needs may be here for the other
 *     alone, and one that it lost, and is on its stage, may be kept current for the other alone;
 *   - requests are taken in order, so that nothing is half said by the authority either when it hears of it;
 *   - what is asked for in the place of something that waits waits with it: never are too many followed.
 */
import { TendrilError } from '../../../errors.ts';
import { MAX_FOLLOWED_SELECTIONS } from '../limits.ts';
import type { Followed } from './followed.ts';

export interface GivingUpParts {
  /** All that this session was asked for, and has not heard to be over. */
  readonly open: () => Iterable<Followed>;
  /** There is a session, and what it began with is here. */
  readonly isWhole: () => boolean;
  readonly unsubscribe: (followed: Followed) => void;
  readonly subscribe: (followed: Followed) => void;
}

export class GivingUp {
  readonly #parts: GivingUpParts;
  /** To be given up when nothing comes any more that may count on it, and to be asked for then. */
  #leaving: Followed[] = [];
  #waiting: Followed[] = [];

  constructor(parts: GivingUpParts) {
    this.#parts = parts;
  }

  /** Whether a selection of this collection is on its way, `but` this one. */
  isComing(collection: string, but: Followed | null = null): boolean {
    for (const followed of this.#parts.open()) {
      if (!followed.isHeld && followed !== but && followed.entry.collection.name === collection) return true;
    }
    return false;
  }

  /** Whether something that is coming may count on it. */
  mustWait(followed: Followed): boolean {
    if (!this.#parts.isWhole() || this.#waiting.includes(followed)) return false;
    return this.isComing(followed.entry.collection.name, followed);
  }

  /** It is not used any more: now, or as soon as it can be. */
  leave(followed: Followed): void {
    if (this.mustWait(followed)) this.#leaving.push(followed);
    else this.#parts.unsubscribe(followed);
  }

  /** It is used from now on: asked for at once, or when there is a place for it. */
  ask(followed: Followed): void {
    if (this.#leaving.length > 0) this.#waiting.push(followed);
    else this.#parts.subscribe(followed);
  }

  /** It is not to be asked for any more. False where it was. */
  withdraw(followed: Followed): boolean {
    const isWaiting = this.#waiting.includes(followed);
    if (isWaiting) this.#waiting = this.#waiting.filter((other) => other !== followed);
    return isWaiting;
  }

  /** After a COMMIT: something may have come. */
  goOn(): void {
    if (this.#leaving.length === 0 || this.#leaving.some((followed) => this.mustWait(followed))) return;
    for (const followed of this.#leaving.splice(0)) this.#parts.unsubscribe(followed);
    for (const followed of this.#waiting.splice(0)) this.#parts.subscribe(followed);
  }

  /** The session has ended. */
  drop(): void {
    this.#leaving = [];
    this.#waiting = [];
  }
}

/** Of all that are followed, the longest unused; null where there is a place. @throws {TendrilError} `limit-exceeded`. */
export function whoGivesWay(all: Iterable<Followed>, resyncing: boolean): Followed | null {
  const used = [...all].filter(({ state }) => state !== 'leaving');
  if (used.length < MAX_FOLLOWED_SELECTIONS) return null;
  const idle = used.find(({ users }) => users === 0);
  if (idle === undefined || resyncing) throw tooManyFollowed();
  return idle;
}

function tooManyFollowed(): TendrilError {
  return new TendrilError({
    code: 'limit-exceeded',
    problem: `This node follows ${MAX_FOLLOWED_SELECTIONS} different selections already, the most it can.`,
    remedy: 'Close live queries that are not shown; ask for one wider selection instead of many narrow ones.',
    facts: { limit: MAX_FOLLOWED_SELECTIONS },
  });
}
