/** Violations: what a session is ended with, or answered, when it asks for what no well-meaning follower asks for. */
import { TendrilError } from '../../errors.ts';
import type { Request } from '../stream.ts';
import { MAX_OPEN_ASKS, MAX_SUBSCRIPTIONS } from './limits.ts';

const CHECK_VERSION = 'Check its version.';
const CHECK_NUMBERS = 'Check its version: numbers are 1, 2, 3, ..., each used once.';

/** Of what a durable node says to the one whose log it follows. */
export function relayHasNoLog(kind: Request['kind']): TendrilError {
  return violation(
    `said ${kind} to a relay, which has no log to follow`,
    { kind },
    'Give a durable node the upstream of the relay instead.',
  );
}

export function usedTwice(number: number): TendrilError {
  return violation(`used the subscription number ${number} twice, or out of order`, { number }, CHECK_NUMBERS);
}

export function neverUsed(number: number): TendrilError {
  return violation(`unsubscribed from ${number}, which it never subscribed to`, { number }, CHECK_NUMBERS);
}

export function hadWithoutResuming(): TendrilError {
  return violation('says what it had at a cursor, in a session that does not resume', {});
}

export function offeredOutOfOrder(position: number, last: number): TendrilError {
  return violation(`offered position ${position} of its log after ${last}`, { position, last });
}

export function malformedBuckets(length: number): TendrilError {
  return violation(`summed up what it has in ${length} bytes, which are no hashes of buckets`, { length });
}

function violation(
  what: string,
  facts: Readonly<Record<string, unknown>>,
  remedy: string = CHECK_VERSION,
): TendrilError {
  return new TendrilError({
    code: 'protocol-violation',
    problem: `The follower ${what}.`,
    remedy,
    facts,
  });
}

export function tooManySubscriptions(): TendrilError {
  return new TendrilError({
    code: 'limit-exceeded',
    problem: `The session follows ${MAX_SUBSCRIPTIONS} selections already.`,
    remedy: 'Close live queries that nobody looks at, or ask for more with fewer selections.',
    facts: { limit: MAX_SUBSCRIPTIONS },
  });
}

export function tooManyAsks(): TendrilError {
  return new TendrilError({
    code: 'limit-exceeded',
    problem: `${MAX_OPEN_ASKS} questions of this session wait for their answers already.`,
    remedy: 'Await some of them before asking more.',
    facts: { limit: MAX_OPEN_ASKS },
  });
}
