/** The authority's clock, as far as it is known: this machine's until a first welcome, then that and the difference. */
import { type Clock, systemClock } from '../../ports/clock.ts';

export interface AuthorityClock extends Clock {
  /** The authority's clock shows `time` now, or did a moment ago. */
  readonly adjust: (time: number) => void;
}

export function createAuthorityClock(own: Clock = systemClock): AuthorityClock {
  let ahead = 0;
  return {
    now: () => own.now() + ahead,
    adjust: (time) => {
      ahead = time - own.now();
    },
  };
}
