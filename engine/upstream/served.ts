/**
 * Served: what the replica of a node that is followed itself, a relay, lets the relay know (engine/relay/).
 *
 * Invariants
 *   - what is told inside a group counts from `committed` on, which comes before anything else learns of the group; a group
 *     that fails takes it back;
 *   - of confirmed rows every change is told, once the session is whole: with a step, or as the session becomes whole.
 */
import type { TendrilError } from '../../errors.ts';
import type { EntityId, TransactionId } from '../../storage/index.ts';
import type { Bound } from '../change.ts';
import type { Prepared } from '../core.ts';
import type { SaidOf, Step } from '../stream.ts';
import type { Pending } from './outbox/outbox.ts';
import type { ConfirmedChange } from './overlay/overlay.ts';

/** One step of the authority's, as this node has taken it. */
export interface TakenStep {
  readonly step: Step;
  /** Of the transaction that it settles, in the order in which they were made. */
  readonly operations: readonly Prepared[];
  readonly changes: readonly ConfirmedChange[];
  readonly bounds: readonly Bound[];
  /** Else the tables do not have all of it yet. */
  readonly isWhole: boolean;
}

/** Why a transaction was not settled: it is refused for good, or is to be made anew. */
export type Concluded = SaidOf<'refused' | 'rebase'>;

export interface Served {
  /** The operations of a follower's transaction whose outcome is not known here; null where it is none. */
  readonly forwarded: (transaction: TransactionId) => readonly Prepared[] | null;
  /** Whether a follower holds it by its id. */
  readonly holds: (collection: string, id: EntityId) => boolean;
  /** Inside a group. */
  readonly took: (taken: TakenStep) => void;
  /** Inside a group: rows that cannot be read, and so are not held any more. */
  readonly leftOut: (changes: readonly ConfirmedChange[]) => void;
  /** Inside a group. */
  readonly becameWhole: (changes: readonly ConfirmedChange[], bounds: readonly Bound[]) => void;
  readonly committed: () => void;
  /** After a COMMIT: of a follower's transaction. */
  readonly concluded: (said: Concluded) => void;
  /** After a COMMIT: written here. */
  readonly wrote: (pending: Pending) => void;
  /** After a COMMIT: written here, and refused, or made anew. */
  readonly reminted: (renewed: readonly Pending[], refused: readonly Pending[]) => void;
  /** A session. - `amends`: what was held before; else it replaces that. */
  readonly began: (amends: boolean) => void;
  readonly lost: (reason: TendrilError) => void;
  /** The upstream is a relay itself, and does not reach its own, for this reason; or does (null). */
  readonly linked: (error: TendrilError | null) => void;
}
