/** How sessions end badly. Texts cross the network: they name nothing that the other side does not know. */
import { TendrilError } from '../errors.ts';

function violation(problem: string, facts: Readonly<Record<string, unknown>> = {}): TendrilError {
  return new TendrilError({
    code: 'protocol-violation',
    problem,
    remedy: 'Look at the node that sent it: no well-behaved one does.',
    facts,
  });
}

export function outOfPlace(kind: string, phase: string): TendrilError {
  return violation(`A message of kind \`${kind}\` came where none may come (${phase}).`, { kind, phase });
}

export function otherProtocol(theirs: number, ours: number): TendrilError {
  return new TendrilError({
    code: 'protocol-mismatch',
    problem: `The follower speaks version ${theirs} of the protocol, the authority version ${ours}.`,
    remedy: 'Update the older of the two.',
    facts: { follower: theirs, authority: ours },
  });
}

export function otherSystem(theirs: string, ours: string): TendrilError {
  return new TendrilError({
    code: 'system-mismatch',
    problem: `The follower belongs to system ${theirs}, the authority to ${ours}. Nothing was exchanged.`,
    remedy: 'Connect to the system that the node belongs to, or open a fresh node.',
    facts: { follower: theirs, authority: ours },
  });
}

export function offline(problem: string, cause?: unknown): TendrilError {
  const remedy = 'Another attempt is made by itself; `reconnect()` makes one at once.';
  return new TendrilError({ code: 'offline', problem, remedy, cause });
}

export function ended(problem: string): TendrilError {
  return new TendrilError({ code: 'closed', problem, remedy: 'Begin another session to go on.' });
}

export function tooSlow(limit: number): TendrilError {
  return new TendrilError({
    code: 'limit-exceeded',
    problem: `More than ${limit} bytes waited for a link that takes them too slowly; they were dropped.`,
    remedy: 'Follow less at a time, or read faster; `reconnect()` begins anew.',
    facts: { limit },
  });
}

export function tooFarAhead(limit: number): TendrilError {
  return new TendrilError({
    code: 'limit-exceeded',
    problem: `More than ${limit} bytes came while nothing could be taken; they were dropped.`,
    remedy: 'Send less before it is answered, or use a link that can be paused.',
    facts: { limit },
  });
}

export function tooMuchUngreeted(limit: number): TendrilError {
  return new TendrilError({
    code: 'limit-exceeded',
    problem: `More than ${limit} bytes were sent before the server let this node in.`,
    remedy: 'Say hello and wait for the answer; a hello is smaller.',
    facts: { limit },
  });
}

export function tooMany(limit: number): TendrilError {
  return new TendrilError({
    code: 'limit-exceeded',
    problem: `The server has ${limit} sessions already.`,
    remedy: 'Try again later, or raise `limits.sessions` where it is served.',
    facts: { limit },
  });
}

export function denied(): TendrilError {
  return new TendrilError({
    code: 'policy-denied',
    problem: 'The server did not let this node in.',
    remedy: 'Sign in again, and connect with the new credential.',
  });
}
