/**
 * Incoming parts: what takes part when something is taken from the authority. Whoever takes one kind of message asks for
 * those of them that it needs.
 */
import type { TendrilError } from '../../errors.ts';
import type { Core } from '../core.ts';
import type { Collections } from './collections.ts';
import type { Confirming } from './confirming.ts';
import type { Following } from './following.ts';
import type { ForeignPending } from './foreign-pending.ts';
import type { HeldIds } from './held-ids.ts';
import type { Kept } from './kept.ts';
import type { Outbox } from './outbox.ts';
import type { Overlay } from './overlay.ts';
import type { Quarantine } from './quarantine.ts';
import type { Questions } from './questions.ts';
import type { Sender } from './sender.ts';
import type { Served } from './served.ts';
import type { Settlements } from './settlements.ts';
import type { ShelfRows } from './shelf.ts';
import type { Stages } from './stages.ts';
import type { Standing } from './standing.ts';
import type { Said } from './stream.ts';
import type { Verifying } from './verifying.ts';

export type SaidOf<Kind extends Said['kind']> = Extract<Said, { readonly kind: Kind }>;

export interface IncomingParts {
  readonly core: Core;
  readonly overlay: Overlay;
  readonly outbox: Outbox;
  readonly collections: Collections;
  readonly confirming: Confirming;
  readonly stages: Stages;
  readonly standing: Standing;
  readonly quarantine: Quarantine;
  readonly following: Following;
  readonly heldIds: HeldIds;
  readonly kept: Kept;
  readonly questions: Questions;
  readonly sender: Sender;
  readonly settlements: Settlements;
  readonly verifying: Verifying;
  readonly shelf: ShelfRows;
  /** Whether there is any view, be it of a collection or of a statement. */
  readonly isWatched: () => boolean;
  /** The authority's clock shows this. */
  readonly adjustClock: (time: number) => void;
  readonly foreign: ForeignPending;
  /** Null while nobody follows this node. */
  readonly served: () => Served | null;
  /** Of an upstream that is a relay: why it does not reach its own; null if it does. */
  readonly linked: (error: TendrilError | null) => void;
}
