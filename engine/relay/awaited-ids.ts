/**
 * Awaited ids: the entities that one follower of a relay follows by id: answered when this node holds them.
 *
 * Invariants
 *   - this node holds an id from the request on until it is released, or the session ends;
 *   - all followers together hold MAX_RELAYED_IDS; past them whoever holds the most ends, be it the one who asked;
 *   - ids are answered once, together with those they were asked with, if they have not been released before.
 */
import { TendrilError } from '../../errors.ts';
import type { EntityId } from '../../storage/index.ts';
import { type RowKey, rowKey } from '../row-key.ts';
import { MAX_RELAYED_IDS } from './limits.ts';
import type { RelayDesk } from './relay-desk.ts';

export interface HoldingSession {
  /** This node holds them. */
  readonly answer: (collection: string, ids: ReadonlySet<EntityId>) => void;
  readonly fail: (error: unknown) => void;
}

interface Waiting {
  readonly collection: string;
  readonly ids: Set<EntityId>;
  isAsked: boolean;
}

export class AwaitedIds {
  readonly #desk: RelayDesk;
  readonly #session: HoldingSession;
  readonly #pinned = new Set<RowKey>();
  readonly #waiting = new Set<Waiting>();

  constructor(desk: RelayDesk, session: HoldingSession) {
    this.#desk = desk;
    this.#session = session;
  }

  get size(): number {
    return this.#pinned.size;
  }

  /** @throws {TendrilError} `limit-exceeded`: the session is to be ended. */
  hold(collection: string, ids: readonly EntityId[]): void {
    if (this.#pinned.size + ids.length > MAX_RELAYED_IDS) throw tooManyRelayed();
    this.#desk.makeRoomForIds(this.#pinned.size + ids.length, ids.length);
    const waiting: Waiting = { collection, ids: new Set(ids), isAsked: false };
    for (const id of ids) this.pin(rowKey(collection, id));
    this.#waiting.add(waiting);
    this.#look(waiting);
  }

  release(collection: string, ids: readonly EntityId[]): void {
    for (const id of ids) {
      const key = rowKey(collection, id);
      if (this.#pinned.delete(key)) this.#desk.pins.remove(key);
    }
    for (const waiting of this.#waiting) {
      if (waiting.collection === collection) for (const id of ids) waiting.ids.delete(id);
    }
  }

  pin(key: RowKey): void {
    if (this.#pinned.has(key)) return;
    this.#pinned.add(key);
    this.#desk.pins.add(key);
  }

  /** The upstream is reached again. */
  retry(): void {
    for (const waiting of [...this.#waiting]) this.#look(waiting);
  }

  close(): void {
    for (const key of this.#pinned) this.#desk.pins.remove(key);
    this.#pinned.clear();
    this.#waiting.clear();
  }

  #look(waiting: Waiting): void {
    const { core, heldIds } = this.#desk;
    const { collection } = waiting;
    if (waiting.isAsked) return;
    const isKnown = core.catalog.named(collection) === null || this.#desk.refusalOf(collection) !== null;
    const missing = isKnown ? [] : [...waiting.ids].filter((id) => !heldIds.knows(collection, id));
    if (missing.length === 0) this.#answer(waiting);
    else if (this.#desk.isOnline()) this.#ask(waiting, missing);
  }

  #ask(waiting: Waiting, missing: readonly EntityId[]): void {
    waiting.isAsked = true;
    const again = () => {
      waiting.isAsked = false;
      if (this.#waiting.has(waiting)) this.#look(waiting);
    };
    const failed = (error: unknown) => {
      waiting.isAsked = false;
      if (!this.#waiting.has(waiting)) return;
      if (error instanceof TendrilError && error.code === 'limit-exceeded') this.#session.fail(error);
      // Asked again when the upstream is reached; what is refused for good is answered with nothing.
      else if (this.#desk.refusalOf(waiting.collection) !== null) this.#look(waiting);
    };
    this.#desk.heldIds.wantAll(waiting.collection, missing).then(again, failed);
  }

  #answer(waiting: Waiting): void {
    this.#waiting.delete(waiting);
    const { collection, ids } = waiting;
    this.#session.answer(collection, ids);
  }
}

export function tooManyRelayed(): TendrilError {
  return new TendrilError({
    code: 'limit-exceeded',
    problem: `The followers of a relay were to hold more than ${MAX_RELAYED_IDS} entities by id, and the session would hold, or held, the most.`,
    remedy: 'Follow them by a selection, or release those that are not needed any more.',
    facts: { limit: MAX_RELAYED_IDS },
  });
}
