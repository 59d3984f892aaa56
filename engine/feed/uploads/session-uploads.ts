/**
 * Session uploads: what one session has uploaded, on its way through the commit queue, and what is said of it.
 *
 * Invariants
 *   - each upload is answered once: by the step that settles it, by `refused` or by `rebase`; or its session ends;
 *   - a session that has PAUSE_AT of its room waiting is asked to pause, and told to go on once less than GO_ON_BELOW waits.
 */
import { assert, TendrilError } from '../../../errors.ts';
import { type EntityId, encodeOrDamage, type OperationId, type Position } from '../../../storage/index.ts';
import type { Part, Peer } from '../../stream.ts';
import type { FeedDesk } from '../feed-desk.ts';
import type { HeldIds } from '../followed/held-ids.ts';
import type { Follower } from '../follower.ts';
import { GO_ON_BELOW, PAUSE_AT } from '../limits.ts';
import type { Uploaded } from './judge-upload.ts';
import { Upload, type UploadRequest, type Verdict } from './upload.ts';
import { WaitingUploads } from './waiting-uploads.ts';

export interface UploadsParts {
  readonly desk: FeedDesk;
  readonly peer: Peer;
  readonly session: Follower & { readonly hold: (collection: string, id: EntityId) => void };
  readonly held: HeldIds;
  readonly isClosed: () => boolean;
  /** The log tells it what was committed: of its uploads it needs the outcome alone, and holds nothing by them. */
  readonly followsLog: () => boolean;
}

export class SessionUploads {
  readonly #parts: UploadsParts;
  readonly #waiting: WaitingUploads;
  #isPaused = false;

  constructor(parts: UploadsParts) {
    this.#parts = parts;
    this.#waiting = new WaitingUploads(parts.desk.load);
  }

  /** How many wait. */
  get count(): number {
    return this.#waiting.count;
  }

  /** That the session will hold, at most. */
  get entities(): number {
    return this.#waiting.entities;
  }

  /** Too much waits for more to be read from the peer. It is told when it may go on. */
  shouldPause(): boolean {
    this.#isPaused ||= this.#waiting.isPast(PAUSE_AT);
    return this.#isPaused;
  }

  /** @throws {TendrilError} `limit-exceeded`: the session is to be ended. */
  take(request: UploadRequest): void {
    const { desk, session, held, peer, followsLog } = this.#parts;
    const { core, queue, uploaders, forwarding } = desk;
    const waiting = this.#waiting.add(request, held.size);
    const { transaction } = request;
    const begin = (_: unknown, operations: ReadonlySet<OperationId>) => {
      if (followsLog()) return;
      uploaders.set(transaction, { follower: session, operations, hold: (name, id) => session.hold(name, id) });
    };
    const end = (verdict: Verdict | null, failure: unknown) => {
      this.#waiting.remove(waiting);
      if (verdict?.kind !== 'known') uploaders.delete(transaction);
      if (verdict === null) session.fail(failure);
      else this.#conclude(request, verdict);
      this.#goOn();
    };
    const author = peer.relays ? null : peer.author;
    if (forwarding === null) queue.add(new Upload({ core, begin, end }, author, request));
    else forwarding.take(request, author, { begin, end });
  }

  #goOn(): void {
    if (!this.#isPaused || this.#waiting.isPast(GO_ON_BELOW)) return;
    this.#isPaused = false;
    if (!this.#parts.isClosed()) this.#parts.peer.hasRoom();
  }

  #conclude({ transaction, attempt }: UploadRequest, verdict: Verdict): void {
    const { session, desk } = this.#parts;
    switch (verdict.kind) {
      case 'applied':
        if (this.#parts.followsLog()) this.#settleBare(transaction, desk.source.position());
        return;
      case 'known':
        this.#settleAgain(verdict.uploaded, verdict.position);
        return;
      case 'refused':
        session.say({ kind: 'refused', transaction, attempt, error: verdict.error });
        return;
      case 'rebase': {
        const { reason, time = desk.core.clock.now() } = verdict;
        session.say({ kind: 'rebase', transaction, attempt, reason, time });
      }
    }
  }

  /**
   * Its answer was lost once. What it touched and this session does not hold comes whole, as it is now, because the
   * session holds it from now on; a row says itself at which position it stands.
   */
  #settleAgain({ transaction, operations }: Uploaded, position: Position): void {
    const { session, desk, held, isClosed } = this.#parts;
    if (isClosed()) return;
    if (this.#parts.followsLog()) {
      this.#settleBare(transaction, position);
      return;
    }
    const parts: Part[] = [];
    for (const { operation } of operations) {
      const collection = desk.collections.get(operation.collection)!;
      if (held.has(collection, operation.entity)) continue;
      held.add(collection, operation.entity);
      const row = desk.rows.read(collection.name, operation.entity);
      assert(row !== null, 'an entity without the row of its settled operation');
      const encoded = row instanceof TendrilError ? row : encodeOrDamage(collection.entry.descriptor, row);
      if (encoded instanceof TendrilError) this.#tellUnreadable(collection.name, operation.entity, encoded);
      else parts.push({ kind: 'whole', collection: collection.name, row: encoded });
    }
    session.say({ kind: 'step', position, parts, edges: [], settled: transaction });
  }

  #settleBare(transaction: Uploaded['transaction'], position: Position): void {
    this.#parts.session.say({ kind: 'step', position, parts: [], edges: [], settled: transaction });
  }

  #tellUnreadable(collection: string, entity: EntityId, error: TendrilError): void {
    const { session, desk } = this.#parts;
    desk.work.unreadable += 1;
    session.say({ kind: 'unreadable', collection, entity, error });
  }
}
