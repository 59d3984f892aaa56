/** Staging: when a transaction made here is offered to the authority. */
import { TendrilError } from '../errors.ts';

/**
 * - `queue`: offered as soon as there is a session.
 * - `hold`: not before `flush`.
 * - `online-only`: at once or not at all, and final when its promise resolves.
 */
export type Staging = 'queue' | 'hold' | 'online-only';

const STAGINGS: readonly unknown[] = ['queue', 'hold', 'online-only'] satisfies readonly Staging[];

/** @throws {TendrilError} `invalid-option` for what is none. */
export function checkStaging(staging: Staging): void {
  if (STAGINGS.includes(staging)) return;
  throw new TendrilError({
    code: 'invalid-option',
    problem: 'The option `staging` was given a value that makes no sense here.',
    remedy: "Give 'queue', 'hold' or 'online-only', or leave it out.",
    facts: { option: 'staging' },
  });
}
