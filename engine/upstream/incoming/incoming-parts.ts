/**
 * Incoming parts: what takes part when something is taken from the authority. Whoever takes one kind of message asks for
 * those of them that it needs.
 */
import type { Core } from '../../core.ts';
import type { Confirming } from '../confirming/confirming.ts';
import type { Quarantine } from '../confirming/quarantine.ts';
import type { Stages } from '../confirming/stages.ts';
import type { Standing } from '../confirming/standing.ts';
import type { Following } from '../following/following.ts';
import type { HeldIds } from '../following/held-ids.ts';
import type { Kept } from '../kept/kept.ts';
import type { Outbox } from '../outbox/outbox.ts';
import type { Sender } from '../outbox/sender.ts';
import type { Settlements } from '../outbox/settlements.ts';
import type { ForeignPending } from '../overlay/foreign-pending.ts';
import type { Overlay } from '../overlay/overlay.ts';
import type { ShelfRows } from '../refusals/shelf-rows.ts';
import type { Served } from '../served.ts';
import type { Collections } from '../session/collections.ts';
import type { Connection } from '../session/connection.ts';
import type { Questions } from '../session/questions.ts';
import type { Verifying } from '../verifying/verifying.ts';

export interface IncomingParts {
  readonly core: Core;
  readonly overlay: Overlay;
  readonly outbox: Outbox;
  readonly collections: Collections;
  readonly connection: Connection;
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
}
