/** What the server's process and a board process tell each other beside Tendril, over the channel that `fork` gives them. */
import type { Flight } from './collections.ts';

export type BoardName = 'hall' | 'desk';

/** To a board process. `rest`: write nothing more. `show`: what stands on the boards? */
export type Order = { readonly kind: 'rest' } | { readonly kind: 'show' };

/** From a board process. */
export type News =
  | { readonly kind: 'ready' }
  | { readonly kind: 'drawn'; readonly text: string }
  | { readonly kind: 'resting'; readonly edits: number }
  | { readonly kind: 'shown'; readonly outcome: Outcome };

export interface Outcome {
  /** For each board, in the order of BOARDS. */
  readonly rows: readonly (readonly Flight[])[];
  /** In milliseconds; see latency.ts. */
  readonly latencies: readonly number[];
}
