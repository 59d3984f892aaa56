/** Session errors: what a session with the upstream ends with, whatever was asked in it. */
import { TendrilError } from '../../../errors.ts';

export function violation(what: string): TendrilError {
  return new TendrilError({
    code: 'protocol-violation',
    problem: `The upstream sent ${what}.`,
    remedy: 'Check its version. The session was ended; nothing of the frame was taken.',
    facts: { what },
  });
}

export function interrupted(why: string): TendrilError {
  return new TendrilError({
    code: 'offline',
    problem: `The session with the upstream has ended. ${why}`,
    remedy: 'Another is made by itself; reconnect() makes one at once.',
  });
}
