/** What a call throws, to look at. */
import type { TendrilError } from '../../errors.ts';

export function failureOf(body: () => unknown): TendrilError {
  try {
    body();
  } catch (error) {
    return error as TendrilError;
  }
  throw new Error('nothing was thrown');
}
