/**
 * Offers: what a durable follower tells of its own log, taken into this one by union.
 *
 * Invariants
 *   - each offer is answered once, by `taken`, after the COMMIT that holds it; or its session ends;
 *   - one that is refused is refused whole, and changes nothing;
 *   - who may not speak for others offers its own operations only, and none from below a floor: those would raise this log's,
 *     and take from everybody how rows were before;
 *   - what waits is bounded, of one session and, with what others have uploaded, of all;
 *   - whoever it is, no id is taken that is further ahead of this clock, and of this log, than an upload's may be: old ones
 *     are welcome, and so is what was made over the rows of a log that is ahead itself.
 */
import { TendrilError } from '../../../errors.ts';
import { decodeKept, isSkeleton, type Position } from '../../../storage/index.ts';
import type { Core, Prepared } from '../../core.ts';
import type { Ingester, Watch } from '../../ingest/ingest.ts';
import type { Peer, RequestOf, Said } from '../../stream.ts';
import { sizeOfPieces } from '../../write/prepared.ts';
import { MAX_DRIFT_MS, MAX_WAITING_BYTES, MAX_WAITING_UPLOADS } from '../limits.ts';
import { hasDrifted } from '../uploads/judge-upload.ts';
import type { Load, UploadLoad } from '../uploads/upload-load.ts';
import { offeredOutOfOrder } from '../violations.ts';

export type OfferRequest = RequestOf<'offer'>;

export interface OffersParts {
  readonly core: Core;
  readonly ingester: Ingester;
  /** Of all sessions. */
  readonly load: UploadLoad;
  readonly peer: Pick<Peer, 'author' | 'relays'>;
  readonly followsLog: () => boolean;
  readonly say: (said: Said) => void;
  readonly fail: (error: unknown) => void;
}

export class Offers implements Load {
  readonly #parts: OffersParts;
  /** Where in this log what was taken stands that the session's log feed has not told, and need not tell. */
  readonly places = new Set<Position>();
  #count = 0;
  #bytes = 0;
  /** The last position that was offered. */
  #last = 0;

  constructor(parts: OffersParts) {
    this.#parts = parts;
  }

  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** @throws {TendrilError} `limit-exceeded`, `protocol-violation`: the session is to be ended. */
  take({ position, floor, operations: pieces }: OfferRequest): void {
    const { ingester, load, followsLog, say, fail } = this.#parts;
    if (position <= this.#last) throw offeredOutOfOrder(position, this.#last);
    this.#last = position;
    const bytes = sizeOfPieces(pieces);
    if (this.#count >= MAX_WAITING_UPLOADS || this.#bytes + bytes > MAX_WAITING_BYTES) throw tooManyOffers();
    if (!load.hasRoom(this, bytes)) throw tooManyOffers();
    let items: readonly Prepared[];
    try {
      items = this.#read(pieces);
      if (position <= floor || pieces.some(isSkeleton)) this.#checkTruncated(items);
    } catch (error) {
      if (!(error instanceof TendrilError)) throw error;
      say({ kind: 'taken', position, at: null, error });
      return;
    }
    this.#count += 1;
    this.#bytes += bytes;
    load.add(bytes);
    const { transaction } = items[0]!.operation;
    const end = () => {
      this.#count -= 1;
      this.#bytes -= bytes;
      load.remove(bytes);
    };
    const arrival = { transaction, items, bytes, truncated: position <= floor };
    let applied: Position | null = null;
    const watch: Watch = {
      applied: (commits) => {
        const own = commits.find((commit) => commit.transaction === transaction);
        if (own === undefined) return;
        applied = own.position;
        if (followsLog()) this.places.add(applied);
      },
      committed: () => undefined,
      failed: () => {
        if (applied !== null) this.places.delete(applied);
      },
    };
    ingester
      .take([arrival], watch)
      .then(({ refused }) => {
        const at = refused.has(transaction) ? null : (applied ?? this.#lastOf(items));
        const error = at === null ? (refused.get(transaction) ?? waits(position)) : null;
        say({ kind: 'taken', position, at, error });
      })
      // Also where nobody can be asked any more: the log was closed.
      .catch(fail)
      .finally(end);
  }

  /** Up to where in this log they stand, which they may do in portions; null if not all of them are here. */
  #lastOf(items: readonly Prepared[]): Position | null {
    let last = 0 as Position;
    for (const { operation } of items) {
      const identity = this.#parts.core.log.identity(operation.id);
      if (identity === null) return null;
      if (identity.position > last) last = identity.position;
    }
    return last;
  }

  /** @throws {TendrilError} */
  #read(pieces: readonly Uint8Array[]): readonly Prepared[] {
    const { core, peer } = this.#parts;
    // Copies: a view would keep the whole frame for as long as the bytes are held.
    const items = pieces.map((piece) => decodeKept(new Uint8Array(piece)));
    const [first] = items;
    if (first === undefined) throw foreign('holds no operation');
    for (const { operation } of items) {
      if (operation.transaction !== first.operation.transaction) throw foreign('holds operations of several');
      if (!peer.relays && operation.author !== peer.author) throw notItsOwn(operation.author, peer.author);
      if (hasDrifted(core, operation.id)) throw drifted(operation.id);
    }
    return items;
  }

  /** What is here already changes nothing. @throws {TendrilError} */
  #checkTruncated(items: readonly Prepared[]): void {
    const { core, peer } = this.#parts;
    if (peer.relays || items.every(({ operation }) => core.log.identity(operation.id) !== null)) return;
    throw belowFloor();
  }
}

function waits(position: Position): TendrilError {
  return new TendrilError({
    code: 'invalid-operation',
    problem: 'The transaction was built on operations that are not here.',
    remedy: 'Offer those before it: it waits for them, in memory.',
    facts: { position },
  });
}

function foreign(what: string): TendrilError {
  return new TendrilError({
    code: 'invalid-operation',
    problem: `What was offered as one transaction ${what}.`,
    remedy: 'Check the node that offers it.',
  });
}

function notItsOwn(found: string, author: string): TendrilError {
  return new TendrilError({
    code: 'policy-denied',
    problem: `The session speaks for ${JSON.stringify(author)} only, and offered what ${JSON.stringify(found)} wrote.`,
    remedy: 'Let the node in as one that relays what others write.',
    facts: { author, found },
  });
}

function belowFloor(): TendrilError {
  return new TendrilError({
    code: 'policy-denied',
    problem: 'What was offered is from below the floor of a compacted log, and the session speaks for itself only.',
    remedy: 'Let the node in as one that relays what others write.',
  });
}

function drifted(id: string): TendrilError {
  return new TendrilError({
    code: 'clock-drift',
    problem: `Operation ${id} is more than ${MAX_DRIFT_MS} ms ahead of this node's clock.`,
    remedy: 'Correct the clock of the node that made it. It will be taken when its time has come.',
    facts: { id, limitMs: MAX_DRIFT_MS },
  });
}

function tooManyOffers(): TendrilError {
  return new TendrilError({
    code: 'limit-exceeded',
    problem: `A session has offered more than ${MAX_WAITING_UPLOADS} transactions or ${MAX_WAITING_BYTES} bytes that are not taken yet, or more than its share of what all may.`,
    remedy: 'Offer the next ones when answers have come.',
    facts: { transactions: MAX_WAITING_UPLOADS, bytes: MAX_WAITING_BYTES },
  });
}
