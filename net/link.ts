/**
 * Link: what a transport must do. Bytes in frames, in order, all of them or the link is closed; nothing else.
 *
 * Invariants, of every link (the suite in test/net/link-conformance.ts tries them on whatever you write):
 *   - `opened` comes first, and once; then `frame` for each frame the other side sent, whole and in order;
 *   - `closed` comes last, and once, whoever closed and why; a link that cannot be opened is closed without `opened`;
 *   - no callback runs inside `connect`, `send`, `queued` or `close`;
 *   - nothing is ever thrown: what fails closes the link.
 */
import type { Scheduler } from '../engine/index.ts';

/** What a link calls. The calls never throw. */
export interface LinkEvents {
  readonly opened: () => void;
  /** The receiver may keep the bytes: they are never changed again. */
  readonly frame: (bytes: Uint8Array) => void;
  /** `queued()` became smaller; at the least when it became 0. */
  readonly drained: () => void;
  /** `reason`: for people, and not to be trusted. */
  readonly closed: (reason: string) => void;
}

export interface Link {
  /** Called between `opened` and `closed` only. The frame may be shared by many links: it is not to be changed. */
  readonly send: (frame: Uint8Array) => void;
  /** Bytes given to `send` and not yet taken over by the system or the other side. */
  readonly queued: () => number;
  /**
   * Nothing more is to be read until `resume`, so that the other side's `queued` grows. A few frames may come nevertheless.
   * A link that cannot wait has neither; what comes then is kept, within limits. Both do nothing when repeated.
   */
  readonly pause?: () => void;
  readonly resume?: () => void;
  /** Closes at once; what is still queued may be lost. Does nothing when the link is closed. */
  readonly close: (reason: string) => void;
}

/** Makes links. Both sides of a transport are connectors: one that dials, and one that wraps what was accepted. */
export interface Connector {
  /** For reports and errors: where its links lead, without secrets. */
  readonly name: string;
  /** One link. `scheduler`: for those who need a "later"; in a simulation it is the simulation's. */
  readonly connect: (events: LinkEvents, scheduler: Scheduler) => Link;
}
