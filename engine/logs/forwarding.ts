/**
 * Forwarding: uploads of this node's followers, settled by its upstream.
 *
 * Invariants
 *   - they leave in the order in which they came, and again in every session until they are concluded, once in each: two
 *     answers to one attempt may differ; the authority knows by their ids which it has;
 *   - one is concluded for its follower when it stands in this log: by the step of the commit that brings it back, as if it
 *     had been settled here; a refusal, or a rebase, passes through as it came;
 *   - at most MAX_OFFERED and MAX_OFFERED_BYTES are on their way; what waits is bounded by what each session may have waiting.
 */
import { TendrilError } from '../../errors.ts';
import { fingerprintOf, type Position, sameBytes, type TransactionId } from '../../storage/index.ts';
import type { Commit } from '../change.ts';
import type { Core } from '../core.ts';
import { readUpload, type Uploaded } from '../feed/uploads/judge-upload.ts';
import type { UploadDesk, UploadForwarding, UploadRequest, Verdict } from '../feed/uploads/upload.ts';
import type { Request, SaidOf } from '../stream.ts';
import { sizeOfPieces } from '../write/prepared.ts';
import { MAX_OFFERED, MAX_OFFERED_BYTES } from './limits.ts';

export interface ForwardingParts {
  readonly core: Pick<Core, 'log'>;
  readonly send: (request: Request) => void;
}

interface Forwarded {
  readonly request: UploadRequest;
  readonly uploaded: Uploaded;
  readonly bytes: number;
  end: UploadDesk['end'];
  /** In this session; then whether its outcome has come. */
  state: 'waiting' | 'under way' | 'answered';
}

export class Forwarding implements UploadForwarding {
  readonly #parts: ForwardingParts;
  /** In the order in which they came. */
  readonly #all = new Map<TransactionId, Forwarded>();
  #isOnline = false;
  #underWay = 0;
  #bytes = 0;

  constructor(parts: ForwardingParts) {
    this.#parts = parts;
  }

  get size(): number {
    return this.#all.size;
  }

  take(request: UploadRequest, author: string | null, { begin, end }: Omit<UploadDesk, 'core'>): void {
    const { transaction, operations } = request;
    let uploaded: Uploaded;
    try {
      uploaded = readUpload(transaction, operations, author);
    } catch (error) {
      if (!(error instanceof TendrilError)) throw error;
      end({ kind: 'refused', error }, null);
      return;
    }
    const position = this.#positionOf(uploaded);
    if (position !== null) {
      end({ kind: 'known', position, uploaded }, null);
      return;
    }
    const earlier = this.#all.get(transaction);
    // A later attempt, or a session that came back: nobody waits where the earlier one came from any more.
    earlier?.end({ kind: 'applied' }, null);
    begin(transaction, new Set(uploaded.operations.map(({ operation }) => operation.id)));
    if (earlier !== undefined && isSameUpload(earlier.request, request)) {
      earlier.end = end;
      return;
    }
    if (earlier !== undefined) this.#forget(earlier);
    this.#all.set(transaction, { request, uploaded, bytes: sizeOfPieces(operations), end, state: 'waiting' });
    this.#send();
  }

  begin(): void {
    this.end();
    this.#isOnline = true;
    this.#send();
  }

  end(): void {
    this.#isOnline = false;
    this.#underWay = 0;
    this.#bytes = 0;
    for (const forwarded of this.#all.values()) forwarded.state = 'waiting';
  }

  /** The authority has it: it comes back through the log, or is there. */
  settled(transaction: TransactionId): void {
    const forwarded = this.#all.get(transaction);
    if (forwarded === undefined) return;
    this.#answered(forwarded);
    this.#send();
  }

  refused({ transaction, attempt, error }: SaidOf<'refused'>): void {
    if (this.#all.get(transaction)?.request.attempt === attempt)
      this.#conclude(transaction, { kind: 'refused', error });
  }

  rebase({ transaction, attempt, reason, time }: SaidOf<'rebase'>): void {
    if (this.#all.get(transaction)?.request.attempt !== attempt) return;
    this.#conclude(transaction, { kind: 'rebase', reason, time });
  }

  /** After the feed has told it. Of a transaction that stands there as another attempt the authority says what it thinks. */
  committed(commits: readonly Commit[]): void {
    if (this.#all.size === 0) return;
    for (const { transaction } of commits) {
      const forwarded = transaction === null ? undefined : this.#all.get(transaction);
      if (forwarded === undefined || this.#positionOf(forwarded.uploaded) === null) continue;
      this.#conclude(forwarded.request.transaction, { kind: 'applied' });
    }
  }

  #positionOf({ operations }: Uploaded): Position | null {
    let position: Position | null = null;
    for (const { operation, digest } of operations) {
      const held = this.#parts.core.log.identity(operation.id);
      if (held === null || !sameBytes(held.digest, digest)) return null;
      position ??= held.position;
    }
    return position;
  }

  #conclude(transaction: TransactionId, verdict: Verdict): void {
    const forwarded = this.#all.get(transaction);
    if (forwarded === undefined) return;
    this.#forget(forwarded);
    forwarded.end(verdict, null);
    this.#send();
  }

  #forget(forwarded: Forwarded): void {
    this.#answered(forwarded);
    this.#all.delete(forwarded.request.transaction);
  }

  #answered(forwarded: Forwarded): void {
    if (forwarded.state === 'under way') {
      this.#underWay -= 1;
      this.#bytes -= forwarded.bytes;
    }
    forwarded.state = 'answered';
  }

  #send(): void {
    if (!this.#isOnline) return;
    for (const forwarded of this.#all.values()) {
      if (forwarded.state !== 'waiting') continue;
      if (this.#underWay >= MAX_OFFERED || this.#bytes >= MAX_OFFERED_BYTES) return;
      forwarded.state = 'under way';
      this.#underWay += 1;
      this.#bytes += forwarded.bytes;
      this.#parts.send(forwarded.request);
    }
  }
}

function isSameUpload(one: UploadRequest, other: UploadRequest): boolean {
  return one.attempt === other.attempt && fingerprintOf(one.operations) === fingerprintOf(other.operations);
}
